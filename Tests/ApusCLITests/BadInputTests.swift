import Apus
import ApusTestSupport
import Foundation
import Testing

/// Bad input to the built program: one clear line, and an exit code that is not zero.
@Suite(.serialized) struct BadInputTests {
    private func lastLine(_ result: BuiltProgram.Result) -> String {
        result.errors.split(separator: "\n").last.map(String.init) ?? ""
    }

    @Test(arguments: [
        (["train", "mlp", "--device", "cuda"], "apus: Unknown device 'cuda'. Known: cpu."),
        (
            ["train", "mpl"],
            "apus: Unknown experiment 'mpl'. Did you mean 'mlp'? Known: perceptron, mlp, cnn, lstm, lstm-hard-sigmoid, vae, cam."
        ),
        (
            ["data", "fetch", "mnits"],
            "apus: Unknown data set 'mnits'. Did you mean 'mnist'? Known: mnist, fashion-mnist, cifar10."
        ),
        (
            ["train", "mlp", "--shuffle", "--no-shuffle"],
            "apus: --shuffle and --no-shuffle contradict each other. Give one."
        ),
    ])
    func aWrongWordIsAnswered(_ words: [String], _ message: String) throws {
        let folder = try TemporaryFolder()
        let result = try BuiltProgram.run(words, in: folder)
        #expect(result.status == 2)
        #expect(result.errors == message + "\n")
        #expect(result.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: folder.file("runs").path))
    }

    @Test func aMissingDataFolderIsAnswered() throws {
        let folder = try TemporaryFolder()
        let result = try BuiltProgram.run(["train", "mlp", "--data", "nowhere"], in: folder)
        #expect(result.status == 1)
        #expect(result.errors.hasSuffix("/nowhere: there is no such file or folder. Check the path.\n"))
        #expect(!FileManager.default.fileExists(atPath: folder.file("runs").path))
    }

    /// An IDX file of `count` images of 28 x 28 or of labels, `missing` bytes short.
    private func idx(_ sizes: [UInt32], fill: UInt8, missing: Int = 0) -> [UInt8] {
        var header: [UInt8] = [0, 0, 8, UInt8(sizes.count)]
        for size in sizes { header += withUnsafeBytes(of: size.bigEndian) { Array($0) } }
        let count = Int(sizes.reduce(1, *)) - missing
        return header + [UInt8](repeating: fill, count: count)
    }

    private func writeData(_ folder: TemporaryFolder, label: UInt8 = 3, missing: Int = 0) throws {
        try FileManager.default.createDirectory(at: folder.file("data"), withIntermediateDirectories: true)
        for part in ["train", "t10k"] {
            try folder.write(idx([20, 28, 28], fill: 9, missing: missing), to: "data/\(part)-images-idx3-ubyte")
            try folder.write(idx([20], fill: label), to: "data/\(part)-labels-idx1-ubyte")
        }
    }

    @Test func aTruncatedDataFileIsAnswered() throws {
        let folder = try TemporaryFolder()
        try writeData(folder, missing: 5)
        let result = try BuiltProgram.run(["train", "mlp", "--data", "data"], in: folder)
        #expect(result.status == 1)
        // 16 bytes of header and 20 * 784 of pixels.
        #expect(lastLine(result).contains("is cut short: expected 15696 bytes, found 15691."))
    }

    @Test func aForeignDataFileIsAnswered() throws {
        let folder = try TemporaryFolder()
        try writeData(folder)
        try folder.write(Array("not a picture".utf8), to: "data/train-images-idx3-ubyte")
        let result = try BuiltProgram.run(["train", "mlp", "--data", "data"], in: folder)
        #expect(result.status == 1)
        #expect(lastLine(result).contains("train-images-idx3-ubyte: expected an IDX file, found "))
    }

    @Test func aLabelOutOfRangeIsAnswered() throws {
        let folder = try TemporaryFolder()
        try writeData(folder, label: 10)
        let result = try BuiltProgram.run(["train", "mlp", "--data", "data"], in: folder)
        #expect(result.status == 1)
        #expect(lastLine(result).contains("sample 0 has label 10, but labels go from 0 to 9."))
    }

