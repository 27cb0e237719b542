import ApusCore

/// What is known of a tensor before anything runs.
public struct TensorType: Hashable, Sendable, Codable {
    public var shape: Shape
    public var elementType: ElementType

    public init(_ shape: Shape, _ elementType: ElementType = .float32) {
        self.shape = shape
        self.elementType = elementType
    }

    /// This type for a batch of `batchSize` samples.
    public func specialized(batchSize: Int) -> TensorType {
        TensorType(shape.specialized(batchSize: batchSize), elementType)
    }

    public var byteCount: Int { shape.elementCount * elementType.byteCount }
}

extension TensorType: CustomStringConvertible {
    public var description: String { "\(elementType.rawValue)\(shape)" }
}
