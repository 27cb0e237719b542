import ApusCore
import ApusData
import Testing

@Suite struct AugmentedBatchesTests {
    static let everything: [Augmentation] = [
        .horizontalFlip(), .zoom(height: 0.5...1.5, width: 0.5...1.5), .rotation(degrees: -20...20), .crop(padding: 4),
        .verticalFlip(), .shift(height: -0.1...0.1, width: -0.1...0.1), .brightness(-0.1...0.1), .contrast(0.5...1.5),
        .cutout(size: 5),
    ]

    /// Images of `side` x `side` x 3 random bytes, with one-hot targets of ten classes.
    static func images(_ count: Int, side: Int = 32) throws -> Dataset {
        let random = Philox(seed: 99)
        let bytes = (0..<count * side * side * 3).map { UInt8(truncatingIfNeeded: random.word($0)) }
        return try Dataset(
            inputs: [Dataset.Column(NDArray(bytes, shape: [count, side, side, 3]), scale: 1 / 255)],
            targets: [Dataset.Column(NDArray((0..<count).map { Int32($0 % 10) }))]
        ).oneHotTargets(classCount: 10)
    }

    @Test(arguments: [false, true]) func aFunctionOfSeedEpochAndIndex(mixes: Bool) throws {
        let data = try Self.images(200)
        let changes = Self.everything + (mixes ? [.mixup(alpha: 0.4)] : [])
        let expected = try epochs(data, changes, batchSize: 200, count: 2)
        // 200 images are work enough for two threads, and 190 of them, mixed, for four.
        #expect(try epochs(data, changes, batchSize: 200, threadCount: 2, count: 2) == expected)
        #expect(try epochs(data, changes, batchSize: 190, threadCount: 8, count: 2) == expected)
        #expect(try epochs(data, changes, batchSize: 1, count: 2) == expected)
        #expect(
            try epochs(data, changes, batchSize: 9, order: .shuffled(seed: 4), threadCount: 3, count: 2) == expected)
        #expect(expected[0] != expected[1])
        let other = try epochs(data, changes, seed: 2, batchSize: 200)
        #expect(zip(other[0], expected[0]).allSatisfy { $0 != $1 })
        // The data set itself, another time.
        #expect(try epochs(data, changes, batchSize: 200, count: 2) == expected)
    }

    @Test func changesStayWithinTheImagesValues() throws {
        let data = try Self.images(40, side: 9)
        let changes: [Augmentation] = [
            .zoom(height: 0.01...30, width: 0.01...30), .rotation(degrees: -360...360),
            .shift(height: -1...1, width: -1...1), .horizontalFlip(),
        ]
        let plain = try epochs(data, [])[0]
        for samples in try epochs(data, changes, count: 20) {
            for (image, source) in zip(samples, plain) {
                let (low, high) = (try #require(source.min()), try #require(source.max()))
                #expect(image.allSatisfy { $0 >= low - 1e-6 && $0 <= high + 1e-6 })
            }
        }
    }

    @Test(arguments: [[1, 1], [1, 7], [6, 1, 3], [2, 5, 4]]) func imagesOfAnyShape(shape: [Int]) throws {
        let count = shape.reduce(1, *)
        let data = try Dataset(inputs: NDArray((0..<3 * count).map { Float($0) }, shape: Shape([3] + shape)))
        for samples in try epochs(data, Self.everything, count: 30) {
            #expect(samples.allSatisfy { $0.count == count && $0.allSatisfy(\.isFinite) })
        }
    }

    @Test func otherColumnsStayAndImagesOfASampleAreChangedAlike() throws {
        // An image, a vector, numbers of words, and the image's mask in another size of value.
        let image = (0..<32).map { Float($0) }
        let data = try Dataset(
            inputs: [
                Dataset.Column(NDArray(image, shape: [2, 4, 4])), Dataset.Column(NDArray([1, 2] as [Float])),
                Dataset.Column(NDArray((0..<32).map { Int32($0) }, shape: [2, 4, 4])),
                Dataset.Column(NDArray(image.map { 3 * $0 }, shape: [2, 4, 4, 1])),
            ],
            targets: [Dataset.Column(NDArray(image, shape: [2, 4, 4]))])
        let loader = try BatchLoader(
            data, batchSize: 2, augmentation: [.zoom(height: 0.5...0.6, width: 0.5...0.6)], seed: 3)
        loader.start(epoch: 1)
        let batch = try #require(loader.next())
        func values(_ place: Int) -> [Float] {
            let values = batch.inputs[place].assumingMemoryBound(to: Float.self)
            return (0..<32).map { values[$0] }
        }
        #expect(values(0) != image)
        #expect(zip(values(3), values(0)).allSatisfy { abs($0 - 3 * $1) < 1e-4 })
        #expect((0..<2).map { batch.inputs[1].assumingMemoryBound(to: Float.self)[$0] } == [1, 2])
        #expect((0..<32).map { batch.inputs[2].assumingMemoryBound(to: Int32.self)[$0] } == (0..<32).map { Int32($0) })
        #expect((0..<32).map { batch.targets[0].assumingMemoryBound(to: Float.self)[$0] } == image)
    }

    @Test func settingsOutOfRange() throws {
        func problem(_ changes: Augmentation...) -> String {
            message {
                _ = try BatchLoader(Self.images(2, side: 2), batchSize: 2, augmentation: changes)
            }
        }
        #expect(
            problem(.horizontalFlip(probability: 1.5))
                == "Augmentation: horizontalFlip's probability is 1.5; it must be from 0 to 1.")
        #expect(
            problem(.verticalFlip(probability: .nan))
                == "Augmentation: verticalFlip's probability is nan; it must be from 0 to 1.")
        #expect(
            problem(.zoom(height: 1...2, width: 0...1))
                == "Augmentation: zoom's width is 0.0...1.0; it must be above 0 and finite.")
        #expect(
            problem(.zoom(height: 1...(.infinity), width: 1...1))
                == "Augmentation: zoom's height is 1.0...inf; it must be above 0 and finite.")
        #expect(
            problem(.shift(height: -2...0, width: 0...0))
                == "Augmentation: shift's height is -2.0...0.0; it must be within -1.0...1.0.")
        #expect(
            problem(.rotation(degrees: 0...400))
                == "Augmentation: rotation's degrees is 0.0...400.0; it must be within -360.0...360.0.")
        #expect(problem(.crop(padding: -1)) == "Augmentation: crop's padding is -1; it must be from 0 to 16384.")
        #expect(
            problem(.brightness(0...(.infinity))) == "Augmentation: brightness is 0.0...inf; it must be finite.")
        #expect(
            problem(.contrast(-0.5...1)) == "Augmentation: contrast is -0.5...1.0; it must be at least 0 and finite.")
        #expect(problem(.cutout(size: -1)) == "Augmentation: cutout's size is -1; it must be at least 0.")
        #expect(
            problem(.mixup(alpha: -1)) == "Augmentation: mixup's alpha is -1.0; it must be at least 0 and finite.")
        #expect(
            problem(.mixup(alpha: 1), .horizontalFlip())
                == "Augmentation: mixup's place is 1 of 2; it must be the last.")
        #expect(
            message {
                let many = [Augmentation](repeating: .horizontalFlip(), count: 257)
                _ = try BatchLoader(Self.images(2, side: 2), batchSize: 2, augmentation: many)
            } == "Augmentation: the number of changes is 257; it must be at most 256.")
        #expect(
            message { _ = try BatchLoader(Self.images(2), batchSize: 2, threadCount: 0) }
                == "BatchLoader: threadCount is 0; it must be at least 1.")
    }

    @Test func dataWithoutImages() throws {
        let vectors = try Self.images(2, side: 2).reshapingInputs(to: [12])
        #expect(
            message { _ = try BatchLoader(vectors, batchSize: 2, augmentation: [.horizontalFlip()]) }
                == "Augmentation: expected an input of images, [height, width] or [height, width, channels] a sample, "
                + "received float32 [12] in 'data'. Cure: keep the images in their own shape, and begin the model "
                + "with Flatten() where it takes vectors.")
        // Vectors can be mixed.
        _ = try BatchLoader(vectors, batchSize: 2, augmentation: [.mixup(alpha: 1)])
        let labelled = try Dataset(
            inputs: NDArray(zeros: [2, 2, 2]), targets: NDArray([0, 1] as [Int32]), name: "digits")
        #expect(
            message { _ = try BatchLoader(labelled, batchSize: 2, augmentation: [.mixup(alpha: 1)]) }
                == "Augmentation.mixup: expected float32 targets, received int32 in 'digits'. Cure: use "
                + "oneHotTargets(classCount:) of the data set, and a loss for them.")
        #expect(
            message { _ = try BatchLoader(labelled.withoutTargets(), batchSize: 2, augmentation: [.mixup(alpha: 1)]) }
                == "Augmentation.mixup: expected float32 targets, received none in 'digits'. Cure: use "
                + "oneHotTargets(classCount:) of the data set, and a loss for them.")
        let empty = try Self.images(3, side: 2).prefix(0)
        let loader = try BatchLoader(empty, batchSize: 2, augmentation: Self.everything)
        loader.start(epoch: 1)
        #expect(loader.next() == nil)
    }
}

