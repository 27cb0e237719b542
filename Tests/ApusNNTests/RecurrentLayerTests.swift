import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct RecurrentLayerTests {
    private let x = Tensor.input([5, 28])

    private func count(_ layer: any Layer) throws -> Int {
        try Model(inputs: [x], outputs: [layer.callAsFunction(x)]).parameterCount
    }

    /// Keras 3: 4 ((F + U) U + U), 3 ((F + U) U + 2 U) and (F + U) U + U, with F = 28.
    @Test func parameterCounts() throws {
        #expect(try count(LSTM(128)) == 80_384)
        #expect(try count(GRU(128)) == 60_672)
        #expect(try count(SimpleRNN(128)) == 20_096)
        #expect(try count(LSTM(7, usesBias: false)) == 980)
        #expect(try count(GRU(7, usesBias: false)) == 735)
        #expect(try count(SimpleRNN(7, usesBias: false)) == 245)
        #expect(try count(Bidirectional(LSTM(128))) == 160_768)
        #expect(try count(TimeDistributed(Dense(10))) == 290)
    }

    @Test func shapes() throws {
        #expect(try LSTM(3)(x).shape == [-1, 3])
        #expect(try GRU(3, returnsSequences: true)(x).shape == [-1, 5, 3])
        #expect(try Bidirectional(SimpleRNN(3))(x).shape == [-1, 6])
        for merge in Bidirectional.Merge.allCases where merge != .concatenate {
            #expect(try Bidirectional(SimpleRNN(3, returnsSequences: true), merge: merge)(x).shape == [-1, 5, 3])
        }
        #expect(try TimeDistributed(LSTM(4))(.input([5, 2, 3])).shape == [-1, 5, 4])
        #expect(try TimeDistributed(Flatten())(.input([5, 2, 3])).shape == [-1, 5, 6])
        let (output, state) = try LSTM(3, returnsSequences: true).outputAndState(of: x)
        #expect(output.shape == [-1, 5, 3] && state.map(\.shape) == [[-1, 3], [-1, 3]])
        #expect(try GRU(3).outputAndState(of: x).state.map(\.shape) == [[-1, 3]])
    }

    @Test func pathsAndFirstValues() throws {
        let model = try Sequential(input: [5, 2]) {
            Bidirectional(LSTM(1, returnsSequences: true))
            GRU(2, name: "reader")
            Dense(1)
        }
        #expect(
            model.variables.map(\.path) == [
                "bidirectional/forward/kernel", "bidirectional/forward/recurrentKernel", "bidirectional/forward/bias",
                "bidirectional/backward/kernel", "bidirectional/backward/recurrentKernel",
                "bidirectional/backward/bias", "reader/kernel", "reader/recurrentKernel", "reader/bias",
                "reader/recurrentBias", "dense/kernel", "dense/bias",
            ])
        // Zeros, but for the forget gate.
        #expect(model.variables[2].variable.value.floats == [0, 1, 0, 0])
        #expect(model.variables[8].variable.value.floats == [Float](repeating: 0, count: 6))
        // A row of length 1: orthogonal.
        let row = model.variables[1].variable.value.floats
        #expect(abs(row.reduce(0) { $0 + $1 * $1 } - 1) < 1e-6)
        #expect(model.variables[0].variable.value != model.variables[3].variable.value)
        let plain = try Sequential(input: [5, 2]) { LSTM(1, unitForgetBias: false) }
        #expect(plain.variables[2].variable.value.floats == [0, 0, 0, 0])
    }

    /// h' = x + 2 h over x = 1, 3: forward 1, 5; backward 7, 3.
    @Test func directionsByHand() throws {
        let x = Tensor.input([2, 1])
        func value(_ layer: any RecurrentLayer) throws -> [Double] {
            let model = try Model(inputs: [x], outputs: [layer.callAsFunction(x)])
            for entry in model.variables {
                let isRecurrent = entry.path.hasSuffix("recurrentKernel")
                try entry.variable.assign(NDArray([isRecurrent ? 2 : 1] as [Float], shape: [1, 1]))
            }
            return try evaluate(model.outputs[0], at: x, [1, 3] as [Double])
        }
        var layer = SimpleRNN(1, activation: .linear, usesBias: false)
        #expect(try value(layer) == [5])
        #expect(try value(Bidirectional(layer)) == [5, 7])
        layer.goesBackwards = true
        #expect(try value(layer) == [7])
        layer.returnsSequences = true
        #expect(try value(layer) == [7, 3])
        #expect(try value(Bidirectional(layer)) == [7, 1, 3, 5])
        #expect(try value(Bidirectional(layer, merge: .sum)) == [8, 8])
        #expect(try value(Bidirectional(layer, merge: .multiply)) == [7, 15])
        #expect(try value(Bidirectional(layer, merge: .average)) == [4, 4])
    }

    /// x W + b with W = 10, b = 1, as one bias of two: 11, 31; a GRU with open gates keeps half of what it was.
    @Test func biases() throws {
        let x = Tensor.input([1, 1])
        let simple = try Model(inputs: [x], outputs: [SimpleRNN(1, activation: .linear)(x)])
        for (entry, value) in zip(simple.variables, [10, 5, 1] as [Float]) {
            try entry.variable.assign(NDArray([value], shape: entry.variable.shape))
        }
        #expect(try evaluate(simple.outputs[0], at: x, [3] as [Double]) == [31])
        // z = 1/2, r = 1 and n = 3 * 10 + 1 + 1 * 4 = 35: h = 0.5 * 0 + 0.5 * 35.
        let gated = try Model(
            inputs: [x], outputs: [GRU(1, activation: .linear, gateActivation: .hardSigmoid(slope: 0.5))(x)])
        for (entry, values) in zip(gated.variables, [[0, 0, 10], [0, 0, 5], [0, 1, 1], [0, 0, 4]] as [[Float]]) {
            try entry.variable.assign(NDArray(values, shape: entry.variable.shape))
        }
        #expect(try evaluate(gated.outputs[0], at: x, [3] as [Double]) == [17.5])
    }

    /// Half a sequence, its state, and the other half: as the whole.
    @Test func aStateThatIsFedInAgain() throws {
        let first = Tensor.placeholder([2, 2, 3]), second = Tensor.placeholder([2, 2, 3])
        let states = [Tensor.placeholder([2, 4]), Tensor.placeholder([2, 4])]
        let part = Tensor.placeholder([2, 2, 3])
        let (output, state) = try LSTM(4).outputAndState(of: part, initialState: states)
        let model = try Model(inputs: [part] + states, outputs: [output] + state)
        let whole = Tensor.placeholder([2, 4, 3])
        let zeros = Tensor.constant(NDArray(zeros: [2, 4]))
        let between = try model([first, zeros, zeros])
        let end = try model([second, between[1], between[2]])
        let (all, allState) = try LSTM(4).outputAndState(of: whole)
        let reference = try Model(inputs: [whole], outputs: [all] + allState)
        for (own, theirs) in zip(reference.variables, model.variables) {
            try own.variable.assign(theirs.variable.value)
        }
        let values = (0..<24).map { Double($0 % 7) / 7 - 0.5 }
        // Steps 0, 1 and 2, 3 of both samples.
        func half(from step: Int) -> [Double] {
            [0, 12].flatMap { sample in Array(values[sample + 3 * step..<sample + 3 * step + 6]) }
        }
        let found = try evaluate(end, inputs: [(first, half(from: 0)), (second, half(from: 2))]).flatMap(\.values)
        let expected = try evaluate([all] + allState, inputs: [(whole, values)]).flatMap(\.values)
        #expect(isClose(found, expected, tolerance: 1e-12))
    }

    /// Steps behind a sequence's end change nothing.
    @Test func paddingIsLeftOut() throws {
        let x = Tensor.input([3, 1]), mask = Tensor.input([3])
        let layer = Bidirectional(GRU(2))
        let model = try Model(inputs: [x, mask], outputs: [layer(x, mask: mask)])
        func value(_ x: [Double]) throws -> [Double] {
            try evaluate(model.outputs, inputs: [(model.inputs[0], x), (model.inputs[1], [1, 1, 0])])[0].values
        }
        #expect(try value([1, 2, 3]) == value([1, 2, -50]))
        #expect(try value([1, 2, 3]) != value([1, 3, 3]))
    }

    /// h' = x + 2 h over 1, 3 and 5, of which the second is left out: forward 1, 1, 7, backward 11, 5, 5. Beside each
    /// other, and added, they are 0 where the mask is; the states are not.
    @Test func bothDirectionsAreZeroAtMaskedSteps() throws {
        let x = Tensor.input([3, 1]), mask = Tensor.input([3])
        func value(_ merge: Bidirectional.Merge) throws -> [[Double]] {
            let layer = SimpleRNN(1, activation: .linear, returnsSequences: true, usesBias: false)
            let (output, state) = try Bidirectional(layer, merge: merge).outputAndState(of: x, mask: mask)
            let model = try Model(inputs: [x, mask], outputs: [output] + state)
            for entry in model.variables {
                let isRecurrent = entry.path.hasSuffix("recurrentKernel")
                try entry.variable.assign(NDArray([isRecurrent ? 2 : 1] as [Float], shape: [1, 1]))
            }
            return try evaluate(model.outputs, inputs: [(x, [1, 3, 5]), (mask, [1, 0, 1])]).map(\.values)
        }
        #expect(try value(.concatenate) == [[1, 11, 0, 0, 7, 5], [7], [11]])
        #expect(try value(.sum) == [[12, 0, 12], [7], [11]])
    }

    /// h' = x + 2 h over 1 and 3, but the second layer's products are with 3: forward 1, 5, backward 1 + 3 * 3 = 10, 3;
    /// its own direction does not count.
    @Test func aBackwardLayerOfItsOwn() throws {
        let x = Tensor.input([2, 1])
        let own = SimpleRNN(1, activation: .linear, returnsSequences: true, usesBias: false)
        for goesBackwards in [false, true] {
            var other = own
            other.goesBackwards = goesBackwards
            other.kernelInitializer = .ones
            let model = try Model(inputs: [x], outputs: [Bidirectional(own, backwardLayer: other)(x)])
            for (entry, value) in zip(model.variables, [1, 2, 1, 3] as [Float]) {
                try entry.variable.assign(NDArray([value], shape: [1, 1]))
            }
            #expect(try evaluate(model.outputs[0], at: x, [1, 3] as [Double]) == [1, 10, 5, 3])
        }
    }

    /// h' = x: of 400 features of 1 each is 0 or 4 at all three steps, one in four is 4, give or take five deviations of
    /// sqrt(400 * 0.25 * 0.75) = 8.7; at inference all are 1.
    @Test func dropoutOfInputsIsTheSameAtAllSteps() throws {
        let x = Tensor.input([3, 400])
        let layer = SimpleRNN(
            400, activation: .linear, returnsSequences: true, usesBias: false, kernelInitializer: .identity,
            recurrentInitializer: .zeros, dropout: 0.75)
        let model = try Model(inputs: [x], outputs: [layer(x)])
        let ones = [Float](repeating: 1, count: 1200)
        let values = try evaluate(model.outputs[0], at: x, ones, mode: .training)
        #expect(Set(values) == [0, 4])
        #expect(values[0..<400] == values[400..<800] && values[0..<400] == values[800...])
        #expect((values.filter { $0 == 4 }.count / 3 - 100).magnitude < 44)
        #expect(try evaluate(model.outputs[0], at: x, ones) == ones)
    }

    @Test func stepsShareTheirLayer() throws {
        let x = Tensor.input([2, 2])
        let model = try Model(inputs: [x], outputs: [TimeDistributed(Dense(1))(x)])
        #expect(model.variables.map(\.path) == ["timeDistributed/dense/kernel", "timeDistributed/dense/bias"])
        try model.variables[0].variable.assign(NDArray([1, 10] as [Float], shape: [2, 1]))
        #expect(
            try evaluate(model.outputs[0], at: x, [1, 2, 3, 4, 5, 6, 7, 8] as [Double], batchSize: 2) == [
                21, 43, 65, 87,
            ])
    }

    @Test func savedModelsHoldRecurrences() throws {
        let x = Tensor.input([4, 3]), mask = Tensor.input([4])
        let hidden = try Bidirectional(LSTM(2, gateActivation: .hardSigmoid(slope: 0.2), returnsSequences: true))(x)
        let (output, state) = try GRU(3).outputAndState(of: hidden, mask: mask)
        let model = try Model(inputs: [x, mask], outputs: [TimeDistributed(Dense(2))(hidden), output] + state)
        let copy = try Model(description: model.descriptionData(), seed: 0)
        #expect(try copy.descriptionData() == model.descriptionData())
        #expect(copy.variables.map(\.variable.value) == model.variables.map(\.variable.value))
        let values = (0..<12).map { Double($0 % 5) }
        func value(_ model: Model) throws -> [[Double]] {
            try evaluate(model.outputs, inputs: [(model.inputs[0], values), (model.inputs[1], [1, 0, 1, 1])])
                .map(\.values)
        }
        #expect(try value(copy) == value(model))
    }

    @Test func errors() throws {
        #expect(message { _ = try LSTM(0)(x) } == "LSTM: units is 0; it must be 1 or more.")
        for layer in [LSTM(.max), GRU(.max)] as [any RecurrentLayer] {
            #expect(
                message { _ = try layer(x) }
                    == "\(layer is GRU ? "GRU" : "LSTM"): units is \(Int.max); it must be at most 2^40 for all gates.")
        }
        #expect(message { _ = try LSTM(1 << 37)(x) }.contains("expected at most 2^40 elements"))
        #expect(
            message { _ = try Bidirectional(GRU(-1))(x) }
                == "Bidirectional/forward: units is -1; it must be 1 or more.")
        #expect(
            message { _ = try SimpleRNN(3, name: "reader")(.input([4]), line: 7) }
                == "reader: input (RecurrentLayerTests.swift:7): expected [batch, steps, features], "
                + "received [batch, 4]. "
                + "Cure: put the steps on the second axis and their features on the last.")
        #expect(
            message { _ = try LSTM(3)(x, mask: .input([4]), line: 7) }
                == "LSTM: input (RecurrentLayerTests.swift:7): expected a mask [batch, 5], received [batch, 4]. "
                + "Cure: give each step of each sample a 0 or a 1.")
        #expect(
            message { _ = try LSTM(3)(x, .input([3]), line: 7) }
                == "LSTM: input (RecurrentLayerTests.swift:7): expected an initial state of 2 tensors, received 1. "
                + "Cure: give the hidden state and the cells.")
        #expect(
            message { _ = try GRU(3)(x, .input([4]), line: 7) }
                == "GRU: input (RecurrentLayerTests.swift:7): expected an initial state [batch, 3], "
                + "received [batch, 4]. Cure: give each unit of each sample one number.")
        #expect(
            message { _ = try Bidirectional(GRU(3))(x, .input([3]), line: 7) }
                == "Bidirectional: input (RecurrentLayerTests.swift:7): expected an initial state for each direction, "
                + "received 1 tensor. Cure: give the state of 'forward', then that of 'backward'.")
        #expect(
            message { _ = try LSTM(3, activation: .softmax)(x) }
                == "LSTM: activation is softmax; it must be linear, relu, sigmoid, hardSigmoid or tanh.")
        #expect(
            message { _ = try GRU(3, gateActivation: .hardSigmoid(slope: 0))(x) }
                == "GRU: the gate activation's slope is 0.0; it must be above 0.")
        #expect(
            message { _ = try GRU(3, activation: .hardSigmoid(slope: -1))(x) }
                == "GRU: the activation's slope is -1.0; it must be above 0.")
        #expect(
            message { _ = try SimpleRNN(3, dropout: 1)(x) }
                == "SimpleRNN: dropout is 1.0; it must be at least 0 and below 1.")
        #expect(
            message { _ = try Bidirectional(GRU(3), backwardLayer: GRU(3, returnsSequences: true))(x) }
                == "Bidirectional: backwardLayer's returnsSequences is true; it must be false, as the other layer's.")
        #expect(
            message { _ = try TimeDistributed(Dense(2))(.input([4]), line: 7) }
                == "TimeDistributed: input (RecurrentLayerTests.swift:7): "
                + "expected [batch, steps, ...] with something for each step, received [batch, 4]. "
                + "Cure: put the steps on the second axis; leave out TimeDistributed where there are none.")
    }
}
