import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct MultiHeadAttentionTests {
    /// One head whose projections change nothing, on single features.
    private func plain(
        queries: Int, keys: Int, mask: Shape? = nil, isCausal: Bool = false
    ) throws -> (model: Model, attend: ([Double], [Double], [Double], [Double]) throws -> [Double]) {
        let layer = MultiHeadAttention(heads: 1, keySize: 1, usesBias: false, isCausal: isCausal)
        let inputs =
            [
                Tensor.input([queries, 1], name: "query"), .input([keys, 1], name: "value"),
                .input([keys, 1], name: "key"),
            ] + (mask.map { [Tensor.placeholder($0, name: "mask")] } ?? [])
        let model = try Model(
            inputs: inputs,
            outputs: [
                layer(query: inputs[0], value: inputs[1], key: inputs[2], mask: inputs.count > 3 ? inputs[3] : nil)
            ])
        for entry in model.variables { try entry.variable.assign(NDArray([1] as [Float], shape: [1, 1, 1])) }
        return (
            model,
            { query, value, key, mask in
                let given = Array(zip(inputs, [query, value, key, mask]))
                return try evaluate(model.outputs, inputs: given.map { ($0.0, $0.1) })[0].values
            }
        )
    }

    /// A query of log 3 gives the keys 1 and 0 the weights 3/4 and 1/4: of 4 and 8 that is 5. A query of 0 takes the
    /// mean.
    @Test func weightsFollowTheKeys() throws {
        let values = try plain(queries: 2, keys: 2).attend([Double.log(3), 0], [4, 8], [1, 0], [])
        #expect(isClose(values, [5, 6]))
    }

    /// As above, with four times log 3 / 2 for a product of 2 log 3, which is divided by sqrt(4).
    @Test func productsAreScaled() throws {
        let layer = MultiHeadAttention(heads: 1, keySize: 4, valueSize: 1, outputSize: 1, usesBias: false)
        let (query, value, key) = (Tensor.input([1, 1]), Tensor.input([2, 1]), Tensor.input([2, 1]))
        let model = try Model(inputs: [query, value, key], outputs: [layer(query, value, key)])
        for entry in model.variables {
            try entry.variable.assign(NDArray(repeating: 1 as Float, shape: entry.variable.shape))
        }
        let found = try evaluate(
            model.outputs, inputs: [(query, [Double.log(3) / 2]), (value, [4, 8]), (key, [1, 0])])
        #expect(isClose(found[0].values, [5]))
    }

    /// Two heads with values 1 and 10 times the mean 4, added and 0.5 more: 44.5.
    @Test func headsAreJoined() throws {
        let layer = MultiHeadAttention(heads: 2, keySize: 1, name: "look")
        let (query, value) = (Tensor.input([1, 1]), Tensor.input([2, 1]))
        let model = try Model(inputs: [query, value], outputs: [layer(query, value)])
        #expect(
            model.variables.map(\.path) == [
                "look/query/kernel", "look/query/bias", "look/key/kernel", "look/key/bias", "look/value/kernel",
                "look/value/bias", "look/output/kernel", "look/output/bias",
            ])
        for (entry, values) in zip(
            model.variables, [[1, 1], [0, 0], [1, 1], [0, 0], [1, 10], [0, 0], [1, 1], [0.5]] as [[Float]])
        {
            try entry.variable.assign(NDArray(values, shape: entry.variable.shape))
        }
        #expect(isClose(try evaluate(model.outputs, inputs: [(query, [0]), (value, [2, 6])])[0].values, [44.5]))
    }

    @Test func causal() throws {
        let values = try plain(queries: 3, keys: 3, isCausal: true).attend([0, 0, 0], [2, 6, 10], [1, 2, 3], [])
        #expect(isClose(values, [2, 4, 6]))
    }

    /// Of 2, 6 and 10 the first query sees the first two, the second the last, the third nothing.
    @Test func masks() throws {
        let each = try plain(queries: 3, keys: 3, mask: [3, 3])
        let values = try each.attend([0, 0, 0], [2, 6, 10], [1, 2, 3], [1, 1, 0, 0, 0, 1, 0, 0, 0])
        #expect(isClose(values, [4, 10, 0]))
        // One for all queries, and with the causal one.
        let keys = try plain(queries: 3, keys: 3, mask: [1, 3])
        #expect(isClose(try keys.attend([0, 0, 0], [2, 6, 10], [1, 2, 3], [1, 0, 1]), [6, 6, 6]))
        let both = try plain(queries: 3, keys: 3, mask: [1, 3], isCausal: true)
        #expect(isClose(try both.attend([0, 0, 0], [2, 6, 10], [1, 2, 3], [1, 0, 1]), [2, 2, 6]))
    }

    /// With a mask for each sample, of the padding of its tokens.
    @Test func masksOfSamples() throws {
        let (x, tokens) = (Tensor.input([2, 1]), Tensor.input([2], .int32, name: "tokens"))
        let layer = MultiHeadAttention(heads: 2, keySize: 3, name: "look")
        let mask = paddingMask(tokens).reshaped(to: [-1, 1, 2])
        let model = try Model(inputs: [x, tokens], outputs: [layer(query: x, mask: mask)])
        let masked = try evaluate(model.outputs, inputs: [(x, [1, 5, 1, 5]), (tokens, [7, 0, 7, 7])], batchSize: 2)
        // Without the second place the first one's result is that of a sequence of the first alone.
        let alone = try evaluate(model.outputs, inputs: [(x, [1, 9, 1, 5]), (tokens, [7, 0, 7, 7])], batchSize: 2)
        #expect(masked[0].values[0] == alone[0].values[0])
        #expect(masked[0].values[2...] == alone[0].values[2...])
        #expect(masked[0].values[0] != masked[0].values[2])
    }

    /// `[batch, S]` as `paddingMask` gives it is the mask `[batch, 1, S]`, alone and beside the causal one: of 2, 6 and
    /// 10 the first sample's queries see the first and the last, the second one's all.
    @Test func masksOfPaddedTokens() throws {
        for (isCausal, expected) in [(false, [6, 6, 6, 6, 6, 6]), (true, [2, 2, 6, 2, 4, 6])] as [(Bool, [Double])] {
            let layer = MultiHeadAttention(heads: 1, keySize: 1, usesBias: false, isCausal: isCausal)
            let (x, tokens) = (Tensor.input([3, 1]), Tensor.input([3], .int32, name: "tokens"))
            let output = try layer(query: 0 * x, value: x, mask: paddingMask(tokens))
            let model = try Model(inputs: [x, tokens], outputs: [output])
            for entry in model.variables { try entry.variable.assign(NDArray([1] as [Float], shape: [1, 1, 1])) }
            let found = try evaluate(
                model.outputs, inputs: [(x, [2, 6, 10, 2, 6, 10]), (tokens, [5, 0, 5, 5, 5, 5])], batchSize: 2)
            #expect(isClose(found[0].values, expected))
        }
        // As many samples as keys: the open axis tells, not the size.
        let masks = [Tensor.input([3]), .placeholder([3, 3])]
        for mask in masks {
            let output = try MultiHeadAttention(heads: 1, keySize: 1)(query: .input([3, 1]), mask: mask)
            #expect(output.shape == [-1, 3, 1])
        }
        #expect(
            fault(MultiHeadAttention(heads: 2, keySize: 3), [4, 2], [5, 2], [5, 2], [4]).contains(
                "that stretches to [batch, 4, 5], or one [batch, 5], received float32[batch, 4]."))
    }

    /// A causal layer's description has numbers for its 200 + 200 places, not for 40,000 pairs of them.
    @Test func causalModelsAreSmall() throws {
        let model = try modelOf(MultiHeadAttention(heads: 1, keySize: 1, isCausal: true), [200, 1])
        #expect(try model.descriptionData().count < 20_000)
        #expect(try Model(description: model.descriptionData(), seed: 0).outputs[0].shape == [-1, 200, 1])
    }

    /// Of a single key the weight is 1: with dropout of half, 0 or 2 of the value 3.
    @Test func dropout() throws {
        let layer = MultiHeadAttention(heads: 1, keySize: 1, dropout: 0.5, usesBias: false)
        let model = try modelOf(layer, [1, 1])
        for entry in model.variables { try entry.variable.assign(NDArray([1] as [Float], shape: [1, 1, 1])) }
        let threes = [Double](repeating: 3, count: 40)
        let values = try evaluate(model.outputs[0], at: model.inputs[0], threes, mode: .training, batchSize: 40)
        #expect(Set(values) == [0, 6])
        #expect(try evaluate(model.outputs[0], at: model.inputs[0], threes, batchSize: 40) == threes)
    }

    @Test func faults() {
        let layer = MultiHeadAttention(heads: 2, keySize: 3)
        #expect(
            fault(MultiHeadAttention(heads: 0, keySize: 3), [4, 2])
                == "MultiHeadAttention: heads is 0; it must be 1 or more.")
        #expect(
            fault(MultiHeadAttention(heads: 2, keySize: 0), [4, 2])
                == "MultiHeadAttention: keySize is 0; it must be 1 or more.")
        #expect(
            fault(MultiHeadAttention(heads: 2, keySize: 3, valueSize: 0), [4, 2])
                == "MultiHeadAttention: valueSize is 0; it must be 1 or more.")
        #expect(
            fault(MultiHeadAttention(heads: 2, keySize: 3, outputSize: -1), [4, 2])
                == "MultiHeadAttention: outputSize is -1; it must be 1 or more.")
        #expect(
            fault(MultiHeadAttention(heads: 2, keySize: 3, dropout: 1), [4, 2])
                == "MultiHeadAttention: dropout is 1.0; it must be at least 0 and below 1.")
        #expect(
            fault(layer, [4])
                == "MultiHeadAttention: input (Test.swift:7): expected a query [batch, count, features], "
                + "received [batch, 4]. Cure: bring it to this form with Reshape.")
        #expect(
            fault(layer, [4, 2], [5, 2], [6, 2])
                == "MultiHeadAttention: input (Test.swift:7): expected a value for each key, and one batch, "
                + "received query [batch, 4, 2], value [batch, 5, 2], key [batch, 6, 2]. "
                + "Cure: make the second axis of value and key the same.")
        #expect(
            fault(layer, [4, 2], [5, 2], [5, 2], [5, 4])
                == "MultiHeadAttention: input (Test.swift:7): expected a float32 mask that stretches to [batch, 4, 5], "
                + "or one [batch, 5], received float32[batch, 5, 4]. "
                + "Cure: give a number for each query and key, 0 to hide the key.")
        #expect(
            fault(layer, [4, 2], [4, 2], [4, 2], [4, 4], [4, 4])
                == "MultiHeadAttention: input (Test.swift:7): expected 1 to 4 inputs: query, value, key, mask, "
                + "received 5. Cure: give the query alone to let it attend to itself.")
    }
}
