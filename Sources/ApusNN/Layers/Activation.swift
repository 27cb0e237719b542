import ApusGraph

/// An activation function as a layer of its own: the output has the input's shape (but for `glu`, which halves the
/// last axis).
///
/// Applying it throws `ApusError.setting` for a setting of the function out of range, `ApusError.shape` where the
/// function does not fit the input.
public struct Activation: UnaryLayer {
    public var name: String?
    public var function: ActivationFunction

    /// - Parameters:
    ///   - function: see `ActivationFunction`.
    ///   - name: default: `activation`, numbered in the order of the model.
    public init(_ function: ActivationFunction, name: String? = nil) {
        self.function = function
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(function)
        return function(input)
    }
}
