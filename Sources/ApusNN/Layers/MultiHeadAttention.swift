import ApusCore
import ApusGraph

/// Several heads that each look up values by the likeness of queries and keys, and a product that joins them: for
/// each head, with `Q`, `K` and `V` its projections of query, key and value,
///
///     head = softmax(Q K' / sqrt(keySize)) V
///
/// Shapes: query `[batch, T, ...]`, value and key `[batch, S, ...]` with any number of features each, output
/// `[batch, T, outputSize]`. Variables: `query/kernel` and `key/kernel` `[features, heads, keySize]`, `value/kernel`
/// `[features, heads, valueSize]`, `output/kernel` `[heads, valueSize, outputSize]`, each with a `bias` of the last
/// two sizes (`output/bias` `[outputSize]`). Kernels start with Glorot's uniform distribution, biases at 0.
///
///     let seen = try MultiHeadAttention(heads: 8, keySize: 64)(words, words)
///     let shown = try MultiHeadAttention(heads: 8, keySize: 64)(query: words, mask: mask)
///
/// Called with tensors without labels, these are query, value, key, mask; with one of them it attends to itself. A
/// mask is float32, and 0 hides a key from a query, all else shows it:
///
/// - `[batch, S]`, as `paddingMask` gives it, holds for all queries of a sample. It is told from the next one by its
///   open batch axis;
/// - `[T, S]` holds for all samples;
/// - `[batch, T, S]` says it for each; T or S may be 1, here and above.
///
/// Where nothing is shown, the head's result is 0.
///
/// Applying it throws `ApusError.setting` for settings out of range, `ApusError.shape` for tensors that do not fit.
/// Source: Vaswani and others, Attention is all you need, 2017.
public struct MultiHeadAttention: Layer {
    public var name: String?
    /// How many there are, 1 or more.
    public var heads: Int
    /// The length of a head's queries and keys, 1 or more.
    public var keySize: Int
    /// The length of a head's values, 1 or more; `nil` for `keySize`.
    public var valueSize: Int?
    /// The features of the output, 1 or more; `nil` for those of the query.
    public var outputSize: Int?
    /// The probability by which a weight is set to 0 in training, in `0..<1`.
    public var dropout: Float
    /// Whether queries, keys, values and the output get a bias.
    public var usesBias: Bool
    /// Whether query number t sees keys 0...t only.
    public var isCausal: Bool
    public var kernelInitializer: Initializer
    public var biasInitializer: Initializer
    public var kernelRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?

    /// - Parameters:
    ///   - heads: 1 or more.
    ///   - keySize: the length of a head's queries and keys, 1 or more.
    ///   - valueSize: the length of a head's values, 1 or more; default `keySize`.
    ///   - outputSize: the features of the output, 1 or more; default those of the query.
    ///   - dropout: the probability by which a weight is set to 0 in training, in `0..<1`; default 0.
    ///   - usesBias: whether each of the four products gets a bias. Default `true`.
    ///   - isCausal: whether query number t sees keys 0...t only. Default `false`.
    ///   - kernelInitializer: the kernels' first values. Default `.glorotUniform`.
    ///   - biasInitializer: the biases' first values. Default `.zeros`.
    ///   - kernelRegularizer: what each kernel adds to the loss. Default nothing.
    ///   - biasRegularizer: what each bias adds to the loss. Default nothing.
    ///   - name: default: `multiHeadAttention`, numbered in the order of the model.
    public init(
        heads: Int, keySize: Int, valueSize: Int? = nil, outputSize: Int? = nil, dropout: Float = 0,
        usesBias: Bool = true, isCausal: Bool = false, kernelInitializer: Initializer = .glorotUniform,
        biasInitializer: Initializer = .zeros, kernelRegularizer: (any VariableRegularizer)? = nil,
        biasRegularizer: (any VariableRegularizer)? = nil, name: String? = nil
    ) {
        self.heads = heads
        self.keySize = keySize
        self.valueSize = valueSize
        self.outputSize = outputSize
        self.dropout = dropout
        self.usesBias = usesBias
        self.isCausal = isCausal
        self.kernelInitializer = kernelInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.biasRegularizer = biasRegularizer
        self.name = name
    }

    /// Applies the layer.
    /// - Parameters:
    ///   - value: by default the query.
    ///   - key: by default the value.
    ///   - mask: 0 where a key is hidden from a query; see the layer.
    /// - Throws: `ApusError.shape` or `.setting`, with the layer and the source line that applied it.
    public func callAsFunction(
        query: Tensor, value: Tensor? = nil, key: Tensor? = nil, mask: Tensor? = nil, fileID: String = #fileID,
        line: Int = #line
    ) throws -> Tensor {
        let value = value ?? query
        let inputs = [query, value, key ?? value] + (mask.map { [$0] } ?? [])
        return try apply(to: inputs, location: SourceLocation(fileID, line))
    }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try checkSettings(scope)
        let (query, value, key) = try sources(inputs, scope)
        let (valueSize, outputSize) = (valueSize ?? keySize, outputSize ?? query.shape[2])
        let queries = try projected(query, "query", size: keySize, in: &scope)
        let keys = try projected(key, "key", size: keySize, in: &scope)
        let values = try projected(value, "value", size: valueSize, in: &scope)

        let scale = 1 / Float(keySize).squareRoot()
        let scores = matMul(scale * queries, keys.transposed(0, 2, 1))
        let mask = inputs.count == 4 ? inputs[3] : nil
        var weights = try softmax(scores, mask: mask, sizes: (query.shape[0], query.shape[1], value.shape[1]), scope)
        weights = try dropped(weights, rate: dropout, decisions: weights.shape, in: scope)

