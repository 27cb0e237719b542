import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

/// Runs of the built program that are stopped or killed and go on.
@Suite(.serialized) struct ResumeProgramTests {
    private static let common = ["--max-steps", "70", "--epochs", "9", "--checkpoint-every", "3"]

    /// The run that nothing has stopped, in `whole`.
    private func whole(_ name: String, in folder: TemporaryFolder) throws {
        let result = try BuiltProgram.run(["train", name] + Self.common + ["--out", "whole"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
    }

    private func run(_ name: String, in folder: TemporaryFolder) throws -> RunFolder {
        try RunFolder(opening: folder.file(name).path)
    }

    /// Waits until there are so many; a disk may be slow.
    private func waitForCheckpoints(_ count: Int, of program: RunningProgram, in folder: TemporaryFolder) {
        let checkpoints = CheckpointFolder(folder.file("run/checkpoints"))
        while checkpoints.files.count < count, program.process.isRunning { usleep(500) }
    }

    @Test(arguments: ["perceptron", "vae"]) func aStoppedRunGoesOnToTheSameBits(_ name: String) throws {
        let folder = try TemporaryFolder()
        try whole(name, in: folder)
        // More steps are asked for later: the first part ends inside the first epoch, the second inside the next one.
        for (place, steps) in [("20", ["--out", "run"]), ("50", []), ("70", [])].enumerated() {
            let words =
                place == 0
                ? ["train", name, "--epochs", "9", "--checkpoint-every", "3"] : ["train", "--resume", "run"]
            let result = try BuiltProgram.run(words + ["--max-steps", steps.0] + steps.1, in: folder)
            #expect(result.status == 0, "\(result.errors)")
        }
        #expect(try RunComparison.difference(run("whole", in: folder), run("run", in: folder)) == nil)
        let card = try RunCard(readingFrom: run("run", in: folder))
        #expect(card.sessions?.map(\.firstStep) == [0, 20, 50])
        #expect(card.maximumStepCount == 70 && card.state == .finished)
        let whole = try Data(contentsOf: folder.file("whole/curves.svg"))
        #expect(try Data(contentsOf: folder.file("run/curves.svg")) == whole)
    }

    /// A run keeps its precision when it goes on, when it is taken again and when it is measured.
    @Test func aRunKeepsItsPrecision() throws {
        let folder = try TemporaryFolder()
        let rounded = ["--precision", "bfloat16"]
        for (out, more) in [("float32", []), ("whole", rounded)] {
            let result = try BuiltProgram.run(
                ["train", "perceptron"] + Self.common + ["--out", out] + more, in: folder)
            #expect(result.status == 0, "\(result.errors)")
        }
        let first = try BuiltProgram.run(
            ["train", "perceptron", "--epochs", "9", "--max-steps", "20", "--out", "run"] + rounded, in: folder)
        #expect(first.status == 0)
        #expect(try BuiltProgram.run(["train", "--resume", "run", "--max-steps", "70"], in: folder).status == 0)
        #expect(try RunComparison.difference(run("whole", in: folder), run("run", in: folder)) == nil)
        #expect(try RunComparison.difference(run("whole", in: folder), run("float32", in: folder)) != nil)
        #expect(try RunCard(readingFrom: run("run", in: folder)).precision == .bfloat16)
        #expect(try BuiltProgram.run(["replay", "run"], in: folder).output.contains("bit-equal: "))
        let evaluations = try [[], rounded, ["--precision", "float32"]].map {
            try BuiltProgram.run(["evaluate", "whole"] + $0, in: folder).output
        }
        #expect(evaluations[0] == evaluations[1] && evaluations[0].contains("loss: "))
        let plan = try BuiltProgram.run(["plan", "perceptron", "--steps"] + rounded, in: folder).output
        #expect(plan.contains("roundToBfloat16"))
        let bench = try BuiltProgram.run(["bench", "perceptron"] + rounded, in: folder).output
        #expect(bench.contains("\"precision\": \"bfloat16\""))
        let fast = try BuiltProgram.run(["bench", "perceptron", "--precision", "float32-fast"], in: folder)
        let note = "float32-fast: without AMX it would be slower here; products are computed in float32.\n"
        #expect(fast.status == 0 && fast.errors == (Device.cpu.hasFastBfloat16 ? "" : note))
    }

    @Test func aKilledRunGoesOnToTheSameBits() throws {
        let folder = try TemporaryFolder()
        try whole("vae", in: folder)
        let program = try RunningProgram(["train", "vae"] + Self.common + ["--out", "run"], in: folder)
        waitForCheckpoints(2, of: program, in: folder)
        program.send(SIGKILL)
        _ = try program.end()
        #expect(try RunCard(readingFrom: run("run", in: folder)).state == .running)
        // Half a file of the last one, as a disk without power leaves it: the one before counts.
        let files = try run("run", in: folder).checkpoints.files
        try Data(contentsOf: files[0]).dropLast(1_000).write(to: files[0], options: .atomic)
        let resumed = try BuiltProgram.run(["train", "--resume", "run"], in: folder)
        #expect(resumed.status == 0)
        #expect(resumed.errors.contains("WARNING: \(files[0].path): is no whole checkpoint: it is cut short"))
        #expect(resumed.errors.contains(" It is passed over."))
        #expect(resumed.output.contains("Going on after step "))
        #expect(try RunComparison.difference(run("whole", in: folder), run("run", in: folder)) == nil)
    }

    @Test func aRunWithoutAWholeCheckpointBeginsAnew() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let first = try BuiltProgram.run(
            ["train", "perceptron", "--epochs", "9", "--max-steps", "10", "--out", "run"], in: folder)
        #expect(first.status == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("run/checkpoints").path).sorted()
        #expect(names.contains("best.safetensors") == false && names.count == 1)
        for name in names + ["best.safetensors"] { try folder.write([1, 2, 3], to: "run/checkpoints/\(name)") }
        // Nothing of theirs is lost, nor of those of another time.
        try FileManager.default.createDirectory(
            at: folder.file("run/checkpoints.damaged-1"), withIntermediateDirectories: false)
        let resumed = try BuiltProgram.run(["train", "--resume", "run", "--max-steps", "70"], in: folder)
        #expect(resumed.status == 0)
        #expect(
            resumed.output.contains(
                "No checkpoint is whole: the run begins anew. The damaged ones are in run/checkpoints.damaged-2.\n"))
        for name in names + ["best.safetensors"] {
            #expect(try Data(contentsOf: folder.file("run/checkpoints.damaged-2/\(name)")) == Data([1, 2, 3]))
        }
        #expect(try RunComparison.difference(run("whole", in: folder), run("run", in: folder)) == nil)
        try FileManager.default.removeItem(at: folder.file("run/checkpoints"))
        let bare = try BuiltProgram.run(["train", "--resume", "run", "--max-steps", "71"], in: folder)
        #expect(bare.status == 0 && bare.output.contains("There is no checkpoint: the run begins anew.\n"))
    }

