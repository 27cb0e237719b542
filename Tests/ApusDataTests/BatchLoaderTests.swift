import ApusCore
import ApusData
import Testing

@Suite struct BatchLoaderTests {
    /// A batch with its memory copied.
    struct Copy: Equatable {
        var index: Int
        var firstPosition: Int
        var samples: [Int32]
        var inputs: [Float]
        var labels: [Int32]
        var weights: [Float]?
    }

    /// Ten samples of three bytes (i, i + 10, i + 20) with scale 0.5, labels i, weights i / 2.
    static func ten() throws -> Dataset {
        let bytes: [UInt8] = (0..<10).flatMap { (sample: UInt8) -> [UInt8] in [sample, sample + 10, sample + 20] }
        return try Dataset(
            inputs: [Dataset.Column(NDArray(bytes, shape: [10, 3]), scale: 0.5)],
            targets: [Dataset.Column(NDArray((0..<10).map { Int32($0) }))],
            sampleWeights: NDArray((0..<10).map { Float($0) / 2 }))
    }

    static func copy(_ batch: Batch) -> Copy {
        let input = batch.inputs[0].assumingMemoryBound(to: Float.self)
        let label = batch.targets[0].assumingMemoryBound(to: Int32.self)
        return Copy(
            index: batch.index, firstPosition: batch.firstPosition, samples: Array(batch.sampleIndices),
            inputs: (0..<batch.sampleCount * 3).map { input[$0] }, labels: (0..<batch.sampleCount).map { label[$0] },
            weights: batch.weights.map { weights in (0..<batch.sampleCount).map { weights[$0] } })
    }

    static func epoch(_ loader: BatchLoader, _ epoch: Int) -> [Copy] {
        loader.start(epoch: epoch)
        var copies: [Copy] = []
        while let batch = loader.next() { copies.append(copy(batch)) }
        return copies
    }

    @Test(arguments: [false, true]) func naturalOrderWithASmallerLastBatch(usesThread: Bool) throws {
        let loader = try BatchLoader(Self.ten(), batchSize: 4, usesThread: usesThread)
        #expect(loader.batchCount == 3)
        #expect(loader.next() == nil)
        let batches = Self.epoch(loader, 1)
        #expect(batches.map(\.samples) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]])
        #expect(batches.map(\.index) == [0, 1, 2])
        #expect(batches.map(\.firstPosition) == [0, 4, 8])
        // Sample 8: bytes 8, 18, 28 times 0.5.
        #expect(batches[2].inputs == [4, 9, 14, 4.5, 9.5, 14.5])
        #expect(batches[2].labels == [8, 9])
        #expect(batches[2].weights == [4, 4.5])
        #expect(loader.next() == nil)
        #expect(Self.epoch(loader, 2) == batches)
    }

    @Test func aThreadChangesNothing() throws {
        let data = try Self.ten()
        let ahead = try BatchLoader(data, batchSize: 3, order: .shuffled(seed: 5))
        let inline = try BatchLoader(data, batchSize: 3, order: .shuffled(seed: 5), usesThread: false)
        for epoch in 1...20 { #expect(Self.epoch(ahead, epoch) == Self.epoch(inline, epoch)) }
    }

    @Test func orderIsAFunctionOfSeedAndEpoch() throws {
        func order(_ seed: UInt64, _ epoch: Int) -> [Int32] {
            BatchOrder.shuffled(seed: seed).indices(count: 100, epoch: epoch)
        }
        #expect(order(1, 1) == order(1, 1))
        #expect(order(1, 1) != order(1, 2))
        #expect(order(1, 1) != order(2, 1))
        #expect(order(1, 1).sorted() == Array(0..<100))
        #expect(order(1, 1) == Philox(seed: 1, stream: 0x5348_5546, step: 1).permutation(100))
        #expect(BatchOrder.natural.indices(count: 3, epoch: 9) == [0, 1, 2])
        let loader = try BatchLoader(Self.ten(), batchSize: 4, order: .shuffled(seed: 8))
        #expect(
            Self.epoch(loader, 6).flatMap(\.samples) == BatchOrder.shuffled(seed: 8).indices(count: 10, epoch: 6))
    }

