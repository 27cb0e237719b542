import Apus
import ApusExperiments

/// `apus evaluate RUN`: a run's figures on the test images.
struct EvaluateCommand: Command {
    let syntax = CommandSyntax(
        "evaluate", summary: "Measure a run's network on the test images", operands: [.run],
        options: [
            RunOptions.runData, RunOptions.runDataset, RunOptions.device, RunOptions.threads, RunOptions.runPrecision,
        ])

    func run(_ arguments: Arguments) throws {
        let run = try TrainedRun.open(arguments.operands[0])
        let device = try RunOptions.chosenDevice(arguments)
        let data = try run.data(arguments)
        let settings = run.card.settings
        let trainer = try Trainer(
            run.network.model, loss: run.network.loss, metrics: run.experiment.metrics,
            optimizer: run.experiment.optimizer(learningRate: settings.learningRate), device: device,
            precision: RunOptions.chosenPrecision(arguments) ?? run.card.precision ?? .float32, seed: run.card.seed)
        try Console.line(
            "\(trainer.evaluate(run.experiment.prepare(data.loaded.test), batchSize: settings.batchSize))")
    }
}
