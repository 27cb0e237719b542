import ApusCore
import ApusData
import Testing

/// Samples put together as a batch, of sizes around those that are asked for ahead (3,072 bytes).
@Suite struct GatherTests {
    @Test(arguments: [1, 63, 784, 3072, 5000], [1, 3, 70]) func samplesOfAnyOrder(size: Int, count: Int) throws {
        let values = (0..<count * size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 251) }
        let bytes = try NDArray(values, shape: [count, size])
        let floats = try NDArray(values.map { Float($0) - 100 }, shape: [count, size])
        let dataset = try Dataset(inputs: [Dataset.Column(bytes, scale: 1 / 255), Dataset.Column(floats)])
        let loader = try BatchLoader(dataset, batchSize: count, order: .shuffled(seed: 3), usesThread: false)
        loader.start(epoch: 1)
        let batch = try #require(loader.next())
        #expect(Set(batch.sampleIndices) == Set(0..<Int32(count)))
        let (scaled, plain) = (
            batch.inputs[0].assumingMemoryBound(to: Float.self), batch.inputs[1].assumingMemoryBound(to: Float.self)
        )
        for (row, index) in batch.sampleIndices.enumerated() {
            let sample = values[Int(index) * size..<(Int(index) + 1) * size]
            #expect(zip(sample, 0..<size).allSatisfy { scaled[row * size + $1] == Float($0) * (1 / 255) })
            #expect(zip(sample, 0..<size).allSatisfy { plain[row * size + $1] == Float($0) - 100 })
        }
    }

    /// Samples of 12 bytes in their order: batches of 16 begin at multiples of 64 bytes, those of 5 do not, but for the
    /// first. What stands as a batch wants it is not copied.
    @Test(arguments: [16, 5], [true, false]) func samplesInTheirOrder(batchSize: Int, usesThread: Bool) throws {
        let values = (0..<40 * 3).map { Float($0) }
        let inputs = try NDArray(values, shape: [40, 3])
        let dataset = try Dataset(
            inputs: [Dataset.Column(inputs), Dataset.Column(inputs, scale: 2)],
            targets: [Dataset.Column(NDArray((0..<40).map { Int32($0) }))])
        let loader = try BatchLoader(dataset, batchSize: batchSize, usesThread: usesThread)
        let stored = dataset.inputs[0].values.withUnsafeBytes { $0.baseAddress }
        for epoch in 1...2 {
            loader.start(epoch: epoch)
            while let batch = loader.next() {
                let first = batch.firstPosition
                for (column, scale) in [(0, 1), (1, 2)] as [(Int, Float)] {
                    let numbers = batch.inputs[column].assumingMemoryBound(to: Float.self)
                    #expect((0..<batch.sampleCount * 3).allSatisfy { numbers[$0] == values[first * 3 + $0] * scale })
                }
                let labels = batch.targets[0].assumingMemoryBound(to: Int32.self)
                #expect((0..<batch.sampleCount).allSatisfy { labels[$0] == Int32(first + $0) })
                let isAligned = (first * 12).isMultiple(of: 64)
                #expect((batch.inputs[0] == stored.map { $0 + first * 12 }) == isAligned)
            }
        }
    }

    /// Neighbours are copied at once: of 200 samples in a random order, one pair on average.
    @Test func samplesOfABrokenOrder() throws {
        let values = (0..<200 * 3).map { Float($0) }
        let dataset = try Dataset(inputs: NDArray(values, shape: [200, 3]))
        let loader = try BatchLoader(dataset, batchSize: 200, order: .shuffled(seed: 1), usesThread: false)
        var neighbourCount = 0
        for epoch in 1...8 {
            loader.start(epoch: epoch)
            let batch = try #require(loader.next())
            neighbourCount += zip(batch.sampleIndices, batch.sampleIndices.dropFirst()).count { $1 == $0 + 1 }
            let numbers = batch.inputs[0].assumingMemoryBound(to: Float.self)
            for (row, index) in batch.sampleIndices.enumerated() {
                #expect((0..<3).allSatisfy { numbers[row * 3 + $0] == Float(index) * 3 + Float($0) })
            }
        }
        #expect(neighbourCount > 1)
    }
}
