import ApusCore
import ApusGraph

/// The products of two inputs' vectors along one axis of each, sample by sample: in two axes each,
/// `y[n, i, j] = sum over k of a[n, i, k] b[n, j, k]` for the last axes.
///
/// Shapes: `[batch, ...]` twice, whose axes have one size; the output has the batch, the other axes of the first input,
/// and those of the second, or `[batch, 1]` where there are none.
///
/// Applying it throws `ApusError.shape` where the axes are not there, or differ in size.
public struct Dot: Layer {
    public var name: String?
    /// The axis of each input, counted from 0, the batch, which is none of them; negative ones count from the end.
    public var axes: (first: Int, second: Int)
    /// Whether vectors are divided by their lengths first, so that the products are the cosines between them.
    public var normalizes: Bool

    /// Along `axis` of both inputs.
    public init(axis: Int = -1, normalizes: Bool = false, name: String? = nil) {
        self.init(axes: (axis, axis), normalizes: normalizes, name: name)
    }

    public init(axes: (first: Int, second: Int), normalizes: Bool = false, name: String? = nil) {
        self.axes = axes
        self.normalizes = normalizes
        self.name = name
    }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireTwo(inputs)
        let (a, b) = (inputs[0], inputs[1])
        guard let first = a.shape.normalizedAxis(axes.first), let second = b.shape.normalizedAxis(axes.second),
            first > 0, second > 0
        else {
            throw scope.mismatch(
                expected: "axes \(axes.first) and \(axes.second) behind the batch",
                received: "\(a.shape) and \(b.shape)", cure: "axes count from 1, or from -1 at the end")
        }
        guard a.shape[first] == b.shape[second], a.shape[0] == b.shape[0] else {
            throw scope.mismatch(
                expected: "the same size along axis \(first) of the first and axis \(second) of the second input",
                received: "\(a.shape) and \(b.shape)", cure: "name the axes that belong together")
        }
        let (left, right) = (rows(a, first), rows(b, second))
        let product = matMul(left.vectors, right.vectors.transposed(0, 2, 1))
        let rest = left.rest + right.rest
        return product.reshaped(to: Shape([a.shape[0]] + (rest.isEmpty ? [1] : rest)))
    }

    /// The vectors along `axis` as the rows of a matrix for each sample, and the sizes of the other axes.
    private func rows(_ x: Tensor, _ axis: Int) -> (vectors: Tensor, rest: [Int]) {
        let others = (1..<x.shape.rank).filter { $0 != axis }
        let rest = others.map { x.shape[$0] }
        let moved = Tensor(.transpose(Transpose(permutation: [0] + others + [axis])), [x])
        let vectors = moved.reshaped(to: [x.shape[0], rest.reduce(1, *), x.shape[axis]])
        guard normalizes else { return (vectors, rest) }
        let length = maximum(square(vectors).sum(-1, keepsAxes: true), 1e-12)
        return (vectors * reciprocalSquareRoot(length), rest)
    }
}
