import ApusCPU
import ApusCore
import ApusGraph
import ApusNN
import ApusPlan

extension Model {
    /// The model's output for `samples`, computed for inference.
    ///
    ///     let scores = try model.predict(images)
    ///
    /// - Parameters:
    ///   - samples: `[n, ...]`, for the model's only input.
    ///   - batchSize: samples that are computed together, at least 1.
    /// - Returns: `[n, ...]`.
    /// - Throws: `ApusError.shape` where the samples do not fit, or the model has several inputs or outputs.
    public func predict(_ samples: NDArray, batchSize: Int = 256, device: Device = .cpu) throws -> NDArray {
        guard outputs.count == 1 else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Model '\(name)', predict", expected: "a model of 1 output",
                    received: "\(outputs.count) outputs", cure: "call predictAll, which gives all of them"))
        }
        return try predictAll([samples], batchSize: batchSize, device: device)[0]
    }

    /// All of the model's outputs for the samples in `arrays`, one array for each input.
    ///
    /// The computation is planned once for each batch size and device, and kept with the model.
    /// - Throws: `ApusError.shape` where the arrays do not fit the inputs, `ApusError.setting` for a batch size below 1.
    public func predictAll(_ arrays: [NDArray], batchSize: Int = 256, device: Device = .cpu) throws -> [NDArray] {
        guard batchSize >= 1 else {
            throw ApusError.setting(
                owner: "Model '\(name)', predict", name: "batchSize", value: "\(batchSize)", expected: "at least 1")
        }
        guard let count = arrays.first?.shape.sizes.first, arrays.allSatisfy({ $0.shape.sizes.first == count }) else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Model '\(name)', predict", expected: "arrays of equally many samples [n, ...]",
                    received: arrays.map { "\($0.shape)" }.joined(separator: ", "),
                    cure: "give one array for each input, the samples along its first axis"))
        }
        let function = try inferenceFunction(on: device)
        function.step = 0
        var results = outputs.map { NDArray(zeros: $0.shape.specialized(batchSize: count), $0.elementType) }
        var start = 0
        while start < count {
            let end = min(start + batchSize, count)
            let parts = try function(arrays.map { $0.rows(start..<end) })
            for (index, part) in parts.enumerated() { results[index].replaceBytes(at: start, of: count, with: part) }
            start = end
        }
        return results
    }

    private func inferenceFunction(on device: Device) throws -> Function {
        let key = "inference on \(device.name)"
        if let function = companions[key] as? Function { return function }
        let function = try Function(
            inputs: inputs, outputs: outputs, mode: .inference, device: device, guardedOutput: nil,
            origin: { [weak self] in self?.layerPath(of: $0) ?? $0.kind })
        companions[key] = function
        return function
    }
}

extension NDArray {
    /// Writes `part` where row `start` of `count` rows begins.
    fileprivate mutating func replaceBytes(at start: Int, of count: Int, with part: NDArray) {
        let rowByteCount = byteCount / max(count, 1)
        withUnsafeMutableBytes { target in
            part.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: target[start * rowByteCount..<start * rowByteCount + $0.count])
                    .copyMemory(from: $0)
            }
        }
    }
}
