import Apus
import ApusExperiments
import Foundation

/// `apus train NAME`: trains an experiment and keeps the run in a folder. `apus train --resume RUN`: goes on with one.
struct TrainCommand: Command {
    static let epochs = Option.integer(
        "epochs", in: 1...1_000_000, help: "Passes over the training data", default: "the experiment's")
    static let learningRate = Option.positiveNumber(
        "learning-rate", help: "The step size", default: "the experiment's")
    static let seed = Option.seed("seed", help: "Decides all random numbers", default: "0")
    static let out = Option.path(
        "out", "FOLDER", help: "Where the run is kept; it must be new or empty", default: "runs/NAME-DATE-TIME")
    static let maximumSteps = Option.integer(
        "max-steps", in: 1...1_000_000_000, help: "End after so many steps", default: "all epochs")
    static let weights = Option.path(
        "weights", "FILE", help: "Start from these weights (safetensors)", default: "drawn from the seed")
    static let logEvery = Option.integer(
        "log-every", in: 1...1_000_000_000, help: "Print the loss of every N-th step", default: "none")
    static let shuffle = Option.flag("shuffle", help: "Visit the samples in another order each epoch")
    static let noShuffle = Option.flag("no-shuffle", help: "Visit the samples as they stand in the file")
    static let timing = Option.flag("timing", help: "Print what passes before the first step")
    static let resume = Option.path(
        "resume", "RUN",
        help: "Go on with this run where it was stopped or killed; NAME and its settings are the run's",
        default: nil)
    static let checkpointEvery = Option.integer(
        "checkpoint-every", in: 1...1_000_000_000, help: "Write a checkpoint after every so many steps",
        default: "after epochs and minutes, in less than 1% of the time")
    static let checkpointMinutes = Option.positiveNumber(
        "checkpoint-minutes", help: "Write a checkpoint after every so many minutes", default: nil)
    static let keep = Option.integer(
        "keep", in: 1...1_000_000, help: "How many of the newest checkpoints are kept",
        default: "\(RunCard.Keeping.defaultCount)")
    static let fingerprintEvery = Option.integer(
        "fingerprint-every", in: 1...1_000_000_000,
        help: "Note a hash of every variable after so many steps, for 'apus replay'", default: "after epochs")

    let syntax = CommandSyntax(
        "train", summary: "Train an experiment; keep weights, history, settings and pictures in a folder",
        operands: [
            CommandSyntax.Operand(
                "NAME", help: CommandSyntax.Operand.experiment.help + " (with --resume it is the run's)",
                isRequired: false)
        ],
        options: [
            epochs, RunOptions.batchSize, learningRate, seed, RunOptions.data, RunOptions.dataset, RunOptions.device,
            RunOptions.threads, RunOptions.precision, out, maximumSteps, weights, logEvery, shuffle, noShuffle, timing,
            resume,
            checkpointEvery, checkpointMinutes, keep, fingerprintEvery,
        ],
        notes: "The experiments' own settings:\n"
            + Help.table(Experiments.all.map { ($0.name, $0.defaults.description) })
            + "\n\nCtrl-C ends the training after the step and keeps what was reached; a second one ends it at once.\n"
            + "'apus train --resume RUN' goes on at that very step, to the same bits as without a stop.")

    func run(_ arguments: Arguments) throws {
        var clock = StartupClock()
        if let path = arguments[Self.resume] { return try ResumedRun(path, arguments).run(arguments, &clock) }
        guard !arguments.operands.isEmpty else {
            throw ApusError.usage(
                problem: "apus train needs NAME: \(CommandSyntax.Operand.experiment.help); or --resume RUN.",
                cure: "See 'apus train --help'.")
        }
        let experiment = try Experiments.named(arguments.operands[0])
        let settings = try chosenSettings(arguments, experiment.defaults)
        let device = try RunOptions.chosenDevice(arguments)
        let seed = arguments[Self.seed] ?? 0
        let precision = RunOptions.chosenPrecision(arguments) ?? .float32
        RunOptions.announce(precision, on: device)

        // What can be refused at once is refused before data are read, or fetched for minutes.
        try ChosenData.check(settings.datasetName, for: experiment)
        try RunFolder.check(arguments[Self.out])
        let network = try experiment.network(seed: seed)
        let firstWeights = try arguments[Self.weights].map { try FirstWeights($0, for: network.model) }
        clock.mark("network")

        let data = try ChosenData(settings.datasetName, folder: arguments[RunOptions.data], for: experiment)
        clock.mark("data")
        try data.announce()
        let sampleCount = data.loaded.train.count
        if settings.batchSize > sampleCount {
            Console.report(
                "NOTE: A batch of \(settings.batchSize.grouped) takes all \(sampleCount.grouped) training images: an "
                    + "epoch is one step.")
        }
        for model in network.models { try Console.line(model.summary()) }

        let folder = try RunFolder.make(at: arguments[Self.out], experiment: experiment.name)
        let lock = try RunLock(folder)
        let card = RunCard(
            experiment: experiment.name, settings: settings, seed: seed,
            precision: precision,
            maximumStepCount: arguments[Self.maximumSteps], firstWeights: firstWeights?.path,
            firstWeightsChecksum: firstWeights?.checksum, data: .init(data.name, data.loaded),
            machine: .init(device: device),
            keeping: Self.keeping(arguments, instead: nil))
        var session = try TrainingSession(
            experiment: experiment, network: network, data: data.loaded, device: device, folder: folder, lock: lock,
            card: card)
        clock.mark("tracing and planning")
        let room = try session.prepareFolder()
        clock.mark("output folder")
        try session.run(
            room: room, logEvery: arguments[Self.logEvery], clock: arguments.has(Self.timing) ? clock : nil)
    }

    /// What the options say is kept; where they say nothing, as `before`.
    static func keeping(_ arguments: Arguments, instead before: RunCard.Keeping?) -> RunCard.Keeping {
        let (steps, minutes) = (arguments[checkpointEvery], arguments[checkpointMinutes])
        let isChosen = steps != nil || minutes != nil
        return RunCard.Keeping(
            checkpointSteps: isChosen ? steps : before?.checkpointSteps,
            checkpointMinutes: isChosen ? minutes : before?.checkpointMinutes,
            checkpointCount: arguments[keep] ?? before?.checkpointCount ?? RunCard.Keeping.defaultCount,
            fingerprintSteps: arguments[fingerprintEvery] ?? before?.fingerprintSteps)
    }

    private func chosenSettings(_ arguments: Arguments, _ defaults: TrainingSettings) throws -> TrainingSettings {
        if arguments.has(Self.shuffle), arguments.has(Self.noShuffle) {
            throw ApusError.usage(problem: "--shuffle and --no-shuffle contradict each other.", cure: "Give one.")
        }
        var settings = defaults
        settings.epochCount = arguments[Self.epochs] ?? defaults.epochCount
        settings.batchSize = arguments[RunOptions.batchSize] ?? defaults.batchSize
        settings.learningRate = arguments[Self.learningRate] ?? defaults.learningRate
        settings.datasetName = arguments[RunOptions.dataset] ?? defaults.datasetName
        if arguments.has(Self.shuffle) { settings.shuffles = true }
        if arguments.has(Self.noShuffle) { settings.shuffles = false }
        return settings
    }
}
