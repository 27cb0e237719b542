import Apus
import ApusExperiments

/// One training step of a workload, planned for a batch size and ready to run, with no data needed.
struct TrainingStep {
    let workload: any Workload
    let network: ExperimentNetwork
    let trainer: Trainer
    let executable: any Executable

    init(_ workload: any Workload, batchSize: Int, device: Device, precision: Precision = .float32) throws {
        self.workload = workload
        network = try workload.network(seed: 0)
        trainer = try Trainer(
            network.model, loss: network.loss, metrics: workload.metrics,
            optimizer: workload.optimizer(learningRate: workload.defaults.learningRate), device: device,
            precision: precision)
        // The function asks a data set only what its columns are like.
        let images = try Dataset(
            inputs: NDArray(zeros: Shape([1] + workload.imageShape.sizes), .uint8),
            targets: NDArray(zeros: [1], .int32), scale: 1 / 255)
        executable = try trainer.function(for: workload.prepare(images), training: true)
            .executable(batchSize: batchSize)
    }

    var plan: Plan { executable.plan }
}
