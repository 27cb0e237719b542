import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

/// The built program, as users meet it.
@Suite(.serialized) struct BuiltProgramTests {
    @Test func listNamesTheExperiments() throws {
        let result = try BuiltProgram.run(["list"], in: TemporaryFolder())
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        for (name, count) in [("perceptron", "7,850"), ("mlp", "669,706"), ("lstm", "163,338"), ("vae", "807,700")] {
            #expect(result.output.contains("  \(name) ") && result.output.contains("\(count) parameters"))
        }
    }

    @Test func summaryShowsEveryModelOfTheAutoencoder() throws {
        let result = try BuiltProgram.run(["summary", "vae"], in: TemporaryFolder())
        #expect(result.status == 0)
        for count in ["403,972", "403,728", "807,700"] { #expect(result.output.contains(count)) }
        // 403,972 + 403,728: the third model is made of the other two.
        let together = "All models together have 807,700 parameters: what they share counts once.\n"
        #expect(result.output.hasSuffix(together))
        let alone = try BuiltProgram.run(["summary", "mlp"], in: TemporaryFolder())
        #expect(!alone.output.contains("together"))
    }

    /// 784 * 10 + 10 float32 numbers are 31,400 bytes; SGD adds the factor of its rate, 4 bytes; a batch of 128 images
    /// and one-hot vectors is 128 * (784 + 10) * 4 bytes.
    @Test func planTellsTheMemoryOfAStep() throws {
        let result = try BuiltProgram.run(["plan", "perceptron"], in: TemporaryFolder())
        #expect(result.status == 0)
        for part in ["31,400 bytes", "  4 bytes", "406,528 bytes", "7,850, of them trainable 7,850"] {
            #expect(result.output.contains(part), "\(part)")
        }
        let numbers = result.output.split(separator: "\n").compactMap { line -> (String, Int)? in
            let words = line.split(separator: " ").map(String.init)
            guard words.last == "bytes", words.count > 2 else { return nil }
            return Int(words[words.count - 2].replacingOccurrences(of: ",", with: ""))
                .map { (words.dropLast(2).joined(separator: " "), $0) }
        }
        let peak = try #require(numbers.first { $0.0 == "peak memory" }?.1)
        #expect(peak == numbers.filter { $0.0 != "peak memory" }.reduce(0) { $0 + $1.1 })
    }

    @Test func doctorAsksForNoGPU() throws {
        let result = try BuiltProgram.run(["doctor"], in: TemporaryFolder())
        #expect(result.status == 0)
        for name in ["CUDA driver", "NVRTC", "cuBLASLt", "cuDNN"] {
            let line = try #require(result.output.split(separator: "\n").first { $0.contains(" \(name) ") })
            #expect(line.hasPrefix("-   ") && line.hasSuffix(" (not used: this build runs on the CPU)"))
        }
        #expect(!result.output.contains("nvidia"))
    }

    /// A folder without the files is no place to read from, whoever named it.
    @Test func dataThatAreNotWhereTheyAreLookedFor() throws {
        let folder = try TemporaryFolder()
        let doctor = try BuiltProgram.run(["doctor"], in: folder, data: folder.file("none").path)
        let line = try #require(doctor.output.split(separator: "\n").first { $0.contains("cifar10") })
        #expect(!line.hasPrefix("ok") && line.contains("where APUS_DATA has it looked for"))
        #expect(doctor.output.contains("put its files there, or set APUS_DATA to nothing"))
        let list = try BuiltProgram.run(["data", "list"], in: folder, data: folder.url.path)
        let words = list.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("Not all in \(folder.url.path), where APUS_DATA has it looked for."))
    }

