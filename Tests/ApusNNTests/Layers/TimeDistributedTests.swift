import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct TimeDistributedTests {
    /// A network for images of 2 x 2 places: the sum of the places and the bias, times 1 and 10.
    private func network(named name: String? = nil) throws -> Model {
        let model = try Sequential(input: [2, 2, 1], name: name) {
            Conv2D(1, kernel: 2, kernelInitializer: .ones, biasInitializer: .constant(0.5))
            Flatten()
            Dense(2, usesBias: false)
        }
        try model.variables[2].variable.assign(NDArray([1, 10] as [Float], shape: [1, 2]))
        return model
    }

    /// Two sequences of two images: 1 2 3 4, 1 1 1 1, 0 0 0 2 and 5 0 0 0.
    private static let frames: [Double] = [1, 2, 3, 4, 1, 1, 1, 1, 0, 0, 0, 2, 5, 0, 0, 0]

    @Test func aModelOverFrames() throws {
        let network = try network()
        let frames = Tensor.input([2, 2, 2, 1])
        let model = try Model(inputs: [frames], outputs: [TimeDistributed(network)(frames)])
        #expect(model.outputs[0].shape == [-1, 2, 2])
        #expect(
            model.variables.map(\.path) == [
                "timeDistributed/sequential/conv2D/kernel", "timeDistributed/sequential/conv2D/bias",
                "timeDistributed/sequential/dense/kernel",
            ])
        #expect(zip(model.variables, network.variables).allSatisfy { $0.variable === $1.variable })
        let found = try evaluate(model.outputs[0], at: frames, Self.frames, batchSize: 2)
        #expect(found == [10.5, 105, 4.5, 45, 2.5, 25, 5.5, 55])
        let copy = try Model(description: model.descriptionData(), seed: 0)
        #expect(copy.variables.map(\.path) == model.variables.map(\.path))
        for (own, theirs) in zip(copy.variables, model.variables) {
            try own.variable.assign(theirs.variable.value)
        }
        #expect(try evaluate(copy.outputs[0], at: copy.inputs[0], Self.frames, batchSize: 2) == found)
        // In a chain, and twice with the same variables.
        let chain = try Sequential(input: [2, 2, 2, 1]) {
            TimeDistributed(network, name: "see")
            LSTM(3)
        }
        #expect(chain.variables[0].path == "see/sequential/conv2D/kernel")
        let twice = try Add()(TimeDistributed(network)(frames), TimeDistributed(network)(2 * frames))
        #expect(try Model(inputs: [frames], outputs: [twice]).variables.count == 3)
    }

    /// What a model adds to the loss counts once for all steps.
    @Test func lossesOfAModelOverFrames() throws {
        let image = Tensor.input([2])
        let part = try Model(inputs: [image], outputs: [3 * image], name: "part")
        try part.addLoss(image.sum(-1), name: "size")
        let frames = Tensor.input([2, 2])
        let model = try Model(inputs: [frames], outputs: [TimeDistributed(part)(frames)])
        #expect(model.addedLosses.map(\.name) == ["timeDistributed/part/size"])
        let found = try evaluate([model.addedLosses[0].value], inputs: [(frames, [1, 2, 3, 4] as [Double])])
        #expect(found[0].values == [3, 7])
    }

    /// 1 and 3 are a batch of two for the layer: mean 2, variance 1; the running mean is 0.1 * 2, once.
    @Test func normalizationInside() throws {
        let model = try Sequential(input: [2, 1]) { TimeDistributed(BatchNormalization(momentum: 0.9, epsilon: 0)) }
        let trace = try Trace(inputs: model.inputs, outputs: model.outputs, mode: .training, batchSize: 1)
        let result = ReferenceExecutor<Double>(trace.graph).run(
            inputs: [ReferenceArray([1, 2, 1], [1, 3])],
            variables: trace.variables.map { ReferenceArray($0.value) })
        #expect(isClose(result.outputs[0].values, [-1, 1]))
        let updated = zip(trace.graph.updates, result.updated).map { (trace.variables[$0.variable].name, $1.values) }
        #expect(updated.map(\.0) == ["movingMean", "movingVariance"])
        #expect(isClose(updated[0].1, [0.2]) && isClose(updated[1].1, [1]))
    }

    /// Steps are dropped by themselves: of 1,000 numbers half agree between two steps, give or take five deviations of
    /// 15.8.
    @Test func dropoutInside() throws {
        let model = try Sequential(input: [2, 1000]) { TimeDistributed(Dropout(0.5)) }
        let ones = [Double](repeating: 1, count: 2000)
        let values = try evaluate(model.outputs[0], at: model.inputs[0], ones, mode: .training)
        #expect(Set(values) == [0, 2])
        let same = zip(values[..<1000], values[1000...]).filter { $0 == $1 }.count
        #expect((same - 500).magnitude < 79)
        #expect(try evaluate(model.outputs[0], at: model.inputs[0], ones) == ones)
    }

    /// h' = x + 2 h over 1, 3 and over 5, 7, of which 7 is left out: 5 and 5. Within another level, the same.
    @Test func masksAreHandedOn() throws {
        let layer = SimpleRNN(1, activation: .linear, usesBias: false)
        func value(_ layer: TimeDistributed, _ sizes: [Int]) throws -> [Double] {
            let x = Tensor.input(Shape(sizes + [1])), mask = Tensor.input(Shape(sizes))
            let model = try Model(inputs: [x, mask], outputs: [layer(x, mask: mask)])
            for (entry, value) in zip(model.variables, [1, 2] as [Float]) {
                try entry.variable.assign(NDArray([value], shape: [1, 1]))
            }
            return try evaluate(model.outputs, inputs: [(x, [1, 3, 5, 7]), (mask, [1, 1, 1, 0])])[0].values
        }
        #expect(try value(TimeDistributed(layer), [2, 2]) == [5, 5])
        #expect(try value(TimeDistributed(TimeDistributed(layer)), [1, 2, 2]) == [5, 5])
        let words = Tensor.input([3, 4, 5]), isWord = Tensor.input([3, 4, 4])
        let attention = TimeDistributed(MultiHeadAttention(heads: 1, keySize: 2))
        #expect(try attention(words, mask: isWord).shape == [-1, 3, 4, 5])
    }

    @Test func severalInputs() throws {
        let a = Tensor.input([2, 3], name: "a"), b = Tensor.input([2, 3], name: "b")
        let sum = try TimeDistributed(Add())(a, b)
        #expect(sum.shape == [-1, 2, 3])
        #expect(
            try evaluate([sum], inputs: [(a, [1, 2, 3, 4, 5, 6]), (b, [6, 5, 4, 3, 2, 1] as [Double])])[0].values
                == [7, 7, 7, 7, 7, 7])
    }

    @Test func faults() throws {
        #expect(
            fault(TimeDistributed(Dense(2)), [4])
                == "TimeDistributed: input (Test.swift:7): expected [batch, steps, ...] with something for each step, "
                + "received [batch, 4]. "
                + "Cure: put the steps on the second axis; leave out TimeDistributed where there are none.")
        #expect(
            fault(TimeDistributed(Add()), [4, 2], [3, 2])
                == "TimeDistributed: input (Test.swift:7): expected [batch, 4, ...] for all that has steps, "
                + "received [batch, 3, 2]. Cure: give each step of each sample its part.")
        #expect(
            fault(TimeDistributed(try network()), [4, 3, 2, 1])
                == "sequential: inputs (Test.swift:7): expected float32[batch, 2, 2, 1] for 'input', "
                + "received float32[4*batch, 3, 2, 1]. Cure: give the model as many tensors of just these types.")
        let image = Tensor.input([2])
        let both = try Model(inputs: [image], outputs: [2 * image, 3 * image], name: "both")
        #expect(
            fault(TimeDistributed(both), [4, 2])
                == "both: outputs (Test.swift:7): expected 1, received 2. "
                + "Cure: make a model of the output that is wanted.")
        #expect(
            message { _ = try TimeDistributed(Dense(2))(.input([4, 3]), mask: .input([4]), line: 7) }
                == "TimeDistributed: input (TimeDistributedTests.swift:7): expected [batch, 4, ...] for all that has "
                + "steps, received [batch, 4]. Cure: give each step of each sample its part.")
        #expect(
            message { _ = try TimeDistributed(Dense(2))(.input([4, 3]), mask: .input([4, 3]), line: 7) }
                == "TimeDistributed/dense: input (TimeDistributedTests.swift:7): expected no mask for a layer that takes "
                + "none, received [4*batch, 3]. Cure: leave it out; RecurrentLayer, MultiHeadAttention and "
                + "TimeDistributed take one.")
    }
}
