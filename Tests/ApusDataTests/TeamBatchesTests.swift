import ApusCore
import ApusData
import Synchronization
import Testing

/// Batches that the threads of the steps make between two steps.
@Suite struct TeamBatchesTests {
    /// A team that claims to have `size` threads, and does its work in three parts, the last one first.
    final class Parts: Sendable {
        /// The counts and grains that it was called with.
        let calls = Mutex<[[Int64]]>([])
        let size: Int

        init(size: Int) { self.size = size }

        var team: ParallelTeam {
            ParallelTeam(size: { self.size }) { count, grain, body, context in
                self.calls.withLock { $0.append([count, grain]) }
                let (first, second) = (count / 3, count / 2)
                body(context, second, count, 0)
                body(context, 0, first, 1)
                body(context, first, second, 0)
            }
        }
    }

    /// 50 samples of 1,000 bytes, labels, and weights.
    private static func data() throws -> Dataset {
        let random = Philox(seed: 4)
        let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: random.word($0)) }
        return try Dataset(
            inputs: [Dataset.Column(NDArray(bytes, shape: [50, 1_000]), scale: 1 / 255)],
            targets: [Dataset.Column(NDArray((0..<50).map { Int32($0) }))],
            sampleWeights: NDArray((0..<50).map { Float($0) }))
    }

    private static func epoch(_ loader: BatchLoader) -> [[UInt32]] {
        var words: [[UInt32]] = []
        loader.start(epoch: 3)
        while let batch = loader.next() {
            words.append(batch.sampleIndices.map { UInt32(bitPattern: $0) })
            for (address, size) in [(batch.inputs[0], 1_000), (batch.targets[0], 1)] {
                let numbers = address.assumingMemoryBound(to: UInt32.self)
                words.append((0..<batch.sampleCount * size).map { numbers[$0] })
            }
            words.append(batch.weights.map { weights in (0..<batch.sampleCount).map { weights[$0].bitPattern } } ?? [])
        }
        return words
    }

    @Test(arguments: [BatchOrder.natural, .shuffled(seed: 5)]) func aTeamChangesNothing(order: BatchOrder) throws {
        let parts = Parts(size: .max)
        let loader = try BatchLoader(Self.data(), batchSize: 40, order: order, for: parts.team)
        let alone = try BatchLoader(Self.data(), batchSize: 40, order: order, usesThread: false)
        #expect(Self.epoch(loader) == Self.epoch(alone))
        #expect(Self.epoch(loader) == Self.epoch(alone))
        // 40,000 values are shared out in parts of no less than 32,768; the last batch's 10,000 are not, nor are labels.
        #expect(parts.calls.withLock { $0 } == [[40, 33], [40, 33]])
    }

    @Test func aTeamThatLeavesProcessorsIsNotUsed() throws {
        let parts = Parts(size: 0)
        let loader = try BatchLoader(Self.data(), batchSize: 40, for: parts.team)
        let alone = try BatchLoader(Self.data(), batchSize: 40, usesThread: false)
        #expect(Self.epoch(loader) == Self.epoch(alone))
        #expect(parts.calls.withLock { $0 }.isEmpty)
    }

    @Test func augmentedBatchesAreMadeAhead() throws {
        let parts = Parts(size: .max)
        let images = try Dataset(inputs: NDArray((0..<40_000).map { UInt8($0 % 256) }, shape: [40, 25, 40]))
        func loader(_ team: ParallelTeam?) throws -> BatchLoader {
            try BatchLoader(images, batchSize: 40, augmentation: [.horizontalFlip()], seed: 2, for: team)
        }
        func values(_ loader: BatchLoader) throws -> [Float] {
            loader.start(epoch: 1)
            let batch = try #require(loader.next())
            let numbers = batch.inputs[0].assumingMemoryBound(to: Float.self)
            return (0..<40_000).map { numbers[$0] }
        }
        #expect(try values(loader(parts.team)) == values(loader(nil)))
        #expect(parts.calls.withLock { $0 }.isEmpty)
    }

    /// Two inputs of bytes and one of numbers; the first is read in place in batches of 40.
    @Test func bytesThatAreReadInPlaceAreNotGathered() throws {
        let values = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let bytes = try NDArray(values, shape: [50, 20])
        let data = try Dataset(
            inputs: [
                Dataset.Column(bytes, scale: 0.5), Dataset.Column(bytes), Dataset.Column(bytes.converted(to: .float32)),
            ])
        let loader = try BatchLoader(data, batchSize: 40, order: .shuffled(seed: 2), for: Parts(size: .max).team)
        loader.readsInPlace = { input, sampleCount in input != 1 && sampleCount == 40 }
        loader.start(epoch: 1)
        func numbers(_ batch: Batch, _ input: Int) -> [Float] {
            let numbers = batch.inputs[input].assumingMemoryBound(to: Float.self)
            return (0..<batch.sampleCount * 20).map { numbers[$0] }
        }
        func expected(_ batch: Batch, scale: Float) -> [Float] {
            batch.sampleIndices.flatMap { values[Int($0) * 20..<Int($0 + 1) * 20].map { Float($0) * scale } }
        }
        var batch = try #require(loader.next())
        // Numbers cannot be read as bytes.
        #expect(batch.byteRows.map { $0 != nil } == [true, false, false])
        let rows = try #require(batch.byteRows[0])
        #expect(rows.scale == 0.5 && rows.indices == batch.sampleIndices.baseAddress)
        #expect((0..<1_000).allSatisfy { rows.bytes[$0] == values[$0] })
        #expect(numbers(batch, 1) == expected(batch, scale: 1) && numbers(batch, 2) == expected(batch, scale: 1))
        loader.gatherRest()
        #expect(numbers(batch, 0) == expected(batch, scale: 0.5) && batch.byteRows.allSatisfy { $0 == nil })
        batch = try #require(loader.next())
        #expect(batch.sampleCount == 10 && batch.byteRows.allSatisfy { $0 == nil })
        #expect(numbers(batch, 0) == expected(batch, scale: 0.5))
        #expect(loader.next().map(\.index) == nil)
    }

    /// A thread of the loader's own is ahead of the step: it gathers all.
    @Test func aLoadersThreadGathersAll() throws {
        let loader = try BatchLoader(Self.data(), batchSize: 40)
        loader.readsInPlace = { _, _ in true }
        loader.start(epoch: 1)
        #expect(try #require(loader.next()).byteRows.allSatisfy { $0 == nil })
    }
}
