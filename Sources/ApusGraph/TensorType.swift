import ApusCore

/// What is known of a tensor before anything runs.
public struct TensorType: Hashable, Sendable, Codable {
    /// The size along each axis.
    public var shape: Shape
    /// What its elements are.
    public var elementType: ElementType

    /// By default of float32 elements.
    public init(_ shape: Shape, _ elementType: ElementType = .float32) {
        self.shape = shape
        self.elementType = elementType
    }

    /// This type for a batch of `batchSize` samples.
    public func specialized(batchSize: Int) -> TensorType {
        TensorType(shape.specialized(batchSize: batchSize), elementType)
    }

    /// The bytes of all elements together; the shape must be settled.
    public var byteCount: Int { shape.elementCount * elementType.byteCount }
}

extension TensorType: CustomStringConvertible {
    public var description: String { "\(elementType.rawValue)\(shape)" }
}
