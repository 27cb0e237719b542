import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct DenseTests {
    /// x = [1, 2], W = [[1, 2, 3], [4, 5, 6]], b = [0.5, 0, -20]: x W = [9, 12, 15], so y = relu([9.5, 12, -5]).
    @Test func productBiasAndActivation() throws {
        let x = Tensor.input([2])
        let model = try Model(inputs: [x], outputs: [Dense(3, activation: .relu)(x)])
        try model.variables[0].variable.assign(NDArray([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3]))
        try model.variables[1].variable.assign(NDArray([0.5, 0, -20] as [Float]))
        #expect(try evaluate(model.outputs[0], at: x, [1, 2] as [Double]) == [9.5, 12, 0])
        #expect(model.variables.map(\.path) == ["dense/kernel", "dense/bias"])
    }

    /// Each position along the middle axis goes through the same kernel [[1], [10]].
    @Test func moreAxes() throws {
        let x = Tensor.input([3, 2])
        let y = try Dense(1, usesBias: false, kernelInitializer: .zeros)(x)
        #expect(y.shape == [-1, 3, 1])
        let model = try Model(inputs: [x], outputs: [y])
        try model.variables[0].variable.assign(NDArray([1, 10] as [Float], shape: [2, 1]))
        let values: [Double] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        #expect(try evaluate(y, at: x, values, batchSize: 2) == [21, 43, 65, 87, 109, 131])
    }

    @Test func errors() throws {
        let x = Tensor.input([4])
        #expect(message { _ = try Dense(0)(x) } == "Dense: units is 0; it must be 1 or more.")
        #expect(
            message { _ = try Dense(2, name: "head")(.input([]), line: 7) }
                == "head: input (DenseTests.swift:7): expected [batch, ..., features], received [batch]. "
                + "Cure: put the features on the last axis, behind the batch.")
        #expect(
            message { _ = try Dense(2, name: "a/b")(x) }
                == "Dense: name is 'a/b'; it must be one letter or more, without '/'.")
        #expect(
            message { _ = try Dense(2, activation: .squareplus(b: 0))(x) }
                == "Dense: the activation's b is 0.0; it must be above 0.")
        #expect(
            message { _ = try Dense(2)(x, x, line: 7) }
                == "Dense: input (DenseTests.swift:7): expected 1 input, received 2. "
                + "Cure: join them first, with Add or Concatenate.")
        #expect(
            message { _ = try Dense(2, kernelInitializer: .uniform(1, -1))(x) }
                == "Dense: initializer of 'kernel': lower bound is 1.0; it must be at most the upper bound, -1.0.")
        #expect(
            message { _ = try Dense(2, biasInitializer: .orthogonal)(x, line: 7) }
                == "Dense: initializer of 'bias' (DenseTests.swift:7): expected a shape of two axes or more, "
                + "received [2]. Cure: choose another initializer.")
    }

    @Test func errorsNameTheLineOfTheCall() throws {
        let line = #line + 1
        let text = message { _ = try Dense(2)(.input([])) }
        #expect(text.hasPrefix("Dense: input (DenseTests.swift:\(line)): expected"))
    }

    /// An operation that does not fit is reported by the next layer that uses it.
    @Test func errorsOfOperationsBefore() throws {
        let sum = Tensor.input([4]) + Tensor.input([3])
        #expect(
            message { _ = try Dense(2)(sum, line: 7) }
                == "add (DenseTests.swift:7): expected two inputs of one shape, received [batch, 4] and [batch, 3]. "
                + "Cure: reshape or broadcast one of them.")
    }
}
