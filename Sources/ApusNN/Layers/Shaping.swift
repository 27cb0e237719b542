import ApusCore
import ApusGraph

/// All axes behind the batch as one: `[batch, a, b, ...] -> [batch, a * b * ...]`.
///
/// Applying it throws `ApusError.shape` where the batch is not on the first axis.
public struct Flatten: UnaryLayer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        guard let batch = input.shape.sizes.first, input.shape.sizes.dropFirst().allSatisfy({ $0 >= 0 }) else {
            throw scope.mismatch(
                expected: "the batch on the first axis", received: "\(input.shape)",
                cure: "bring the batch to the front")
        }
        return input.reshaped(to: [batch, input.shape.sizes.dropFirst().reduce(1, *)])
    }
}

/// Each sample's elements in the same order, in another shape: `[batch, ...] -> [batch] + shape`.
///
/// Applying it throws `ApusError.setting` for a size below -1 or a second -1, `ApusError.shape` where the elements do
/// not fill the shape.
public struct Reshape: UnaryLayer {
    public var name: String?
    /// The new shape without the batch axis; one size may be -1, for whatever is left.
    public var shape: Shape

    /// - Parameters:
    ///   - shape: without the batch axis, sizes from 0 on; one may be -1, for whatever is left.
    ///   - name: default: `reshape`, numbered in the order of the model.
    public init(to shape: Shape, name: String? = nil) {
        self.shape = shape
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        guard let batch = input.shape.sizes.first else {
            throw scope.mismatch(
                expected: "the batch on the first axis", received: "\(input.shape)",
                cure: "bring the batch to the front")
        }
        let free = shape.sizes.indices.filter { shape.sizes[$0] == -1 }
        try scope.require(
            free.count <= 1 && shape.sizes.allSatisfy { $0 >= -1 }, "shape", shape.sizes,
            mustBe: "sizes from 0 on, of which one may be -1")
        let count = input.shape.sizes.dropFirst().reduce(1, *)
        var sizes = shape.sizes
        if let axis = free.first, let given = Shape.product(of: shape.sizes.filter { $0 >= 0 }), given > 0,
            count % given == 0
        {
            sizes[axis] = count / given
        }
        guard !sizes.contains(-1), Shape.product(of: sizes) == count else {
            throw scope.mismatch(
                expected: "samples whose elements fill \(shape.sizes)", received: "\(input.shape)",
                cure: "choose sizes whose product is \(count)")
        }
        return input.reshaped(to: Shape([batch] + sizes))
    }
}

/// The axes of each sample in another order: `[batch, a, b, c]` with the order `[3, 1, 2]` gives `[batch, c, a, b]`.
///
/// Applying it throws `ApusError.setting` where the order does not name each number from 1 on once, `ApusError.shape`
/// where the input has another number of axes.
public struct Permute: UnaryLayer {
    public var name: String?
    /// Which axis of the input stands at each place of the output, counted from 1 behind the batch.
    public var order: [Int]

    /// - Parameters:
    ///   - order: each axis behind the batch once, counted from 1.
    ///   - name: default: `permute`, numbered in the order of the model.
    public init(_ order: [Int], name: String? = nil) {
        self.order = order
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(
            !order.isEmpty && order.sorted() == Array(1...order.count), "order", order,
            mustBe: "each number from 1 on once; axes count from 1 behind the batch")
        guard input.shape.rank == order.count + 1 else {
            throw scope.mismatch(
                expected: "\(order.count) axes behind the batch", received: "\(input.shape)",
                cure: "name every axis of the input once")
        }
        return Tensor(.transpose(Transpose(permutation: [0] + order)), [input])
    }
}

/// Each sample's vector several times: `[batch, features]` gives `[batch, count, features]`.
///
/// Applying it throws `ApusError.setting` for a count below 1, `ApusError.shape` for inputs of another rank.
public struct RepeatVector: UnaryLayer {
    public var name: String?
    /// 1 or more.
    public var count: Int

    /// - Parameters:
    ///   - count: 1 or more.
    ///   - name: default: `repeatVector`, numbered in the order of the model.
    public init(_ count: Int, name: String? = nil) {
        self.count = count
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(count > 0, "count", count, mustBe: "1 or more")
        guard input.shape.rank == 2 else {
            throw scope.mismatch(
                expected: "[batch, features]", received: "\(input.shape)",
                cure: "flatten the samples first, with Flatten")
        }
        let (batch, features) = (input.shape[0], input.shape[1])
        return input.reshaped(to: [batch, 1, features]).broadcast(to: [batch, count, features])
    }
}
