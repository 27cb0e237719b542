import ApusCore
import ApusData
import Testing

// Expected numbers are worked out by hand from the definitions, with the centre of n pixels at (n - 1) / 2.

/// The values of the only image of a data set in the first epoch.
private func augmented(
    _ changes: [Augmentation], _ values: [Float], _ shape: Shape, seed: UInt64 = 1
) throws -> [Float] {
    let data = try Dataset(inputs: NDArray(values, shape: Shape([1] + shape.sizes)))
    return try #require(try epochs(data, changes, seed: seed).first?.first)
}

/// The first input's values for each sample, by epoch, in the order of the samples.
func epochs(
    _ data: Dataset, _ changes: [Augmentation], seed: UInt64 = 1, batchSize: Int = 16, order: BatchOrder = .natural,
    threadCount: Int = 1, count: Int = 1
) throws -> [[[Float]]] {
    let loader = try BatchLoader(
        data, batchSize: batchSize, order: order, augmentation: changes, seed: seed, threadCount: threadCount)
    let size = data.inputs[0].sampleShape.elementCount
    return (1...count).map { epoch in
        var samples = [[Float]](repeating: [], count: data.count)
        loader.start(epoch: epoch)
        while let batch = loader.next() {
            let values = batch.inputs[0].assumingMemoryBound(to: Float.self)
            for (place, sample) in batch.sampleIndices.enumerated() {
                samples[Int(sample)] = Array(UnsafeBufferPointer(start: values + place * size, count: size))
            }
        }
        return samples
    }
}

