import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain
import Testing

@Suite struct TrainerTests {
    /// Steps and figures of two batches, the last one smaller, worked out by hand.
    ///
    /// w = 0, rate 1/8. Batch (1, 2), (2, 2): losses 4 and 4, gradient (-4 - 8) / 2, so w = 0.75. Batch (2, 2.5): answer
    /// 1.5, loss 1, gradient -4, so w = 1.25. Validation (4, 4), (2, 0.5): answers 5 and 2.5.
    @Test func figuresOfTwoBatchesByHand() throws {
        let model = try line()
        let trainer = try Trainer(
            model, loss: .meanSquaredError, metrics: [.meanAbsoluteError], optimizer: SGD(learningRate: 0.125),
            device: .cpu)
        let recorder = Recorder()
        let history = try trainer.fit(
            pairs([(1, 2), (2, 2), (2, 2.5)]), batchSize: 2, epochs: 1, validation: pairs([(4, 4), (2, 0.5)]),
            shuffles: false, callbacks: [recorder])
        let record = try #require(history.epochs.first)
        #expect(record.training.names == ["loss", "mean_absolute_error"])
        #expect(record.training["loss"] == 3)
        #expect(isClose([record.training["mean_absolute_error"] ?? .nan], [5.0 / 3], tolerance: 1e-12))
        #expect(record.validation?["loss"] == 2.5)
        #expect(record.validation?["mean_absolute_error"] == 1.5)
        #expect(record["val_loss"] == 2.5 && record["loss"] == 3 && record["val_nothing"] == nil)
        #expect(record.stepCount == 2 && record.epoch == 1 && record.learningRate == 0.125)
        #expect(flatWeights(model) == [1.25])
        #expect(recorder.steps.map(\.loss) == [4, 1])
        #expect(recorder.steps.map(\.meanLoss) == [4, 3])
        #expect(trainer.step == 2 && trainer.history == history)
    }

    @Test func evaluateAndPredict() throws {
        let trainer = try Trainer(
            line(start: 1.25), loss: .meanSquaredError, metrics: [.meanAbsoluteError], optimizer: SGD(), device: .cpu)
        let figures = try trainer.evaluate(pairs([(4, 4), (2, 0.5), (0, 3)]), batchSize: 2)
        #expect(figures.names == ["loss", "mean_absolute_error"])
        #expect(isClose(figures.entries.map(\.value), [14.0 / 3, 2], tolerance: 1e-6))
        #expect(figures.description == "loss: 4.6667  mean_absolute_error: 2.0000")
        // Five samples in batches of two: none is lost, and they keep their order.
        let inputs = try NDArray([Float(0), 1, 2, 3, 4], shape: [5, 1])
        let outputs = try trainer.predict(inputs, batchSize: 2)
        #expect(outputs.shape == [5, 1])
        #expect(outputs.floats == [0, 1.25, 2.5, 3.75, 5])
        #expect(trainer.step == 0)
    }