@Suite struct MixupTests {
    /// 64 classes; the image of class k is k throughout, its weight k + 1.
    private static func classes() throws -> Dataset {
        let count = 64
        return try Dataset(
            inputs: [Dataset.Column(NDArray((0..<4 * count).map { Float($0 / 4) }, shape: [count, 2, 2]))],
            targets: [Dataset.Column(NDArray((0..<count).map { Int32($0) }))],
            sampleWeights: NDArray((0..<count).map { Float($0 + 1) })
        ).oneHotTargets(classCount: count)
    }

    /// How much of a sample is its own, wherever the other is another one: over 60 epochs.
    private static func shares(alpha: Double) throws -> [Double] {
        let loader = try BatchLoader(classes(), batchSize: 10, augmentation: [.mixup(alpha: alpha)], seed: 11)
        var shares: [Double] = []
        for epoch in 1...60 {
            loader.start(epoch: epoch)
            while let batch = loader.next() {
                let images = batch.inputs[0].assumingMemoryBound(to: Float.self)
                let targets = batch.targets[0].assumingMemoryBound(to: Float.self)
                for place in 0..<batch.sampleCount {
                    let target = (0..<64).map { targets[place * 64 + $0] }
                    #expect(abs(target.reduce(0, +) - 1) < 1e-6 && target.allSatisfy { $0 >= 0 })
                    // Images, targets and weights are mixed in the same way.
                    let mean = (0..<64).reduce(Float(0)) { $0 + Float($1) * target[$1] }
                    for pixel in 0..<4 { #expect(abs(images[place * 4 + pixel] - mean) < 1e-4) }
                    #expect(abs((batch.weights?[place] ?? 0) - mean - 1) < 1e-4)
                    let own = Int(batch.sampleIndices[place])
                    if target.indices.contains(where: { $0 != own && target[$0] > 0 }) {
                        shares.append(Double(target[own]))
                    }
                }
            }
        }
        return shares
    }

    // Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
    @Test(arguments: [0.2, 1, 4]) func sharesAreBetaDistributed(alpha: Double) throws {
        let shares = try Self.shares(alpha: alpha)
        // Of 3,840 about 60 meet themselves; of small alpha some shares are 1 to all digits.
        #expect(shares.count > 3_000)
        let (mean, expected) = (shares.reduce(0, +) / Double(shares.count), 1 / (4 * (2 * alpha + 1)))
        let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shares.count)
        let deviation = (expected / Double(shares.count)).squareRoot()
        #expect(abs(mean - 0.5) < 4 * deviation + (alpha < 1 ? 0.01 : 0), "\(mean)")
        #expect(abs(variance - expected) < 0.06 * expected, "\(variance)")
        #expect(shares.allSatisfy { (0...1).contains($0) })
    }
}
