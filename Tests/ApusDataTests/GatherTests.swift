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
}