@Suite struct AugmentationTests {
    /// 4 x 4, each pixel the number of its row or of its column.
    private static let rows: [Float] = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    private static let columns: [Float] = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]

    /// The first column of a 4 x 4 image.
    private static func down(_ changes: [Augmentation]) throws -> [Float] {
        let result = try augmented(changes, rows, [4, 4])
        for index in result.indices { #expect(result[index] == result[index / 4 * 4]) }
        return stride(from: 0, to: 16, by: 4).map { result[$0] }
    }

    /// The first row of a 4 x 4 image.
    private static func across(_ changes: [Augmentation]) throws -> [Float] {
        let result = try augmented(changes, columns, [4, 4])
        for index in result.indices { #expect(result[index] == result[index % 4]) }
        return Array(result.prefix(4))
    }

    @Test func zoomIn() throws {
        // 2 x 2, factor 0.5: places 0.25 and 0.75. Rows there: [2, 6] and [6, 10].
        #expect(try augmented([.zoom(height: 0.5...0.5, width: 0.5...0.5)], [0, 4, 8, 12], [2, 2]) == [3, 5, 7, 9])
        // 4 pixels: places 0.75, 1.25, 1.75, 2.25.
        #expect(try Self.down([.zoom(height: 0.5...0.5, width: 1...1)]) == [0.75, 1.25, 1.75, 2.25])
        #expect(try Self.across([.zoom(height: 1...1, width: 0.5...0.5)]) == [0.75, 1.25, 1.75, 2.25])
    }

    @Test func zoomOutRepeatsTheEdges() throws {
        // 2 x 2, factor 2: places -0.5 and 1.5, held at 0 and 1.
        #expect(try augmented([.zoom(height: 2...2, width: 2...2)], [0, 4, 8, 12], [2, 2]) == [0, 4, 8, 12])
        // 4 pixels: places -1.5, 0.5, 2.5, 4.5.
        #expect(try Self.down([.zoom(height: 2...2, width: 1...1)]) == [0, 0.5, 2.5, 3])
        #expect(try Self.across([.zoom(height: 1...1, width: 2...2)]) == [0, 0.5, 2.5, 3])
        // Factor 0.5 one way and 2 the other.
        let both = try augmented([.zoom(height: 0.5...0.5, width: 2...2)], Self.columns, [4, 4])
        #expect(both == [0, 0.5, 2.5, 3, 0, 0.5, 2.5, 3, 0, 0.5, 2.5, 3, 0, 0.5, 2.5, 3])
    }

    @Test func flips() throws {
        let image: [Float] = [1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6]
        // Two rows of three pixels with two channels.
        let (always, never) = (Augmentation.horizontalFlip(probability: 1), Augmentation.horizontalFlip(probability: 0))
        #expect(try augmented([always], image, [2, 3, 2]) == [3, -3, 2, -2, 1, -1, 6, -6, 5, -5, 4, -4])
        #expect(try augmented([never], image, [2, 3, 2]) == image)
        let upside = Augmentation.verticalFlip(probability: 1)
        #expect(try augmented([upside], image, [2, 3, 2]) == [4, -4, 5, -5, 6, -6, 1, -1, 2, -2, 3, -3])
        #expect(try augmented([upside, always, upside, always], image, [2, 3, 2]) == image)
    }

    @Test(arguments: [1, 2, 3, 5]) func channelsDoNotMix(channelCount: Int) throws {
        // Channel c is 100 c more than the first one, wherever an image is linear.
        let image = (0..<9 * channelCount).map { index -> Float in
            let (pixel, channel) = (index / channelCount, index % channelCount)
            return Float(pixel / 3 * 8 + pixel % 3 * 4 + 100 * channel)
        }
        let changes: [[Augmentation]] = [
            [.zoom(height: 0.5...0.5, width: 0.25...0.25)], [.rotation(degrees: 90...90)], [.rotation(degrees: 7...7)],
        ]
        for change in changes {
            let result = try augmented(change, image, [3, 3, channelCount])
            for index in result.indices {
                let first = result[index / channelCount * channelCount]
                #expect(abs(result[index] - first - Float(100 * (index % channelCount))) < 1e-4)
            }
        }
    }

    @Test func shift() throws {
        // A quarter of four pixels is one.
        #expect(try Self.down([.shift(height: 0.25...0.25, width: 0...0)]) == [0, 0, 1, 2])
        #expect(try Self.down([.shift(height: -0.25...(-0.25), width: 0...0)]) == [1, 2, 3, 3])
        #expect(try Self.across([.shift(height: 0...0, width: 0.125...0.125)]) == [0, 0.5, 1.5, 2.5])
        #expect(try Self.across([.shift(height: 0...0, width: 1...1)]) == [0, 0, 0, 0])
    }

    @Test func rotation() throws {
        // Counter-clockwise the right column becomes the upper row.
        #expect(try augmented([.rotation(degrees: 90...90)], [1, 2, 3, 4], [2, 2]) == [2, 4, 1, 3])
        #expect(try augmented([.rotation(degrees: -90...(-90))], [1, 2, 3, 4], [2, 2]) == [3, 1, 4, 2])
        #expect(try augmented([.rotation(degrees: 180...180)], [1, 2, 3, 4], [2, 2]) == [4, 3, 2, 1])
        #expect(try augmented([.rotation(degrees: 360...360)], [1, 2, 3, 4], [2, 2]) == [1, 2, 3, 4])
        // 3 x 3 with values 3 row + column; by 45 degrees the upper middle is read at row 1 - 0.70711, column 1.70711.
        let turned = try augmented([.rotation(degrees: 45...45)], [0, 1, 2, 3, 4, 5, 6, 7, 8], [3, 3])
        #expect(turned[4] == 4)
        #expect(abs(turned[1] - 2.585_786) < 1e-5)
        // The upper right corner is read at row 1 and column 1 + 1.41421, held at 2.
        #expect(abs(turned[2] - 5) < 1e-5)
    }

    @Test func theOrderOfTheListCounts() throws {
        let (move, shrink) = (
            Augmentation.shift(height: 0.25...0.25, width: 0...0), Augmentation.zoom(height: 2...2, width: 1...1)
        )
        // Moved, then shrunk: read at 1.5 + 2 (p - 1.5) - 1. Shrunk, then moved: at 1.5 + 2 (p - 1 - 1.5).
        #expect(try Self.down([move, shrink]) == [0, 0, 1.5, 3])
        #expect(try Self.down([shrink, move]) == [0, 0, 0.5, 2.5])
        // One pass: what the first moves out of sight, the second brings back.
        let back = Augmentation.shift(height: -0.25...(-0.25), width: 0...0)
        #expect(try Self.down([move, back]) == [0, 1, 2, 3])
    }

    @Test func brightnessAndContrast() throws {
        #expect(try augmented([.brightness(0.5...0.5)], [0, 1, 2, -3], [2, 2]) == [0.5, 1.5, 2.5, -2.5])
        // Two channels with means 1 and 10.
        #expect(try augmented([.contrast(2...2)], [0, 8, 2, 12], [1, 2, 2]) == [-1, 6, 3, 14])
        #expect(try augmented([.contrast(0...0)], [0, 8, 2, 12], [1, 2, 2]) == [1, 10, 1, 10])
        // Bytes stay bytes: 0...1 with this scale.
        let bytes = try Dataset(inputs: NDArray([0, 51, 204, 255] as [UInt8], shape: [1, 2, 2]), scale: 1 / 255)
        let brighter = try epochs(bytes, [.brightness(0.4...0.4)])[0][0]
        #expect(zip(brighter, [0.4, 0.6, 1, 1] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
        // The mean is 0.5: -0.5, -0.1, 1.1, 1.5.
        #expect(try epochs(bytes, [.contrast(2...2)])[0][0] == [0, 0, 1, 1])
    }

    @Test func whatChangesNothingChangesNoBit() throws {
        let changes: [Augmentation] = [
            .horizontalFlip(probability: 0), .verticalFlip(probability: 0), .zoom(height: 1...1, width: 1...1),
            .shift(height: 0...0, width: 0...0), .rotation(degrees: 0...0), .crop(padding: 0), .brightness(0...0),
            .contrast(1...1), .cutout(size: 0), .mixup(alpha: 0),
        ]
        let image: [Float] = [.nan, -0.0, .infinity, Float.leastNonzeroMagnitude, 1, 2, 3, 4, 5]
        let data = try Dataset(
            inputs: NDArray(image, shape: [1, 3, 3]), targets: NDArray([0.5] as [Float], shape: [1, 1]))
        for list in changes.map({ [$0] }) + [changes] {
            #expect(try epochs(data, list)[0][0].map(\.bitPattern) == image.map(\.bitPattern))
        }
    }

    @Test func cutout() throws {
        let ones = [Float](repeating: 1, count: 18)
        for seed in 0..<50 as Range<UInt64> {
            let one = try augmented([.cutout(size: 1)], ones, [3, 3, 2], seed: seed)
            let black = one.indices.filter { one[$0] == 0 }
            #expect(black.count == 2 && black[0] % 2 == 0 && black[1] == black[0] + 1)
            // About the middle all nine pixels, about a side six, about a corner four.
            let three = try augmented([.cutout(size: 3)], ones, [3, 3, 2], seed: seed)
            #expect([8, 12, 18].contains(three.count { $0 == 0 }))
            #expect(try augmented([.cutout(size: .max)], ones, [3, 3, 2], seed: seed).allSatisfy { $0 == 0 })
        }
    }

    @Test func cropShowsEveryPartEquallyOften() throws {
        let count = 3_600
        let data = try Dataset(
            inputs: NDArray(
                [Float]((0..<count).flatMap { _ in [1, 2, 3, 4] as [Float] }), shape: [count, 2, 2]))
        var counts: [[Float]: Int] = [:]
        for image in try epochs(data, [.crop(padding: 1)])[0] { counts[image, default: 0] += 1 }
        // The image's rows 0 1 2 / 0 3 4 in a frame of zeros: parts that begin at row and column 0, 1, 2.
        let parts: Set<[Float]> = [
            [0, 0, 0, 1], [0, 0, 1, 2], [0, 0, 2, 0], [0, 1, 0, 3], [1, 2, 3, 4], [2, 0, 4, 0], [0, 3, 0, 0],
            [3, 4, 0, 0], [4, 0, 0, 0],
        ]
        #expect(Set(counts.keys) == parts)
        // 400 each, with a standard deviation of 18.9.
        #expect(counts.values.allSatisfy { abs($0 - 400) < 80 })
        let wide = try epochs(data.prefix(50), [.crop(padding: 16_384)])[0]
        #expect(wide.allSatisfy { $0 == [0, 0, 0, 0] })
    }

    @Test func flipsAreAsOftenAsAsked() throws {
        let count = 4_000
        let data = try Dataset(
            inputs: NDArray([Float]((0..<count).flatMap { _ in [0, 1, 0, 1] as [Float] }), shape: [count, 2, 2]))
        let flipped = try epochs(data, [.horizontalFlip(probability: 0.3)])[0].count { $0 == [1, 0, 1, 0] }
        // 1,200 with a standard deviation of 29.
        #expect(abs(flipped - 1_200) < 116)
    }

    @Test func factorsAreUniformAndIndependent() throws {
        let count = 4_000
        // 3 x 3 with values 10 row + column: neighbours of the middle differ from it by the two factors.
        let image: [Float] = [0, 1, 2, 10, 11, 12, 20, 21, 22]
        let data = try Dataset(
            inputs: NDArray([Float]((0..<count).flatMap { _ in image }), shape: [count, 3, 3]))
        let factors = try epochs(data, [.zoom(height: 0.5...1, width: 0.25...0.75)])[0].map { image in
            (height: Double(image[7] - image[4]) / 10, width: Double(image[5] - image[4]))
        }
        let (height, width) = (factors.map(\.height), factors.map(\.width))
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        // A uniform variable on a range of 0.5 has the deviation 0.144, its mean over 4,000 0.0023.
        #expect(abs(mean(height) - 0.75) < 0.0092 && abs(mean(width) - 0.5) < 0.0092)
        #expect(height.allSatisfy { (0.499_99...1.000_01).contains($0) })
        #expect((height.min() ?? 1) < 0.502 && (height.max() ?? 0) > 0.998)
        let variance = mean(height.map { ($0 - 0.75) * ($0 - 0.75) })
        #expect(abs(variance - 0.25 / 12) < 0.002)
        let covariance = mean(zip(height, width).map { ($0 - 0.75) * ($1 - 0.5) })
        // Its deviation is 0.0208 / sqrt(4,000).
        #expect(abs(covariance) < 4 * 0.000_33)
    }
}
