import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain
import Testing

/// Gradients that overflow behind a finite loss, many steps before anybody can see it.
@Suite struct SafeguardTests {
    /// A row of a table times a factor. Sample `bad` alone reads row 3, with a factor so large that the gradient
    /// overflows; the rows of the others, and so their losses, stay finite.
    private func data(_ count: Int, bad: Int) throws -> Dataset {
        let random = Philox(seed: 3)
        let inputs = (0..<count).flatMap { place -> [Float] in
            place == bad ? [3, 1e30] : [Float(place % 3), 0.5 + random.uniform(place) / 2]
        }
        let targets = (0..<count).map { $0 == bad ? Float(-1e10) : 5 + Float($0 % 7) }
        return try Dataset(
            inputs: NDArray(inputs, shape: [count, 2]), targets: NDArray(targets, shape: [count, 1]), name: "hidden")
    }

    private func trainer(_ optimizer: any Optimizer = Adam(learningRate: 0.01)) throws -> (Trainer, Model) {
        let x = Tensor.input([2], name: "x")
        let rows = try Embedding(4, 3, initializer: .zeros, name: "table")(x.slice(0..<1, axis: 1).cast(to: .int32))
        let sum = try Dropout(0.25)(rows).sum(-1)
        let model = try Model(inputs: [x], outputs: [sum * x.slice(1..<2, axis: 1)])
        return (try Trainer(model, loss: .meanSquaredError, optimizer: optimizer, device: .cpu, seed: 11), model)
    }

    private func everything(_ trainer: Trainer) -> [NDArray] {
        (trainer.model.variables + trainer.state.variables).map(\.variable.value)
    }

    /// Found at the end of the epoch or with the next copy, undone to the very step.
    @Test(arguments: [0, 57, 130, 249]) func theStateBeforeTheStepComesBack(bad: Int) throws {
        let data = try data(250, bad: bad)
        let (broken, _) = try trainer()
        let problem = try notFiniteProblem { try broken.fit(data, batchSize: 1, epochs: 4) }
        #expect(problem.quantity.hasPrefix("gradient of 'table/"), "\(problem)")
        #expect(problem.epoch == 1 && problem.failedStep?.sampleIndices == [bad])
        #expect(broken.step == problem.step - 1 && broken.history.epochs.isEmpty)

        let (whole, _) = try trainer()
        if problem.step > 1 { try whole.fit(data, batchSize: 1, epochs: 1, maxSteps: problem.step - 1) }
        #expect(everything(broken) == everything(whole))
    }

    /// From step 71 on, in the third epoch, the learning rate is so large that updates overflow. What is copied at the
    /// start reaches that far; where a callback changes the rate at the end of an epoch, a copy is made after that.
    @Test(arguments: [false, true]) func stepsAreTakenAgainAcrossEpochs(changesRate: Bool) throws {
        final class Rate: Callback {
            func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
                try training.setLearningRateFactor(0.5)
                return .continue
            }
        }
        let data = try data(30, bad: -1)
        func fit(maxSteps: Int? = nil) throws -> (Trainer, NotFiniteProblem?) {
            let rate = Schedule.piecewise(boundaries: [70], values: [0.001, 3e38])
            let (trainer, _) = try trainer(SGD(learningRate: rate, momentum: 0.9))
            do {
                try trainer.fit(
                    data, batchSize: 1, epochs: 9, callbacks: changesRate ? [Rate()] : [], maxSteps: maxSteps)
                return (trainer, nil)
            } catch ApusError.notFinite(let problem) {
                return (trainer, problem)
            }
        }
        let (broken, found) = try fit()
        let problem = try #require(found)
        #expect(problem.quantity.hasPrefix("update of 'table/"), "\(problem)")
        #expect((70...72).contains(problem.step) && problem.epoch == 3 && broken.step == problem.step - 1)
        #expect(broken.history.epochs.count == 2)
        let (whole, none) = try fit(maxSteps: broken.step)
        #expect(none == nil && everything(broken) == everything(whole))
    }

    /// What breaks something between steps cannot be found in them: the state of the last copy is what is left.
    @Test func aCallbackThatBreaksAWeightIsNotBlamedOnAStep() throws {
        final class Breaking: Callback {
            func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
                guard step.step == 67 else { return }
                try training.model.variables[0].variable.assign(NDArray(repeating: -Float.infinity, shape: [4, 3]))
            }
        }
        let (trainer, model) = try trainer()
        let problem = try notFiniteProblem {
            try trainer.fit(data(80, bad: -1), batchSize: 1, epochs: 1, callbacks: [Breaking()])
        }
        #expect(problem.quantity.hasPrefix("variable 'table/") && problem.step == 68, "\(problem)")
        #expect(problem.report == nil && trainer.step == 0 && flatWeights(model).allSatisfy { $0 == 0 })
    }

    /// A training that is looked at between copies goes back as well.
    @Test func theStateCanBeCheckedAtAnyStep() throws {
        final class Checking: Callback {
            let trainer: Trainer
            init(_ trainer: Trainer) { self.trainer = trainer }
            func stepDidEnd(_ step: StepRecord, _ training: Training) throws { try trainer.checkState() }
        }
        let (trainer, model) = try trainer()
        let data = try data(20, bad: 9)
        let problem = try notFiniteProblem {
            try trainer.fit(data, batchSize: 1, epochs: 1, shuffles: false, callbacks: [Checking(trainer)])
        }
        #expect(problem.step == 10 && trainer.step == 9 && flatWeights(model).allSatisfy(\.isFinite))
        // Outside of trainings there is nothing to check.
        try trainer.checkState()
    }

    @Test func copiesOfVariables() throws {
        let variables = [
            Variable("a", value: NDArray([1, 2, 3] as [Float])), Variable("b", shape: [0]),
            Variable("c", value: NDArray(scalar: Float(4))),
        ]
        let copies = try VariableCopies(of: variables)
        copies.save()
        try variables[0].assign(NDArray([7, 8, 9] as [Float]))
        try variables[2].assign(NDArray(scalar: Float(-1)))
        copies.restore()
        #expect(variables.map(\.value.floats) == [[1, 2, 3], [], [4]])
        // Memory that there is not is no trap.
        var count = 0
        let error = ApusError.memory(purpose: "A copy", byteCount: 4)
        #expect(throws: error) {
            try VariableCopies(of: variables) { byteCount in
                count += 1
                if count == 3 { throw error }
                return try HostMemory.allocate(byteCount: byteCount, for: "A copy")
            }
        }
        #expect(count == 3)
    }

    @Test func variablesKnowWhetherTheyAreFinite() throws {
        for count in [0, 1, 7, 4095, 4096, 4097, 10_000] {
            let variable = Variable("v", shape: [count])
            #expect(variable.isFinite)
            for place in Set([0, count / 2, count - 1]) where count > 0 {
                for value in [Float.nan, .infinity, -.infinity, -.greatestFiniteMagnitude, -0.0] {
                    var values = [Float](repeating: .greatestFiniteMagnitude, count: count)
                    values[place] = value
                    try variable.assign(NDArray(values))
                    #expect(variable.isFinite == value.isFinite)
                }
            }
        }
        let whole = Variable("n", value: NDArray([Int32.max, -1]))
        #expect(whole.isFinite)
    }
}
