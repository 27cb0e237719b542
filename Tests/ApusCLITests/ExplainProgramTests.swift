import Apus
import ApusTestSupport
import Foundation
import Testing

/// `cam` and `apus predict --explain`, by the built program.
@Suite(.serialized) struct ExplainProgramTests {
    /// A folder `cifar` with 8 training and 4 test records of random pixels.
    private func writeData(to folder: TemporaryFolder) throws {
        try FileManager.default.createDirectory(at: folder.file("cifar"), withIntermediateDirectories: true)
        var numbers = SeededNumbers(seed: 5)
        for (name, count) in [("data_batch_1.bin", 8), ("test_batch.bin", 4)] {
            let bytes = (0..<count).flatMap { index in
                [UInt8(index % 10)] + (0..<3072).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
            }
            try folder.write(bytes, to: "cifar/\(name)")
        }
    }

    private func png(_ folder: TemporaryFolder, _ name: String) throws -> Pixels {
        try Pixels(contentsOf: folder.file(name))
    }

    @Test func mapsAreDrawnOnTrainingOnDemandAndAgain() throws {
        let folder = try TemporaryFolder()
        try writeData(to: folder)
        let words = ["train", "cam", "--data", "cifar", "--batch-size", "4", "--max-steps", "2", "--out", "run"]
        let trained = try BuiltProgram.run(words, in: folder)
        #expect(trained.status == 0, "\(trained.errors)")
        #expect(trained.output.contains("Data: cifar10, 8 training and 4 test images"))
        // 4 pairs at two pixels a point: 8 * 112 + 7 * 10 + 3 * 18 + 24 points wide, a title and one row high.
        let sheet = try png(folder, "run/class_activation_maps.png")
        #expect((sheet.width, sheet.height) == (2 * 1044, 2 * (30 + 128 + 24)))
        try FileManager.default.removeItem(at: folder.file("run/class_activation_maps.png"))
        let plotted = try BuiltProgram.run(["plot", "run"], in: folder)
        #expect(plotted.status == 0)
        #expect(plotted.output.hasSuffix("run/class_activation_maps.png and .svg\n"))
        #expect(try png(folder, "run/class_activation_maps.png") == sheet)

        // A small picture in colour, a larger grey one of another form.
        try FileManager.default.createDirectory(at: folder.file("more"), withIntermediateDirectories: true)
        var numbers = SeededNumbers(seed: 6)
        try Pixels(numbers.array([8, 16, 3], in: 0...1)).savePNG(to: folder.file("cat.png"))
        try Pixels(numbers.array([300, 100], in: 0...1)).savePNG(to: folder.file("more/cat.png"))
        try folder.write(Array("not a picture".utf8), to: "bad.png")
        let plain = try BuiltProgram.run(["predict", "run", "cat.png"], in: folder)
        #expect(plain.status == 0)
        #expect(plain.errors == "cat.png: 16 x 8 pixels, scaled to 32 x 32 without keeping its proportions.\n")
        let line = /cat\.png: \w+ \(\d\.\d{4}\)   airplane \d\.\d{4}  automobile .* truck \d\.\d{4}\n/
        #expect(plain.output.wholeMatch(of: line) != nil, "\(plain.output)")
        #expect(!FileManager.default.fileExists(atPath: folder.file("run/explained").path))

        let explained = try BuiltProgram.run(
            ["predict", "run", "cat.png", "bad.png", "more/cat.png", "--explain"], in: folder)
        #expect(explained.status == 1)
        #expect(explained.errors.contains("bad.png: is a text file"))
        #expect(explained.output.hasPrefix(plain.output))
        #expect(
            explained.output.hasSuffix(
                "\ncat.png: explained in run/explained/cat.png and .svg\n"
                    + "more/cat.png: explained in run/explained/cat-2.png and .svg\n"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.file("run/explained").path).sorted()
                == ["cat-2.png", "cat-2.svg", "cat.png", "cat.svg"])
        // Two tiles of 256 points and 10 between, margins of 12, captions of 16; the longer sides are the tiles'.
        let (small, large) = (try png(folder, "run/explained/cat.png"), try png(folder, "run/explained/cat-2.png"))
        #expect((small.width, small.height) == (2 * 546, 2 * (128 + 40)))
        #expect((large.width, large.height) == (2 * 546, 2 * (256 + 40)))
    }

    @Test func networksWithoutMapsExplainNothing() throws {
        let folder = try TemporaryFolder()
        let trained = try BuiltProgram.run(["train", "perceptron", "--max-steps", "1", "--out", "run"], in: folder)
        #expect(trained.status == 0)
        try Pixels(NDArray(zeros: [28, 28])).savePNG(to: folder.file("digit.png"))
        let result = try BuiltProgram.run(["predict", "run", "digit.png", "--explain"], in: folder)
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(
            result.errors.hasSuffix(
                "apus: --explain needs a network with maps of what it sees; that of perceptron has none. "
                    + "Give a run of cam, or leave --explain out.\n"))
        #expect(!FileManager.default.fileExists(atPath: folder.file("run/explained").path))
    }

    @Test(arguments: [
        (
            "cam", "mnist",
            "cam takes images of 32 x 32 coloured pixels; those of mnist have 28 x 28 grey pixels. "
                + "Take another data set (--dataset): cifar10."
        ),
        (
            "cnn", "cifar10",
            "cnn takes images of 28 x 28 grey pixels; those of cifar10 have 32 x 32 coloured pixels. "
                + "Take another data set (--dataset): mnist, fashion-mnist."
        ),
    ])
    func imagesOfAnotherShapeAreRefused(_ experiment: String, _ dataset: String, _ message: String) throws {
        let folder = try TemporaryFolder()
        let result = try BuiltProgram.run(["train", experiment, "--dataset", dataset], in: folder)
        #expect(result.status == 2)
        #expect(result.errors == "apus: \(message)\n")
        #expect(!FileManager.default.fileExists(atPath: folder.file("runs").path))
    }

    /// Also where the files are such as the data set's name does not say: IDX files of 2 x 3 pixels.
    @Test func filesOfAnotherShapeAreRefused() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(at: folder.file("data"), withIntermediateDirectories: true)
        for part in ["train", "t10k"] {
            try folder.write(
                [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3] + [UInt8](repeating: 1, count: 6),
                to: "data/\(part)-images-idx3-ubyte")
            try folder.write([0, 0, 8, 1, 0, 0, 0, 1, 4] as [UInt8], to: "data/\(part)-labels-idx1-ubyte")
        }
        let result = try BuiltProgram.run(["train", "mlp", "--data", "data"], in: folder)
        #expect(result.status == 1)
        #expect(
            result.errors.hasSuffix(
                "/data: expected images of 28 x 28 grey pixels, which mlp takes, found images of 2 x 3 grey pixels.\n"))
    }

    @Test func withoutDataItSaysHowToGetThem() throws {
        let result = try BuiltProgram.run(["train", "cam"], in: TemporaryFolder())
        #expect(result.status == 1)
        #expect(
            result.errors
                == "apus: Cannot fetch https://www.cs.toronto.edu/~kriz/: APUS_OFFLINE is set. Unset it, or put the files "
                + "of CIFAR-10 (cifar-10-binary.tar.gz, or what is in it) into a folder and name it with --data or "
                + "APUS_DATA. With a network, 'apus data fetch cifar10' brings them into the cache.\n")
    }

    @Test func listNamesTheDataSets() throws {
        let output = try BuiltProgram.run(["list"], in: TemporaryFolder()).output
        let text = output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(text.contains("290,090 parameters; data set cifar10."))
        #expect(text.contains("7,850 parameters; data set mnist."))
    }
}
