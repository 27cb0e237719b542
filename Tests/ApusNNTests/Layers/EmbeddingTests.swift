import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct EmbeddingTests {
    /// Rows 1 2, 3 4, 5 6: numbers 2 0 0 give the last and twice the first.
    @Test func rowsOfTheTable() throws {
        let tokens = Tensor.input([3], .int32)
        let model = try Model(inputs: [tokens], outputs: [Embedding(3, 2)(tokens)])
        try model.variables[0].variable.assign(NDArray([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 2]))
        #expect(model.variables.map(\.path) == ["embedding/embeddings"])
        #expect(try evaluate(model.outputs[0], at: tokens, [2, 0, 0] as [Double]) == [5, 6, 1, 2, 1, 2])
        // Each use of a row adds to its gradient, here of the sum of squares over 2.
        let slope = try gradient(
            of: (0.5 * square(model.outputs[0])).sum(), withRespectTo: [model.variables[0].variable.tensor])[0]
        #expect(try evaluate(slope, at: tokens, [2, 0, 0] as [Double]) == [2, 4, 0, 0, 5, 6])
        // Whole numbers as float32, as a Sequential takes them by default.
        #expect(try output(Embedding(3, 2), [2], [1, 0], weights: [1, 2, 3, 4, 5, 6]) == [3, 4, 1, 2])
    }

    @Test func sequentialOfWholeNumbers() throws {
        let model = try Sequential(input: [4], .int32) {
            Embedding(10, 3)
            GlobalAveragePool1D()
        }
        #expect(model.inputs[0].elementType == .int32 && model.outputs[0].shape == [-1, 3])
        let values = model.variables[0].variable.value.floats
        #expect(values.allSatisfy { $0.magnitude <= 0.05 } && Set(values).count == 30)
    }

    @Test func maskOfPadding() throws {
        let tokens = Tensor.input([4], .int32)
        #expect(try evaluate(paddingMask(tokens), at: tokens, [3, 0, -1, 0] as [Double]) == [1, 0, 1, 0])
    }

    @Test func faults() {
        #expect(fault(Embedding(0, 4), [3]) == "Embedding: count is 0; it must be 1 or more.")
        #expect(fault(Embedding(4, -1), [3]) == "Embedding: size is -1; it must be 1 or more.")
        #expect(
            message { _ = try Embedding(4, 2)(.input([3], .uint8), line: 7) }
                == "Embedding: input (EmbeddingTests.swift:7): expected whole numbers, int32 or float32, "
                + "received uint8[batch, 3]. Cure: convert them before they enter the model, "
                + "or make it with Tensor.input(shape, .int32).")
    }
}
