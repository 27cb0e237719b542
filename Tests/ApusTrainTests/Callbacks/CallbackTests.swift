import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain
import Foundation
import Testing

/// A training that nobody runs, for callbacks to be told about.
func idleTraining(
    _ model: Model? = nil, epochs: Int = 20, steps: Int = 4, hasValidation: Bool = true, rate: Double = 0.5
) throws -> Training {
    let factor = Variable("factor", value: NDArray(scalar: Float(1)))
    return Training(
        model: try model ?? line(), epochs: 0..<epochs, stepsPerEpoch: steps, maxSteps: nil,
        metrics: [("accuracy", .accuracy)], hasValidation: hasValidation, factor: factor,
        rate: { rate * factor.value.doubles[0] })
}

func record(_ epoch: Int, valLoss: Double, valAccuracy: Double = 0, seconds: Double = 0) -> EpochRecord {
    EpochRecord(
        epoch: epoch, stepCount: 4, training: Figures([Figure("loss", 1), Figure("accuracy", 0.5)]),
        validation: Figures([Figure("loss", valLoss), Figure("accuracy", valAccuracy)]), learningRate: 0.5,
        seconds: seconds)
}

@Suite struct CallbackOrderTests {
    @Test func hooksComeInOrder() throws {
        var log: [String] = []
        let callbacks = [Recorder("a ", stopsAfter: 2) { log.append($0) }, Recorder("b ") { log.append($0) }]
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        try trainer.fit(pairs([(1, 1), (1, 1), (1, 1)]), batchSize: 2, epochs: 9, callbacks: callbacks)
        let events = [
            "start", "epoch 1", "step 1", "step 2", "end of 1", "epoch 2", "step 3", "step 4", "end of 2", "end",
        ]
        #expect(log == events.flatMap { ["a \($0)", "b \($0)"] })
    }

    @Test func epochsBeginAfterTheInitialOne() throws {
        let recorder = Recorder()
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        let history = try trainer.fit(pairs([(1, 1)]), epochs: 5, callbacks: [recorder], initialEpoch: 3)
        #expect(history.epochs.map(\.epoch) == [4, 5])
        #expect(recorder.events.first { $0.hasPrefix("epoch") } == "epoch 4")
    }
}

@Suite struct EarlyStoppingTests {
    /// The epoch at which the values of `val_loss` stop the training.
    private func stop(_ callback: EarlyStopping, _ values: [Double]) throws -> Int? {
        let training = try idleTraining()
        try callback.trainingWillStart(training)
        for (index, value) in values.enumerated() {
            let decision = try callback.epochDidEnd(record(index + 1, valLoss: value, valAccuracy: -value), training)
            if decision == .stop { return index + 1 }
        }
        return nil
    }

    @Test func patience() throws {
        #expect(try stop(EarlyStopping(), [3, 2, 2, 1]) == 3)
        #expect(try stop(EarlyStopping(patience: 1), [3, 2, 2, 1]) == 3)
        #expect(try stop(EarlyStopping(patience: 2), [3, 2, 2, 1, 2, 2]) == 6)
        #expect(try stop(EarlyStopping(patience: 2), [3, 2, 1]) == nil)
    }

    @Test func smallGainsDoNotCount() throws {
        #expect(try stop(EarlyStopping(patience: 2, minimumDelta: 0.5), [3, 2.75, 2.5, 1]) == 3)
        #expect(try stop(EarlyStopping(patience: 2, minimumDelta: 0.5), [3, 2.75, 2.25, 2.1, 2]) == 5)
    }

    @Test func modes() throws {
        // The accuracy is minus the loss here.
        #expect(try stop(EarlyStopping(monitor: "val_accuracy", patience: 1), [3, 2, 2.5]) == 3)
        #expect(try stop(EarlyStopping(monitor: "val_accuracy", patience: 1, mode: .minimum), [3, 2]) == 2)
        #expect(try stop(EarlyStopping(patience: 1, mode: .maximum), [3, 2]) == 2)
    }

    @Test func baselineMustBeBeaten() throws {
        // Better each epoch, but never better than 1: the first epoch without a gain stops.
        #expect(try stop(EarlyStopping(patience: 2, baseline: 1), [4, 3, 2, 2.5]) == 4)
        #expect(try stop(EarlyStopping(patience: 2, baseline: 3.5), [4, 3, 2, 2.5, 2.5]) == 5)
    }

