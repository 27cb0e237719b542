import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusPlan
import ApusTestSupport
import ApusTrain
import Foundation
import Testing

/// Trainings that break for the reasons for which trainings break.
@Suite struct BlackBoxTests {
    private func fault(
        _ model: Model, _ data: Dataset, loss: Loss? = .meanSquaredError, learningRate: Double = 0.1, batchSize: Int = 4
    ) throws -> NotFiniteProblem {
        let trainer = try Trainer(model, loss: loss, optimizer: SGD(learningRate: learningRate), device: .cpu)
        return try notFiniteProblem { try trainer.fit(data, batchSize: batchSize, epochs: 50, shuffles: false) }
    }

    /// w grows by a factor of about 100 * 100 a step, until the square of the first sample's output overflows.
    @Test func aLearningRateThatIsTooHigh() throws {
        let problem = try fault(line(start: 1), pairs([(100, 1), (1, 2)]), learningRate: 1)
        #expect(problem.quantity == "loss" && problem.origin == "the computation of the loss (square)")
        #expect((5...12).contains(problem.step), "\(problem)")
        let report = try #require(problem.report)
        #expect(report.position == .forward && report.layer.isEmpty && report.batchIndex == 0)
        #expect(report.inputs.count == 1 && (report.inputs.first?.maximum?.magnitude ?? 0) > 1.8e19)
        #expect(report.path.last == "divide" && report.values.contains { $0.name == "variable 'dense/kernel'" })
    }

    /// The third sample of the second batch has the output 0.
    @Test func theLogarithmOfZero() throws {
        let model = try line(start: 1)
        try model.addLoss(-log(model.outputs[0]).sum())
        let data = try pairs([(1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (0, 1), (1, 1)], name: "numbers")
        let problem = try fault(model, data, loss: nil, learningRate: 0)
        #expect(problem.step == 2 && problem.origin == "the computation of the loss (log)")
        #expect(problem.report?.element == [2, 0] && problem.report?.batchIndex == 2)
        #expect(problem.report?.sampleIndex == 6 && problem.report?.dataset == "numbers")
        #expect(problem.failedStep?.sampleIndices == [4, 5, 6, 7])
    }

    @Test func aPixelThatIsNoNumber() throws {
        let model = try Sequential(input: [4, 4, 1]) {
            Conv2D(2, kernel: 3)
            Flatten()
            Dense(1)
        }
        var pixels = [Float](repeating: 0.5, count: 6 * 16)
        pixels[3 * 16 + 7] = .nan
        let data = try Dataset(
            inputs: NDArray(pixels, shape: [6, 4, 4, 1]), targets: NDArray(zeros: [6, 1]), name: "pictures")
        let problem = try fault(model, data, batchSize: 2)
        #expect(problem.origin == "input 'input', sample 3 of 'pictures'" && problem.step == 2)
        #expect(problem.report?.element == [1, 1, 3, 0] && problem.report?.result.nanCount == 1)
    }

    /// A sigmoid hides it from the loss.
    @Test func anInfiniteWeight() throws {
        let model = try Sequential(input: [1]) { Dense(1, activation: .sigmoid, usesBias: false) }
        try model.variables[0].variable.assign(NDArray([Float.infinity], shape: [1, 1]))
        let problem = try fault(model, pairs([(1, 1)]))
        #expect(problem.quantity == "variable 'dense/kernel'" && problem.step == 1 && problem.epoch == 1)
        #expect(
            problem.description
                == "The variable 'dense/kernel' is not finite at epoch 1, step 1. Lower the learning rate, clip the "
                + "gradient, or check the data.")
        // One that no step changes is found by its loss.
        let frozen = try Sequential(input: [1]) {
            Dense(1, usesBias: false, name: "frozen")
            Dense(1, usesBias: false)
        }
        try frozen.variables[0].variable.assign(NDArray([Float.infinity], shape: [1, 1]))
        frozen.variables[0].variable.isFrozen = true
        let other = try fault(frozen, pairs([(1, 1)]))
        #expect(other.origin == "variable 'frozen/kernel', read by layer 'frozen' (matrix product)")
    }

    @Test func anExponentialThatOverflows() throws {
        let model = try Sequential(input: [1]) {
            Dense(1, usesBias: false, kernelInitializer: .constant(1))
            Activation(.exponential)
        }
        let problem = try fault(model, pairs([(1, 1), (2, 1), (100, 1)]))
        #expect(problem.origin == "layer 'activation' (exp)" && problem.report?.sampleIndex == 2)
        #expect(problem.report?.inputs.first?.maximum == 100)
    }

