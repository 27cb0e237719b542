import ApusGraph

/// An activation function as a layer of its own: the output has the input's shape (but for `glu`, which halves the
/// last axis).
public struct Activation: UnaryLayer {
    public var name: String?
    public var function: ActivationFunction

    public init(_ function: ActivationFunction, name: String? = nil) {
        self.function = function
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(function)
        return function(input)
    }
}