        // [batch heads, T, valueSize] with a sample's heads side by side at each of its places.
        let (batch, count) = (query.shape[0], query.shape[1])
        let joined = matMul(weights, values).reshaped(to: [batch, heads, count, valueSize])
            .transposed(0, 2, 1, 3).reshaped(to: [batch * count, heads * valueSize])
        let kernel = try scope.variable(
            "output/kernel", shape: [heads, valueSize, outputSize], initializer: kernelInitializer,
            regularizer: kernelRegularizer)
        var result = matMul(joined, kernel.reshaped(to: [heads * valueSize, outputSize]))
        if usesBias {
            result =
                try result
                + scope.variable(
                    "output/bias", shape: [outputSize], initializer: biasInitializer, regularizer: biasRegularizer)
        }
        return result.reshaped(to: [batch, count, outputSize])
    }

    /// `x` `[batch, count, features]` as each head sees it: `[batch heads, count, size]`.
    private func projected(
        _ x: Tensor, _ role: String, size: Int, in scope: inout LayerScope
    ) throws -> Tensor {
        let (batch, count, features) = (x.shape[0], x.shape[1], x.shape[2])
        let kernel = try scope.variable(
            "\(role)/kernel", shape: [features, heads, size], initializer: kernelInitializer,
            regularizer: kernelRegularizer)
        var result = matMul(
            x.reshaped(to: [batch * count, features]), kernel.reshaped(to: [features, heads * size]))
        if usesBias {
            let bias = try scope.variable(
                "\(role)/bias", shape: [heads, size], initializer: biasInitializer, regularizer: biasRegularizer)
            result = result + bias.reshaped(to: [heads * size])
        }
        return result.reshaped(to: [batch, count, heads, size]).transposed(0, 2, 1, 3)
            .reshaped(to: [batch * heads, count, size])
    }

    /// The softmax of scores `[batch heads, T, S]` over those keys that are shown; 0 where none is.
    private func softmax(
        _ scores: Tensor, mask: Tensor?, sizes: (batch: Int, queries: Int, keys: Int), _ scope: LayerScope
    ) throws -> Tensor {
        let (batch, queries, keys) = sizes
        var shown: Tensor?
        if isCausal {
            // Numbers of places, so that a saved model holds T + S of them and no table.
            func places(_ count: Int, _ shape: Shape) throws -> Tensor {
                .constant(try NDArray((0..<count).map { Float($0) }, shape: shape))
            }
            shown = try places(queries, [1, 1, queries, 1]) .>= places(keys, [1, 1, 1, keys])
        }
        if let mask {
            let own = try perHead(mask, sizes, scope)
            shown = shown.map { $0 * own } ?? own
        }
        guard let shown else { return ApusGraph.softmax(scores) }
        let every = shown.broadcast(to: [batch, heads, queries, keys]).reshaped(to: scores.shape)
        return select(every, ApusGraph.softmax(select(every, scores, -1e9)), 0)
    }

    /// A mask as it stretches to `[batch, heads, T, S]`: one for all heads.
    private func perHead(
        _ mask: Tensor, _ sizes: (batch: Int, queries: Int, keys: Int), _ scope: LayerScope
    ) throws -> Tensor {
        let all: Shape = [sizes.batch, sizes.queries, sizes.keys]
        var own = mask.shape.sizes
        if own.count == 2, own[0] < 0 { own.insert(1, at: 1) }
        guard mask.elementType == .float32, Shape(own).broadcast(with: all) == all else {
            throw scope.mismatch(
                expected: "a float32 mask that stretches to \(all), or one \(Shape([sizes.batch, sizes.keys]))",
                received: "\(mask.type)", cure: "give a number for each query and key, 0 to hide the key")
        }
        own = [Int](repeating: 1, count: 3 - own.count) + own
        return mask.reshaped(to: [own[0], 1, own[1], own[2]])
    }

    private func checkSettings(_ scope: LayerScope) throws {
        try scope.require(heads > 0, "heads", heads, mustBe: "1 or more")
        try scope.require(keySize > 0, "keySize", keySize, mustBe: "1 or more")
        if let valueSize { try scope.require(valueSize > 0, "valueSize", valueSize, mustBe: "1 or more") }
        if let outputSize { try scope.require(outputSize > 0, "outputSize", outputSize, mustBe: "1 or more") }
        try scope.require(dropout >= 0 && dropout < 1, "dropout", dropout, mustBe: "at least 0 and below 1")
    }

    private func sources(
        _ inputs: [Tensor], _ scope: LayerScope
    ) throws -> (query: Tensor, value: Tensor, key: Tensor) {
        guard (1...4).contains(inputs.count) else {
            throw scope.mismatch(
                expected: "1 to 4 inputs: query, value, key, mask", received: "\(inputs.count)",
                cure: "give the query alone to let it attend to itself")
        }
        let query = inputs[0]
        let value = inputs.count > 1 ? inputs[1] : query
        let key = inputs.count > 2 ? inputs[2] : value
        for (tensor, role) in [(query, "query"), (value, "value"), (key, "key")] {
            guard tensor.shape.rank == 3, tensor.shape[1] > 0, tensor.shape[2] > 0 else {
                throw scope.mismatch(
                    expected: "a \(role) [batch, count, features]", received: "\(tensor.shape)",
                    cure: "bring it to this form with Reshape")
            }
        }
        guard query.shape[0] == value.shape[0], key.shape[0] == value.shape[0], key.shape[1] == value.shape[1] else {
            throw scope.mismatch(
                expected: "a value for each key, and one batch",
                received: "query \(query.shape), value \(value.shape), key \(key.shape)",
                cure: "make the second axis of value and key the same")
        }
        return (query, value, key)
    }
}
