import ApusGraph

/// Tensor functions as a layer, without variables of its own:
///
///     Lambda { 2 * $0 - 1 }
///
/// A saved model holds the operations, so it runs without this code.
public struct Lambda: UnaryLayer {
    public var name: String?
    private let function: @Sendable (Tensor) throws -> Tensor

    public init(_ name: String? = nil, function: @escaping @Sendable (Tensor) throws -> Tensor) {
        self.name = name
        self.function = function
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor { try function(input) }
}
