import ApusCPU
import ApusCore
import ApusData
import ApusNN
import ApusTestSupport
import ApusTrain
import Foundation
import Testing

/// Checkpoints as files: what is in them, and what is not taken for one.
@Suite struct CheckpointFileTests {
    /// After two of three steps with w = 0, 0.5, 0.75: the momentum is that of each step.
    private func checkpoint() throws -> Checkpoint {
        let trainer = try Trainer(
            line(), loss: .meanSquaredError, metrics: [.meanAbsoluteError],
            optimizer: SGD(learningRate: 0.25, momentum: 0.5), device: .cpu, seed: 5)
        let taker = CheckpointTaker()
        try trainer.fit(
            pairs([(1, 1), (1, 1), (1, 1)]), batchSize: 1, epochs: 2,
            callbacks: [taker, EarlyStopping(monitor: "loss")],
            initialEpoch: 1)
        return taker.checkpoints[1]
    }

    @Test func whatItHoldsByHand() throws {
        let checkpoint = try checkpoint()
        #expect(checkpoint.step == 2)
        #expect(checkpoint.progress.epoch == 2 && checkpoint.progress.stepInEpoch == 2)
        #expect(!checkpoint.progress.epochIsDone && checkpoint.progress.initialEpoch == 1)
        // Slopes -2 and -1: steps of 0.5, then 0.25 and half of the 0.5 before.
        #expect(checkpoint.model.map(\.name) == ["dense/kernel"])
        #expect(checkpoint.model.map(\.value.floats) == [[1]])
        #expect(checkpoint.optimizer.map(\.name) == ["dense/kernel/momentum", "learningRateFactor"])
        // Two samples, losses 1 and 0.25; for the metric its sum and its count.
        #expect(checkpoint.sums == [2, 1.25, 1.5, 2])
        #expect(checkpoint.settings["seed"] == "5" && checkpoint.settings["optimizer"] == "SGD")
        #expect(checkpoint.callbacks["EarlyStopping"]?[count: "waitedEpochs"] == 0)
    }

