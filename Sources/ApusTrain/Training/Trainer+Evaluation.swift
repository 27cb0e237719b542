import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusPlan

extension Trainer {
    /// The loss and the metrics over a data set, in inference mode.
    ///
    /// Random numbers (of a sampling layer, say) depend on the seed and the batch's number, so that the same data give
    /// the same figures again.
    /// - Parameter batchSize: Default 32.
    /// - Throws: `ApusError.shape`, `ApusError.label` where the data do not fit the model, `ApusError.notFinite` where
    ///   the loss of a batch is no finite number (the step in it is the batch's number, from 1).
    public func evaluate(_ dataset: Dataset, batchSize: Int = 32) throws -> Figures {
        try figures(of: evaluator(for: dataset, batchSize: batchSize))
    }

    /// The model's outputs for all samples of a data set, in inference mode.
    /// - Parameters:
    ///   - dataset: Its targets are not looked at.
    ///   - batchSize: Default 32.
    /// - Returns: For each output `[n, ...]`.
    /// - Throws: `ApusError.shape` where the data do not fit the model.
    public func predict(_ dataset: Dataset, batchSize: Int = 32) throws -> [NDArray] {
        try model.predictions(for: dataset, batchSize: batchSize, device: device, precision: precision, seed: seed)
    }

    /// The model's first output for `inputs` `[n, ...]`, in inference mode.
    /// - Throws: `ApusError.shape` where the inputs do not fit the model.
    public func predict(_ inputs: NDArray, batchSize: Int = 32) throws -> NDArray {
        try predict(Dataset(inputs: inputs), batchSize: batchSize)[0]
    }

    /// A runner of evaluation steps, ready to be used again and again.
    func evaluator(for dataset: Dataset, batchSize: Int) throws -> BatchRunner {
        let dataset = try checked(dataset)
        return BatchRunner(
            try BatchLoader(dataset, batchSize: batchSize, for: device.team),
            try function(for: dataset, training: false),
            outputCount: outputCount)
    }

    func figures(of evaluator: BatchRunner) throws -> Figures {
        evaluator.reset()
        evaluator.loader.start(epoch: 0)
        let seed = seed.forEvaluation
        while let batch = evaluator.loader.next() {
            let context = RunContext(seed: seed, step: batch.index)
            do {
                _ = try evaluator.run(batch, context: context)
            } catch ApusError.notFinite(let problem) {
                throw ApusError.notFinite(try evaluator.examined(problem, batch, context: context))
            }
        }
        return figures(evaluator)
    }
}

extension Model {
    /// The outputs for all samples of a data set, in inference mode, each `[n, ...]`.
    /// - Parameters:
    ///   - precision: How products are computed. Default float32.
    ///   - seed: The key of random numbers, which depend on the batch's number too.
    /// - Throws: `ApusError.shape` where the data do not fit the model.
    public func predictions(
        for dataset: Dataset, batchSize: Int = 32, device: Device, precision: Precision = .float32, seed: UInt64 = 0
    ) throws -> [NDArray] {
        try checkInputs(of: dataset)
        for output in outputs where (output.shape.sizes.first ?? 0) >= 0 {
            throw ApusError.shape(
                ShapeProblem(
                    layer: name, operation: "prediction", expected: "outputs that begin with the batch axis",
                    received: "\(output.shape)", cure: "bring the batch to the front, or call a Function"))
        }
        let function = try inferenceFunction(on: device, precision)
        let plain = try Dataset(inputs: dataset.inputs, name: dataset.name)
        let runner = BatchRunner(
            // A thread that makes batches ahead is worth its start only where there are several.
            dataset.count > batchSize
                ? try BatchLoader(plain, batchSize: batchSize, for: device.team)
                : try BatchLoader(plain, batchSize: batchSize, usesThread: false),
            function, outputCount: outputs.count)
        var results = outputs.map { NDArray(zeros: $0.shape.specialized(batchSize: dataset.count), $0.elementType) }
        var positions = [Int](repeating: 0, count: outputs.count)
        runner.loader.start(epoch: 0)
        while let batch = runner.loader.next() {
            let context = RunContext(seed: seed.forEvaluation, step: batch.index)
            for (index, part) in try runner.outputs(batch, context: context, count: outputs.count).enumerated() {
                results[index].withUnsafeMutableBytes { target in
                    part.withUnsafeBytes { target[positions[index]...].copyBytes(from: $0) }
                }
                positions[index] += part.byteCount
            }
        }
        return results
    }

    /// The model's outputs for its inputs, in inference mode. It is kept with the model, so that a second prediction
    /// plans nothing.
    private func inferenceFunction(on device: Device, _ precision: Precision) throws -> Function {
        let key = "inference on \(device.name), \(device.threadCount.map(String.init) ?? "any") threads, \(precision)"
        if let function = companions[key] as? Function { return function }
        let function = try Function(
            inputs: inputs, outputs: outputs, mode: .inference, device: device, precision: precision,
            guardedOutput: nil,
            // The model keeps the function: the function must not keep the model.
            origin: { [weak self] in self?.layerPath(of: $0) ?? $0.kind })
        companions[key] = function
        return function
    }
}

extension UInt64 {
    /// A seed for evaluation that has nothing to do with the one for training: one block of its random numbers, from a
    /// stream that is used for nothing else (the letters EVAL).
    fileprivate var forEvaluation: UInt64 {
        let words = Philox(seed: self, stream: 0x4556_414C).block(0)
        return UInt64(words[0]) << 32 | UInt64(words[1])
    }
}
