import ApusCore
import ApusGraph

/// A vector for each number of a vocabulary: whole numbers are replaced by rows of a table that is learned.
///
///     let tokens = Tensor.input([80], .int32)
///     let words = try Embedding(20_000, 128)(tokens)
///
/// Shapes: input `[batch, ...]` of numbers from 0 to `count - 1`, int32 or float32 (whose fractions are cut), table
/// `embeddings` `[count, size]`, output `[batch, ..., size]`. The table starts with the uniform distribution from
/// -0.05 to 0.05. Where 0 stands for padding, `paddingMask` says which numbers are none.
///
/// Applying it throws `ApusError.setting` for a count or a size below 1, `ApusError.shape` for inputs of another
/// element type. A run throws `ApusError.index` for a number outside the table.
public struct Embedding: UnaryLayer {
    public var name: String?
    /// The rows of the table, 1 or more: numbers go from 0 to one less.
    public var count: Int
    /// The length of each vector, 1 or more.
    public var size: Int
    public var initializer: Initializer
    public var regularizer: (any VariableRegularizer)?

    /// - Parameters:
    ///   - count: the rows of the table, 1 or more.
    ///   - size: the length of each vector, 1 or more.
    ///   - initializer: the table's first values. Default uniform from -0.05 to 0.05.
    ///   - regularizer: what the table adds to the loss. Default nothing.
    ///   - name: default: `embedding`, numbered in the order of the model.
    public init(
        _ count: Int, _ size: Int, initializer: Initializer = .uniform(-0.05, 0.05),
        regularizer: (any VariableRegularizer)? = nil, name: String? = nil
    ) {
        self.count = count
        self.size = size
        self.initializer = initializer
        self.regularizer = regularizer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(count > 0, "count", count, mustBe: "1 or more")
        try scope.require(size > 0, "size", size, mustBe: "1 or more")
        guard input.elementType == .int32 || input.elementType == .float32 else {
            throw scope.mismatch(
                expected: "whole numbers, int32 or float32", received: "\(input.type)",
                cure: "convert them before they enter the model, or make it with Tensor.input(shape, .int32)")
        }
        let table = try scope.variable(
            "embeddings", shape: [count, size], initializer: initializer, regularizer: regularizer)
        return gather(table, at: input.cast(to: .int32))
    }
}

/// 1 where `tokens` (int32 or float32) are not 0, else 0, as float32 of their shape: which of them are no padding.
/// Recurrent layers, `TimeDistributed` and `MultiHeadAttention` take it as their mask.
public func paddingMask(_ tokens: Tensor) -> Tensor { 1 - (tokens.cast(to: .float32) .== 0) }
