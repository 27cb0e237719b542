import Apus
import ApusGraph
import ApusPlan
import Testing

/// What docs/architecture.md shows is what the program prints.
@Suite struct ArchitectureTests {
    private static let document = "docs/architecture.md"

    /// The training step of the document's network, for 4 samples.
    private func trace() throws -> Trace {
        let x = Tensor.input([2], name: "x")
        let target = Tensor.input([3], name: "target")
        let model = try Model(inputs: [x], outputs: [Dense(3, activation: .sigmoid, name: "answer")(x)])
        let loss = try Loss.meanSquaredError(targets: target, predictions: model.outputs[0])
        let updates = try SGD(learningRate: 0.5).updates(minimizing: loss, over: model.parameters)
        return try Trace(inputs: [x, target], outputs: [loss], updates: updates, mode: .training, batchSize: 4)
    }

    @Test func graphIsTheOnePrinted() throws {
        let graph = try trace().graph
        #expect(
            try Documents.blocks("graph", of: Self.document) == ["\(graph)\n"], "The document must show:\n\(graph)")
    }

    @Test func planIsTheOnePrinted() throws {
        let plan = try Plan(trace().graph, guardedOutput: 0)
        #expect(try Documents.blocks("plan", of: Self.document) == ["\(plan)\n"], "The document must show:\n\(plan)")
    }

    /// The document shows the network as it stands here.
    @Test func networkIsTheOnePrinted() throws {
        let lines = try Documents.text("Tests/ExampleTests/ArchitectureTests.swift").split(separator: "\n")
        let shown = try Documents.blocks("swift", of: Self.document).first?.split(separator: "\n") ?? []
        let indentation = String(repeating: " ", count: 8)
        #expect(!shown.isEmpty)
        for line in shown {
            #expect(lines.contains { $0 == indentation + line || $0 == indentation + "return try " + line })
        }
    }
}
