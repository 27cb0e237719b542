import Apus
import ApusExperiments
import Foundation

/// `apus replay RUN`: trains what a run's card says again, and tells whether it comes to the same bits.
struct ReplayCommand: Command {
    let syntax = CommandSyntax(
        "replay", summary: "Train a run again by its card, and say whether all bits are the same", operands: [.run],
        options: [RunOptions.runData, RunOptions.device, RunOptions.runThreads],
        notes:
            "Compared are the loss of every step, the hashes of all variables after each epoch (and after the steps\n"
            + "that --fingerprint-every of 'apus train' named), and the last weights. Nothing is written.")

    func run(_ arguments: Arguments) throws {
        let folder = try RunFolder(opening: arguments.operands[0])
        let card = try RunCard(readingFrom: folder)
        let experiment = try Experiments.named(card.experiment)
        let losses = try LossRecord.read(folder.losses)
        guard !losses.isEmpty else {
            throw ApusError.file(
                path: folder.losses.path, .foreign(expected: "the losses of a run's steps", found: "none so far"))
        }
        let device = try RunOptions.chosenDevice(arguments, defaultThreadCount: card.machine.threadCount)
        let machine = RunCard.Machine(device: device)
        let network = try experiment.network(seed: card.seed)
        try FirstWeights.restore(card, to: network.model)
        let data = try ChosenData.ofRun(card, arguments, for: experiment)
        try data.announce()

        let trainer = try TrainingSession.trainer(experiment, network, card, on: device)
        let samples = try experiment.prepare(data.loaded.train)
        let kernels = try TrainingSession.kernelCounts(trainer, samples, batchSize: card.settings.batchSize)
        for difference in card.differences(on: machine, kernels: kernels, amongSessions: true) {
            Console.report("WARNING: Not as the run was trained: \(difference). The bits may differ for that reason.")
        }
        let check = ReplayCheck(losses: losses, fingerprints: try Fingerprint.read(folder.fingerprints))
        // A run that was stopped or killed is replayed as far as it went.
        let stepCount = card.state == .running ? losses.count : min(card.stepsDone, losses.count)
        do {
            try trainer.fit(
                samples, batchSize: card.settings.batchSize,
                epochs: card.settings.epochCount, shuffles: card.settings.shuffles,
                augmentation: experiment.augmentation,
                callbacks: [Progress(), check], maxSteps: max(stepCount, 1))
        } catch let difference as ReplayCheck.Difference {
            let comparesWeights = difference.isAtEnd && card.state != .running
            let path = comparesWeights ? try? firstOtherWeights(network.model, folder) : nil
            let words = path.map { "; of the last weights the first that differs is \($0)" } ?? ""
            throw CommandEnding(message: "\(folder.path) is not bit-equal: \(difference)\(words).", exitCode: 1)
        }
        if card.state != .running, let path = try firstOtherWeights(network.model, folder) {
            throw CommandEnding(
                message: "\(folder.path) is not bit-equal: all that was recorded on the way is the same, but not "
                    + "\(path) in \(folder.weightsPath).",
                exitCode: 1)
        }
        let (compared, fingerprints) = (check.comparedLossCount, check.comparedFingerprintCount)
        try Console.line(
            "bit-equal: the losses of \(compared.grouped) "
                + (compared < stepCount ? "(the others are lost) of \(stepCount.grouped) " : "")
                + "\(stepCount == 1 ? "step" : "steps"), "
                + "\(fingerprints.grouped) \(fingerprints == 1 ? "fingerprint" : "fingerprints") of \(folder.path)"
                + (card.state == .running ? "." : ", and its weights."))
    }

    /// The path of the first of the run's last weights that is another in `model`; `nil` where none is.
    private func firstOtherWeights(_ model: Model, _ folder: RunFolder) throws -> String? {
        let saved = Dictionary(uniqueKeysWithValues: try Safetensors.read(folder.weights).map { ($0.name, $0.value) })
        return model.variables.first { saved[$0.path] != $0.variable.value }?.path
    }
}

extension ChosenData {
    /// The very data that a run was trained with.
    /// - Throws: `ApusError.file` where they are others now, and what loading throws.
    static func ofRun(_ card: RunCard, _ arguments: Arguments, for experiment: any Experiment) throws -> ChosenData {
        let data = try ChosenData(
            card.data.name, folder: arguments[RunOptions.runData] ?? card.data.existingFolder, for: experiment)
        let found = RunCard.Data(data.name, data.loaded).checksums
        guard found == card.data.checksums else {
            let names = Set(found.keys).union(card.data.checksums.keys).filter { found[$0] != card.data.checksums[$0] }
            throw ApusError.file(
                path: "\(data.loaded.source)",
                .foreign(
                    expected: "the files that the run was begun with, from \(excerpt(card.data.source))"
                        + (card.data.isGone ? ", which is not there any more (name its new place with --data)" : ""),
                    found: "others by their SHA-256: \(names.sorted().map { excerpt($0) }.joined(separator: ", "))"))
        }
        return data
    }
}