    @Test(arguments: [false, true]) func anEpochCanBeTakenUpAtAnyBatch(usesThread: Bool) throws {
        let loader = try BatchLoader(Self.ten(), batchSize: 3, order: .shuffled(seed: 2), usesThread: usesThread)
        let whole = Self.epoch(loader, 3)
        #expect(whole.count == 4)
        for first in 0...4 {
            // The order is that of the epoch, whatever epoch was begun before.
            loader.start(epoch: first, at: 4 - first)
            _ = loader.next()
            loader.start(epoch: 3, at: first)
            var rest: [Copy] = []
            while let batch = loader.next() { rest.append(Self.copy(batch)) }
            #expect(rest == Array(whole[first...]))
        }
        // Beyond the end there is nothing, before the beginning there is the beginning.
        loader.start(epoch: 3, at: 99)
        #expect(loader.next() == nil)
        loader.start(epoch: 3, at: -1)
        #expect(loader.next()?.index == 0)
    }

    @Test(arguments: [false, true]) func anEpochCanBeLeft(usesThread: Bool) throws {
        let data = try Self.ten()
        let loader = try BatchLoader(data, batchSize: 1, order: .shuffled(seed: 2), usesThread: usesThread)
        let whole = Self.epoch(loader, 3)
        for taken in 0...10 {
            loader.start(epoch: taken)
            for _ in 0..<taken { #expect(loader.next() != nil) }
            #expect(Self.epoch(loader, 3) == whole)
        }
    }

    @Test func aLoaderCanGoAtAnyMoment() throws {
        let data = try Self.ten()
        for taken in 0..<200 {
            let loader = try BatchLoader(data, batchSize: 1)
            if taken % 4 > 0 { loader.start(epoch: taken) }
            for _ in 0..<taken % 4 { #expect(loader.next() != nil) }
        }
    }

    @Test func bytesTimesScaleFillZeroToOne() throws {
        let bytes = try Dataset(inputs: NDArray((0...255).map { UInt8($0) }, shape: [1, 256]), scale: 1 / 255)
        let loader = try BatchLoader(bytes, batchSize: 1, usesThread: false)
        loader.start(epoch: 1)
        let batch = try #require(loader.next())
        let values = batch.inputs[0].assumingMemoryBound(to: Float.self)
        #expect(values[0] == 0)
        #expect(values[255] == 1)
        #expect((0...255).allSatisfy { abs(values[$0] - Float($0) / 255) <= 6e-8 })
        #expect(batch.weights == nil)
        #expect(batch.targets.isEmpty)
    }

    @Test func columnsOfEveryKind() throws {
        let data = try Dataset(
            inputs: [
                Dataset.Column(NDArray([1, -2, 3, 4] as [Float], shape: [2, 2]), scale: 2),
                Dataset.Column(NDArray([Int32.max, -7])), Dataset.Column(NDArray([0.5, .nan] as [Float])),
            ])
        let loader = try BatchLoader(data, batchSize: 5)
        loader.start(epoch: 1)
        let batch = try #require(loader.next())
        #expect(batch.sampleCount == 2)
        let (scaled, whole) = (batch.inputs[0], batch.inputs[1].assumingMemoryBound(to: Int32.self))
        #expect((0..<4).map { scaled.assumingMemoryBound(to: Float.self)[$0] } == [2, -4, 6, 8])
        #expect(whole[0] == .max && whole[1] == -7)
        let plain = batch.inputs[2].assumingMemoryBound(to: Float.self)
        #expect(plain[0] == 0.5 && plain[1].isNaN)
        #expect(batch.inputs.allSatisfy { Int(bitPattern: $0) % 64 == 0 })
    }

    @Test func edges() throws {
        #expect(
            message { _ = try BatchLoader(Self.ten(), batchSize: 0) }
                == "BatchLoader: batchSize is 0; it must be at least 1.")
        let empty = try BatchLoader(Self.ten().prefix(0), batchSize: 4)
        empty.start(epoch: 1)
        #expect(empty.next() == nil)
        let huge = try BatchLoader(Self.ten(), batchSize: .max)
        #expect(Self.epoch(huge, 1).map(\.samples.count) == [10])
    }
}
