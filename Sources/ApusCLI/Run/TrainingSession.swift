import Apus
import ApusExperiments
import Foundation

/// A training with all that is written on the way.
struct TrainingSession {
    let experiment: any Experiment
    let network: ExperimentNetwork
    let data: LoadedDataset
    let device: Device
    let folder: RunFolder
    /// Held as long as the session lives.
    let lock: RunLock
    var card: RunCard
    /// Where an earlier session stood; `nil` for a run that begins.
    var checkpoint: Checkpoint?
    private let trainer: Trainer
    private let samples: Dataset

    /// - Parameter network: with the weights that the run begins with.
    /// - Throws: `ApusError` where a step cannot be planned, as for want of memory; nothing is written then.
    init(
        experiment: any Experiment, network: ExperimentNetwork, data: LoadedDataset, device: Device, folder: RunFolder,
        lock: RunLock, card: RunCard, checkpoint: Checkpoint? = nil
    ) throws {
        (self.experiment, self.network, self.data, self.device) = (experiment, network, data, device)
        (self.folder, self.lock, self.card, self.checkpoint) = (folder, lock, card, checkpoint)
        trainer = try Self.trainer(experiment, network, card, on: device)
        samples = try experiment.prepare(data.train)
        let kernels = try Self.kernelCounts(trainer, samples, batchSize: card.settings.batchSize)
        self.card.kernels = card.kernels ?? kernels
        self.card.noteSession { $0.kernels = kernels }
    }

    /// Room for pictures, history and card, in bytes.
    private static let extraRoom = 4_000_000
    /// A checkpoint's names and numbers, in bytes.
    private static let headerRoom = 16_000

    /// Takes the room for what is written at the end, where there is enough for that and for the checkpoints.
    /// - Throws: `ApusError.file` with `.unwritable`.
    func prepareFolder() throws -> Reservation {
        folder.removeUnfinished()
        let weights = network.model.variables.reduce(0) { $0 + $1.variable.type.byteCount }
        let checkpoint = weights + trainer.optimizerByteCount + Self.headerRoom
        // The newest, the best, and one that is being written.
        let checkpointCount = (card.keeping?.checkpointCount ?? RunCard.Keeping.defaultCount) + 2
        return try folder.reserve(
            byteCount: weights + Self.extraRoom, beside: checkpointCount * checkpoint, largestFile: checkpoint)
    }

    /// Does what belongs to a training's begin, and not before it: what refuses the training leaves everything as it was.
    private final class Opening: Callback {
        private(set) var hasBegun = false
        private let begin: () throws -> Void

        init(_ begin: @escaping () throws -> Void) { self.begin = begin }

        func trainingWillStart(_ training: Training) throws {
            try begin()
            hasBegun = true
        }
    }

    /// Writes what is known beforehand.
    private func open(saying line: String?) throws {
        try card.write(to: folder)
        try network.model.saveDescription(to: folder.model)
        LastWords.add(Self.lastWords(folder))
        if let line { try Console.line(line) }
    }

    /// How a run goes on that has something on the disk.
    static func lastWords(_ folder: RunFolder) -> String {
        "What was written so far is unharmed: apus train --resume \(folder.path)"
    }

    /// The trainer of a run with this card.
    static func trainer(
        _ experiment: any Experiment, _ network: ExperimentNetwork, _ card: RunCard, on device: Device
    ) throws -> Trainer {
        try Trainer(
            network.model, loss: network.loss, metrics: experiment.metrics,
            optimizer: experiment.optimizer(learningRate: card.settings.learningRate), device: device,
            precision: card.precision ?? .float32, seed: card.seed)
    }

