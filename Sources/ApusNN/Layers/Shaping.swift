import ApusCore
import ApusGraph

/// All axes behind the batch as one: `[batch, a, b, ...] -> [batch, a * b * ...]`.
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
public struct Reshape: UnaryLayer {
    public var name: String?
    /// The new shape without the batch axis; one size may be -1, for whatever is left.
    public var shape: Shape

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
