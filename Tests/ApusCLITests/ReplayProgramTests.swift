import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

/// `apus replay` of the built program.
@Suite(.serialized) struct ReplayProgramTests {
    private func trained(_ name: String, in folder: TemporaryFolder) throws {
        let words = ["train", name, "--max-steps", "60", "--fingerprint-every", "4", "--out", "run"]
        let result = try BuiltProgram.run(words, in: folder)
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test(arguments: ["perceptron", "vae"]) func aRunIsBitEqualToItself(_ name: String) throws {
        let folder = try TemporaryFolder()
        try trained(name, in: folder)
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.file("run").path).sorted()
        let result = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        // 60 steps are an epoch of 47 and one that is cut: 15 fingerprints of steps, two of epochs.
        #expect(
            result.output.hasSuffix("bit-equal: the losses of 60 steps, 17 fingerprints of run, and its weights.\n"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("run").path).sorted() == before)
    }

    @Test func theFirstStepAndVariableThatDifferAreNamed() throws {
        let folder = try TemporaryFolder()
        try trained("perceptron", in: folder)
        // Another bit in the loss of step 10; the weights are the same.
        var losses = try Data(contentsOf: folder.file("run/losses.f32"))
        #expect(losses.count == 240)
        losses[36] ^= 1
        try losses.write(to: folder.file("run/losses.f32"))
        let other = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(other.status == 1)
        let line = try #require(other.errors.split(separator: "\n").last)
        #expect(line.hasPrefix("apus: run is not bit-equal: the first step with another loss is 10: "), "\(line)")
        #expect(line.hasSuffix("; all variables were the same after step 8."), "\(line)")
        losses[36] ^= 1
        try losses.write(to: folder.file("run/losses.f32"))

        let file = folder.file("run/fingerprints.jsonl")
        let text = try String(contentsOf: file, encoding: .utf8)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 17)
        let hash = try #require(lines[2].firstMatch(of: /"dense\/bias":"([0-9a-f]{16})"/)).1
        try text.replacingOccurrences(of: hash, with: "0123456789abcdef")
            .write(to: file, atomically: true, encoding: .utf8)
        let variable = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(variable.status == 1)
        #expect(
            variable.errors.hasSuffix(
                "apus: run is not bit-equal: after step 12 the first variable that differs is dense/bias; "
                    + "all variables were the same after step 8.\n"))
    }

    /// As of a run that was stopped within an epoch: no fingerprint comes after the loss that differs.
    @Test func lastWeightsThatDifferAreNamed() throws {
        let folder = try TemporaryFolder()
        try trained("perceptron", in: folder)
        let (losses, weights) = (folder.file("run/losses.f32"), folder.file("run/weights.safetensors"))
        let fingerprints = folder.file("run/fingerprints.jsonl")
        let lines = try String(contentsOf: fingerprints, encoding: .utf8).split(separator: "\n")
        // Those after steps 4, 8 and so on to 44, and after the epoch, 47.
        try lines.prefix(12).map { $0 + "\n" }.joined().write(to: fingerprints, atomically: true, encoding: .utf8)
        for (file, place) in [(losses, 4 * 54), (weights, try Data(contentsOf: weights).count - 4)] {
            var bytes = try Data(contentsOf: file)
            bytes[place] ^= 1
            try bytes.write(to: file)
        }
        let result = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(result.status == 1)
        let line = try #require(result.errors.split(separator: "\n").last)
        #expect(line.hasPrefix("apus: run is not bit-equal: the first step with another loss is 55: "), "\(line)")
        #expect(
            line.hasSuffix(
                "; all variables were the same after step 47; of the last weights the first that differs is "
                    + "dense/bias."), "\(line)")
    }

    @Test func anotherSeedIsFoundAtTheFirstStep() throws {
        let folder = try TemporaryFolder()
        try trained("perceptron", in: folder)
        let text = try String(contentsOf: folder.file("run/card.json"), encoding: .utf8)
        try text.replacingOccurrences(of: "\"seed\" : 0", with: "\"seed\" : 1")
            .write(to: folder.file("run/card.json"), atomically: true, encoding: .utf8)
        let result = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(result.status == 1)
        let line = try #require(result.errors.split(separator: "\n").last)
        #expect(line.contains("the first step with another loss is 1: "))
        #expect(
            line.hasSuffix(
                "after step 4 the first variable that differs is dense/kernel and 1 more; "
                    + "no fingerprint before that was the same."), "\(line)")
    }

    /// Bits may differ for another version's or other kernels' sake.
    @Test func anotherVersionAndOtherKernelsAreSaid() throws {
        let folder = try TemporaryFolder()
        try trained("perceptron", in: folder)
        let card = folder.file("run/card.json")
        let (version, count) = (
            ApusVersion.current, try #require(RunCard(readingFrom: RunFolder(opening: folder.file("run").path)).kernels)
        )
        let (kind, number) = try #require(count.sorted { $0.key < $1.key }.first)
        try String(contentsOf: card, encoding: .utf8)
            .replacingOccurrences(of: "\"apusVersion\" : \"\(version)\"", with: "\"apusVersion\" : \"0.0.9\"")
            .replacingOccurrences(of: "\"\(kind)\" : \(number)", with: "\"\(kind)\" : \(number + 7)")
            .write(to: card, atomically: true, encoding: .utf8)
        let differences = [
            "Apus: 0.0.9, now \(version)", "kernels of kind \(kind): \(number + 7), now \(number)",
        ]
        let replayed = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(replayed.status == 0)
        let resumed = try BuiltProgram.run(["train", "--resume", "run", "--max-steps", "61"], in: folder)
        #expect(resumed.status == 0)
        for difference in differences {
            let text = "WARNING: Not as the run was trained: \(difference). The bits may differ for that reason.\n"
            #expect(replayed.errors.components(separatedBy: text).count == 2, "\(replayed.errors)")
            #expect(resumed.errors.contains("WARNING: Not as the run was begun: \(difference). "), "\(resumed.errors)")
        }
    }

    /// What a kill leaves of a last line is no reason to fail.
    @Test func aTornRecordIsReplayed() throws {
        let folder = try TemporaryFolder()
        try trained("perceptron", in: folder)
        let file = folder.file("run/fingerprints.jsonl")
        try Data(contentsOf: file).dropLast(20).write(to: file)
        try Data(contentsOf: folder.file("run/losses.f32")).dropLast(2).write(to: folder.file("run/losses.f32"))
        let card = folder.file("run/card.json")
        try String(contentsOf: card, encoding: .utf8).replacingOccurrences(of: "\"finished\"", with: "\"running\"")
            .write(to: card, atomically: true, encoding: .utf8)
        let result = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasSuffix("bit-equal: the losses of 59 steps, 15 fingerprints of run.\n"))
    }

    @Test func aRunWithoutRecordsAndOtherThreads() throws {
        let folder = try TemporaryFolder()
        try trained("perceptron", in: folder)
        let threads = try RunCard(readingFrom: RunFolder(opening: folder.file("run").path)).machine.threadCount
        let other = try BuiltProgram.run(["replay", "run", "--threads", "\(threads + 1)"], in: folder)
        #expect(other.errors.contains("WARNING: Not as the run was trained: threads: \(threads), now \(threads + 1). "))
        let last = try FileManager.default.contentsOfDirectory(atPath: folder.file("run").path)
        #expect(last.contains("weights.safetensors"))
        try FileManager.default.removeItem(at: folder.file("run/losses.f32"))
        let none = try BuiltProgram.run(["replay", "run"], in: folder)
        #expect(none.status == 1)
        #expect(
            none.errors == "apus: run/losses.f32: expected the losses of a run's steps, found none so far.\n"
                || none.errors.hasSuffix("/run/losses.f32: expected the losses of a run's steps, found none so far.\n"))
    }
}
