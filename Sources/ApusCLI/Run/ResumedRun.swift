import Apus
import ApusExperiments
import Foundation

/// A run that is to go on where it was stopped or killed.
struct ResumedRun {
    let folder: RunFolder
    private let lock: RunLock
    private var card: RunCard
    /// Whether there is nothing left to do.
    private let isFinished: Bool

    /// The run in the folder `path`, with what the options may change.
    /// - Throws: `ApusError.file` where the folder is no run's or another process writes there, `ApusError.usage` for
    ///   options that contradict the run.
    init(_ path: String, _ arguments: Arguments) throws {
        folder = try RunFolder(opening: path)
        lock = try RunLock(folder)
        card = try RunCard(readingFrom: folder)
        try Self.check(arguments, against: card)
        let isRaised = Self.isRaised(arguments, card)
        card.settings.epochCount = arguments[TrainCommand.epochs] ?? card.settings.epochCount
        card.maximumStepCount = arguments[TrainCommand.maximumSteps] ?? card.maximumStepCount
        card.keeping = TrainCommand.keeping(arguments, instead: card.keeping)
        // More epochs are of no use to a run that has taken all the steps that it may.
        let isAtItsLastStep = card.maximumStepCount ?? .max <= card.stepsDone
        isFinished = card.state == .finished && (!isRaised || isAtItsLastStep)
    }

    /// Goes on; says so where there is nothing left to do.
    func run(_ arguments: Arguments, _ clock: inout StartupClock) throws {
        if isFinished {
            let limit = card.maximumStepCount.map { $0 <= card.stepsDone } ?? false
            return try Console.line(
                "The run \(folder.path) is finished, after epoch \(card.epochsDone.grouped), step "
                    + "\(card.stepsDone.grouped). To go further, give more with "
                    + (limit ? "--max-steps, which was its limit." : "--epochs."))
        }
        LastWords.add(TrainingSession.lastWords(folder))
        let experiment = try Experiments.named(card.experiment)
        let device = try RunOptions.chosenDevice(arguments, defaultThreadCount: card.machine.threadCount)
        RunOptions.announce(card.precision ?? .float32, on: device)
        let machine = RunCard.Machine(device: device)
        let network = try experiment.network(seed: card.seed)
        clock.mark("network")
        let data = try ChosenData.ofRun(card, arguments, for: experiment)
        clock.mark("data")
        try data.announce()

        let checkpoint = try folder.checkpoints.newest(reportingTo: Console.reportCheckpoint)
        if checkpoint == nil { try FirstWeights.restore(card, to: network.model) }
        var continued = card
        if checkpoint == nil { continued.forgetBegin(on: machine) }
        continued.begin(firstStep: checkpoint?.step ?? 0, machine: machine)
        var session = try TrainingSession(
            experiment: experiment, network: network, data: data.loaded, device: device, folder: folder, lock: lock,
            card: continued, checkpoint: checkpoint)
        let differences = continued.differences(
            on: machine, kernels: session.card.sessions?.last?.kernels, amongSessions: false)
        session.card.noteSession { $0.differences = differences.isEmpty ? nil : differences }
        for difference in differences {
            Console.report(
                "WARNING: Not as the run was begun: \(difference). The bits may differ from those of an "
                    + "uninterrupted run.")
        }
        clock.mark("tracing and planning")
        let room = try session.prepareFolder()
        let damaged = checkpoint == nil ? try folder.checkpoints.setAsideDamaged() : nil
        clock.mark("output folder")
        if let step = checkpoint?.step, let count = try? LossRecord.read(folder.losses).count, count < step {
            Console.report(
                "WARNING: \(folder.losses.relativePath): the losses of \((step - count).grouped) of \(step.grouped) steps "
                    + "are lost; 'apus replay' compares the others.")
        }
        try session.run(
            room: room, saying: checkpoint == nil ? newBeginning(damaged) : nil,
            logEvery: arguments[TrainCommand.logEvery],
            clock: arguments.has(TrainCommand.timing) ? clock : nil)
    }

    /// Where there is no checkpoint: from one, `Progress` says how the training goes on.
    /// - Parameter damaged: the folder of those that are not whole.
    private func newBeginning(_ damaged: URL?) -> String {
        guard let damaged else { return "There is no checkpoint: the run begins anew." }
        return "No checkpoint is whole: the run begins anew. The damaged ones are in "
            + "\(folder.path)/\(damaged.lastPathComponent)."
    }

    private static func isRaised(_ arguments: Arguments, _ card: RunCard) -> Bool {
        let (epochs, steps) = (arguments[TrainCommand.epochs], arguments[TrainCommand.maximumSteps])
        if let limit = card.maximumStepCount, let steps, steps > limit { return true }
        return epochs.map { $0 > card.settings.epochCount } ?? false
    }

    /// - Throws: `ApusError.usage` for the first option that contradicts the run.
    private static func check(_ arguments: Arguments, against card: RunCard) throws {
        func require<Value: Equatable>(_ option: String, _ given: Value?, _ own: Value) throws {
            guard let given, given != own else { return }
            throw ApusError.usage(
                problem: "\(option) is \(given), but the run was begun with \(own).",
                cure: "Leave it out: a run goes on with its own settings.")
        }
        let settings = card.settings
        if let name = arguments.operands.first, name.lowercased() != card.experiment {
            throw ApusError.usage(
                problem: "The run is one of \(card.experiment), not of \(name).", cure: "Leave the name out.")
        }
        try require("--batch-size", arguments[RunOptions.batchSize], settings.batchSize)
        try require("--learning-rate", arguments[TrainCommand.learningRate], settings.learningRate)
        try require("--seed", arguments[TrainCommand.seed], card.seed)
        try require(
            "--precision", RunOptions.chosenPrecision(arguments)?.rawValue,
            (card.precision ?? .float32).rawValue)
        try require("--dataset", arguments[RunOptions.dataset], settings.datasetName)
        for (flag, shuffles) in [(TrainCommand.shuffle, true), (TrainCommand.noShuffle, false)]
        where arguments.has(flag) && settings.shuffles != shuffles {
            throw ApusError.usage(
                problem:
                    "--\(flag.name) contradicts the run, which was begun \(shuffles ? "without" : "with") shuffling.",
                cure: "Leave it out: a run goes on with its own settings.")
        }
        for option in [TrainCommand.weights, TrainCommand.out] where arguments[option] != nil {
            throw ApusError.usage(
                problem: "--\(option.name) cannot be given with --resume.",
                cure: "Leave it out: a run goes on in its own folder, with its own weights.")
        }
        func requireMore(_ option: String, _ given: Int?, _ own: Int?) throws {
            guard let given, given < own ?? .max else { return }
            let begun = own.map { "with \($0.grouped)" } ?? "without such a limit"
            throw ApusError.usage(
                problem: "\(option) is \(given.grouped), but the run was begun \(begun).",
                cure: own == nil ? "Leave it out." : "Give more to go further, or leave it out.")
        }
        try requireMore("--epochs", arguments[TrainCommand.epochs], settings.epochCount)
        try requireMore("--max-steps", arguments[TrainCommand.maximumSteps], card.maximumStepCount)
    }
}
