import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct MergingTests {
    /// What `layer` gives for `a` and `b`.
    private func joined(_ layer: any Layer, _ a: [Double], _ b: [Double], shape: Shape = [2]) throws -> [Double] {
        let model = try modelOf(layer, shape, shape)
        return try evaluate(model.outputs, inputs: [(model.inputs[0], a), (model.inputs[1], b)])[0].values
    }

    @Test func elementByElement() throws {
        #expect(try joined(Subtract(), [5, 1], [3, 4]) == [2, -3])
        #expect(try joined(Average(), [5, 1], [3, 4]) == [4, 2.5])
        #expect(try joined(Maximum(), [5, 1], [3, 4]) == [5, 4])
        #expect(try joined(Minimum(), [5, 1], [3, 4]) == [3, 1])
        let x = Tensor.input([2])
        #expect(try evaluate(Average()(x, 2 * x, 6 * x), at: x, [1, 2] as [Double]) == [3, 6])
        #expect(try evaluate(Maximum()(x, 2 * x, 0 * x), at: x, [1, -2] as [Double]) == [2, 0])
    }

    /// Of three equal ones the last gets half of the gradient, as it meets the largest of the two before.
    @Test func tiesOfThree() throws {
        let inputs = [Tensor.input([1], name: "a"), .input([1], name: "b"), .input([1], name: "c")]
        for layer in [Maximum(), Minimum()] as [any Layer] {
            let slopes = try gradient(of: layer(inputs).sum(), withRespectTo: inputs)
            let found = try evaluate(slopes, inputs: inputs.map { ($0, [5] as [Double]) }).map(\.values)
            #expect(found == [[0.25], [0.25], [0.5]])
        }
    }

    /// 1 * 3 + 2 * 4; the rows 1 2 / 3 4 with 5 6 / 7 8: 5 + 12, 7 + 16, 15 + 24, 21 + 32; by the second axis of the
    /// first and the first of the second: 5 + 14, 6 + 16, 15 + 28, 18 + 32. Of 3 4 and 4 3 the cosine is 24 / 25.
    @Test func products() throws {
        #expect(try joined(Dot(), [1, 2], [3, 4]) == [11])
        #expect(try joined(Dot(), [1, 2, 3, 4], [5, 6, 7, 8], shape: [2, 2]) == [17, 23, 39, 53])
        #expect(try joined(Dot(axes: (2, 1)), [1, 2, 3, 4], [5, 6, 7, 8], shape: [2, 2]) == [19, 22, 43, 50])
        #expect(isClose(try joined(Dot(axis: 1, normalizes: true), [3, 4], [4, 3]), [0.96], tolerance: 1e-9))
        #expect(try modelOf(Dot(axes: (1, -1)), [3, 4, 5], [6, 3]).outputs[0].shape == [-1, 4, 5, 6])
    }

    @Test func faults() {
        #expect(
            fault(Subtract(), [2], [2], [2])
                == "Subtract: input (Test.swift:7): expected 2 inputs, received 3. Cure: call the layer with just two.")
        #expect(
            fault(Average(), [2])
                == "Average: input (Test.swift:7): expected 2 inputs or more, received 1. "
                + "Cure: call the layer with all of them.")
        #expect(
            fault(Maximum(), [2], [3])
                == "Maximum: maximum (Test.swift:7): expected two inputs of one shape, "
                + "received [batch, 2] and [batch, 3]. Cure: reshape or broadcast one of them.")
        #expect(
            fault(Dot(axis: 0), [2], [2])
                == "Dot: input (Test.swift:7): expected axes 0 and 0 behind the batch, "
                + "received [batch, 2] and [batch, 2]. Cure: axes count from 1, or from -1 at the end.")
        #expect(
            fault(Dot(), [4, 2], [4, 3])
                == "Dot: input (Test.swift:7): expected the same size along axis 2 of the first and axis 2 of the "
                + "second input, received [batch, 4, 2] and [batch, 4, 3]. Cure: name the axes that belong together.")
    }
}
