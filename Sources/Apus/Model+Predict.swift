import ApusCPU
import ApusCore
import ApusData
import ApusNN
import ApusPlan
import ApusTrain

extension Model {
    /// The model's output for `samples`, computed for inference.
    ///
    ///     let scores = try model.predict(images)
    ///
    /// - Parameters:
    ///   - samples: `[n, ...]`, for the model's only input.
    ///   - batchSize: samples that are computed together, at least 1.
    ///   - precision: how products are computed. Default float32.
    /// - Returns: `[n, ...]`.
    /// - Throws: `ApusError.shape` where the samples do not fit, or the model has several inputs or outputs;
    ///   `ApusError.setting` where there is no sample.
    public func predict(
        _ samples: NDArray, batchSize: Int = 256, device: Device = .cpu, precision: Precision = .float32
    ) throws -> NDArray {
        guard outputs.count == 1 else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Model '\(name)', predict", expected: "a model of 1 output",
                    received: "\(outputs.count) outputs", cure: "call predictAll, which gives all of them"))
        }
        return try predictAll([samples], batchSize: batchSize, device: device, precision: precision)[0]
    }

    /// All of the model's outputs for the samples in `arrays`, one array for each input.
    ///
    /// The computation is planned once for each batch size, and kept with the model.
    /// - Throws: `ApusError.shape` where the arrays do not fit the inputs, or differ in their number of samples;
    ///   `ApusError.setting` where there is no sample.
    public func predictAll(
        _ arrays: [NDArray], batchSize: Int = 256, device: Device = .cpu, precision: Precision = .float32
    ) throws -> [NDArray] {
        let columns = try arrays.map { try Dataset.Column($0) }
        return try predictions(
            for: Dataset(inputs: columns, name: "the samples to predict"), batchSize: batchSize, device: device,
            precision: precision)
    }
}
