import ApusCPU
import ApusCore
import ApusNN
import ApusTestSupport
import ApusTrain
import Foundation
import Testing

/// A training that goes on from a checkpoint comes to the bits of one that was never interrupted.
@Suite struct ResumeTests {
    /// Stops at every step and every epoch, goes on from the file in a new trainer, and compares all that comes after.
    @Test(arguments: OptimizerUpdatesTests.all.indices) func anyStepCanBeTheLast(index: Int) throws {
        let run = CheckpointRun(optimizer: OptimizerUpdatesTests.all[index])
        let folder = try TemporaryFolder()
        let (whole, taker) = (try run.trainer(), CheckpointTaker())
        let history = try run.fit(whole, with: CheckpointRun.callbacks() + [taker])
        let moments = taker.checkpoints
        #expect(moments.count == history.epochs.count * (CheckpointRun.stepsPerEpoch + 1))
        for (place, moment) in moments.enumerated() {
            try moment.write(to: folder.file("checkpoint"))
            let read = try Checkpoint(contentsOf: folder.file("checkpoint"))
            #expect(read == moment)
            let (resumed, later) = (try run.trainer(), CheckpointTaker())
            let resumedHistory = try run.fit(
                resumed, with: CheckpointRun.callbacks() + [later], resumingFrom: read)
            #expect(flatWeights(resumed.model).map(\.bitPattern) == flatWeights(whole.model).map(\.bitPattern))
            #expect(timeless(resumedHistory) == timeless(history))
            #expect(later.checkpoints.map { TimelessCheckpoint($0) } == moments[(place + 1)...].map { .init($0) })
            #expect(TimelessCheckpoint(try resumed.checkpoint()) == TimelessCheckpoint(try whole.checkpoint()))
        }
    }

    /// The run above has what it is meant to have: reductions of the rate, and a stop before the last epoch.
    @Test func theCallbacksOfThatRunHaveSomethingToRemember() throws {
        var run = CheckpointRun()
        run.epochs = 30
        let callbacks = CheckpointRun.callbacks()
        let history = try run.fit(run.trainer(), with: callbacks)
        let (plateau, stopping) = (callbacks[0] as? ReduceOnPlateau, callbacks[3] as? EarlyStopping)
        #expect(plateau?.reducedEpochs.isEmpty == false)
        #expect(stopping?.stoppedEpoch == history.epochs.count && history.epochs.count < 30)
    }

    /// Every step kills: the training is taken up as often as it has steps.
    @Test func aTrainingOfManyPieces() throws {
        let run = CheckpointRun()
        let whole = try run.trainer()
        let history = try run.fit(whole, with: CheckpointRun.callbacks())
        var checkpoint: Checkpoint?
        for step in 1... {
            let (trainer, taker) = (try run.trainer(), CheckpointTaker(stopsAtStep: step))
            do {
                let pieces = try run.fit(
                    trainer, with: CheckpointRun.callbacks() + [taker], resumingFrom: checkpoint)
                #expect(timeless(pieces) == timeless(history))
                #expect(flatWeights(trainer.model) == flatWeights(whole.model))
                break
            } catch is CheckpointTaker.Stopped {
                checkpoint = taker.checkpoints.last
                #expect(checkpoint?.step == step)
            }
        }
    }

