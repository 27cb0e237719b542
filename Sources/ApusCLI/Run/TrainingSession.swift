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

    /// Trains, then writes weights, pictures and the card again. Where the training fails, what was reached is kept.
    /// - Parameter room: given back when the training has ended.
    func run(room: Reservation, logEvery: Int?, clock: StartupClock?) throws {
        let settings = card.settings
        let trainer = try Trainer(
            network.model, loss: network.loss, metrics: experiment.metrics,
            optimizer: experiment.optimizer(learningRate: settings.learningRate), device: device, seed: card.seed)
        var callbacks: [any Callback] = [
            Progress(isTerminal: Console.isTerminal) { Console.write($0) }, JSONLinesLog(folder.history),
        ]
        if let logEvery { callbacks.insert(StepLosses(every: logEvery) { Console.write($0) }, at: 0) }
        if let clock { callbacks.insert(StartupReport(clock), at: 0) }
        do {
            try trainer.fit(
                experiment.prepare(data.train), batchSize: settings.batchSize, epochs: settings.epochCount,
                validation: experiment.prepare(data.test), shuffles: settings.shuffles, callbacks: callbacks,
                maxSteps: card.maximumStepCount)
        } catch {
            room.release()
            // The first problem is the one to report, whatever else fails on the way out.
            try? network.model.saveWeights(to: folder.weights)
            try? finishedCard(trainer, failure: "\(error)").write(to: folder)
            throw error
        }
        room.release()
        try network.model.saveWeights(to: folder.weights)
        try finishedCard(trainer, failure: nil).write(to: folder)
        try RunPictures.draw(
            experiment, network, history: trainer.history, data: data, device: device, into: folder)
        Console.line("The run is in \(folder.url.relativePath): weights, history, settings and pictures.")
    }

    private func finishedCard(_ trainer: Trainer, failure: String?) -> RunCard {
        var card = card
        card.state = failure == nil ? .finished : .failed
        card.failure = failure
        card.epochsDone = trainer.history.epochs.count
        card.stepsDone = trainer.step
        card.seconds = trainer.history.epochs.last?.seconds ?? 0
        return card
    }
}
