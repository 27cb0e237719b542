import ApusCore
import ApusGraph

/// The sum of two inputs or more, element by element; axes of size 1 stretch.
public struct Add: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], +)
    }
}

/// The product of two inputs or more, element by element; axes of size 1 stretch.
public struct Multiply: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], *)
    }
}

/// Two inputs or more, one after the other along an axis; all other sizes agree.
public struct Concatenate: Layer {
    public var name: String?
    /// Counted from 0, the batch; negative ones count from the end.
    public var axis: Int

    public init(axis: Int = -1, name: String? = nil) {
        self.axis = axis
        self.name = name
    }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs)
        guard let axis = inputs[0].shape.normalizedAxis(axis) else {
            throw scope.mismatch(
                expected: "an axis \(axis)", received: "\(inputs[0].shape)",
                cure: "axes count from 0, or from -1 at the end")
        }
        return concatenate(inputs, axis: axis)
    }
}

extension LayerScope {
    @discardableResult
    fileprivate func requireSeveral(_ inputs: [Tensor]) throws -> [Tensor] {
        guard inputs.count >= 2 else {
            throw mismatch(
                expected: "2 inputs or more", received: "\(inputs.count)", cure: "call the layer with all of them")
        }
        return inputs
    }
}
