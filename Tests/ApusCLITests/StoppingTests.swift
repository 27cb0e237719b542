import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

/// Trainings of the built program that are stopped on the way.
@Suite(.serialized) struct StoppingTests {
    /// A training without an end, in `run`, after its first epoch's line.
    private func training(in folder: TemporaryFolder) throws -> RunningProgram {
        let program = try RunningProgram(["train", "perceptron", "--epochs", "1000000", "--out", "run"], in: folder)
        try program.wait(forLineWith: "  step 1  ")
        return program
    }

    private func card(in folder: TemporaryFolder) throws -> RunCard {
        try RunCard(readingFrom: RunFolder(opening: folder.file("run").path))
    }

    @Test(
        arguments: [(SIGINT, "SIGINT", 130), (SIGTERM, "SIGTERM", 143), (SIGHUP, "SIGHUP", 129)]
            as [(Int32, String, Int32)])
    func aSignalStopsAndSaves(_ signal: Int32, _ name: String, _ exitCode: Int32) throws {
        let folder = try TemporaryFolder()
        let program = try training(in: folder)
        program.send(signal)
        let (status, errors) = try program.end()
        #expect(status == exitCode)

        let card = try card(in: folder)
        #expect(card.state == .stopped)
        // The epoch after those that ended, or the last of them where the signal came right at its end.
        let place = try #require(card.failure?.firstMatch(of: /stopped by (\w+) at epoch (\d+), step ([\d,]+)/))
        #expect(place.1 == name)
        #expect([card.epochsDone, card.epochsDone + 1].contains(Int(place.2)))
        let newest = try #require(try CheckpointFolder(folder.file("run/checkpoints")).newest())
        #expect(newest.step == card.stepsDone && newest.history.epochs.count == card.epochsDone)
        #expect(try LossRecord.read(folder.file("run/losses.f32")).count == card.stepsDone)
        #expect(Int(place.3.filter { $0 != "," }) == card.stepsDone)
        let line =
            "apus: stopped at epoch \(place.2), step \(place.3); weights are in run/weights.safetensors. "
            + "To go on: apus train --resume run"
        #expect(errors.split(separator: "\n").last.map(String.init) == line)
        #expect(try History(jsonLines: folder.file("run/history.jsonl")).epochs.count == card.epochsDone)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("run").path).sorted()
        #expect(
            names == [
                ".lock", "card.json", "checkpoints", "fingerprints.jsonl", "history.jsonl", "losses.f32",
                "model.json", "weights.safetensors",
            ])

        let evaluated = try BuiltProgram.run(["evaluate", "run"], in: folder)
        #expect(evaluated.status == 0)
        let warning = "WARNING: This run was \(place.0). Its weights are those of that step.\n"
        #expect(evaluated.errors.hasPrefix(warning))
        try Pixels(NDArray(zeros: [28, 28])).savePNG(to: folder.file("digit.png"))
        let predicted = try BuiltProgram.run(["predict", "run", "digit.png"], in: folder)
        #expect(predicted.status == 0)
        #expect(predicted.errors == warning)
    }

    @Test func aReaderThatGoesAwayStopsAndSaves() throws {
        let folder = try TemporaryFolder()
        let program = try training(in: folder)
        try program.closeOutput()
        let (status, errors) = try program.end()
        #expect(status == 141)
        #expect(!errors.contains("apus:"))
        let card = try card(in: folder)
        #expect(card.state == .stopped)
        #expect(card.failure?.hasSuffix(", as nobody read its output any more") == true)
        #expect(card.epochsDone >= 2)
        #expect(try BuiltProgram.run(["evaluate", "run"], in: folder).status == 0)
    }

    /// Nobody empties the pipe: the line of some epoch never gets through.
    @Test func aSignalStopsAWriteThatWaits() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(
            ["train", "perceptron", "--log-every", "1", "--epochs", "1000000", "--out", "run"], in: folder)
        try program.wait(forLineWith: "  step 1  ")
        // The pipe holds 16 pages of 4 KiB, each full but for less than a line: then the program waits for good.
        while program.waitingByteCount < 64_000, program.process.isRunning { usleep(10_000) }
        program.send(SIGTERM)
        #expect(try program.end().status == 143)
        #expect(try card(in: folder).state == .stopped)
    }

    /// Both signals come while the program stands still, so no step ends between them.
    @Test func aSecondSignalEndsAtOnce() throws {
        let folder = try TemporaryFolder()
        let program = try training(in: folder)
        program.send(SIGSTOP, SIGINT, SIGTERM, SIGCONT)
        let (status, errors) = try program.end()
        #expect(status == 130 || status == 143)
        #expect(!errors.contains("stopped at"))
        #expect(try card(in: folder).state == .running)
    }

    /// Some epoch's weights are there a while later.
    @Test func aKilledProcessLeavesWeights() throws {
        let folder = try TemporaryFolder()
        let program = try training(in: folder)
        let checkpoints = CheckpointFolder(folder.file("run/checkpoints"))
        while checkpoints.files.isEmpty, program.process.isRunning { usleep(1_000) }
        program.send(SIGKILL)
        _ = try program.end()
        #expect(try card(in: folder).state == .running)
        let newest = try #require(try checkpoints.newest())
        let evaluated = try BuiltProgram.run(["evaluate", "run"], in: folder)
        #expect(evaluated.status == 0)
        let number = newest.step < 1_000 ? "\(newest.step)" : "\(newest.step / 1_000),"
        #expect(
            evaluated.errors.hasPrefix(
                "WARNING: This run has not ended, or was ended by force. Its weights are of epoch "
                    + "\(newest.progress.epoch), step \(number)"))
        #expect(try BuiltProgram.run(["plot", "run"], in: folder).status == 0)
    }

    @Test func aRunWithoutACheckpointHasNoWeights() throws {
        let folder = try TemporaryFolder()
        let trained = try BuiltProgram.run(["train", "perceptron", "--max-steps", "1", "--out", "run"], in: folder)
        #expect(trained.status == 0)
        let text = try String(contentsOf: folder.file("run/card.json"), encoding: .utf8)
        try text.replacingOccurrences(of: "\"finished\"", with: "\"running\"")
            .write(to: folder.file("run/card.json"), atomically: true, encoding: .utf8)
        try FileManager.default.removeItem(at: folder.file("run/checkpoints"))
        #expect(try BuiltProgram.run(["evaluate", "run"], in: folder).status == 0)
        try FileManager.default.removeItem(at: folder.file("run/weights.safetensors"))
        let evaluated = try BuiltProgram.run(["evaluate", "run"], in: folder)
        #expect(evaluated.status == 1)
        #expect(
            evaluated.errors == "apus: run: expected a run with weights, found one without a whole checkpoint so far.\n"
        )
    }

    #if os(Linux)
        @Test(arguments: [["list"], ["--help"], ["train", "perceptron", "--max-steps", "1"]])
        func aFullOutputIsAFailure(_ words: [String]) throws {
            let result = try BuiltProgram.run(words, in: TemporaryFolder(), outputFile: "/dev/full")
            #expect(result.status == 1)
            let line = "apus: The standard output cannot be written: No space left on device."
            #expect(result.errors.split(separator: "\n").last.map(String.init) == line)
        }
    #endif
}
