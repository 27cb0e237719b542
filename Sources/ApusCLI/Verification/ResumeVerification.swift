import Apus
import Foundation

/// Trains once unbroken, and again and again with a process that is killed at random moments and taken up.
struct ResumeVerification {
    let experiment: String
    let killCount: Int
    /// Of the moments.
    let seed: UInt64
    /// What both trainings are given besides.
    let options: [String]
    let folder: URL

    /// What was seen.
    struct Tally {
        var killed = 0
        /// Kills before there was a card, or before there was a checkpoint.
        var beforeCheckpoint = 0
        /// Kills that left a file half written.
        var whileWriting = 0
        var finishedRuns = 0
        /// The first difference to the unbroken run.
        var difference: String?
    }

    private var unbroken: URL { folder.appendingPathComponent("unbroken") }
    private var broken: URL { folder.appendingPathComponent("broken") }
    private var log: URL { folder.appendingPathComponent("log") }
    /// Nothing is fetched, and nothing is left in the user's cache.
    private var environment: [String: String] {
        ["APUS_OFFLINE": "1", "APUS_CACHE": folder.appendingPathComponent("cache").path]
    }

    /// - Parameter report: told what has been done so far.
    /// - Throws: `CommandEnding` where a training fails by itself, `ApusError`.
    func run(report: (String) -> Void) throws -> Tally {
        let start = ContinuousClock.now
        let whole = try child(["train", experiment, "--out", unbroken.path] + options).wait()
        var seconds = (ContinuousClock.now - start) / .seconds(1)
        guard whole == .exited(0) else { throw failure("The unbroken training", whole) }
        var tally = Tally()
        // Killed until all kills are used up, then to the end.
        while tally.difference == nil {
            let (words, isNew) = wordsForTheNext
            let (child, start) = (try child(words), ContinuousClock.now)
            let isLast = tally.killed == killCount
            let moment = Double(Philox(seed: seed).uniform(tally.killed)) * seconds
            switch isLast ? child.wait() : child.kill(after: moment) {
            case .killed:
                tally.killed += 1
                if newestFile == nil { tally.beforeCheckpoint += 1 }
                if hasHalfWrittenFile { tally.whileWriting += 1 }
                report("\(tally.killed) of \(killCount) kills, \(tally.finishedRuns) runs finished")
            case .exited(0):
                tally.finishedRuns += 1
                // What the first training took may be more than it usually takes.
                if isNew { seconds = min(seconds, (ContinuousClock.now - start) / .seconds(1)) }
                tally.difference = try RunComparison.difference(
                    RunFolder(opening: unbroken.path), RunFolder(opening: broken.path))
                if tally.difference != nil || isLast { return tally }
                try FileManager.default.removeItem(at: broken)
            case let end: throw failure("A training that was taken up", end)
            }
        }
        return tally
    }

    private func child(_ words: [String]) throws -> ChildProcess {
        try ChildProcess(words, environment: environment, log: log)
    }

    /// A run without a card has not begun yet.
    private var wordsForTheNext: (words: [String], isNew: Bool) {
        if FileManager.default.fileExists(atPath: broken.appendingPathComponent("card.json").path) {
            return (["train", "--resume", broken.path], false)
        }
        try? FileManager.default.removeItem(at: broken)
        return (["train", experiment, "--out", broken.path] + options, true)
    }

    private var newestFile: URL? { CheckpointFolder(broken.appendingPathComponent("checkpoints")).files.first }

    private var hasHalfWrittenFile: Bool {
        [broken, broken.appendingPathComponent("checkpoints")].contains { folder in
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            return names.contains(where: AtomicFile.isTemporary)
        }
    }

    private func failure(_ what: String, _ end: ChildProcess.End) -> CommandEnding {
        let how =
            switch end {
            case .exited(let code): "ended with exit code \(code)"
            case .signalled(let number): "was ended by signal \(number)"
            case .killed: "was killed"
            case .unknown: "ended in a way that the system does not tell"
            }
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        return CommandEnding(message: "\(what) \(how). Its output:\n\(text)", exitCode: 1)
    }
}
