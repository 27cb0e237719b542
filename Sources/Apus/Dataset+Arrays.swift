import ApusCore
import ApusData

extension Dataset {
    /// All inputs as a network takes them, converted and scaled: one array `[count, ...]` for each column.
    public func inputArrays() throws -> [NDArray] {
        guard !isEmpty else {
            return inputs.map { NDArray(zeros: Shape([0] + $0.sampleShape.sizes), $0.batchElementType) }
        }
        let loader = try BatchLoader(self, batchSize: count, usesThread: false)
        loader.start(epoch: 0)
        guard let batch = loader.next() else { preconditionFailure("\(name) has samples and yet no batch") }
        return zip(inputs, batch.inputs).map { column, source in
            var result = NDArray(zeros: Shape([count] + column.sampleShape.sizes), column.batchElementType)
            result.withUnsafeMutableBytes {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: $0.count))
            }
            return result
        }
    }
}
