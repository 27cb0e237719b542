import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain
import Testing

@Suite struct TrainerErrorTests {
    private func trainer(_ loss: Loss? = .sparseCategoricalCrossentropy) throws -> Trainer {
        try Trainer(quadrantModel(), loss: loss, metrics: [], optimizer: SGD(learningRate: 0.1), device: .cpu)
    }

    private func fitError(_ dataset: Dataset, _ loss: Loss = .sparseCategoricalCrossentropy) -> String {
        errorText { try trainer(loss).fit(dataset, epochs: 1) }
    }

    @Test func inputsThatDoNotFit() throws {
        let images = try Dataset(
            inputs: NDArray(zeros: [4, 1, 2]), targets: NDArray([Int32(0), 1, 0, 1]), name: "images")
        #expect(
            fitError(images)
                == "sequential: input 'input': expected float32[batch, 2], received float32[batch, 1, 2] from 'images'. "
                + "Cure: use reshapingInputs(to: [2]) of the data set, or a Reshape layer.")
        let wide = try Dataset(inputs: NDArray(zeros: [4, 3]), targets: NDArray([Int32(0), 1, 0, 1]), name: "wide")
        #expect(
            fitError(wide)
                == "sequential: input 'input': expected float32[batch, 2], received float32[batch, 3] from 'wide'. "
                + "Cure: give the model the input shape [3].")
        let whole = try Dataset(inputs: NDArray(zeros: [4, 2], .int32), name: "whole")
        #expect(
            fitError(whole)
                == "sequential: input 'input': expected float32[batch, 2], received int32[batch, 2] from 'whole'. "
                + "Cure: convert the values to float32.")
    }

    @Test func targetsThatDoNotFit() throws {
        #expect(
            fitError(try quadrants(4).withoutTargets())
                == "sequential: targets: expected 1 target columns, one for each output, received 0 in 'quadrants'. "
                + "Cure: give the data set targets (withInputsAsTargets() for an autoencoder).")
        #expect(
            fitError(try quadrants(4), .categoricalCrossentropy)
                == "dense2: categoricalCrossentropy: expected targets of the predictions' shape [batch, 2], received "
                + "int32[batch]. Cure: these look like labels: use sparseCategoricalCrossentropy, or make the targets "
                + "one-hot (oneHotTargets(classCount:) of a data set, oneHot(_:depth:) of a tensor).")
    }

    @Test func labelsOutOfRange() throws {
        let data = try Dataset(inputs: [0, 0, 0, 0], inputShape: [2], labels: [1, 2], name: "points")
        #expect(
            fitError(data)
                == "points: sample 1 has label 2, but labels go from 0 to 1. Check the file, or give the last layer as "
                + "many units as there are classes.")
        let negative = try Dataset(inputs: [0, 0], inputShape: [2], labels: [-1], name: "points")
        #expect(fitError(negative).hasPrefix("points: sample 0 has label -1, but labels go from 0 to 1."))
    }

    /// The entropies of such targets have no least value.
    @Test func targetsThatAreNoProbabilities() throws {
        func error(_ loss: Loss, _ targets: Dataset.Column) throws -> String {
            let inputs = try Dataset.Column(NDArray(zeros: [3, 2]))
            return fitError(try Dataset(inputs: [inputs], targets: [targets], name: "points"), loss)
        }
        func refusal(_ sample: Int, _ value: String, _ range: String, _ owner: String = "points") -> String {
            "\(owner): a target of sample \(sample) is \(value); it must be \(range): scale the data, bytes by 1/255, "
                + "or take another loss."
        }
        let outputs = try quadrantModel().outputs[0].shape[-1]
        func rows(_ last: Float) throws -> NDArray {
            try NDArray((0..<3 * outputs).map { $0 == 3 * outputs - 1 ? last : $0 == 0 ? 1 : 0 }, shape: [3, outputs])
        }
        let binary = "from 0 to 1 for binaryCrossentropy", dense = "0 or more for categoricalCrossentropy"
        #expect(try error(.binaryCrossentropy, .init(rows(1.5))) == refusal(2, "1.5", binary))
        #expect(
            try error(.binaryCrossentropy, .init(rows(-1), name: "answers")) == refusal(2, "-1.0", binary, "answers"))
        #expect(try error(.binaryCrossentropy, .init(rows(255), scale: 0.5)) == refusal(2, "127.5", binary))
        #expect(try error(.categoricalCrossentropy, .init(rows(-0.5))) == refusal(2, "-0.5", dense))
        let bytes = try NDArray([UInt8](repeating: 255, count: 3 * outputs), shape: [3, outputs])
        #expect(try error(.binaryCrossentropy, .init(bytes)) == refusal(0, "255.0", binary))
        let whole = try NDArray([Int32](repeating: 2, count: 3 * outputs), shape: [3, outputs])
        #expect(try error(.binaryCrossentropy, .init(whole)) == refusal(0, "2.0", binary))
        // What is scaled, and classes that count more.
        #expect(try error(.binaryCrossentropy, .init(bytes, scale: 1 / 255)) == "no error")
        #expect(try error(.binaryCrossentropy, .init(rows(255), scale: 1 / 255)) == "no error")
        #expect(try error(.categoricalCrossentropy, .init(rows(3))) == "no error")
        #expect(try error(.meanSquaredError, .init(rows(-7))) == "no error")
    }

    @Test func labelsThatAreNoWholeNumbers() throws {
        func fitError(_ labels: NDArray, scale: Float = 1) throws -> String {
            let inputs = try Dataset.Column(NDArray(zeros: [labels.shape[0], 2]))
            let labels = try Dataset.Column(labels, scale: scale, name: "labels")
            return self.fitError(try Dataset(inputs: [inputs], targets: [labels]))
        }
        for (label, text) in [(Float.nan, "nan"), (0.5, "0.5"), (.infinity, "inf"), (-0.25, "-0.25")] {
            #expect(
                try fitError(NDArray([0, 1, label]))
                    == "labels: the label of sample 2 is \(text); it must be a whole number from 0 to 1.")
        }
        // 1e12 in Float is 999,999,995,904.
        #expect(
            try fitError(NDArray([Float(1), 1e12])).hasPrefix("labels: sample 1 has label 999999995904, but labels go"))
        // A scale makes other numbers of bytes.
        #expect(
            try fitError(NDArray([UInt8(0), 1]), scale: 0.5)
                == "labels: the label of sample 1 is 0.5; it must be a whole number from 0 to 1.")
        #expect(try fitError(NDArray([Float(0), 1])) == "no error")
        let trainer = try trainer()
        let column = try NDArray([Float(1), .nan], shape: [2, 1])
        #expect(
            errorText { _ = try trainer.evaluate(Dataset(inputs: NDArray(zeros: [2, 2]), targets: column)) }
                == "data: the label of sample 1 is nan; it must be a whole number from 0 to 1.")
    }

    @Test func classWeightsThatMakeNoSense() throws {
        let data = try quadrants(4)
        let trainer = try trainer()
        for wrong in [-1, 2] {
            #expect(
                errorText { try trainer.fit(data, epochs: 1, classWeights: [0: 1, wrong: 2]) }
                    == "fit: a class of classWeights is \(wrong); it must be from 0 to 1.")
        }
        #expect(
            errorText { try trainer.fit(data, epochs: 1, classWeights: [0: .nan]) }
                == "quadrants: the weight of class 0 is nan; it must be a finite number that is not negative.")
        #expect(trainer.step == 0)
        try trainer.fit(data, epochs: 1, classWeights: [1: 2])
        // One number a sample: yes or no.
        let line = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        #expect(
            errorText { try line.fit(pairs([(1, 1)]), epochs: 1, classWeights: [2: 1]) }
                == "fit: a class of classWeights is 2; it must be from 0 to 1.")
    }

    /// Counts beyond all steps end where a callback or the number of steps ends the training.
    @Test func countsWithoutEnd() throws {
        let data = try pairs([(1, 1), (1, 1)])
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        try trainer.fit(data, batchSize: 1, epochs: .max, callbacks: [Recorder(stopsAfter: 1)])
        try trainer.fit(data, batchSize: 1, epochs: 1, maxSteps: .max)
        try trainer.fit(data, batchSize: .max, epochs: .max, callbacks: [Steps()], initialEpoch: .max - 1)
        #expect(trainer.step == 5)
    }

    private final class Steps: Callback {
        func trainingWillStart(_ training: Training) { #expect(training.stepCount == 1) }
    }

    @Test func settingsThatMakeNoSense() throws {
        let data = try quadrants(4)
        let trainer = try trainer()
        let rows: [(String, () throws -> Void)] = [
            (
                "quadrants: the number of samples is 0; it must be 1 or more.",
                { try trainer.fit(data.prefix(0), epochs: 1) }
            ),
            ("fit: epochs is 0; it must be above initialEpoch (0).", { try trainer.fit(data, epochs: 0) }),
            (
                "fit: initialEpoch is -1; it must be 0 or more.",
                { try trainer.fit(data, epochs: 1, initialEpoch: -1) }
            ),
            ("fit: maxSteps is 0; it must be 1 or more.", { try trainer.fit(data, epochs: 1, maxSteps: 0) }),
            (
                "fit: validationSplit is 1.0; it must be from 0 up to, not including, 1.",
                { try trainer.fit(data, epochs: 1, validationSplit: 1) }
            ),
            (
                "fit: validationSplit is 0.5; it must be 0 where validation data are given.",
                { try trainer.fit(data, epochs: 1, validation: data, validationSplit: 0.5) }
            ),
            (
                "BatchLoader: batchSize is 0; it must be at least 1.",
                { try trainer.fit(data, batchSize: 0, epochs: 1) }
            ),
            (
                "Trainer: loss is nil; it must be given, since the model 'sequential' adds no loss of its own.",
                { _ = try self.trainer(nil) }
            ),
            (
                "topK: k is 3; it must be at most the number of classes, 2.",
                {
                    _ = try Trainer(
                        quadrantModel(), loss: .sparseCategoricalCrossentropy, metrics: [.accuracy, .topK(3)],
                        optimizer: SGD(), device: .cpu)
                }
            ),
            (
                "SGD: momentum is 2.0; it must be from 0 up to, not including, 1.",
                { _ = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(momentum: 2), device: .cpu) }
            ),
        ]
        for (text, body) in rows { #expect(errorText(body) == text) }
        #expect(trainer.step == 0)
    }

    @Test func aLossThatIsNoNumberStopsBeforeTheWeightsChange() throws {
        let model = try line(start: 1)
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        let recorder = Recorder()
        let data = try pairs([(1, 3), (.nan, 1), (1, 1)])
        let text = errorText {
            try trainer.fit(data, batchSize: 1, epochs: 2, shuffles: false, callbacks: [recorder])
        }
        // The first step moves w by a quarter of 2 * 2.
        #expect(flatWeights(model) == [2])
        #expect(
            text == """
                The loss is not finite at epoch 1, step 2, first in input 'input', sample 1 of 'pairs'. Lower the \
                learning rate, clip the gradient, or check the data.
                  operation: input, forward
                    result: float32[1, 1], 1 of 1 are NaN
                    first at: [0, 0], sample 1 of 'pairs'
                    on its way: input 'input' -> matrix product of 'dense' -> subtract -> square
                  samples of the step, of 'pairs': 1
                """)
        #expect(recorder.events == ["start", "epoch 1", "step 1", "failure"])
        #expect(trainer.step == 1)
    }

    @Test func aTargetThatIsNoNumberIsNamed() throws {
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        let text = errorText { try trainer.fit(pairs([(1, 3), (2, 1), (1, .infinity)]), epochs: 1) }
        #expect(
            text.hasPrefix("The loss is not finite at epoch 1, step 1, first in the target, sample 2 of 'pairs'. Lower")
        )
        #expect(trainer.step == 0)
    }

    @Test func theLayerWhereALossOverflowsIsNamed() throws {
        let model = try Sequential(input: [1]) {
            Dense(1, usesBias: false, kernelInitializer: .constant(1e30), name: "large")
            Dense(1, usesBias: false, kernelInitializer: .constant(1e30), name: "larger")
        }
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        let text = errorText { try trainer.fit(pairs([(1, 1)]), epochs: 1) }
        #expect(
            text == """
                The loss is not finite at epoch 1, step 1, first in layer 'larger' (matrix product). Lower the \
                learning rate, clip the gradient, or check the data.
                  operation: matMul of layer 'larger', forward
                    result: float32[1, 1], 1 of 1 are infinite
                    input 1, matrix product of 'large': float32[1, 1], 1.0e30 to 1.0e30, mean magnitude 1.0e30
                    input 2, variable 'larger/kernel': float32[1, 1], 1.0e30 to 1.0e30, mean magnitude 1.0e30
                    first at: [0, 0], sample 0 of 'pairs'
                    on its way: matrix product of 'larger' -> subtract -> square
                  samples of the step, of 'pairs': 0
                """)
        #expect(flatWeights(model) == [1e30, 1e30])
    }

    @Test func aValidationLossThatIsNoNumberIsNamed() throws {
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        let text = errorText {
            try trainer.fit(pairs([(1, 1), (1, 1)]), batchSize: 1, epochs: 1, validation: pairs([(.infinity, 1)]))
        }
        #expect(
            text.hasPrefix(
                "The validation loss is not finite at epoch 1, step 2, first in input 'input', sample 0 of 'pairs'."))
    }

    @Test func anErrorOfACallbackLeavesWeightsAndHistory() throws {
        final class Failing: Callback {
            func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
                if record.epoch == 2 { throw ApusError.file(path: "/log", .unwritable(reason: "disk full")) }
                return .continue
            }
        }
        let model = try line()
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        let text = errorText { try trainer.fit(pairs([(1, 2)]), epochs: 5, callbacks: [Failing()]) }
        #expect(text == "/log: cannot be written: disk full. Choose another place, or make room.")
        #expect(trainer.history.epochs.map(\.epoch) == [1, 2])
        // 0, then half of the way to 2 each epoch.
        #expect(flatWeights(model) == [1.5])
    }
}