    /// It may be whole: the run neither begins anew nor goes on from another. The file is a link to itself here.
    @Test func aCheckpointThatCannotBeReadStopsEverything() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("whole/checkpoints").path)
        for name in names { try folder.write([1, 2, 3], to: "whole/checkpoints/\(name)") }
        let newer = folder.file("whole/checkpoints/step-000000000071.safetensors")
        #expect(symlink(newer.lastPathComponent, newer.path) == 0)
        let losses = try Data(contentsOf: folder.file("whole/losses.f32"))
        let result = try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "90"], in: folder)
        #expect(result.status == 1)
        #expect(
            result.errors.hasSuffix(
                "/whole/checkpoints/step-000000000071.safetensors: cannot be read: "
                    + "Too many levels of symbolic links.\n"), "\(result.errors)")
        for name in names {
            #expect(try Data(contentsOf: folder.file("whole/checkpoints/\(name)")) == Data([1, 2, 3]))
        }
        #expect(try Data(contentsOf: folder.file("whole/losses.f32")) == losses)
    }

    /// Its card was changed, so that its checkpoints belong to another: what it has come to stays as it is.
    @Test func aRefusedRunStaysAsItIs() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let card = folder.file("whole/card.json")
        let text = try String(contentsOf: card, encoding: .utf8)
        try text.replacingOccurrences(of: "\"seed\" : 0", with: "\"seed\" : 5")
            .write(to: card, atomically: true, encoding: .utf8)
        func files() throws -> [String: Data] {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("whole").path)
            let files = names.filter { $0 != ".lock" && $0 != "checkpoints" }
            return Dictionary(
                uniqueKeysWithValues: try files.map { ($0, try Data(contentsOf: folder.file("whole/\($0)"))) })
        }
        let before = try files()
        #expect(before["weights.safetensors"] != nil && before["card.json"] != nil)
        let result = try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "90"], in: folder)
        #expect(result.status == 1)
        #expect(!result.output.contains("Going on"))
        #expect(
            result.errors.hasSuffix(
                "apus: Checkpoint: seed is 5; it must be 0, as it was until the checkpoint. The run's card or its "
                    + "checkpoints were changed; nothing in whole has been written.\n"), "\(result.errors)")
        #expect(try files() == before)
        try text.write(to: card, atomically: true, encoding: .utf8)
        let resumed = try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "90"], in: folder)
        #expect(resumed.status == 0 && resumed.output.contains("Going on after step 70"))
    }

    @Test func lostLossesAreTold() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        try Data(contentsOf: folder.file("whole/losses.f32")).prefix(40).write(to: folder.file("whole/losses.f32"))
        let resumed = try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "90"], in: folder)
        #expect(resumed.status == 0)
        #expect(
            resumed.errors.contains(
                "WARNING: whole/losses.f32: the losses of 60 of 70 steps are lost; 'apus replay' compares the "
                    + "others.\n"),
            "\(resumed.errors)")
        let replay = try BuiltProgram.run(["replay", "whole"], in: folder)
        #expect(
            replay.output.contains("bit-equal: the losses of 30 (the others are lost) of 90 steps, "),
            "\(replay.output)")
        #expect(replay.status == 0)
    }

    /// Killed between the making and the unlinking of the file that takes the room.
    @Test func whatTakesTheRoomIsNotInTheWay() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(at: folder.file("whole"), withIntermediateDirectories: false)
        try folder.write([1], to: "whole/\(RunFolder.roomName)")
        try whole("perceptron", in: folder)
        try folder.write([1], to: "whole/\(RunFolder.roomName)")
        let resumed = try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "71"], in: folder)
        #expect(resumed.status == 0, "\(resumed.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.file("whole/\(RunFolder.roomName)").path))
    }

    /// What two runs came to is the same only with the same best weights.
    @Test func theBestCheckpointIsCompared() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let result = try BuiltProgram.run(["train", "perceptron"] + Self.common + ["--out", "run"], in: folder)
        #expect(result.status == 0)
        let (first, second) = (try run("whole", in: folder), try run("run", in: folder))
        #expect(try RunComparison.difference(first, second) == nil)
        let newest = try #require(second.checkpoints.files.first)
        #expect(try Checkpoint(contentsOf: second.checkpoints.best).progress.epoch == 1)
        try Data(contentsOf: newest).write(to: second.checkpoints.best, options: .atomic)
        #expect(
            try RunComparison.difference(first, second) == "the best checkpoint: of epoch 1 and of epoch 2")
        unlink(second.checkpoints.best.path)
        #expect(try RunComparison.difference(first, second) == "the best checkpoint: of epoch 1 and missing")
    }

    @Test func aFinishedRunSaysSo() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let before = try Data(contentsOf: folder.file("whole/card.json"))
        for more in [[], ["--epochs", "30"]] {
            let result = try BuiltProgram.run(["train", "--resume", "whole"] + more, in: folder)
            #expect(result.status == 0)
            #expect(
                result.output == "The run whole is finished, after epoch 2, step 70. "
                    + "To go further, give more with --max-steps, which was its limit.\n")
        }
        #expect(try Data(contentsOf: folder.file("whole/card.json")) == before)
    }

    @Test func optionsThatContradictTheRunAreRefused() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let own = "Leave it out: a run goes on with its own settings.\n"
        let rows: [(words: [String], text: String)] = [
            (["mlp"], "The run is one of perceptron, not of mlp. Leave the name out.\n"),
            (["--batch-size", "64"], "--batch-size is 64, but the run was begun with 128. " + own),
            (["--learning-rate", "0.25"], "--learning-rate is 0.25, but the run was begun with 0.5. " + own),
            (["--seed", "1"], "--seed is 1, but the run was begun with 0. " + own),
            (["--shuffle"], "--shuffle contradicts the run, which was begun without shuffling. " + own),
            (["--precision", "bfloat16"], "--precision is bfloat16, but the run was begun with float32. " + own),
            (
                ["--out", "other"],
                "--out cannot be given with --resume. "
                    + "Leave it out: a run goes on in its own folder, with its own weights.\n"
            ),
            (
                ["--epochs", "3"],
                "--epochs is 3, but the run was begun with 9. Give more to go further, or leave it out.\n"
            ),
            (
                ["--max-steps", "69"],
                "--max-steps is 69, but the run was begun with 70. Give more to go further, or leave it out.\n"
            ),
        ]
        for row in rows {
            let result = try BuiltProgram.run(["train"] + row.words + ["--resume", "whole"], in: folder)
            #expect(result.status == 2 && result.errors == "apus: " + row.text, "\(row.words)")
        }
        // What the run has anyway is no contradiction.
        let same = ["--batch-size", "128", "--seed", "0", "--no-shuffle", "--epochs", "9", "--precision", "float32"]
        #expect(try BuiltProgram.run(["train", "perceptron", "--resume", "whole"] + same, in: folder).status == 0)
        let nothing = try BuiltProgram.run(["train"], in: folder)
        #expect(nothing.status == 2)
        #expect(nothing.errors.contains("apus train needs NAME: the experiment: "))
        #expect(nothing.errors.hasSuffix("; or --resume RUN. See 'apus train --help'.\n"))
        let missing = try BuiltProgram.run(["train", "--resume", "none"], in: folder)
        #expect(missing.status == 1)
        #expect(missing.errors == "apus: none: there is no such file or folder. Check the path.\n")
    }

    @Test func otherDataAreRefused() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let text = try String(contentsOf: folder.file("whole/card.json"), encoding: .utf8)
        let checksum = try #require(text.firstMatch(of: /[0-9a-f]{64}/)).0
        try text.replacingOccurrences(of: checksum, with: String(repeating: "0", count: 64))
            .write(to: folder.file("whole/card.json"), atomically: true, encoding: .utf8)
        let result = try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "71"], in: folder)
        #expect(result.status == 1)
        #expect(
            result.errors.hasSuffix(
                "the part inside this program: expected the files that the run was begun with, from the part inside this "
                    + "program, found others by their SHA-256: t10k-images-idx3-ubyte.\n"), "\(result.errors)")
    }

    @Test func anotherMachineIsSaid() throws {
        let folder = try TemporaryFolder()
        try whole("perceptron", in: folder)
        let threads = try RunCard(readingFrom: run("whole", in: folder)).machine.threadCount
        let result = try BuiltProgram.run(
            ["train", "--resume", "whole", "--max-steps", "71", "--threads", "\(threads + 1)"], in: folder)
        #expect(result.status == 0)
        #expect(
            result.errors.contains(
                "WARNING: Not as the run was begun: threads: \(threads), now \(threads + 1). "
                    + "The bits may differ from those of an uninterrupted run.\n"))
        let card = try RunCard(readingFrom: run("whole", in: folder))
        #expect(card.sessions?.map(\.machine.threadCount) == [threads, threads + 1])
        #expect(card.sessions?.map(\.differences) == [nil, ["threads: \(threads), now \(threads + 1)"]])
    }

    @Test func aSecondWriterIsRefused() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(["train", "perceptron", "--epochs", "1000000", "--out", "run"], in: folder)
        try program.wait(forLineWith: "  step 1  ")
        let second = try BuiltProgram.run(["train", "--resume", "run"], in: folder)
        #expect(second.status == 1)
        #expect(
            second.errors == "apus: run: is in use by another process, number \(program.process.processIdentifier). "
                + "Wait until it has ended, or end it.\n")
        // Reading is no writing.
        program.send(SIGKILL)
        _ = try program.end()
        // The lock ended with its process.
        #expect(throws: Never.self) { try RunLock(run("run", in: folder)) }
        let third = try RunningProgram(["train", "--resume", "run"], in: folder)
        try third.wait(forLineWith: "  step ")
        third.send(SIGTERM)
        #expect(try third.end().status == 143)
    }

    #if os(Linux)
        /// The limit is one of the shell's: files up to 20 blocks of a kilobyte.
        @Test func aLimitForFilesHarmsNothing() throws {
            let folder = try TemporaryFolder()
            try whole("perceptron", in: folder)
            let files = try run("whole", in: folder).checkpoints.files
            let before = try Data(contentsOf: files[0])
            let process = BuiltProgram.process([], in: folder)
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = [
                "-c", "ulimit -f 20; exec \(BuiltProgram.url.path) train --resume whole --max-steps 90",
            ]
            let errors = try BuiltProgram.emptyFile(in: folder)
            process.standardError = try FileHandle(forWritingTo: errors)
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 1)
            let text = try String(contentsOf: errors, encoding: .utf8)
            #expect(
                text.contains(
                    "cannot be written: its largest file has 0.05 MB, and this process may write 0.02 MB (ulimit -f)."),
                "\(text)")
            #expect(try Data(contentsOf: files[0]) == before)
            #expect(
                try BuiltProgram.run(["train", "--resume", "whole", "--max-steps", "90"], in: folder).status == 0)
        }
    #endif

    /// The folder for checkpoints goes away, and a file takes its place.
    @Test func aCheckpointThatCannotBeWrittenEndsTheTraining() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(
            ["train", "perceptron", "--epochs", "1000000", "--checkpoint-every", "5", "--out", "run"], in: folder)
        waitForCheckpoints(1, of: program, in: folder)
        // In one moment for the program, which would find no folder in between.
        program.send(SIGSTOP)
        try FileManager.default.moveItem(at: folder.file("run/checkpoints"), to: folder.file("run/moved"))
        try folder.write([1], to: "run/checkpoints")
        program.send(SIGCONT)
        let (status, errors) = try program.end()
        #expect(status == 1)
        // The best one comes before that of the step.
        #expect(
            errors.contains(/\/checkpoints\/(step-\d+|best)\.safetensors: cannot be written: Not a directory/),
            "\(errors)")
        #expect(errors.hasSuffix("When that is mended: apus train --resume run\n"))
        try FileManager.default.removeItem(at: folder.file("run/checkpoints"))
        try FileManager.default.moveItem(at: folder.file("run/moved"), to: folder.file("run/checkpoints"))
        try RunningProgram.expectThatTheRunGoesOn(in: folder)
    }

    #if os(Linux)
        /// Whoever starts the program may have said that nobody is told how children end.
        @Test func aChildsEndIsKnown() throws {
            let folder = try TemporaryFolder()
            func deaf(_ words: [String]) throws -> (status: Int32, errors: String) {
                let process = BuiltProgram.process(["--ignore-signal=CHLD"] + words, in: folder)
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                let errors = try BuiltProgram.emptyFile(in: folder)
                process.standardError = try FileHandle(forWritingTo: errors)
                process.standardOutput = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                return (process.terminationStatus, try String(contentsOf: errors, encoding: .utf8))
            }
            guard try deaf(["true"]).status == 0 else { return }
            // The training fails, and that is seen.
            let words = ["verify-resume", "perceptron", "--kills", "1", "--data", folder.file("none").path]
            let (status, errors) = try deaf([BuiltProgram.url.path] + words)
            #expect(status == 1)
            #expect(errors.contains("apus: The unbroken training ended with exit code 1. Its output:"), "\(errors)")
        }
    #endif

    @Test func verificationByKills() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(at: folder.file("temporary"), withIntermediateDirectories: false)
        let result = try BuiltProgram.run(
            ["verify-resume", "perceptron", "--kills", "8", "--epochs", "3"], in: folder,
            environment: ["TMPDIR": folder.file("temporary").path])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("temporary").path) == [])
        #expect(
            result.output.contains(
                /^perceptron: 8 kills \(\d+ before the first checkpoint, \d+ while a file was written\), \d+ runs finished, all bit-equal to the unbroken one\.\n$/
            ), "\(result.output)")
    }
}