    /// y = w mean(x) with w = 1 and rate 0, so that the losses tell what the network sees: each image is 1 throughout,
    /// its target 0, and brightness adds 1 in training only.
    @Test func onlyTrainingImagesAreAugmented() throws {
        let model = try Sequential(input: [2, 2]) {
            Flatten()
            Dense(1, usesBias: false, kernelInitializer: .constant(0.25))
        }
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0), device: .cpu)
        let images = try Dataset(
            inputs: NDArray(repeating: Float(1), shape: [8, 2, 2]), targets: NDArray(zeros: [8, 1]))
        let history = try trainer.fit(
            images, batchSize: 3, epochs: 1, validationSplit: 0.5, augmentation: [.brightness(1...1)])
        #expect(history.epochs.first?.training["loss"] == 4)
        #expect(history.epochs.first?.validation?["loss"] == 1)
        #expect(try trainer.evaluate(images)["loss"] == 1)
        #expect(throws: ApusError.self) {
            try trainer.fit(images, epochs: 1, augmentation: [.cutout(size: -1)])
        }
    }

    /// What is drawn depends on the trainer's seed and the epoch, so an interrupted training goes on as if it had not
    /// been.
    @Test func augmentationIsAFunctionOfSeedAndEpoch() throws {
        let random = Philox(seed: 7)
        let images = try Dataset(
            inputs: NDArray((0..<20 * 16).map { random.uniform($0) }, shape: [20, 4, 4]),
            targets: NDArray((0..<20).map { random.uniform(1_000 + $0) }, shape: [20, 1]))
        let changes: [Augmentation] = [.horizontalFlip(), .zoom(height: 0.5...1.5, width: 0.5...1.5)]
        func weights(seed: UInt64, parts: [Int]) throws -> [Float] {
            let model = try Sequential(input: [4, 4], seed: 1) {
                Flatten()
                Dense(1)
            }
            let trainer = try Trainer(
                model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.1), device: .cpu, seed: seed)
            for (first, last) in zip([0] + parts, parts) {
                try trainer.fit(
                    images, batchSize: 8, epochs: last, shuffles: false, augmentation: changes, initialEpoch: first)
            }
            return flatWeights(model)
        }
        let whole = try weights(seed: 3, parts: [4])
        #expect(try weights(seed: 3, parts: [1, 4]) == whole)
        #expect(try weights(seed: 4, parts: [4]) != whole)
    }

    @Test func sampleWeightsScaleTheLossButNotTheDivisor() throws {
        // Losses 4, 4 and 1 with weights 2, 0 and 1 in one batch of three; the metric does not look at them.
        let data = try pairs([(1, 2), (2, 2), (2, 1)], weights: [2, 0, 1])
        let trainer = try Trainer(
            line(), loss: .meanSquaredError, metrics: [.meanAbsoluteError, .meanAbsoluteError.weighted],
            optimizer: SGD(), device: .cpu)
        let figures = try trainer.evaluate(data, batchSize: 3)
        #expect(isClose(figures.entries.map(\.value), [3, 5.0 / 3, 5.0 / 3]))
        #expect(figures.names == ["loss", "mean_absolute_error", "weighted_mean_absolute_error"])
    }

    @Test func classWeightsByHand() throws {
        // Logits of 0: every loss is ln 2. Weights 1, 3 and 3: 7/3 ln 2 in training; validation has none.
        let model = try Sequential(input: [2]) { Dense(2, activation: .softmax, kernelInitializer: .zeros) }
        let data = try Dataset(inputs: [0, 0, 0, 0, 0, 0], inputShape: [2], labels: [0, 1, 1])
        let trainer = try Trainer(
            model, loss: .sparseCategoricalCrossentropy, optimizer: SGD(learningRate: 0), device: .cpu)
        let history = try trainer.fit(data, batchSize: 2, epochs: 1, validation: data, classWeights: [1: 3])
        #expect(isClose(history["loss"], [7.0 / 3 * Double.log(2)]))
        #expect(isClose(history["val_loss"], [Double.log(2)]))
    }

    @Test func learnsATinyProblem() throws {
        let trainer = try Trainer(
            quadrantModel(), loss: .sparseCategoricalCrossentropy, metrics: [.accuracy],
            optimizer: Adam(learningRate: 0.02), device: .cpu)
        let history = try trainer.fit(
            quadrants(500), batchSize: 32, epochs: 40, validation: quadrants(200, seed: 6))
        #expect(history.epochs.count == 40)
        #expect((history["accuracy"].last ?? 0) > 0.95)
        #expect((history["val_accuracy"].last ?? 0) > 0.93)
        #expect((history["loss"].last ?? 1) < 0.2 && (history["loss"].first ?? 0) > 0.5)
    }

    @Test func oneSeedGivesTheSameBitsAnotherOneDoesNot() throws {
        func weights(seed: UInt64) throws -> [Float] {
            let model = try quadrantModel(dropout: 0.25)
            let trainer = try Trainer(
                model, loss: .sparseCategoricalCrossentropy, metrics: [.accuracy], optimizer: Adam(), device: .cpu,
                seed: seed)
            try trainer.fit(quadrants(70), batchSize: 16, epochs: 3)
            return flatWeights(model)
        }
        let first = try weights(seed: 1)
        #expect(try weights(seed: 1).map(\.bitPattern) == first.map(\.bitPattern))
        #expect(try weights(seed: 2) != first)
    }

    @Test func aSecondFitGoesOnWhereTheFirstEnded() throws {
        // Momentum and the schedule live on: 2 epochs are 1 and 1 (with the same order of the samples).
        func weights(_ parts: [Int]) throws -> [Float] {
            let model = try quadrantModel()
            let rate = Schedule.inverseTime(initial: 0.1, decay: 0.1)
            let trainer = try Trainer(
                model, loss: .sparseCategoricalCrossentropy, optimizer: SGD(learningRate: rate, momentum: 0.9),
                device: .cpu)
            var done = 0
            for part in parts {
                try trainer.fit(quadrants(40), batchSize: 16, epochs: done + part, initialEpoch: done)
                done += part
            }
            #expect(trainer.step == 3 * done)
            return flatWeights(model)
        }
        #expect(try weights([1, 1]) == weights([2]))
        #expect(try weights([1]) != weights([2]))
    }

    @Test func theLearningRateOfTheLastStepIsRecorded() throws {
        let rate = Schedule.piecewise(boundaries: [1, 2, 3], values: [0.4, 0.3, 0.2, 0.1])
        let trainer = try Trainer(
            line(), loss: .meanSquaredError, optimizer: SGD(learningRate: rate), device: .cpu)
        let history = try trainer.fit(pairs([(1, 1), (1, 1)]), batchSize: 1, epochs: 2)
        #expect(history.epochs.map(\.learningRate) == [0.3, 0.1])
        #expect(trainer.learningRate == 0.1)
    }

    @Test func maxStepsEndsInsideAnEpoch() throws {
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        let recorder = Recorder()
        let data = try pairs([(1, 1), (1, 1), (1, 1)])
        let history = try trainer.fit(data, batchSize: 1, epochs: 9, callbacks: [recorder], maxSteps: 4)
        #expect(history.epochs.map(\.stepCount) == [3, 1])
        #expect(recorder.events.suffix(3) == ["step 4", "end of 2", "end"])
        // The next call has steps of its own.
        #expect(try trainer.fit(data, batchSize: 1, epochs: 9, maxSteps: 3).epochs.map(\.stepCount) == [3])
    }

    @Test func theSplitIsTakenFromTheEnd() throws {
        // Rate 0: the figures are those of the parts. Losses of training 1, 4, of validation 9, 25.
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(learningRate: 0), device: .cpu)
        let data = try pairs([(0, 1), (0, 2), (0, 3), (0, 5)])
        let history = try trainer.fit(data, batchSize: 4, epochs: 1, validationSplit: 0.5)
        #expect(history["loss"] == [2.5] && history["val_loss"] == [17])
    }

    @Test func penaltiesAndAddedLossesCount() throws {
        // w = 3: 0.5 * 9 from the regulariser, the mean of (1 and 2) from the model, and no loss else.
        let input = Tensor.input([1])
        let output = try Dense(1, usesBias: false, kernelInitializer: .constant(3), kernelRegularizer: L2(0.5))(input)
        let model = try Model(inputs: [input], outputs: [output])
        try model.addLoss(input.sum(-1), name: "own")
        let trainer = try Trainer(model, loss: nil, optimizer: SGD(learningRate: 0.25), device: .cpu)
        let data = try pairs([(1, 9), (2, 9)])
        #expect(try trainer.evaluate(data)["loss"] == 6)
        // d/dw of 0.5 w^2 is 3, a quarter of it is taken off; the data set's targets are not looked at.
        try trainer.fit(data, epochs: 1)
        #expect(flatWeights(model) == [2.25])
    }

    @Test func evaluationDrawsTheSameNumbersAgain() throws {
        let input = Tensor.input([1])
        let noisy = try Model(inputs: [input], outputs: [input + .randomNormal(like: input)])
        try noisy.addLoss(square(noisy.outputs[0]).sum(-1))
        let trainer = try Trainer(noisy, loss: nil, optimizer: SGD(), device: .cpu, seed: 4)
        let data = try pairs((0..<50).map { (Float($0) / 50, 0) })
        let first = try trainer.evaluate(data, batchSize: 8)
        #expect(try trainer.evaluate(data, batchSize: 8) == first)
        let other = try Trainer(noisy, loss: nil, optimizer: SGD(), device: .cpu, seed: 5)
        #expect(try other.evaluate(data, batchSize: 8) != first)
    }

    @Test func severalOutputsHaveATargetEach() throws {
        // Answers 2 and 3 for targets 1 and 5: 1 + 4.
        let input = Tensor.input([1])
        let outputs = try [2, 3].map { try Dense(1, usesBias: false, kernelInitializer: .constant($0))(input) }
        let model = try Model(inputs: [input], outputs: outputs)
        let column = { (value: Float) in try Dataset.Column(NDArray([value], shape: [1, 1])) }
        let data = try Dataset(inputs: [column(1)], targets: [column(1), column(5)])
        let trainer = try Trainer(
            model, loss: .meanSquaredError, metrics: [.meanAbsoluteError], optimizer: SGD(), device: .cpu)
        let figures = try trainer.evaluate(data)
        #expect(figures.names == ["loss", "output1_mean_absolute_error", "output2_mean_absolute_error"])
        #expect(figures.entries.map(\.value) == [5, 1, 2])
    }

    @Test func equalMetricsAreNumbered() throws {
        let trainer = try Trainer(
            line(), loss: .meanSquaredError, metrics: [.precision, .precision(threshold: 0.9)], optimizer: SGD(),
            device: .cpu)
        #expect(try trainer.evaluate(pairs([(1, 1)])).names == ["loss", "precision", "precision_2"])
    }
}