    /// The gradient, 3e38 twice over, overflows, which clipping does not hide. With 1e38 the sum is finite, and a rate of
    /// 4 makes the step overflow, unless clipping by value holds the gradient.
    @Test func anUpdateThatOverflows() throws {
        func problem(_ factor: Float, rate: Double, _ clipping: GradientClipping? = nil) throws -> NotFiniteProblem? {
            let model = try line()
            try model.addLoss(model.outputs[0].sum() * factor)
            let trainer = try Trainer(
                model, loss: nil, optimizer: SGD(learningRate: .constant(rate), clipping: clipping), device: .cpu)
            do {
                try trainer.fit(pairs([(1, 1), (1, 1)]), epochs: 1)
                return nil
            } catch ApusError.notFinite(let problem) {
                #expect(flatWeights(model) == [0] && trainer.step == 0)
                return problem
            }
        }
        for clipping in [nil, GradientClipping.value(1)] {
            let gradient = try problem(3e38, rate: 1e-3, clipping)
            #expect(gradient?.quantity == "gradient of 'dense/kernel'")
            #expect(gradient?.origin == "the gradient of layer 'dense' (matrix product)")
        }
        let update = try problem(1e38, rate: 4)
        #expect(update?.quantity == "update of 'dense/kernel'")
        #expect(update?.origin == "the update of 'dense/kernel' (multiply)")
        #expect(update?.report?.position == .update("dense/kernel"))
        #expect(try problem(1e38, rate: 1) == nil)
        #expect(try problem(1e38, rate: 4, .value(1)) == nil)
    }

    /// Time steps and samples share an axis inside: [N T, C] has T rows for each sample, [T N, C] has N for each step.
    @Test(arguments: [true, false]) func samplesAreFoundWhereStepsShareTheirAxis(stepsFirst: Bool) throws {
        let x = Tensor.input([3, 2], name: "x")
        let rows =
            stepsFirst
            ? x.transposed(1, 0, 2).reshaped(to: [-3, 2]) : x.reshaped(to: [-3, 2])
        let loss = log(rows * 2).sum()
        let function = try Function(inputs: [x], outputs: [loss], device: .cpu, guarding: loss)
        var values = [Float](repeating: 1, count: 4 * 6)
        // Sample 2, step 1, channel 0.
        values[14] = 0
        let problem = try notFiniteProblem { _ = try function(NDArray(values, shape: [4, 3, 2])) }
        #expect(problem.report?.batchIndex == 2, "\(problem)")
        #expect(problem.report?.element == [stepsFirst ? 6 : 7, 0])
    }

    /// A call looks at its guard only; `check` looks at all, and changes nothing.
    @Test func functionsAreCheckedOnRequest() throws {
        let x = Tensor.input([], name: "x")
        let weight = Variable("w", value: NDArray([Float(0)]))
        let loss = (weight.tensor * x).sum()
        let slope = try gradient(of: loss, withRespectTo: [weight.tensor])[0]
        let function = try Function(
            inputs: [x], outputs: [loss], updates: [VariableUpdate(weight, to: weight.tensor - slope)], device: .cpu,
            guarding: loss)
        try function.check(NDArray([Float(1), 2]))
        let problem = try notFiniteProblem { try function.check(NDArray([Float(3e38), 3e38])) }
        #expect(problem.quantity == "gradient of 'w'" || problem.quantity == "update of 'w'", "\(problem)")
        #expect(problem.failedStep?.variables == [NamedArray("w", NDArray([Float(0)]))])
        #expect(weight.value.floats == [0] && function.step == 0)
    }

    @Test func everythingIsWritten() throws {
        let folder = try TemporaryFolder()
        let model = try line(start: 2)
        let trainer = try Trainer(
            model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.1, momentum: 0.5), device: .cpu, seed: 9)
        let data = try pairs([(1, 1), (.nan, 3)], weights: [1, 0.5])
        let problem = try notFiniteProblem { try trainer.fit(data, batchSize: 2, epochs: 1, shuffles: false) }
        let place = folder.file("a/failure")
        try problem.write(to: place)
        let batch = try Safetensors.read(place.appendingPathComponent(NotFiniteProblem.FileName.batch))
        #expect(batch.map(\.name) == ["input", "target1", "weights", "sampleIndices"])
        #expect(batch[0].value.shape == [2, 1] && batch[0].value.floats[1].isNaN)
        #expect(batch[1].value.floats == [1, 3] && batch[2].value.floats == [1, 0.5])
        #expect(batch[3].value == NDArray([Int32(0), 1]))
        let variables = try Safetensors.read(place.appendingPathComponent(NotFiniteProblem.FileName.variables))
        let named = Dictionary(uniqueKeysWithValues: variables.map { ($0.name, $0.value.floats) })
        #expect(named == ["dense/kernel": [2], "dense/kernel/momentum": [0], "learningRateFactor": [1]])
        let text = try String(contentsOf: place.appendingPathComponent(NotFiniteProblem.FileName.text), encoding: .utf8)
        #expect(text == problem.description + "\n" && text.contains("sample 1 of 'pairs'"))
        let json = try JSONSerialization.jsonObject(
            with: Data(contentsOf: place.appendingPathComponent(NotFiniteProblem.FileName.report)))
        let fields = try #require(json as? [String: Any])
        #expect(fields["step"] as? Int == 1 && fields["seed"] as? Int == 9 && fields["quantity"] as? String == "loss")
        #expect((fields["report"] as? [String: Any])?["batchIndex"] as? Int == 1)
    }
}
