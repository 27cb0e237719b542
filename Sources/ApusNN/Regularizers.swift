import ApusGraph

/// A penalty on large values, added to the loss: `l1 * sum |w| + l2 * sum w^2`, as in Keras (no factor 1/2: its
/// gradient is `l1 * sign(w) + 2 * l2 * w`).
public struct L1L2: VariableRegularizer, Hashable, Codable {
    /// The factor of the absolute values.
    public var l1: Float
    /// The factor of the squares.
    public var l2: Float

    /// - Parameters:
    ///   - l1: 0 or more. Default 0.01.
    ///   - l2: 0 or more. Default 0.01.
    public init(l1: Float = 0.01, l2: Float = 0.01) {
        self.l1 = l1
        self.l2 = l2
    }

    public func penalty(of variable: Tensor) -> Tensor {
        if l1 == 0 { return l2 * square(variable).sum() }
        if l2 == 0 { return l1 * abs(variable).sum() }
        return l1 * abs(variable).sum() + l2 * square(variable).sum()
    }
}

/// `strength * sum |w|`, which drives small values to 0: its gradient is `strength * sign(w)`.
public struct L1: VariableRegularizer, Hashable, Codable {
    public var strength: Float

    /// - Parameter strength: 0 or more. Default 0.01.
    public init(_ strength: Float = 0.01) { self.strength = strength }

    public func penalty(of variable: Tensor) -> Tensor { L1L2(l1: strength, l2: 0).penalty(of: variable) }
}

/// `strength * sum w^2` (no factor 1/2): its gradient is `2 * strength * w`.
public struct L2: VariableRegularizer, Hashable, Codable {
    public var strength: Float

    /// - Parameter strength: 0 or more. Default 0.01.
    public init(_ strength: Float = 0.01) { self.strength = strength }

    public func penalty(of variable: Tensor) -> Tensor { L1L2(l1: 0, l2: strength).penalty(of: variable) }
}