    /// Trains, then writes weights, pictures and the card again. Where the training fails or is stopped, what was reached
    /// is kept.
    /// - Parameters:
    ///   - room: given back when the training has ended.
    ///   - line: what is said when it begins.
    /// - Throws: `CommandEnding` for all that comes up after its begin; what is thrown before has changed nothing.
    mutating func run(room: Reservation, saying line: String? = nil, logEvery: Int?, clock: StartupClock?) throws {
        let settings = card.settings
        let (stop, checkpoints) = (StopRequest(), self.checkpoints)
        let opening = Opening { [self] in try open(saying: line) }
        Interruption.begin()
        do {
            try trainer.fit(
                samples, batchSize: settings.batchSize, epochs: settings.epochCount,
                validation: experiment.prepare(data.test), shuffles: settings.shuffles,
                augmentation: experiment.augmentation,
                callbacks: [opening] + callbacks(stop, checkpoints, logEvery, clock), maxSteps: card.maximumStepCount,
                resumingFrom: checkpoint)
        } catch {
            room.release()
            guard opening.hasBegun else { throw refusal(error) }
            throw ending(after: error, trainer, checkpoints)
        }
        checkpoint = nil
        room.release()
        // Until there are pictures, the run has not ended: a killed one is taken up here.
        try save(card(of: trainer, .running))
        folder.checkpoints.keepNewest(1)
        Interruption.end()
        let finished = card(of: trainer, .finished)
        if let signal = Interruption.request {
            try finished.write(to: folder)
            throw CommandEnding(
                message: "stopped before the pictures were drawn; weights are in \(folder.weightsPath)",
                exitCode: Interruption.exitCode(of: signal))
        }
        do {
            let pictures = RunPictures(experiment: experiment, folder: folder)
            try pictures.drawCurves(of: trainer.history)
            try pictures.drawImages(network, data: data, device: device)
        } catch let problem {
            try finished.write(to: folder)
            throw CommandEnding(
                message: "\(problem) The run is in \(folder.path), with weights, history and settings; "
                    + "'apus plot \(folder.path)' draws its pictures.",
                exitCode: CommandLineProgram.exitCode(for: problem))
        }
        try finished.write(to: folder)
        warnOfDivergence(trainer.history)
        try Console.line("The run is in \(folder.path): weights, history, settings and pictures.")
    }

    /// Those that write come before the checkpoints, which hold where they stand; the one that may stop comes last.
    private func callbacks(
        _ stop: StopRequest, _ checkpoints: Checkpoints, _ logEvery: Int?, _ clock: StartupClock?
    ) -> [any Callback] {
        var callbacks: [any Callback] = []
        if let clock { callbacks.append(StartupReport(clock)) }
        if let logEvery { callbacks.append(StepLosses(every: logEvery, write: stop.write)) }
        // Lines between two drawings of a bar would stand behind it.
        callbacks.append(Progress(isTerminal: Console.isTerminal && logEvery == nil, write: stop.write))
        callbacks.append(JSONLinesLog(folder.history))
        callbacks.append(LossRecord(folder.losses))
        callbacks.append(Fingerprints(folder.fingerprints, every: card.keeping?.fingerprintSteps))
        return callbacks + [checkpoints, stop]
    }

    /// After epochs and minutes, as long as it takes less than a hundredth of the time, unless the user says how often.
    private var checkpoints: Checkpoints {
        let keeping = card.keeping
        let isChosen = keeping?.checkpointSteps != nil || keeping?.checkpointMinutes != nil
        return Checkpoints(
            in: folder.checkpoints.url, everySteps: keeping?.checkpointSteps,
            everyMinutes: isChosen ? keeping?.checkpointMinutes : 1, everyEpochs: isChosen ? nil : 1,
            keep: keeping?.checkpointCount ?? RunCard.Keeping.defaultCount, costLimit: isChosen ? nil : 0.01)
    }

    /// How many kernels of each kind a whole batch's step has; `nil` on a device that has none.
    static func kernelCounts(_ trainer: Trainer, _ samples: Dataset, batchSize: Int) throws -> [String: Int]? {
        let function = try trainer.function(for: samples, training: true)
        let executable = try function.executable(batchSize: min(batchSize, samples.count))
        return (executable as? CPUExecutable)?.kernelCounts
    }

    private func save(_ card: RunCard) throws {
        try network.model.saveWeights(to: folder.weights)
        try card.write(to: folder)
    }

    /// What is said of an error that came up before anything was written.
    private func refusal(_ error: any Error) -> any Error {
        guard checkpoint != nil, case ApusError.setting = error else { return error }
        return CommandEnding(
            message: "\(error) The run's card or its checkpoints were changed; nothing in \(folder.path) has been "
                + "written.",
            exitCode: CommandLineProgram.exitCode(for: error))
    }