    @Test func reasonsAreGiven() throws {
        func reason(_ callback: EarlyStopping, _ losses: [Double]) throws -> String? {
            _ = try stop(callback, losses)
            return callback.stopReason
        }
        #expect(
            try reason(EarlyStopping(patience: 2), [3, 2, 1, 2, 2])
                == "for 2 epochs, val_loss has not been better than 1.0000 in epoch 3")
        #expect(
            try reason(EarlyStopping(), [3, 3]) == "for 1 epoch, val_loss has not been better than 3.0000 in epoch 1")
        #expect(
            try reason(EarlyStopping(patience: 2, baseline: 1), [4, 3, 2, 2.5])
                == "for 4 epochs, val_loss has not been better than the baseline 1.0000")
        #expect(try reason(EarlyStopping(patience: 2), [3, 2, 1]) == nil)
    }

    @Test func notANumberIsNeverBetter() throws {
        let callback = EarlyStopping(patience: 2)
        #expect(try stop(callback, [.nan, .nan, 5]) == 2)
        #expect(try stop(callback, [.nan, 5, 4, .nan, .nan]) == 5)
        #expect(callback.bestValue == 4 && callback.bestEpoch == 3 && callback.stoppedEpoch == 5)
    }

    @Test func stopsAtTheRightEpochAndRestores() throws {
        // w goes half of the way to 2 each epoch (1, 1.5, 1.75); validation wants 1, so the first epoch is the best.
        func run(restores: Bool) throws -> (Model, EarlyStopping, History) {
            let model = try line()
            let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
            let callback = EarlyStopping(patience: 2, restoresBestWeights: restores)
            let history = try trainer.fit(
                pairs([(1, 2)]), epochs: 10, validation: pairs([(1, 1)]), callbacks: [callback])
            return (model, callback, history)
        }
        let (model, callback, history) = try run(restores: true)
        #expect(history["val_loss"] == [0, 0.25, 0.5625])
        #expect(callback.stoppedEpoch == 3 && callback.bestEpoch == 1 && callback.bestValue == 0)
        #expect(flatWeights(model) == [1])
        #expect(flatWeights(try run(restores: false).0) == [1.75])
    }

    /// A callback that fails after the third epoch.
    private final class Failing: Callback {
        func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
            if record.epoch == 3 { throw ApusError.usage(problem: "Enough.", cure: "") }
            return .continue
        }
    }

    @Test func restoresWhereAnErrorEndsTheTraining() throws {
        // As above: 1, 1.5, 1.75, and the first epoch is the best.
        let model = try line()
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        let callback = EarlyStopping(patience: 9, restoresBestWeights: true)
        let best = BestWeights()
        let text = errorText {
            try trainer.fit(
                pairs([(1, 2)]), epochs: 10, validation: pairs([(1, 1)]), callbacks: [callback, best, Failing()])
        }
        #expect(text == "Enough. ")
        #expect(flatWeights(model) == [1])
        #expect(best.bestEpoch == 1 && best.weights.map(\.value.floats) == [[1]])

        // What is kept belongs to one training: one that cannot begin brings nothing back.
        try model.variables[0].variable.assign(NDArray([5] as [Float], shape: [1, 1]))
        let log = CSVLog(URL(fileURLWithPath: "/no/such/folder/log.csv"))
        _ = errorText {
            try trainer.fit(pairs([(1, 2)]), epochs: 1, validation: pairs([(1, 1)]), callbacks: [log, callback])
        }
        #expect(flatWeights(model) == [5])
    }

    @Test func unknownFiguresAndBadSettings() throws {
        let training = try idleTraining()
        func text(_ callback: any Callback, _ training: Training) -> String {
            errorText { try callback.trainingWillStart(training) }
        }
        #expect(
            text(EarlyStopping(monitor: "val_acuracy"), training)
                == "Unknown figure 'val_acuracy'. Did you mean 'val_accuracy'? "
                + "Known: loss, accuracy, val_loss, val_accuracy.")
        #expect(
            text(EarlyStopping(), try idleTraining(hasValidation: false))
                == "EarlyStopping: monitor is val_loss; it must be one of loss, accuracy, as there are no validation "
                + "data: pass validation: to fit, or monitor loss.")
        #expect(
            text(ReduceOnPlateau(monitor: "val_f1"), try idleTraining(hasValidation: false))
                == "Unknown figure 'val_f1'. Known: loss, accuracy.")
        #expect(
            text(EarlyStopping(patience: -1), training) == "EarlyStopping: patience is -1; it must be 0 or more.")
        #expect(
            text(EarlyStopping(minimumDelta: -1), training)
                == "EarlyStopping: minimumDelta is -1.0; it must be a finite number, 0 or more.")
        #expect(
            text(ReduceOnPlateau(factor: 1), training)
                == "ReduceOnPlateau: factor is 1.0; it must be above 0 and below 1.")
    }
}

@Suite struct ReduceOnPlateauTests {
    private func factors(_ callback: ReduceOnPlateau, _ values: [Double]) throws -> [Double] {
        let training = try idleTraining()
        try callback.trainingWillStart(training)
        return try values.enumerated().map { index, value in
            _ = try callback.epochDidEnd(record(index + 1, valLoss: value), training)
            return training.learningRateFactor
        }
    }

    @Test func reducesAfterThePatience() throws {
        let callback = ReduceOnPlateau(factor: 0.5, patience: 2)
        #expect(try factors(callback, [2, 2, 2, 2, 2, 1, 1]) == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25])
        #expect(callback.reducedEpochs == [3, 5])
    }

    @Test func cooldown() throws {
        // After the reduction at epoch 2 two epochs do not count; the fourth is the first that can reduce again.
        let callback = ReduceOnPlateau(factor: 0.5, patience: 1, cooldown: 3)
        #expect(try factors(callback, [2, 2, 2, 2, 2]) == [1, 0.5, 0.5, 0.5, 0.25])
    }

    @Test func theRateHasAFloor() throws {
        // The rate is 0.5: half of it is 0.25, then 0.2 is the least.
        let callback = ReduceOnPlateau(factor: 0.5, patience: 1, minimumRate: 0.2)
        let received = try factors(callback, [2, 2, 2, 2])
        #expect(isClose(received, [1, 0.5, 0.4, 0.4]))
        #expect(callback.reducedEpochs == [2, 3])
    }

    @Test func theTrainerTakesTheRate() throws {
        // Validation never changes at w x = 0, so each epoch halves the rate: 0.5, then 0.25.
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(learningRate: 0.5), device: .cpu)
        let history = try trainer.fit(
            pairs([(0, 1)]), epochs: 4, validation: pairs([(0, 1)]),
            callbacks: [ReduceOnPlateau(factor: 0.5, patience: 1)])
        #expect(history.epochs.map(\.learningRate) == [0.5, 0.5, 0.25, 0.125])
        #expect(trainer.learningRate == 0.0625)
    }
}