    @Test func theFileIsSafetensors() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try checkpoint()
        try checkpoint.write(to: folder.file("a"))
        let tensors = try Safetensors.read(folder.file("a"))
        #expect(
            tensors.map(\.name) == [
                "model/dense/kernel", "optimizer/dense/kernel/momentum", "optimizer/learningRateFactor",
                "callbacks/EarlyStopping/waitedEpochs", "sums", "history", "checksum",
            ])
        #expect(tensors[0].value == checkpoint.model[0].value)
        #expect(try Checkpoint(contentsOf: folder.file("a")) == checkpoint)
    }

    @Test func everyByteThatIsMissingIsMissed() throws {
        let folder = try TemporaryFolder()
        try checkpoint().write(to: folder.file("a"))
        let bytes = try Data(contentsOf: folder.file("a"))
        for count in 0..<bytes.count {
            #expect(throws: ApusError.self, "\(count) of \(bytes.count)") { try Checkpoint(bytes[..<count], path: "a") }
        }
        #expect(throws: ApusError.self) { try Checkpoint(bytes + Data([0]), path: "a") }
        #expect(
            errorText { _ = try Checkpoint(bytes.dropLast(), path: "a") }
                == "a: is no whole checkpoint: it is cut short: expected \(bytes.count) bytes, found \(bytes.count - 1)."
        )
    }

    @Test func everyByteThatIsAnotherIsNoticed() throws {
        let folder = try TemporaryFolder()
        try checkpoint().write(to: folder.file("a"))
        var bytes = try Data(contentsOf: folder.file("a"))
        for place in bytes.indices {
            for change in [UInt8(1), 0x20, 0x80, 0xFF] {
                bytes[place] ^= change
                #expect(throws: ApusError.self, "byte \(place) ^ \(change)") { try Checkpoint(bytes, path: "a") }
                bytes[place] ^= change
            }
        }
        #expect(try Checkpoint(bytes, path: "a").step == 2)
        bytes[bytes.count - 40] ^= 1
        #expect(
            errorText { _ = try Checkpoint(bytes, path: "a") } == "a: is no whole checkpoint: its checksum is another.")
    }

    /// The file `bytes` after `change`, with a checksum that fits where `signs`.
    private func changed(_ bytes: Data, _ old: String, _ new: String, signs: Bool) throws -> Data {
        var content = bytes.dropLast(32)
        let range = try #require(content.range(of: Data(old.utf8)))
        content.replaceSubrange(range, with: Data(new.utf8))
        let digest = try SHA256.digest { update in try content.withUnsafeBytes { try update($0) } }
        return content + (signs ? Data(digest) : bytes.suffix(32))
    }

    /// What a later version of Apus may write is no damage; a byte that has changed is.
    @Test func aLaterVersionIsNotDamaged() throws {
        let folder = try TemporaryFolder()
        try checkpoint().write(to: folder.file("a"))
        let bytes = try Data(contentsOf: folder.file("a"))
        let rows = [
            ("\"version\":\"1\"", "\"version\":\"2\"", "its form has version 2, and this Apus knows 1"),
            (
                "\"dtype\":\"F32\"", "\"dtype\":\"F16\"",
                "its checksum fits, but it is F16 in 'model/dense/kernel'"
            ),
            ("\"epochIsDone\"", "\"epochIsGone\"", "its checksum fits, but something is missing"),
        ]
        for (old, new, reason) in rows {
            let whole = try changed(bytes, old, new, signs: true)
            #expect(
                errorText { _ = try Checkpoint(whole, path: "a") }
                    == "a: cannot be read: \(reason); a later version of Apus may have written it.")
            let damaged = try changed(bytes, old, new, signs: false)
            #expect(
                errorText { _ = try Checkpoint(damaged, path: "a") }.hasPrefix("a: is no whole checkpoint: "))
        }
        // Not even its checksum need be there.
        let bare = try changed(
            try changed(bytes, "\"version\":\"1\"", "\"version\":\"2\"", signs: false), "\"checksum\"", "\"checkers\"",
            signs: false)
        #expect(
            errorText { _ = try Checkpoint(bare, path: "a") }.hasPrefix("a: cannot be read: its form has version 2"))
    }

    @Test func aLargeOneIsLookedAtInPlaces() throws {
        let model = try Sequential(input: [100], seed: 1) { Dense(500) }
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: Adam(), device: .cpu)
        let folder = try TemporaryFolder()
        try trainer.checkpoint().write(to: folder.file("a"))
        var bytes = try Data(contentsOf: folder.file("a"))
        #expect(bytes.count > 600_000)
        let random = Philox(seed: 4)
        for trial in 0..<60 {
            let place = Int(random.word(trial)) % bytes.count
            #expect(throws: ApusError.self) { try Checkpoint(bytes[..<place], path: "a") }
            bytes[place] ^= 1
            #expect(throws: ApusError.self) { try Checkpoint(bytes, path: "a") }
            bytes[place] ^= 1
        }
    }

    @Test func otherFilesAreNamedForWhatTheyAre() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a").path
        #expect(
            errorText { _ = try Checkpoint(contentsOf: folder.file("a")) } == "\(ApusError.file(path: path, .missing))")
        try line().saveWeights(to: folder.file("a"))
        #expect(
            errorText { _ = try Checkpoint(contentsOf: folder.file("a")) }
                == "\(path): is no whole checkpoint: it is another safetensors file.")
        try folder.write([0x89] + Array("PNG and some more bytes".utf8), to: "a")
        #expect(errorText { _ = try Checkpoint(contentsOf: folder.file("a")) }.hasSuffix(": it is a PNG image."))
    }

    @Test func aHistoryKeepsAllItsBits() throws {
        // The accuracy of no sample is no number, and a rate may have any bits.
        let trainer = try Trainer(
            line(start: 0.1), loss: .meanSquaredError, metrics: [.precision], optimizer: SGD(learningRate: 0.1),
            device: .cpu)
        try trainer.fit(pairs([(0.3, 0.7), (0.1, 0.2)]), epochs: 3, validation: pairs([(0.5, 0.1)]))
        let folder = try TemporaryFolder()
        try trainer.checkpoint().write(to: folder.file("a"))
        let read = try Checkpoint(contentsOf: folder.file("a")).history
        #expect(read.epochs.count == 3)
        for (left, right) in zip(read.epochs, trainer.history.epochs) {
            #expect(left.columns.map(\.name) == right.columns.map(\.name))
            #expect(left.columns.map(\.value.bitPattern) == right.columns.map(\.value.bitPattern))
        }
    }

    @Test func anotherModelOptimizerOrSettingIsRefused() throws {
        var run = CheckpointRun()
        let taker = CheckpointTaker(stopsAtStep: 4)
        #expect(throws: CheckpointTaker.Stopped.self) { try run.fit(run.trainer(), with: [taker]) }
        let checkpoint = try #require(taker.checkpoints.last)
        func refusal(_ change: (inout CheckpointRun) -> Void) -> String {
            var other = run
            change(&other)
            return errorText { try other.fit(other.trainer(), with: [], resumingFrom: checkpoint) }
        }
        let until = "as it was until the checkpoint."
        #expect(refusal { $0.seed = 9 } == "Checkpoint: seed is 9; it must be 8, \(until)")
        #expect(
            refusal { $0.precision = .bfloat16 } == "Checkpoint: precision is bfloat16; it must be float32, \(until)")
        #expect(refusal { $0.batchSize = 9 } == "Checkpoint: batchSize is 9; it must be 8, \(until)")
        #expect(refusal { $0.shuffles = false } == "Checkpoint: shuffles is false; it must be true, \(until)")
        #expect(refusal { $0.optimizer = AdamW() } == "Checkpoint: optimizer is AdamW; it must be Adam, \(until)")
        #expect(
            refusal { $0.epochs = 1 }
                == "fit: epochs is 1; it must be 2 or more, as the checkpoint is of that epoch.")
        #expect(
            refusal { $0.maxSteps = 3 }
                == "fit: maxSteps is 3; it must be 4 or more, as the checkpoint is after that step.")
        let other = try Trainer(
            quadrantModel(), loss: .sparseCategoricalCrossentropy, optimizer: Adam(), device: .cpu, seed: 8)
        let before = flatWeights(other.model)
        #expect(
            errorText { try other.restore(checkpoint) }
                == "dense/kernel: checkpoint: expected float32[2, 16], received float32[16, 6]. "
                + "Cure: go on with the model and the optimizer that the checkpoint was made with, or begin anew in "
                + "another folder.")
        #expect(flatWeights(other.model) == before)
        run.epochs = 5
        #expect(try run.fit(run.trainer(), with: [], resumingFrom: checkpoint).epochs.count == 5)
    }

    @Test func weightsAndStateCanBeTakenOverByThemselves() throws {
        let run = CheckpointRun()
        let trained = try run.trainer()
        try run.fit(trained, with: [])
        let checkpoint = try trained.checkpoint()
        let (model, other) = (try CheckpointRun.model(), try run.trainer())
        try checkpoint.restoreWeights(of: model)
        #expect(flatWeights(model) == flatWeights(trained.model))
        try other.restore(checkpoint)
        #expect(other.step == trained.step && other.history == trained.history)
        #expect(try other.checkpoint().optimizer == checkpoint.optimizer)
    }

    @Test func notInTheMiddleOfAStep() throws {
        final class Impatient: Callback {
            func stepDidEnd(_ step: StepRecord, _ training: Training) throws { _ = try training.checkpoint() }
        }
        let text = errorText { try CheckpointRun().fit(CheckpointRun().trainer(), with: [Impatient()]) }
        #expect(
            text == "Trainer: the time of a checkpoint is the middle of a step; it must be 'stateDidSettle' of a "
                + "callback, or a time when nothing is trained.")
    }
}
