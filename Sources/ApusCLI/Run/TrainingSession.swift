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
    let card: RunCard

    /// Room for pictures, history and card, in bytes.
    private static let extraRoom = 8_000_000

    /// Writes what is known beforehand, and takes the room for the rest.
    /// - Throws: `ApusError.file` with `.unwritable`.
    func prepareFolder() throws -> Reservation {
        let room = try folder.reserve(byteCount: network.model.parameterCount * 4 + Self.extraRoom)
        try card.write(to: folder)
        try network.model.saveDescription(to: folder.model)
        return room
    }

    /// Trains, then writes weights, pictures and the card again. Where the training fails or is stopped, what was reached
    /// is kept.
    /// - Parameter room: given back when the training has ended.
    /// - Throws: `CommandEnding` for all that comes up after the first step.
    func run(room: Reservation, logEvery: Int?, clock: StartupClock?) throws {
        let settings = card.settings
        let trainer = try Trainer(
            network.model, loss: network.loss, metrics: experiment.metrics,
            optimizer: experiment.optimizer(learningRate: settings.learningRate), device: device, seed: card.seed)
        let stop = StopRequest()
        Interruption.begin()
        do {
            try trainer.fit(
                experiment.prepare(data.train), batchSize: settings.batchSize, epochs: settings.epochCount,
                validation: experiment.prepare(data.test), shuffles: settings.shuffles,
                augmentation: experiment.augmentation,
                callbacks: callbacks(trainer, stop, logEvery, clock), maxSteps: card.maximumStepCount)
        } catch {
            room.release()
            throw ending(after: error, trainer, epoch: stop.epoch)
        }
        room.release()
        try save(card(of: trainer, .finished))
        Interruption.end()
        if let signal = Interruption.request {
            throw CommandEnding(
                message: "stopped before the pictures were drawn; weights are in \(folder.weightsPath)",
                exitCode: CommandEnding.exitCode(ofSignal: signal))
        }
        let pictures = RunPictures(experiment: experiment, folder: folder)
        try pictures.drawCurves(of: trainer.history)
        try pictures.drawImages(network, data: data, device: device)
        try Console.line("The run is in \(folder.path): weights, history, settings and pictures.")
    }

    /// The one that may stop comes after those that write, and saving last: there is more to save where it stops.
    private func callbacks(
        _ trainer: Trainer, _ stop: StopRequest, _ logEvery: Int?, _ clock: StartupClock?
    ) -> [any Callback] {
        var callbacks: [any Callback] = []
        if let clock { callbacks.append(StartupReport(clock)) }
        if let logEvery { callbacks.append(StepLosses(every: logEvery, write: stop.write)) }
        // Lines between two drawings of a bar would stand behind it.
        callbacks.append(Progress(isTerminal: Console.isTerminal && logEvery == nil, write: stop.write))
        callbacks.append(JSONLinesLog(folder.history))
        callbacks.append(stop)
        callbacks.append(RegularSaving { _ in try save(card(of: trainer, .running)) })
        return callbacks
    }

    private func save(_ card: RunCard) throws {
        try network.model.saveWeights(to: folder.weights)
        try card.write(to: folder)
    }

    /// Saves what was reached when `error` ended the training.
    /// - Returns: what is left to say, and the exit code.
    private func ending(after error: any Error, _ trainer: Trainer, epoch: Int) -> CommandEnding {
        let place = "epoch \(epoch), step \(trainer.step.grouped)"
        let state: RunCard.State
        var ending: CommandEnding
        var reason = "\(error)"
        switch error {
        case let signal as SignalReceived:
            state = .stopped
            reason = "stopped by \(Interruption.name(of: signal.signal)) at \(place)"
            ending = CommandEnding(
                message: "stopped at \(place); weights are in \(folder.weightsPath)",
                exitCode: CommandEnding.exitCode(ofSignal: signal.signal))
        case let failure as OutputFailure where failure.isClosedPipe:
            state = .stopped
            reason = "stopped at \(place), as nobody read its output any more"
            ending = CommandEnding(message: nil, exitCode: CommandEnding.exitCode(ofSignal: SIGPIPE))
        case ApusError.notFinite(let problem):
            state = .failed
            reason = problem.headline
            ending = CommandEnding(message: report(problem), exitCode: CommandLineProgram.exitCode(for: error))
        default:
            state = .failed
            ending = CommandEnding(
                message: "\(error) The run so far is in \(folder.path): weights, history and settings.",
                exitCode: CommandLineProgram.exitCode(for: error))
        }
        do {
            try save(card(of: trainer, state, reason))
        } catch let problem {
            ending = CommandEnding(message: "\(reason); and the weights could not be saved: \(problem)", exitCode: 1)
        }
        return ending
    }

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
        return (["\(problem.headline) \(end)"] + (problem.report?.lines ?? [])).joined(separator: "\n")
    }

    private func card(of trainer: Trainer, _ state: RunCard.State, _ failure: String? = nil) -> RunCard {
        var card = card
        card.state = state
        card.failure = failure
        card.epochsDone = trainer.history.epochs.count
        card.stepsDone = trainer.step
        card.seconds = trainer.history.epochs.last?.seconds ?? 0
        return card
    }
}
