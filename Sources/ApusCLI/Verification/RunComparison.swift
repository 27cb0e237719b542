import Apus
import Foundation

/// Whether two runs came to the same bits.
package enum RunComparison {
    /// The first difference between two finished runs, in words; `nil` where all that they came to is the same, but for
    /// seconds.
    /// - Throws: `ApusError.file` where a file of them cannot be read.
    package static func difference(_ first: RunFolder, _ second: RunFolder) throws -> String? {
        for (name, file) in [("weights", \RunFolder.weights), ("losses", \.losses), ("fingerprints", \.fingerprints)] {
            let (left, right) = (try contents(of: first[keyPath: file]), try contents(of: second[keyPath: file]))
            if left != right { return "the \(name): \(place(left, right))" }
        }
        let histories = try [first, second].map { try History(jsonLines: $0.history) }
        if histories[0].epochs.count != histories[1].epochs.count {
            return "the history: \(histories[0].epochs.count) epochs and \(histories[1].epochs.count)"
        }
        for (left, right) in zip(histories[0].epochs, histories[1].epochs) {
            for (figure, other) in zip(left.columns, right.columns)
            where figure.name != "seconds" && figure.value.bitPattern != other.value.bitPattern {
                return "the history: \(figure.name) of epoch \(left.epoch) is \(figure.value) and \(other.value)"
            }
        }
        let bests = try [first, second].map { try best($0) }
        if bests[0]?.progress.epoch != bests[1]?.progress.epoch {
            let epochs = bests.map { $0.map { "of epoch \($0.progress.epoch)" } ?? "missing" }
            return "the best checkpoint: \(epochs[0]) and \(epochs[1])"
        }
        for (left, right) in zip(bests[0]?.model ?? [], bests[1]?.model ?? []) where left != right {
            return "the best checkpoint: \(left.name)"
        }
        let cards = try [first, second].map { try RunCard(readingFrom: $0) }
        if cards[0].weightHashes != cards[1].weightHashes { return "the cards' hashes of the weights" }
        return nil
    }

    /// The best checkpoint; `nil` where none is kept.
    private static func best(_ run: RunFolder) throws -> Checkpoint? {
        do {
            return try Checkpoint(contentsOf: run.checkpoints.best)
        } catch ApusError.file(_, .missing) {
            return nil
        }
    }

    private static func place(_ left: Data, _ right: Data) -> String {
        if left.count != right.count { return "\(left.count) bytes and \(right.count)" }
        return "byte \(zip(left, right).enumerated().first { $1.0 != $1.1 }?.offset ?? 0)"
    }
}
