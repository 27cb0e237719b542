import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Tracing")
struct TraceTests {
    private func trace(
        _ inputs: [Tensor], _ outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode = .training,
        batchSize: Int = 1
    ) throws -> Trace {
        try Trace(inputs: inputs, outputs: outputs, updates: updates, mode: mode, batchSize: batchSize)
    }

    private func text(_ body: () throws -> Trace) throws -> String {
        try #require(throws: ApusError.self) { _ = try body() }.description
    }

    @Test func batchSizeIsSettled() throws {
        let x = Tensor.input([4, 7])
        let y = x.reshaped(to: [-4, 7]).sum(-1)
        let graph = try trace([x], [y], batchSize: 3).graph
        #expect(graph.nodes.map(\.type.shape) == [[3, 4, 7], [12, 7], [12, 1], [12]])
        #expect(graph.nodes.allSatisfy { !$0.type.shape.isSymbolic })
    }

    @Test func batchOfNoneIsTraced() throws {
        let x = Tensor.input([3])
        #expect(try evaluate(softmax(x).sum(0), given: [(x, [])], batchSize: 0) == [0, 0, 0])
    }

    @Test func phaseAndStopAreGone() throws {
        let x = Tensor.input([2])
        let y = Tensor.phase(training: stopGradient(exp(x)), inference: x)
        for (mode, output) in [(Mode.training, "exp"), (.inference, "input")] {
            let graph = try trace([x], [y], mode: mode).graph
            #expect(graph.nodes[graph.outputs[0]].operation.rule.name == output)
            #expect(graph.faults == [])
        }
    }

    @Test func axisSizeBecomesConstant() throws {
        let x = Tensor.input([3])
        for batchSize in [2, 5] {
            let graph = try trace([x], [x.mean()], batchSize: batchSize).graph
            let constants = graph.nodes.filter { $0.operation.rule.name == "constant" }
            #expect(constants.map(\.operation.description) == ["constant(\(3 * batchSize).0)"])
        }
    }

    /// In the order of the graph, whatever the mode, so that one seed means the same numbers in both.
    @Test func streamsAreNumbered() throws {
        let noise = Tensor.randomNormal([2])
        let y = noise + .randomUniform([2]) + noise + .randomBernoulli([2], probability: 0.5)
        let graph = try trace([], [y]).graph
        let streams = graph.nodes.compactMap { node in
            if case .random(let random) = node.operation { random.stream } else { nil }
        }
        #expect(streams == [0, 1, 2])
    }

    @Test func inputsKeepCallersOrder() throws {
        let (x, y, unused) = (Tensor.input([1]), Tensor.input([2]), Tensor.input([3]))
        let graph = try trace([y, unused, x], [x.sum() + y.sum()], batchSize: 2).graph
        #expect(graph.inputs == [0, 1, 2])
        #expect(graph.inputs.map { graph.nodes[$0].type.shape } == [[2, 2], [2, 3], [2, 1]])
    }

    @Test func variablesAreListedOnce() throws {
        let (v, w) = (Variable("v", shape: [2]), Variable("w", shape: [2]))
        let result = try trace([], [v.tensor * w.tensor + v.tensor], updates: [VariableUpdate(w, to: w.tensor + 1)])
        #expect(result.variables.map(\.name) == ["v", "w"])
        #expect(result.graph.updates == [Graph.Update(variable: 1, value: result.graph.nodes.count - 1)])
    }

    /// A variable that is only written is listed too.
    @Test func unreadVariableIsUpdated() throws {
        let v = Variable("v", shape: [2])
        let result = try trace([], [], updates: [VariableUpdate(v, to: .vector(3, 4))])
        #expect(result.variables.count == 1)
        let run = ReferenceExecutor<Double>(result.graph).run(inputs: [], variables: [ReferenceArray(v.value)])
        #expect(run.updated.map(\.values) == [[3, 4]])
    }

    @Test func originIsTheLayers() throws {
        let x = Tensor.input([2])
        let y = relu(x)
        y.node.layerCall = LayerCall(kind: "Activation", name: nil)
        let z = exp(y)
        z.node.layerCall = LayerCall(kind: "Lambda", name: "growth")
        #expect(try trace([x], [z + 1]).graph.nodes.map(\.origin) == ["", "Activation", "growth", "", "", ""])
    }

    @Test func missingInputIsNamed() throws {
        let (x, y) = (Tensor.input([2], name: "image"), Tensor.input([2], name: "noise"))
        #expect(
            try text { try trace([x], [x + y]) }
                == "inputs: expected input 'noise' of type float32[batch, 2] among the inputs, "
                + "received outputs that depend on it. Cure: add it to the inputs.")
    }

    @Test func computedInputIsRefused() throws {
        #expect(
            try text { try trace([exp(.input([2]))], []) }
                == "inputs: expected tensors made by Tensor.input, received Tensor(exp, float32[batch, 2]). "
                + "Cure: name the tensor that the value enters by.")
    }

    @Test func repeatedInputIsRefused() throws {
        let x = Tensor.input([2])
        #expect(
            try text { try trace([x, x], [x]) }
                == "inputs: expected each input once, received Tensor(input, float32[batch, 2]) twice. "
                + "Cure: leave out the second.")
    }

    @Test func updateOfOtherTypeIsRefused() throws {
        let v = Variable("scale", shape: [2])
        #expect(
            try text { try trace([], [], updates: [VariableUpdate(v, to: .constant(1))]) }
                == "update of 'scale': expected float32[2], received float32[]. "
                + "Cure: give the update the variable's own shape.")
    }

    @Test func secondUpdateIsRefused() throws {
        let v = Variable("scale", shape: [])
        #expect(
            try text { try trace([], [], updates: [VariableUpdate(v, to: 1), VariableUpdate(v, to: 2)]) }
                == "update of 'scale': expected one update for each variable, received two for this one. "
                + "Cure: name each variable once.")
    }

    /// A largest of no samples: that shows only when the batch size is known.
    @Test func shapesAreCheckedAgainForTheBatch() throws {
        let x = Tensor.input([3])
        let product = matMul(x.transposed(), x)
        #expect(try trace([x], [product], batchSize: 2).graph.nodes.last?.type.shape == [3, 3])
        let empty = x.max(0)
        #expect(
            try text { try trace([x], [empty], batchSize: 0) }
                == "max: expected at least one element, received [0, 3]. Cure: drop the empty axis.")
    }
}
