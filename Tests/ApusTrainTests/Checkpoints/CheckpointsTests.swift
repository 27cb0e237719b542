import ApusCPU
import ApusCore
import ApusNN
import ApusTestSupport
import ApusTrain
import Foundation
import Testing

/// The callback that writes checkpoints.
@Suite struct CheckpointsTests {
    private func names(_ folder: CheckpointFolder) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []).sorted()
    }

    private func file(_ step: Int) -> String { String(format: "step-%012d.safetensors", step) }

    @Test func theNewestAndTheBestAreKept() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.file("a/b"), keep: 2)
        let run = CheckpointRun()
        let trainer = try run.trainer()
        let history = try run.fit(trainer, with: [checkpoints])
        // Where an epoch ends while the one before is written, it has none; the last always has.
        let names = names(checkpoints.folder)
        #expect(names.last == file(12) && names.contains("best.safetensors"))
        #expect(names.count <= 3)
        let newest = try #require(try checkpoints.folder.newest())
        #expect(newest.step == 12 && newest.progress.epochIsDone && newest.history == history)
        #expect(newest.model.map(\.value.floats) == trainer.model.variables.map(\.variable.value.floats))
        let losses = history["val_loss"]
        let best = try #require(losses.firstIndex(of: losses.min() ?? 0)) + 1
        #expect(checkpoints.bestEpoch == best && checkpoints.bestValue == losses.min())
        #expect(try Checkpoint(contentsOf: checkpoints.folder.best).progress.epoch == best)
        #expect(newest.callbacks["Checkpoints"]?[count: "bestEpoch"] == best)
    }

    @Test func everySoManySteps() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.url, everySteps: 5, keep: 9, keepsBest: false)
        try CheckpointRun().fit(CheckpointRun().trainer(), with: [checkpoints])
        // Due after 5; while that is written the next may be late, so only bounds are certain.
        let steps = checkpoints.folder.files.compactMap { Int($0.lastPathComponent.dropFirst(5).prefix(12)) }
        #expect(steps.first == 12 && steps.last == 5 && steps.count <= 3)
        #expect(checkpoints.bestEpoch == nil && !names(checkpoints.folder).contains("best.safetensors"))
    }

    /// One limit that any step's time is above, and one that no training's is.
    @Test func everySoManyMinutes() throws {
        let temporary = try TemporaryFolder()
        func files(everyMinutes minutes: Double) throws -> [String] {
            let checkpoints = Checkpoints(
                in: temporary.file("\(minutes)"), everyMinutes: minutes, keep: 100, keepsBest: false)
            try CheckpointRun().fit(CheckpointRun().trainer(), with: [checkpoints])
            return checkpoints.folder.files.map(\.lastPathComponent)
        }
        // After the first step nothing is being written, so that it is due at once; the last one comes in any case.
        let often = try files(everyMinutes: 1e-15)
        #expect(often.first == file(12) && often.last == file(1))
        // Two years; the ends of epochs do not count where minutes do.
        #expect(try files(everyMinutes: 1e6) == [file(12)])
    }

    @Test func asManyAreKeptAsAreAskedFor() throws {
        let temporary = try TemporaryFolder()
        // At least the first and the last are written.
        for keep in 1...2 {
            let checkpoints = Checkpoints(
                in: temporary.file("steps-\(keep)"), everyMinutes: 1e-15, keep: keep, keepsBest: false)
            try CheckpointRun().fit(CheckpointRun().trainer(), with: [checkpoints])
            let names = names(checkpoints.folder)
            #expect(names.count == keep && names.last == file(12))
        }
        // Six trainings, each of which goes on from the one before and leaves one.
        for keep in [1, 3, 6, 7] {
            let checkpoints = Checkpoints(
                in: temporary.file("parts-\(keep)"), everyMinutes: 1e6, keep: keep, keepsBest: false)
            for maxSteps in 1...6 {
                var run = CheckpointRun()
                run.maxSteps = maxSteps
                try run.fit(run.trainer(), with: [checkpoints], resumingFrom: checkpoints.folder.newest())
            }
            #expect(names(checkpoints.folder) == (1...6).suffix(keep).map { file($0) })
        }
    }

    @Test func aLimitOfTheCostHolds() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.url, everySteps: 1, keep: 100, costLimit: 1e-9)
        try CheckpointRun().fit(CheckpointRun().trainer(), with: [checkpoints])
        // The first, and that of the end.
        #expect(checkpoints.folder.files.map(\.lastPathComponent) == [file(12), file(1)])
        // The best is written with the last one at the latest.
        let best = try Checkpoint(contentsOf: checkpoints.folder.best)
        #expect(best.progress.epoch == checkpoints.bestEpoch && best.progress.epochIsDone)
    }

    @Test func aTrainingGoesOnFromTheFolder() throws {
        let temporary = try TemporaryFolder()
        let run = CheckpointRun()
        let whole = try run.trainer()
        let history = try run.fit(whole, with: CheckpointRun.callbacks())
        for step in 1...12 {
            let folder = temporary.file("\(step)")
            let stopped = Checkpoints(in: folder, everySteps: 2)
            #expect(throws: CheckpointTaker.Stopped.self) {
                try run.fit(
                    run.trainer(), with: CheckpointRun.callbacks() + [stopped, CheckpointTaker(stopsAtStep: step)])
            }
            let checkpoints = Checkpoints(in: folder, everySteps: 3)
            let newest = try #require(try checkpoints.folder.newest())
            // The error came when the state was whole.
            #expect(newest.step == step)
            let trainer = try run.trainer()
            let resumed = try run.fit(
                trainer, with: CheckpointRun.callbacks() + [checkpoints], resumingFrom: newest)
            #expect(timeless(resumed) == timeless(history))
            #expect(flatWeights(trainer.model).map(\.bitPattern) == flatWeights(whole.model).map(\.bitPattern))
        }
    }

    /// A program that is started again says where it goes on, or that there is nothing left to do.
    @Test func progressSaysWhereATrainingGoesOn() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.url, everySteps: 1)
        func lines(maxSteps: Int?) throws -> [String] {
            var (run, text) = (CheckpointRun(), "")
            run.maxSteps = maxSteps
            let progress = Progress(isTerminal: false) { text += $0 }
            try run.fit(run.trainer(), with: [progress, checkpoints], resumingFrom: checkpoints.folder.newest())
            return text.split(separator: "\n").map { $0.hasPrefix("loss: ") ? "an epoch" : String($0) }
        }
        let cure = "more epochs or steps would take it further."
        // Three steps an epoch.
        #expect(try lines(maxSteps: 4) == ["an epoch", "an epoch"])
        #expect(
            try lines(maxSteps: 4) == ["The training was finished before, after step 4, epoch 2; \(cure)", "an epoch"])
        #expect(try lines(maxSteps: 6) == ["Going on after step 4, epoch 2.", "an epoch"])
        #expect(try lines(maxSteps: 6) == ["The training was finished before, after step 6, epoch 2; \(cure)"])
        #expect(try lines(maxSteps: nil) == ["Going on after step 6, epoch 2.", "an epoch", "an epoch"])
        #expect(try lines(maxSteps: nil) == ["The training was finished before, after step 12, epoch 4; \(cure)"])
    }

    /// More epochs would not take it further.
    @Test func progressSaysThatACallbackEndedTheTraining() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.url, everySteps: 1)
        final class Impatient: Callback {
            func epochDidEnd(_ record: EpochRecord, _ training: Training) -> TrainingDecision { .stop }
        }
        func text(epochs: Int) throws -> String {
            var (run, text) = (CheckpointRun(), "")
            run.epochs = epochs
            let progress = Progress(isTerminal: false) { text += $0 }
            try run.fit(
                run.trainer(), with: [progress, Impatient(), checkpoints], resumingFrom: checkpoints.folder.newest())
            return text
        }
        #expect(try text(epochs: 4).hasSuffix(" sec\nImpatient ended the training after step 3, epoch 1.\n"))
        #expect(
            try text(epochs: 6) == "A callback ended the training before, after step 3, epoch 1. "
                + "One with checkpoints in another folder begins anew.\n")
    }

    @Test func aDamagedOneIsPassedOver() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.url, everySteps: 1, keep: 100)
        for maxSteps in [2, 4, 7] {
            var run = CheckpointRun()
            run.maxSteps = maxSteps
            try run.fit(run.trainer(), with: [checkpoints], resumingFrom: checkpoints.folder.newest())
        }
        let files = checkpoints.folder.files
        #expect(files.first?.lastPathComponent == file(7))
        try Data(contentsOf: files[0]).dropLast(10).write(to: files[0])
        var problems: [String] = []
        let newest = try checkpoints.folder.newest { problems.append("\($0)") }
        #expect(newest?.step == Int(files[1].lastPathComponent.dropFirst(5).prefix(12)))
        #expect(
            problems.count == 1 && problems[0].hasPrefix("\(files[0].path): is no whole checkpoint: it is cut short"))
        // Not through the file, which may have the best one's name, too.
        for file in files { try Data().write(to: file, options: .atomic) }
        // The best is a checkpoint, too.
        #expect(try checkpoints.folder.newest { _ in }?.progress.epoch == checkpoints.bestEpoch)
        try Data([1]).write(to: checkpoints.folder.best)
        #expect(try checkpoints.folder.newest { _ in } == nil)
        // Those of the steps that are gone through again go away, and so does what was half written.
        try temporary.write([1], to: ".step-1.temporary")
        var run = CheckpointRun()
        run.maxSteps = 2
        try run.fit(run.trainer(), with: [checkpoints], resumingFrom: CheckpointTakerRun.first())
        #expect(!names(checkpoints.folder).contains(".step-1.temporary"))
        #expect(checkpoints.folder.files.first?.lastPathComponent == file(2))
    }

    /// What cannot be read may be whole: neither is an older one taken, nor is it removed. The files here are links to
    /// themselves, which nobody can open.
    @Test func oneThatCannotBeReadIsNotPassedOver() throws {
        let temporary = try TemporaryFolder()
        let checkpoints = Checkpoints(in: temporary.url, everySteps: 1, keep: 100)
        var run = CheckpointRun()
        run.maxSteps = 2
        try run.fit(run.trainer(), with: [checkpoints])
        let newer = temporary.file(file(9))
        #expect(symlink(newer.lastPathComponent, newer.path) == 0)
        let before = names(checkpoints.folder)
        let reason = "Too many levels of symbolic links"
        func isThere(_ problem: (any Error)?) -> Bool {
            (problem as? ApusError) == .file(path: newer.path, .unreadable(reason: reason))
        }
        #expect(isThere(#expect(throws: ApusError.self) { try checkpoints.folder.newest() }))
        // Going on from an older one would remove it.
        let older = try Checkpoint(contentsOf: temporary.file(file(2)))
        run.maxSteps = 4
        #expect(
            isThere(
                #expect(throws: ApusError.self) {
                    try run.fit(run.trainer(), with: [checkpoints], resumingFrom: older)
                }))
        #expect(names(checkpoints.folder) == before)
        // The best one counts as well.
        for name in before where name != "best.safetensors" { unlink(temporary.file(name).path) }
        unlink(checkpoints.folder.best.path)
        #expect(try checkpoints.folder.newest() == nil)
        #expect(symlink("best.safetensors", checkpoints.folder.best.path) == 0)
        #expect(throws: ApusError.file(path: checkpoints.folder.best.path, .unreadable(reason: reason))) {
            try checkpoints.folder.newest()
        }
    }

    @Test func aFolderThatCannotBeListedIsNotEmpty() throws {
        let temporary = try TemporaryFolder()
        #expect(try CheckpointFolder(temporary.file("none")).newest() == nil)
        let loop = temporary.file("loop")
        #expect(symlink("loop", loop.path) == 0)
        #expect(throws: ApusError.file(path: loop.path, .unreadable(reason: "Too many levels of symbolic links"))) {
            try CheckpointFolder(loop).newest()
        }
    }

    /// The best epoch that a step's file names is never one that is not on the disk.
    @Test func theBestIsWrittenFirst() throws {
        let temporary = try TemporaryFolder()
        // Nothing can take its place.
        try FileManager.default.createDirectory(
            at: temporary.file("best.safetensors/full"), withIntermediateDirectories: true)
        let checkpoints = Checkpoints(in: temporary.url)
        let text = errorText { try CheckpointRun().fit(CheckpointRun().trainer(), with: [checkpoints]) }
        #expect(text.hasPrefix("\(checkpoints.folder.best.path): cannot be written: "), "\(text)")
        // The first epoch is the best so far, and each file after it would say so.
        #expect(names(checkpoints.folder) == ["best.safetensors"])
    }

    @Test func theBestAndItsStepAreOneFile() throws {
        let temporary = try TemporaryFolder()
        var run = CheckpointRun()
        run.epochs = 1
        try run.fit(run.trainer(), with: [Checkpoints(in: temporary.url)])
        #expect(names(CheckpointFolder(temporary.url)) == ["best.safetensors", file(3)])
        let numbers = try ["best.safetensors", file(3)].map {
            try FileManager.default.attributesOfItem(atPath: temporary.file($0).path)[.systemFileNumber] as? Int
        }
        #expect(numbers[0] != nil && numbers[0] == numbers[1])
    }

    /// The checkpoint after the first step.
    private enum CheckpointTakerRun {
        static func first() throws -> Checkpoint? {
            let taker = CheckpointTaker(stopsAtStep: 1)
            #expect(throws: CheckpointTaker.Stopped.self) {
                try CheckpointRun().fit(CheckpointRun().trainer(), with: [taker])
            }
            return taker.checkpoints.first
        }
    }

    @Test func theFolderOfAnotherTrainingIsRefused() throws {
        let temporary = try TemporaryFolder()
        try CheckpointRun().fit(CheckpointRun().trainer(), with: [Checkpoints(in: temporary.url)])
        #expect(
            errorText { try CheckpointRun().fit(CheckpointRun().trainer(), with: [Checkpoints(in: temporary.url)]) }
                == "Checkpoints: the folder \(temporary.url.path) is one with checkpoints of another training; "
                + "it must be new or empty; or give 'fit' the checkpoint to go on from, as "
                + "'resumingFrom: checkpoints.folder.newest()' does.")
    }

    /// A program that goes on from the newest one, or begins where there is none, comes to its end all the same.
    @Test func damagedOnesAreMovedAside() throws {
        let temporary = try TemporaryFolder()
        let folder = CheckpointFolder(temporary.file("all"))
        try CheckpointRun().fit(CheckpointRun().trainer(), with: [Checkpoints(in: folder.url)])
        let damaged = folder.files + [folder.best]
        for file in damaged { try Data([1, 2, 3]).write(to: file) }
        let newest = try folder.newest(reportingTo: { _ in })
        #expect(newest == nil)
        try CheckpointRun().fit(CheckpointRun().trainer(), with: [Checkpoints(in: folder.url)], resumingFrom: newest)
        for file in damaged {
            let moved = temporary.file("all.damaged-1/\(file.lastPathComponent)")
            #expect(try Data(contentsOf: moved) == Data([1, 2, 3]))
        }
        // Those before the newest are of other steps, should the disk have been slower.
        #expect(folder.files.first == damaged[0])
        for file in folder.files + [folder.best] {
            #expect(throws: Never.self) { try Checkpoint(contentsOf: file) }
        }
    }

    @Test func oneTrainingAtATimeWrites() throws {
        let temporary = try TemporaryFolder()
        final class Second: Callback {
            let folder: URL
            var text = ""
            init(_ folder: URL) { self.folder = folder }
            func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
                guard step.step == 2 else { return }
                text = errorText { try CheckpointRun().fit(CheckpointRun().trainer(), with: [Checkpoints(in: folder)]) }
            }
        }
        let second = Second(temporary.url)
        let checkpoints = Checkpoints(in: temporary.url)
        try CheckpointRun().fit(CheckpointRun().trainer(), with: [second, checkpoints])
        #expect(
            second.text == "\(temporary.url.path): is in use by another process. Wait until it has ended, or end it.")
        // It is free again afterwards, and after a training that failed.
        let newest = try checkpoints.folder.newest()
        try CheckpointRun(epochs: 5)
            .fit(CheckpointRun().trainer(), with: [Checkpoints(in: temporary.url)], resumingFrom: newest)
    }

    @Test func whatCannotBeWrittenEndsTheTrainingAndHarmsNothing() throws {
        let temporary = try TemporaryFolder()
        let file = try temporary.write([1], to: "file")
        #expect(
            errorText { try CheckpointRun().fit(CheckpointRun().trainer(), with: [Checkpoints(in: file)]) }
                == "\(file.path): cannot be written: a file of that name is in the way. "
                + "Choose another place, or make room.")
        // The folder goes away while the training runs.
        let folder = temporary.file("gone")
        final class Remover: Callback {
            let folder: URL
            init(_ folder: URL) { self.folder = folder }
            func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
                // A file may be on its way into it, so that it could not be removed.
                if step.step == 4 { #expect(rename(folder.path, folder.path + "-elsewhere") == 0) }
            }
        }
        let checkpoints = Checkpoints(in: folder, everySteps: 1)
        let text = errorText {
            try CheckpointRun().fit(CheckpointRun().trainer(), with: [Remover(folder), checkpoints])
        }
        #expect(text.contains("cannot be written: there is no folder \(folder.path)"))
        #expect(checkpoints.failure != nil)
    }

    @Test func settingsOutsideTheirRange() throws {
        let url = try TemporaryFolder().url
        func text(_ checkpoints: Checkpoints) -> String {
            errorText { try CheckpointRun().fit(CheckpointRun().trainer(), with: [checkpoints]) }
        }
        #expect(text(Checkpoints(in: url, everySteps: 0)) == "Checkpoints: everySteps is 0; it must be 1 or more.")
        #expect(
            text(Checkpoints(in: url, everyMinutes: 0))
                == "Checkpoints: everyMinutes is 0.0; it must be a finite number above 0.")
        #expect(text(Checkpoints(in: url, everyEpochs: 0)) == "Checkpoints: everyEpochs is 0; it must be 1 or more.")
        #expect(text(Checkpoints(in: url, keep: 0)) == "Checkpoints: keep is 0; it must be 1 or more.")
        #expect(
            text(Checkpoints(in: url, costLimit: 2))
                == "Checkpoints: costLimit is 2.0; it must be above 0 and at most 1.")
        #expect(text(Checkpoints(in: url, monitor: "nothing")).hasPrefix("Unknown figure 'nothing'."))
    }
}
