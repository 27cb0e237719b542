import Apus
import ApusExperiments

/// A call of `Model.predict` as users make it: an array in, an array out, with random images.
struct InferenceTiming {
    private let model: Model
    private let images: NDArray
    private let device: Device
    private let precision: Precision

    init(_ workload: any Workload, batchSize: Int, device: Device, precision: Precision) throws {
        self.precision = precision
        model = try workload.network(seed: 0).model
        self.device = device
        let random = Philox(seed: 0, stream: 0)
        images = NDArray(shape: model.inputs[0].shape.specialized(batchSize: batchSize)) {
            (values: UnsafeMutableBufferPointer<Float>) in
            for place in values.indices { values[place] = random.uniform(place) }
        }
    }

    func bestMilliseconds() throws -> Double {
        let batchSize = images.shape[0]
        func predict() throws {
            _ = try model.predict(images, batchSize: batchSize, device: device, precision: precision)
        }
        // The first call plans.
        try predict()
        return try BestTime.milliseconds { try BestTime.time($0, predict) }
    }
}
