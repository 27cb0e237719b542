import Apus
import ApusGraph
import ApusPlan
import Testing

/// What docs/architecture.md shows is what the program prints.
@Suite struct ArchitectureTests {
    /// The training step of the document's network, for 4 samples.
    private func trace() throws -> Trace {
        let x = Tensor.input([2], name: "x")
        let target = Tensor.input([1], name: "target")
        let hidden = try Dense(3, activation: .sigmoid, name: "hidden")(x)
        let model = try Model(inputs: [x], outputs: [Dense(1, name: "output")(hidden)])
        let loss = try Loss.meanSquaredError(targets: target, predictions: model.outputs[0])
        let updates = try SGD(learningRate: 0.5).updates(minimizing: loss, over: model.parameters)
        return try Trace(inputs: [x, target], outputs: [loss], updates: updates, mode: .training, batchSize: 4)
    }

    @Test func graphIsTheOnePrinted() throws {
        let graph = try trace().graph
        #expect(try Documents.blocks("graph", of: "docs/architecture.md") == ["\(graph.simplified())\n"])
    }

    @Test func planIsTheOnePrinted() throws {
        let plan = try Plan(trace().graph, guardedOutput: 0)
        #expect(try Documents.blocks("plan", of: "docs/architecture.md") == ["\(plan)\n"])
    }
}
