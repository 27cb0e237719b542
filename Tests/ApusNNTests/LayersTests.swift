import ApusCore
import ApusGraph
import ApusNN
import Testing

import struct ApusNN.Concatenate
import struct ApusNN.Reshape

@Suite struct LayersTests {
    @Test func flattenKeepsTheOrder() throws {
        let x = Tensor.input([2, 2])
        let y = try Flatten()(x)
        #expect(y.shape == [-1, 4])
        #expect(try evaluate(y, at: x, [1, 2, 3, 4, 5, 6, 7, 8] as [Float], batchSize: 2) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try Flatten()(.input([])).shape == [-1, 1])
        #expect(try Flatten()(.input([3, 0])).shape == [-1, 0])
    }

    @Test func reshapeFillsTheFreeSize() throws {
        let x = Tensor.input([12])
        #expect(try Reshape(to: [3, 4])(x).shape == [-1, 3, 4])
        #expect(try Reshape(to: [2, -1, 3])(x).shape == [-1, 2, 2, 3])
        #expect(try Reshape(to: [-1])(.input([2, 5])).shape == [-1, 10])
        #expect(
            message { _ = try Reshape(to: [5, -1])(x, line: 7) }
                == "Reshape: input (LayersTests.swift:7): expected samples whose elements fill [5, -1], "
                + "received [batch, 12]. Cure: choose sizes whose product is 12.")
        #expect(
            message { _ = try Reshape(to: [-1, -1])(x) }
                == "Reshape: shape is [-1, -1]; it must be sizes from 0 on, of which one may be -1.")
    }

    /// 1 + 10 + 100 times x, and x (x + 1) (x + 2): 2 * 3 * 4 and 3 * 4 * 5.
    @Test func addMultiplyConcatenate() throws {
        let x = Tensor.input([2])
        let sum = try Add()(x, 10 * x, 100 * x)
        let product = try Multiply()([x, x + 1, x + 2])
        let joined = try Concatenate()(x, 0 - x)
        let values: [Double] = [2, 3]
        #expect(try evaluate(sum, at: x, values) == [222, 333])
        #expect(try evaluate(product, at: x, values) == [24, 60])
        #expect(try evaluate(joined, at: x, values) == [2, 3, -2, -3])
        #expect(joined.shape == [-1, 4])
        #expect(
            message { _ = try Add()(x, line: 7) }
                == "Add: input (LayersTests.swift:7): expected 2 inputs or more, received 1. "
                + "Cure: call the layer with all of them.")
        #expect(
            message { _ = try Concatenate(axis: 2, name: "both")(x, x, line: 7) }
                == "both: input (LayersTests.swift:7): expected an axis 2, received [batch, 2]. "
                + "Cure: axes count from 0, or from -1 at the end.")
        #expect(
            message { _ = try Add(name: "sum")(x, .input([3]), line: 7) }
                == "sum: add (LayersTests.swift:7): expected two inputs of one shape, "
                + "received [batch, 2] and [batch, 3]. Cure: reshape or broadcast one of them.")
    }

    /// With rate 0.75 an element is 0 or 4 times itself, one in four on the average: of 4,000 ones 1,000, give or
    /// take five deviations of sqrt(4000 * 0.25 * 0.75) = 27.4.
    @Test func dropoutKeepsTheMean() throws {
        let x = Tensor.input([4000])
        let y = try Dropout(0.75)(x)
        let ones = [Float](repeating: 1, count: 4000)
        let values = try evaluate(y, at: x, ones, mode: .training)
        #expect(Set(values) == [0, 4])
        #expect((values.filter { $0 == 4 }.count - 1000).magnitude < 137)
        #expect(try evaluate(y, at: x, ones, mode: .inference) == ones)
        #expect(try evaluate(y, at: x, ones, mode: .training, seed: 1) != values)
        #expect(try evaluate(Dropout(0)(x), at: x, ones, mode: .training) == ones)
        #expect(message { _ = try Dropout(1)(x) } == "Dropout: rate is 1.0; it must be at least 0 and below 1.")
        #expect(message { _ = try Dropout(.nan)(x) } == "Dropout: rate is nan; it must be at least 0 and below 1.")
    }

    @Test func lambda() throws {
        let x = Tensor.input([2])
        #expect(try evaluate(Lambda { 2 * $0 - 1 }(x), at: x, [1, 5] as [Float]) == [1, 9])
    }

    /// A layer that changes nothing is still a layer of the model.
    @Test func layersThatChangeNothing() throws {
        let model = try Sequential(input: [3]) {
            Activation(.linear)
            Flatten()
            Dropout(0)
        }
        let calls = topologicalOrder(of: model.outputs).compactMap(\.layerCall).map(model.layerPath(of:))
        #expect(calls == ["activation", "flatten", "dropout"])
        #expect(try evaluate(model.outputs[0], at: model.inputs[0], [1, 2, 3] as [Float]) == [1, 2, 3])
    }

    /// w = [1, -2]: |w| sums to 3, w^2 to 5.
    @Test func regularizers() throws {
        let w = Variable("w", value: NDArray([1, -2] as [Float]))
        func penalty(_ regularizer: any VariableRegularizer) throws -> Double {
            try evaluate([regularizer.penalty(of: w.tensor)], inputs: [] as [(Tensor, [Double])])[0].values[0]
        }
        #expect(isClose([try penalty(L1(0.5)), try penalty(L2(0.5))], [1.5, 2.5]))
        #expect(isClose([try penalty(L1L2(l1: 2, l2: 3)), try penalty(L1())], [21, 0.03], tolerance: 1e-7))
    }
}