    /// In bfloat16 as well; and its bits are its own.
    @Test func aRoundedTrainingOfTwoPieces() throws {
        var run = CheckpointRun()
        let exact = try run.trainer()
        try run.fit(exact, with: [])
        run.precision = .bfloat16
        let whole = try run.trainer()
        let history = try run.fit(whole, with: [])
        #expect(flatWeights(whole.model) != flatWeights(exact.model))
        for step in [1, 5] {
            let taker = CheckpointTaker(stopsAtStep: step)
            #expect(throws: CheckpointTaker.Stopped.self) { try run.fit(run.trainer(), with: [taker]) }
            let resumed = try run.trainer()
            #expect(
                try timeless(run.fit(resumed, with: [], resumingFrom: taker.checkpoints.last)) == timeless(history))
            #expect(flatWeights(resumed.model) == flatWeights(whole.model))
        }
    }

    /// Checkpoints from before there was a choice are float32's.
    @Test func checkpointsWithoutAPrecisionAreOfFloat32() throws {
        var run = CheckpointRun()
        let taker = CheckpointTaker(stopsAtStep: 1)
        #expect(throws: CheckpointTaker.Stopped.self) { try run.fit(run.trainer(), with: [taker]) }
        var checkpoint = try #require(taker.checkpoints.last)
        checkpoint.settings["precision"] = nil
        try run.trainer().restore(checkpoint)
        run.precision = .bfloat16
        #expect(
            errorText { try run.trainer().restore(checkpoint) }
                == "Checkpoint: precision is bfloat16; it must be float32, as it was until the checkpoint.")
    }

    @Test func aStopByACallbackHolds() throws {
        var run = CheckpointRun()
        run.epochs = 30
        let taker = CheckpointTaker()
        let history = try run.fit(run.trainer(), with: CheckpointRun.callbacks() + [taker])
        let last = try #require(taker.checkpoints.last)
        #expect(last.progress.isStopped)
        run.epochs = 40
        let (resumed, callbacks) = (try run.trainer(), CheckpointRun.callbacks())
        #expect(try timeless(run.fit(resumed, with: callbacks, resumingFrom: last)) == timeless(history))
    }

    /// An epoch that `maxSteps` has cut is taken up where it was cut.
    @Test func moreStepsAndEpochsCanBeAskedFor() throws {
        for cut in 1...7 {
            var run = CheckpointRun()
            run.maxSteps = 8
            let whole = try run.trainer()
            let history = try run.fit(whole, with: [])
            run.maxSteps = cut
            let taker = CheckpointTaker()
            let short = try run.fit(run.trainer(), with: [taker])
            #expect(short.epochs.map(\.stepCount).reduce(0, +) == cut)
            run.maxSteps = 8
            let resumed = try run.trainer()
            #expect(
                try timeless(run.fit(resumed, with: [], resumingFrom: taker.checkpoints.last)) == timeless(history))
            #expect(flatWeights(resumed.model) == flatWeights(whole.model))
        }
        var run = CheckpointRun()
        run.epochs = 2
        let taker = CheckpointTaker()
        try run.fit(run.trainer(), with: [taker])
        run.epochs = 4
        let (whole, resumed) = (try run.trainer(), try run.trainer())
        let history = try run.fit(whole, with: [])
        #expect(try timeless(run.fit(resumed, with: [], resumingFrom: taker.checkpoints.last)) == timeless(history))
        #expect(flatWeights(resumed.model) == flatWeights(whole.model))
    }

    /// The loss of the step after the checkpoint is not finite; the state before that step is whole.
    @Test func aFailureLeavesTheStateBeforeIt() throws {
        let data = try pairs([(1, 1), (2, 1), (.nan, 1), (3, 1)])
        func trainer() throws -> Trainer {
            try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(momentum: 0.5), device: .cpu)
        }
        let (failing, taker) = (try trainer(), CheckpointTaker())
        #expect(throws: ApusError.self) {
            try failing.fit(data, batchSize: 1, epochs: 1, shuffles: false, callbacks: [taker])
        }
        #expect(taker.checkpoints.map(\.step) == [1, 2, 2])
        #expect(taker.checkpoints[1].model == taker.checkpoints[2].model)
        let (good, resumed) = (try pairs([(1, 1), (2, 1), (5, 1), (3, 1)]), try trainer())
        try resumed.fit(
            good, batchSize: 1, epochs: 1, shuffles: false, resumingFrom: taker.checkpoints.last)
        let whole = try trainer()
        try whole.fit(good, batchSize: 1, epochs: 1, shuffles: false)
        #expect(flatWeights(resumed.model) == flatWeights(whole.model))
    }

    @Test func logsAreCutBack() throws {
        let folder = try TemporaryFolder()
        let (json, csv, kept) = (folder.file("a.jsonl"), folder.file("a.csv"), folder.file("kept.csv"))
        func logs() -> [any Callback] { [JSONLinesLog(json), CSVLog(csv), CSVLog(kept, appends: true)] }
        try folder.write(Array("before\n".utf8), to: "kept.csv")
        let run = CheckpointRun()
        let taker = CheckpointTaker()
        let history = try run.fit(run.trainer(), with: logs() + [taker])
        func lines(_ url: URL) throws -> [String] {
            // The seconds are the last column.
            try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
                String($0[..<($0.lastIndex(of: ",") ?? $0.endIndex)])
            }
        }
        let whole = try [json, csv, kept].map(lines)
        #expect(whole.map(\.count) == [4, 5, 5])
        let bytes = try Data(contentsOf: kept)
        for checkpoint in taker.checkpoints {
            try folder.write(Array("damaged".utf8), to: "a.jsonl")
            try folder.write(bytes + Data("a part of a line".utf8), to: "kept.csv")
            try run.fit(run.trainer(), with: logs(), resumingFrom: checkpoint)
            #expect(try [json, csv, kept].map(lines) == whole)
        }
        #expect(history.epochs.count == 4)
    }
}
