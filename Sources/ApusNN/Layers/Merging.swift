import ApusCore
import ApusGraph

/// The sum of two inputs or more, element by element; axes of size 1 stretch.
///
/// Applying it throws `ApusError.shape` for fewer than two inputs, and where the shapes do not fit.
public struct Add: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], +)
    }
}

/// The product of two inputs or more, element by element; axes of size 1 stretch.
///
/// Applying it throws `ApusError.shape` for fewer than two inputs, and where the shapes do not fit.
public struct Multiply: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], *)
    }
}

/// The first of two inputs less the second, element by element; axes of size 1 stretch.
///
/// Applying it throws `ApusError.shape` for another number of inputs, and where the shapes do not fit.
public struct Subtract: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireTwo(inputs)
        return inputs[0] - inputs[1]
    }
}

/// The mean of two inputs or more, element by element; axes of size 1 stretch.
///
/// Applying it throws `ApusError.shape` for fewer than two inputs, and where the shapes do not fit.
public struct Average: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], +) / Float(inputs.count)
    }
}

/// The largest of two inputs or more, element by element; axes of size 1 stretch. They are compared one after the
/// other: of two equal ones each gets half of the gradient, of three the last half and the others a quarter.
///
/// Applying it throws `ApusError.shape` for fewer than two inputs, and where the shapes do not fit.
public struct Maximum: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], maximum)
    }
}

/// The smallest of two inputs or more, element by element; axes of size 1 stretch. They are compared one after the
/// other: of two equal ones each gets half of the gradient, of three the last half and the others a quarter.
///
/// Applying it throws `ApusError.shape` for fewer than two inputs, and where the shapes do not fit.
public struct Minimum: Layer {
    public var name: String?

    public init(name: String? = nil) { self.name = name }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try scope.requireSeveral(inputs).dropFirst().reduce(inputs[0], minimum)
    }
}

/// Two inputs or more, one after the other along an axis; all other sizes agree.
///
/// Applying it throws `ApusError.shape` for fewer than two inputs, where there is no such axis, and where other sizes
/// differ.
public struct Concatenate: Layer {
    public var name: String?
    /// Counted from 0, the batch; negative ones count from the end.
    public var axis: Int

    /// - Parameters:
    ///   - axis: counted from 0, the batch, or from -1 at the end. Default the last.
    ///   - name: default: `concatenate`, numbered in the order of the model.
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
    func requireTwo(_ inputs: [Tensor]) throws {
        guard inputs.count == 2 else {
            throw mismatch(expected: "2 inputs", received: "\(inputs.count)", cure: "call the layer with just two")
        }
    }

    @discardableResult
    fileprivate func requireSeveral(_ inputs: [Tensor]) throws -> [Tensor] {
        guard inputs.count >= 2 else {
            throw mismatch(
                expected: "2 inputs or more", received: "\(inputs.count)", cure: "call the layer with all of them")
        }
        return inputs
    }
}