    /// Saves what was reached when `error` ended the training.
    /// - Returns: what is left to say, and the exit code.
    private func ending(after error: any Error, _ trainer: Trainer, _ checkpoints: Checkpoints) -> CommandEnding {
        let place = "epoch \(trainer.progress.epoch), step \(trainer.step.grouped)"
        let state: RunCard.State
        var ending: CommandEnding
        var reason = "\(error)"
        switch error {
        case let signal as SignalReceived:
            state = .stopped
            reason = "stopped by \(Interruption.name(of: signal.signal)) at \(place)"
            ending = CommandEnding(
                message: "stopped at \(place); weights are in \(folder.weightsPath). \(wayOn)",
                exitCode: Interruption.exitCode(of: signal.signal))
        case let failure as OutputFailure where failure.isClosedPipe:
            state = .stopped
            reason = "stopped at \(place), as nobody read its output any more"
            ending = CommandEnding(message: nil, exitCode: Interruption.exitCode(of: SIGPIPE))
        case ApusError.notFinite(let problem):
            state = .failed
            reason = problem.headline
            ending = CommandEnding(message: report(problem), exitCode: CommandLineProgram.exitCode(for: error))
        default:
            state = .failed
            ending = CommandEnding(
                message: "\(error) The run so far is in \(folder.path): weights, history and settings."
                    + (comesFromOutside(error) ? " When that is mended: apus train --resume \(folder.path)" : ""),
                exitCode: CommandLineProgram.exitCode(for: error))
        }
        // Where a file could not be written, there is nothing new in that.
        if let problem = checkpoints.failure, !isOfFiles(error) {
            ending.message = (ending.message.map { "\($0) " } ?? "") + "This step has no checkpoint: \(problem)"
        }
        do {
            try save(card(of: trainer, state, reason))
        } catch let problem {
            ending.message =
                isOfFiles(error)
                ? "\(error) Nor could the weights be saved. When that is mended: apus train --resume \(folder.path)"
                : "\(reason); and the weights could not be saved: \(problem) \(wayOn)"
            ending.exitCode = 1
        }
        return ending
    }

    /// Whether a file, a terminal or a pipe is at fault.
    private func isOfFiles(_ error: any Error) -> Bool {
        if case ApusError.file = error { true } else { error is OutputFailure }
    }

    /// Whether the cause lies outside the run, which can then go on.
    private func comesFromOutside(_ error: any Error) -> Bool {
        isOfFiles(error) || (error as? ApusError)?.isOfMemory == true
    }

    /// A tenth.
    private var smallerRate: String { String(format: "%g", card.settings.learningRate / 10) }

    /// What a training that went wrong without a number that is not finite looks like.
    private func warnOfDivergence(_ history: History) {
        guard let first = (try? LossRecord.read(folder.losses))?.first, let last = history["loss"].last,
            last > 2 * Double(abs(first))
        else { return }
        Console.report(
            "WARNING: The last epoch's loss, \(String(format: "%.4g", last)), is more than twice that of the first step, "
                + "\(String(format: "%.4g", first)): the training has diverged. Try a smaller --learning-rate, such as "
                + "\(smallerRate).")
    }

    /// How the run is taken up again.
    private var wayOn: String { "To go on: apus train --resume \(folder.path)" }

    /// Keeps the step that failed.
    /// - Returns: what is to be said.
    private func report(_ problem: NotFiniteProblem) -> String {
        let place = "The run so far is in \(folder.path): weights, history and settings"
        let end: String
        do {
            try problem.write(to: folder.failure)
            end = "\(place); the batch and a report are in \(folder.path)/\(folder.failure.lastPathComponent)."
        } catch let trouble {
            end = "\(place). The batch could not be saved: \(trouble)"
        }
        let way =
            "Train again with a smaller --learning-rate: apus train \(card.experiment) --learning-rate \(smallerRate) (its "
            + "last weights are finite, but may be ruined; --weights \(folder.path) begins with them)."
        return (["\(problem.headline) \(end) \(way)"] + problem.details).joined(separator: "\n")
    }

    private func card(of trainer: Trainer, _ state: RunCard.State, _ failure: String? = nil) -> RunCard {
        var card = card
        card.state = state
        card.failure = failure
        card.epochsDone = trainer.history.epochs.count
        card.stepsDone = trainer.step
        card.seconds = trainer.history.epochs.last?.seconds ?? 0
        // A file that cannot be read must not keep the weights from being saved.
        card.weightHashes = try? Fingerprint.read(folder.fingerprints).filter { $0.epoch != nil }.map {
            try $0.ofWeights
        }
        return card
    }
}

extension RunCard.Keeping {
    static let defaultCount = 3
}