    @Test func anUnwritableOutputFolderIsFoundBeforeTraining() throws {
        let folder = try TemporaryFolder()
        try folder.write([1], to: "file")
        let result = try BuiltProgram.run(["train", "perceptron", "--out", "file/run"], in: folder)
        #expect(result.status == 1)
        #expect(
            lastLine(result).hasSuffix(
                "/file/run: cannot be written: Not a directory. Choose another place, or make room."))
        #expect(!result.output.contains("step 1"))
    }

    @Test func aDivergingTrainingStopsAndKeepsItsWeights() throws {
        let folder = try TemporaryFolder()
        let result = try BuiltProgram.run(
            ["train", "vae", "--learning-rate", "1e38", "--epochs", "1", "--out", "run"], in: folder)
        #expect(result.status == 1)
        let lines = result.errors.split(separator: "\n").map(String.init).drop { !$0.hasPrefix("apus:") }
        let message = try #require(lines.first)
        #expect(message.hasPrefix("apus: The loss is not finite at epoch 1, step 2, first in layer 'encoder/"))
        #expect(
            message.hasSuffix(
                "data. The run so far is in run: weights, history and settings; the batch and a report are in "
                    + "run/failure. Train again with a smaller --learning-rate: apus train vae --learning-rate 1e+37 (its "
                    + "last weights are finite, but may be ruined; --weights run begins with them)."))
        // Of what the planner made of the network, nothing is shown.
        #expect(!message.contains("[") && !message.replacingOccurrences(of: "1e+37", with: "").contains("+"))
        #expect(lines.dropFirst().first?.hasPrefix("  operation: matMul of layer 'encoder/") == true)
        // Of 128; all are in the report.
        let (samples, pattern) = (
            try #require(lines.last), #/  samples of the step, of '.*': (\d+, ){15}\d+ and 112 more/#
        )
        #expect(samples.wholeMatch(of: pattern) != nil, "\(samples)")
        for name in ["report.txt", "report.json", "batch.safetensors", "variables.safetensors"] {
            #expect(FileManager.default.fileExists(atPath: folder.file("run/failure/\(name)").path))
        }
        #expect(FileManager.default.fileExists(atPath: folder.file("run/weights.safetensors").path))
        #expect(try String(contentsOf: folder.file("run/card.json"), encoding: .utf8).contains("\"failed\""))
    }

    @Test func aFolderThatIsNoRunIsAnswered() throws {
        let folder = try TemporaryFolder()
        for command in ["evaluate", "plot"] {
            let result = try BuiltProgram.run([command, "."], in: folder)
            #expect(result.status == 1)
            #expect(result.errors == "apus: .: expected a run's folder, with its card.json, found another folder.\n")
        }
    }

    @Test func anImageThatIsNoneIsAnswered() throws {
        let folder = try TemporaryFolder()
        let trained = try BuiltProgram.run(["train", "perceptron", "--max-steps", "1", "--out", "run"], in: folder)
        #expect(trained.status == 0)
        try folder.write(Array("not a picture".utf8), to: "digit.png")
        let result = try BuiltProgram.run(["predict", "run", "digit.png"], in: folder)
        #expect(result.status == 1)
        #expect(
            lastLine(result).hasSuffix(
                "/digit.png: is a text file (it begins with \"not a picture\"), not a PNG or JPEG image."))
    }

    @Test func oneBadImageDoesNotSilenceTheOthers() throws {
        let folder = try TemporaryFolder()
        let trained = try BuiltProgram.run(["train", "perceptron", "--max-steps", "1", "--out", "run"], in: folder)
        #expect(trained.status == 0)
        try folder.write(Array("not a picture".utf8), to: "bad.png")
        for name in ["a.png", "b.png"] { try Pixels(NDArray(zeros: [28, 28])).savePNG(to: folder.file(name)) }
        let result = try BuiltProgram.run(["predict", "run", "a.png", "bad.png", "none.png", "b.png"], in: folder)
        #expect(result.status == 1)
        #expect(result.output.split(separator: "\n").map { $0.prefix(7) } == ["a.png: ", "b.png: "])
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.contains("/bad.png: is a text file") == true)
        #expect(lines.last?.hasSuffix("/none.png: there is no such file or folder. Check the path.") == true)
    }

    /// The data are not there either, but what they are for is refused first.
    @Test(arguments: [
        (["--out", "file/run"], "/file/run: cannot be written: Not a directory. Choose another place, or make room."),
        (
            ["--out", "file"],
            "/file: cannot be written: a file of that name is in the way. Choose another place, or make room."
        ),
        (
            ["--out", "."],
            "apus: The output folder . is not empty, and nothing is overwritten. Name another with --out, or remove it "
                + "first."
        ),
        (["--weights", "none"], "/none: there is no such file or folder. Check the path."),
        (["--weights", "file"], "/file: is a text file (it begins with \"just text\"), not a safetensors file."),
    ])
    func placesAreCheckedBeforeDataAreRead(_ words: [String], _ message: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("just text\n".utf8), to: "file")
        let result = try BuiltProgram.run(["train", "mlp", "--data", "nowhere"] + words, in: folder)
        #expect(result.status == (words == ["--out", "."] ? 2 : 1))
        #expect(result.errors.hasSuffix(message + "\n"))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    /// OpenMP itself says what it thinks of other words, and goes on with a thread for each core.
    @Test func moreThreadsThanCanBeAreRefused() throws {
        let result = try BuiltProgram.run(
            ["plan", "perceptron"], in: TemporaryFolder(), environment: ["OMP_NUM_THREADS": "99999"])
        #expect(result.status == 2)
        #expect(
            lastLine(result)
                == "apus: OMP_NUM_THREADS asks for 99,999 threads. Set it to at most 1,024, or give --threads.")
        for count in ["0", "-3", "99999"] {
            let result = try BuiltProgram.run(["plan", "perceptron", "--threads", count], in: TemporaryFolder())
            #expect(result.status == 2)
            #expect(
                lastLine(result)
                    == "apus: --threads is '\(count)'; it must be a whole number from 1 to 1024. See 'apus plan --help'."
            )
        }
    }

    /// A file system of one megabyte, where this machine lets the test make one.
    @Test func aFullDiskIsFoundBeforeTraining() throws {
        let folder = try TemporaryFolder()
        let small = folder.file("small")
        try FileManager.default.createDirectory(at: small, withIntermediateDirectories: true)
        guard try system("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small.path) else { return }
        defer { _ = try? system("umount", small.path) }
        let result = try BuiltProgram.run(["train", "perceptron", "--out", "small/run"], in: folder)
        #expect(result.status == 1)
        #expect(lastLine(result).contains("cannot be written: No space left on device; this run needs 4.3 MB."))
        #expect(!result.output.contains("step 1"))
    }

    private func system(_ words: String...) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