    /// What is allowed, but hardly meant.
    @Test func settingsThatAreHardlyMeantAreRemarkedOn() throws {
        let folder = try TemporaryFolder()
        let trained = try BuiltProgram.run(
            ["train", "perceptron", "--batch-size", "7000", "--max-steps", "1", "--threads", "500", "--out", "run"],
            in: folder)
        #expect(trained.status == 0)
        #expect(
            trained.errors.contains("NOTE: A batch of 7,000 takes all 6,000 training images: an epoch is one step."))
        #expect(trained.errors.contains("NOTE: --threads 500: this process may use "))
        let plain = try BuiltProgram.run(["plan", "mlp", "--threads", "1"], in: folder)
        #expect(plain.status == 0 && plain.errors == "")
    }

    /// The first step's loss is near ln 10, that of the next ones millions of times as large.
    @Test func aDivergedTrainingIsTold() throws {
        let folder = try TemporaryFolder()
        func errors(_ rate: String) throws -> String {
            let words = ["train", "mlp", "--max-steps", "5", "--learning-rate", rate, "--out", "run-\(rate)"]
            let trained = try BuiltProgram.run(words, in: folder)
            #expect(trained.status == 0)
            return trained.errors
        }
        #expect(try errors("1e9").contains("the training has diverged. Try a smaller --learning-rate, such as 1e+08."))
        #expect(try !errors("0.01").contains("diverged"))
    }

    @Test func curvesAreDrawnWithoutData() throws {
        let folder = try TemporaryFolder()
        for name in ["perceptron", "vae"] {
            let trained = try BuiltProgram.run(["train", name, "--max-steps", "1", "--out", name], in: folder)
            #expect(trained.status == 0)
            for file in ["curves.png", "curves.svg"] {
                try FileManager.default.removeItem(at: folder.file("\(name)/\(file)"))
            }
        }
        let plain = try BuiltProgram.run(["plot", "perceptron"], in: folder, data: "nowhere")
        #expect(plain.status == 0)
        #expect(plain.errors.isEmpty)
        #expect(plain.output == "perceptron/curves.png and .svg\n")
        let latent = try BuiltProgram.run(["plot", "vae"], in: folder, data: "nowhere")
        #expect(latent.status == 1)
        #expect(latent.output == "vae/curves.png and .svg\n")
        #expect(
            latent.errors.hasSuffix(
                "/nowhere: there is no such file or folder. Check the path. "
                    + "The curves are drawn; the other pictures of vae show the data set's test images.\n"))
        for name in ["perceptron", "vae"] {
            #expect(FileManager.default.fileExists(atPath: folder.file("\(name)/curves.png").path))
        }
    }

    @Test func aRunIsKeptWhole() throws {
        let folder = try TemporaryFolder()
        let trained = try BuiltProgram.run(["train", "perceptron", "--max-steps", "3", "--out", "run"], in: folder)
        #expect(trained.status == 0)
        #expect(trained.errors.contains("WARNING: NOT ALL OF MNIST."))
        #expect(trained.output.contains("6,000 training and 1,000 test images"))
        let line = /loss: \d\.\d{4} \/ \d\.\d{4}  accuracy: \d\.\d{4} \/ \d\.\d{4}  step 1  \d+\.\d\d sec\n/
        #expect(trained.output.contains(line))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("run").path).sorted()
        #expect(
            names == [
                ".lock", "card.json", "checkpoints", "curves.png", "curves.svg", "fingerprints.jsonl", "history.jsonl",
                "losses.f32", "model.json", "weights.safetensors",
            ])

        let card = try RunCard(readingFrom: RunFolder(opening: folder.file("run").path))
        #expect(card.experiment == "perceptron")
        #expect(card.state == .finished)
        #expect(card.stepsDone == 3)
        #expect(card.data.trainingCount == 6_000)
        #expect(card.data.checksums.count == 4)
        #expect(card.weightHashes?.count == 1 && card.weightHashes?[0].count == 16)
        #expect(card.sessions?.map(\.firstStep) == [0])
        // Each with what computes it.
        #expect(card.kernels?.keys.contains { $0.hasPrefix("MatMul ") } == true)
        #expect(card.sessions?.map(\.kernels) == [card.kernels])
        #if canImport(Glibc)
            #expect(card.machine.cLibrary?.hasPrefix("glibc 2.") == true)
        #endif
        #expect(card.commandLine.dropFirst() == ["train", "perceptron", "--max-steps", "3", "--out", "run"])

        let validationLoss = try #require(History(jsonLines: folder.file("run/history.jsonl"))["val_loss"].last)
        let evaluated = try BuiltProgram.run(["evaluate", "run"], in: folder)
        #expect(evaluated.status == 0)
        #expect(evaluated.output.contains("loss: \(String(format: "%.4f", validationLoss))  accuracy: "))

        try FileManager.default.removeItem(at: folder.file("run/curves.png"))
        let plotted = try BuiltProgram.run(["plot", "run"], in: folder)
        #expect(plotted.status == 0)
        #expect(FileManager.default.fileExists(atPath: folder.file("run/curves.png").path))

        try Pixels(NDArray(zeros: [28, 28])).savePNG(to: folder.file("digit.png"))
        let predicted = try BuiltProgram.run(["predict", "run", "digit.png"], in: folder)
        #expect(predicted.status == 0)
        #expect(predicted.output.hasPrefix("digit.png: "))

        let again = try BuiltProgram.run(["train", "perceptron", "--max-steps", "3", "--out", "run"], in: folder)
        #expect(again.status == 2)
        #expect(again.errors.contains("apus: The output folder run is not empty, and nothing is overwritten."))
    }

    @Test func oneSeedGivesTheSameBits() throws {
        let folder = try TemporaryFolder()
        for name in ["a", "b"] {
            let words = ["train", "vae", "--max-steps", "4", "--seed", "7", "--out", name]
            #expect(try BuiltProgram.run(words, in: folder).status == 0)
        }
        let first = try Data(contentsOf: folder.file("a/weights.safetensors"))
        #expect(try Data(contentsOf: folder.file("b/weights.safetensors")) == first)
        let words = ["train", "vae", "--max-steps", "4", "--seed", "8", "--out", "c"]
        #expect(try BuiltProgram.run(words, in: folder).status == 0)
        #expect(try Data(contentsOf: folder.file("c/weights.safetensors")) != first)

        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("a").path)
        for picture in ["vae_mean", "digits_over_latent"] {
            #expect(names.contains("\(picture).png") && names.contains("\(picture).svg"))
        }
        try Pixels(NDArray(zeros: [28, 28])).savePNG(to: folder.file("digit.png"))
        let predicted = try BuiltProgram.run(["predict", "a", "digit.png"], in: folder)
        #expect(predicted.status == 0)
        #expect(predicted.output.contains("digit.png: z = ["))
        #expect(FileManager.default.fileExists(atPath: folder.file("a/reconstructions.png").path))
    }

    /// Given weights are where the training starts: one step from them is the second of two steps.
    @Test func givenWeightsAreTheStart() throws {
        let folder = try TemporaryFolder()
        let common = ["train", "perceptron", "--no-shuffle", "--log-every", "1"]
        let two = try BuiltProgram.run(common + ["--max-steps", "2", "--out", "two"], in: folder)
        #expect(two.status == 0)
        let weights = folder.file("two/weights.safetensors").path
        let more = try BuiltProgram.run(
            common + ["--max-steps", "1", "--out", "more", "--weights", weights], in: folder)
        let straight = try BuiltProgram.run(
            common + ["--max-steps", "1", "--out", "straight"], in: folder)
        func firstLoss(_ result: BuiltProgram.Result) -> Substring? {
            result.output.split(separator: "\n").first { $0.hasPrefix("step 1  loss ") }
        }
        #expect(firstLoss(two) == firstLoss(straight))
        #expect(firstLoss(two) != nil)
        #expect(firstLoss(more) != firstLoss(straight))
        let missing = try BuiltProgram.run(common + ["--weights", "none"], in: folder)
        #expect(missing.status == 1)
        #expect(missing.errors.contains("none: there is no such file or folder. Check the path."))
    }
}
