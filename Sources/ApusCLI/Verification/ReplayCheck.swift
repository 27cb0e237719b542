import Apus
import Foundation

/// Holds a training against what a run has recorded: the loss of every step, and the fingerprints.
final class ReplayCheck: Callback {
    /// Where the two part.
    struct Difference: Error, CustomStringConvertible {
        /// The first step with another loss: its number, and both losses.
        var loss: (step: Int, recorded: Float, found: Float)?
        /// The first fingerprint that is another: the step, and the variables, the first ones first.
        var variables: (step: Int, paths: [String])?
        /// The last step after which all variables were the same; `nil` where none was seen.
        var lastEqualStep: Int?
        /// Whether all steps have been taken: no fingerprint came after the loss that differs.
        var isAtEnd = false

        var description: String {
            var parts: [String] = []
            if let loss {
                parts.append(
                    "the first step with another loss is \(loss.step.grouped): \(loss.recorded) "
                        + "(\(Self.bits(loss.recorded))) in the run, now \(loss.found) (\(Self.bits(loss.found)))")
            }
            if let variables, let first = variables.paths.first {
                let more = variables.paths.count > 1 ? " and \(variables.paths.count - 1) more" : ""
                parts.append("after step \(variables.step.grouped) the first variable that differs is \(first)\(more)")
            }
            parts.append(
                lastEqualStep.map { "all variables were the same after step \($0.grouped)" }
                    ?? "no fingerprint before that was the same")
            return parts.joined(separator: "; ")
        }

        private static func bits(_ value: Float) -> String { String(format: "%08x", value.bitPattern) }
    }

    private let losses: [Float]
    private let fingerprints: [Place: Fingerprint]
    private var lossDifference: (step: Int, recorded: Float, found: Float)?
    private var lastEqualStep: Int?
    /// How much was compared.
    private(set) var comparedLossCount = 0
    private(set) var comparedFingerprintCount = 0

    private struct Place: Hashable {
        let step: Int
        let epoch: Int?
    }

    init(losses: [Float], fingerprints: [Fingerprint]) {
        self.losses = losses
        self.fingerprints = Dictionary(
            fingerprints.map { (Place(step: $0.step, epoch: $0.epoch), $0) }, uniquingKeysWith: { $1 })
    }

    func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
        let index = training.stepsDone - 1
        // A loss that is no number was not recorded.
        if index < losses.count, !losses[index].isNaN, lossDifference == nil {
            comparedLossCount += 1
            let found = Float(step.loss)
            if found.bitPattern != losses[index].bitPattern {
                lossDifference = (training.stepsDone, losses[index], found)
            }
        }
        try compare(training, epoch: nil)
    }

    func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        try compare(training, epoch: record.epoch)
        return .continue
    }

    /// - Throws: `Difference` for a loss that no fingerprint came after.
    func trainingDidEnd(_ history: History, _ training: Training) throws {
        if lossDifference != nil {
            throw Difference(loss: lossDifference, lastEqualStep: lastEqualStep, isAtEnd: true)
        }
    }

    /// The next fingerprint after a loss that differs tells which variables do.
    private func compare(_ training: Training, epoch: Int?) throws {
        guard let recorded = fingerprints[Place(step: training.stepsDone, epoch: epoch)] else { return }
        let found = try Fingerprint(training, step: training.stepsDone, epoch: epoch)
        comparedFingerprintCount += 1
        let hashes = Dictionary(recorded.entries.map { ($0.path, $0.hash) }) { first, _ in first }
        let known = Set(found.entries.map(\.path))
        let paths =
            found.entries.filter { hashes[$0.path] != $0.hash }.map(\.path)
            + recorded.entries.map(\.path).filter { !known.contains($0) }
        guard paths.isEmpty, lossDifference == nil else {
            throw Difference(
                loss: lossDifference, variables: paths.isEmpty ? nil : (training.stepsDone, paths),
                lastEqualStep: lastEqualStep)
        }
        lastEqualStep = training.stepsDone
    }
}
