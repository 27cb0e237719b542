import Apus
import ApusExperiments

/// One training step of an experiment, planned for a batch size and ready to run, with no data needed.
struct TrainingStep {
    let experiment: any Experiment
    let network: ExperimentNetwork
    let trainer: Trainer
    let executable: any Executable

    init(_ experiment: any Experiment, batchSize: Int, device: Device, precision: Precision = .float32) throws {
        self.experiment = experiment
        network = try experiment.network(seed: 0)
        trainer = try Trainer(
            network.model, loss: network.loss, metrics: experiment.metrics,
            optimizer: experiment.optimizer(learningRate: experiment.defaults.learningRate), device: device,
            precision: precision)
        // The function asks a data set only what its columns are like.
        let images = try Dataset(
            inputs: NDArray(zeros: Shape([1] + experiment.imageShape.sizes), .uint8),
            targets: NDArray(zeros: [1], .int32), scale: 1 / 255)
        executable = try trainer.function(for: experiment.prepare(images), training: true)
            .executable(batchSize: batchSize)
    }

    var plan: Plan { executable.plan }
}
