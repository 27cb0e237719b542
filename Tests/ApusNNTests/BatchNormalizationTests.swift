import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct BatchNormalizationTests {
    /// Two samples of two channels: 1 2 / 3 6. Means 2 and 4, variances 1 and 4.
    private static let samples: [Double] = [1, 2, 3, 6]

    /// Outputs, and the variables as a step of training leaves them, by name.
    private func train(
        _ model: Model, _ values: [Double] = samples, batchSize: Int = 2
    ) throws -> (outputs: [Double], updated: [String: [Double]]) {
        let trace = try Trace(inputs: model.inputs, outputs: model.outputs, mode: .training, batchSize: batchSize)
        let shape = model.inputs[0].shape.specialized(batchSize: batchSize)
        let result = ReferenceExecutor<Double>(trace.graph).run(
            inputs: [ReferenceArray(shape, values)], variables: trace.variables.map { ReferenceArray($0.value) })
        let updated = zip(trace.graph.updates, result.updated).map { (trace.variables[$0.variable].name, $1.values) }
        return (result.outputs[0].values, Dictionary(uniqueKeysWithValues: updated))
    }

    // By hand: (1 - 2) / 1 = -1, (2 - 4) / 2 = -1 and the same above; 0.9 * 0 + 0.1 * 2 = 0.2, 0.9 * 1 + 0.1 * 4 = 1.3.
    @Test func trainsOnTheBatch() throws {
        let model = try Sequential(input: [2]) { BatchNormalization(momentum: 0.9, epsilon: 0) }
        let (outputs, updated) = try train(model)
        #expect(isClose(outputs, [-1, -1, 1, 1]))
        #expect(Set(updated.keys) == ["movingMean", "movingVariance"])
        #expect(isClose(updated["movingMean"] ?? [], [0.2, 0.4]))
        #expect(isClose(updated["movingVariance"] ?? [], [1, 1.3]))
    }

    // By hand: with mean (1, 0), variance (3, 8), epsilon 1, gamma (2, 3) and beta (0, 1):
    // (1 - 1) / 2 * 2 = 0, 2 / 3 * 3 + 1 = 3, (3 - 1) / 2 * 2 = 2, 6 / 3 * 3 + 1 = 7.
    @Test func infersWithRunningStatistics() throws {
        let model = try Sequential(input: [2]) { BatchNormalization(epsilon: 1) }
        for (entry, values) in zip(model.variables, [[2, 3], [0, 1], [1, 0], [3, 8]] as [[Float]]) {
            try entry.variable.assign(NDArray(values))
        }
        #expect(model.variables.map(\.variable.name) == ["gamma", "beta", "movingMean", "movingVariance"])
        let outputs = try evaluate(model.outputs[0], at: model.inputs[0], Self.samples, batchSize: 2)
        #expect(isClose(outputs, [0, 3, 2, 7]))
        let trace = try Trace(inputs: model.inputs, outputs: model.outputs, mode: .inference, batchSize: 2)
        #expect(trace.graph.updates.isEmpty)
    }

    @Test func imagesAreNormalizedByChannel() throws {
        let model = try Sequential(input: [2, 1]) { BatchNormalization(epsilon: 0) }
        // 1 2 3 6: mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5.
        let expected = [1, 2, 3, 6].map { ($0 - 3) / 3.5.squareRoot() }
        #expect(isClose(try train(model).outputs, expected))
    }

    /// Values around 10,000 that differ by hundredths: Float's squares would drown the variance of 1/4096 in noise.
    @Test func farFromZeroNoDigitsAreLost() throws {
        let x = Tensor.placeholder([4, 1])
        let statistics = BatchStatistics(of: x)
        let values: [Float] = [10000, 10000.03125, 10000, 10000.03125]
        let result = try evaluate([statistics.mean, statistics.variance], inputs: [(x, values)])
        #expect(result[0].values == [10000.015625])
        #expect(result[1].values == [1 / 4096])
    }

    @Test func frozenItKeepsItsStatistics() throws {
        let model = try Sequential(input: [2]) { BatchNormalization(epsilon: 0) }
        model.isTrainable = false
        #expect(!model.isTrainable && model.parameters.isEmpty)
        let (outputs, updated) = try train(model)
        #expect(isClose(outputs, Self.samples))
        #expect(updated.isEmpty)
        model.isTrainable = true
        #expect(model.parameters.count == 2)
        #expect(try train(model).updated.count == 2)
    }

    // By hand, momentum 0.5: the first application's mean is 2, the second's (of twice the input) 4:
    // 0.5 * (0.5 * 0 + 0.5 * 2) + 0.5 * 4 = 2.5.
    @Test func appliedTwiceItAveragesBoth() throws {
        let shared = try Sequential(input: [1]) {
            BatchNormalization(momentum: 0.5, usesCenter: false, usesScale: false)
        }
        let input = Tensor.input([1])
        let model = try Model(inputs: [input], outputs: [shared(input) + shared(2 * input)])
        let updated = try train(model, [1, 3]).updated
        #expect(isClose(updated["movingMean"] ?? [], [2.5]))
    }

    @Test func parametersAreCountedAsKerasDoes() throws {
        func counts(_ layer: BatchNormalization) throws -> [Int] {
            let model = try Sequential(input: [4, 3]) { layer }
            return [model.parameterCount, model.parameters.reduce(0) { $0 + $1.elementCount }]
        }
        #expect(try counts(BatchNormalization()) == [12, 6])
        #expect(try counts(BatchNormalization(usesScale: false)) == [9, 3])
        #expect(try counts(BatchNormalization(usesCenter: false)) == [9, 3])
        #expect(try counts(BatchNormalization(usesCenter: false, usesScale: false)) == [6, 0])
    }

    @Test func mistakesAreNamed() throws {
        #expect(
            message { _ = try Sequential(input: [2]) { BatchNormalization(momentum: 1.5) } }
                == "BatchNormalization: momentum is 1.5; it must be 0 to 1.")
        #expect(
            message { _ = try Sequential(input: [2]) { BatchNormalization(epsilon: -1, name: "norm") } }
                == "norm: epsilon is -1.0; it must be 0 or more.")
        #expect(message { _ = try BatchNormalization()(Tensor.input([])) }.contains("expected [batch, ..., channels]"))
        let x = Tensor.input([2])
        #expect(
            message { _ = try x.updating(x, toward: x, momentum: 0.5).checked() }
                .contains("it must be the tensor of a variable"))
    }
}
