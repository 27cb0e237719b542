import Apus
import ApusExperiments
import Foundation

/// `apus verify-resume NAME`: shows that a training which is killed again and again comes to the bits of one that is not.
struct VerifyResumeCommand: Command {
    static let kills = Option.integer(
        "kills", in: 1...1_000_000, help: "How often the training is killed", default: "20")
    static let epochs = Option.integer(
        "epochs", in: 1...1_000_000, help: "Passes over the training data", default: "4")
    static let seed = Option.seed("seed", help: "Decides all random numbers, and the moments", default: "0")
    static let data = Option.path(
        "data", "FOLDER", help: "Read the data set's files from this folder",
        default: "\(NoiseFiles.trainingCount) training and \(NoiseFiles.testCount) test images of noise")
    static let checkpointEvery = Option.integer(
        "checkpoint-every", in: 1...1_000_000_000, help: "Write a checkpoint after every so many steps", default: "1")

    let syntax = CommandSyntax(
        "verify-resume", summary: "Kill a training at random moments, resume it each time, and compare all bits",
        operands: [.experiment],
        options: [
            kills, epochs, TrainCommand.maximumSteps, RunOptions.batchSize, seed, data, RunOptions.dataset,
            RunOptions.threads, RunOptions.precision, checkpointEvery,
        ],
        notes: "The training runs unbroken once. Then it runs in a process that is killed (SIGKILL) at moments spread\n"
            + "evenly over that time, start-up and the writing of checkpoints included, and is taken up with\n"
            + "'apus train --resume' each time; where it ends before all kills are used up, it begins anew. Weights,\n"
            + "losses of all steps, hashes of all variables, the best checkpoint and the history (but for seconds) must\n"
            + "be the same.")

    /// An empty folder that nobody else can have made.
    private static func newFolder() throws -> URL {
        let pattern = FileManager.default.temporaryDirectory.appendingPathComponent("apus-verify-XXXXXX")
        var path = Array(pattern.path.utf8CString)
        guard mkdtemp(&path) != nil else { throw ApusError.file(path: pattern.path, .unwritable(pattern, code: errno)) }
        return URL(fileURLWithPath: String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    func run(_ arguments: Arguments) throws {
        let experiment = try Experiments.named(arguments.operands[0])
        let datasetName = arguments[RunOptions.dataset] ?? experiment.defaults.datasetName
        try ChosenData.check(datasetName, for: experiment)
        ChildProcess.prepare()
        let folder = try Self.newFolder()
        let data = folder.appendingPathComponent("data")
        if arguments[Self.data] == nil {
            try makeFolder(at: data)
            try NoiseFiles.write(datasetName, into: data)
        }
        var options = [
            "--epochs", "\(arguments[Self.epochs] ?? 4)", "--seed", "\(arguments[Self.seed] ?? 0)", "--dataset",
            datasetName, "--data", URL(fileURLWithPath: arguments[Self.data] ?? data.path).path, "--checkpoint-every",
            "\(arguments[Self.checkpointEvery] ?? 1)", "--fingerprint-every", "1",
        ]
        for option in [TrainCommand.maximumSteps, RunOptions.batchSize, RunOptions.threads] {
            if let value = arguments[option] { options += ["--\(option.name)", "\(value)"] }
        }
        if let precision = arguments[RunOptions.precision] { options += ["--precision", precision] }
        let verification = ResumeVerification(
            experiment: experiment.name, killCount: arguments[Self.kills] ?? 20, seed: arguments[Self.seed] ?? 0,
            options: options, folder: folder)
        let tally = try verification.run { Console.status($0) }
        Console.status("")
        let counts =
            "\(experiment.name): \(tally.killed) kills (\(tally.beforeCheckpoint) before the first checkpoint, "
            + "\(tally.whileWriting) while a file was written), \(tally.finishedRuns) runs finished"
        if let difference = tally.difference {
            throw CommandEnding(
                message: "\(counts); the last is not the unbroken one. Different is \(difference). See \(folder.path).",
                exitCode: 1)
        }
        try? FileManager.default.removeItem(at: folder)
        try Console.line("\(counts), all bit-equal to the unbroken one.")
    }
}
