/// A dense array of numbers on the host: a shape, an element type and the values, row-major.
///
/// A value type: a copy is cheap until one of the two is changed.
public struct NDArray: @unchecked Sendable {
    /// The sizes along each axis; all settled.
    public let shape: Shape
    public let elementType: ElementType
    private var storage: Storage

    /// Page-friendly memory that outlives every copy of the array that uses it.
    private final class Storage {
        let bytes: UnsafeMutableRawBufferPointer

        init(byteCount: Int) {
            bytes = .allocate(byteCount: max(byteCount, 1), alignment: 64)
        }

        deinit { bytes.deallocate() }
    }

    private init(uninitialized shape: Shape, _ elementType: ElementType) {
        // A precondition's message is not printed by optimized programs.
        if shape.isSymbolic { fatalError("NDArray: an array needs sizes of 0 or more, not \(shape)") }
        self.shape = shape
        self.elementType = elementType
        storage = Storage(byteCount: shape.elementCount * elementType.byteCount)
    }

    /// An array of zeros.
    /// - Precondition: no size is negative, and the array fits the memory.
    public init(zeros shape: Shape, _ elementType: ElementType = .float32) {
        self.init(uninitialized: shape, elementType)
        storage.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// An array whose every element is `value`.
    /// - Precondition: as for `init(zeros:_:)`.
    public init<Scalar: Element>(repeating value: Scalar, shape: Shape) {
        self.init(shape: shape) { $0.update(repeating: value) }
    }

    /// An array of `values`, row-major.
    /// - Throws: `ApusError.shape` where the number of values is not the shape's, or a size is negative.
    public init<Scalar: Element>(_ values: [Scalar], shape: Shape) throws {
        let count = try Self.elementCount(of: shape, for: "NDArray")
        guard values.count == count else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "NDArray", expected: "\(count) values for shape \(shape)",
                    received: "\(values.count) values", cure: "give one value for each element"))
        }
        self.init(shape: shape) { $0.baseAddress?.update(from: values, count: values.count) }
    }

    /// The number of elements of an array of `shape`, which `operation` is to make.
    private static func elementCount(of shape: Shape, for operation: String) throws -> Int {
        func problem(_ expected: String, _ cure: String) -> ApusError {
            .shape(
                ShapeProblem(operation: operation, expected: expected, received: "\(shape.sizes)", cure: cure))
        }
        guard !shape.isSymbolic else {
            throw problem("sizes of 0 or more", "give every axis its size; arrays have no open batch")
        }
        guard let count = Shape.product(of: shape.sizes) else {
            throw problem("sizes that an array can have", "check the sizes")
        }
        return count
    }

    /// A vector of `values`.
    public init<Scalar: Element>(_ values: [Scalar]) {
        self.init(shape: [values.count]) { $0.baseAddress?.update(from: values, count: values.count) }
    }

    /// An array without axes.
    public init<Scalar: Element>(scalar value: Scalar) {
        self.init(shape: .scalar) { $0[0] = value }
    }

    /// An array whose values `fill` writes; it starts as zeros.
    public init<Scalar: Element>(shape: Shape, fill: (UnsafeMutableBufferPointer<Scalar>) throws -> Void) rethrows {
        self.init(zeros: shape, Scalar.elementType)
        try fill(UnsafeMutableBufferPointer(rebasing: storage.bytes.bindMemory(to: Scalar.self)[..<shape.elementCount]))
    }

    /// An array whose bytes `fill` writes, all of them: memory is taken as it does.
    package init(
        _ shape: Shape, _ elementType: ElementType, filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows {
        self.init(uninitialized: shape, elementType)
        try fill(UnsafeMutableRawBufferPointer(rebasing: storage.bytes[..<byteCount]))
    }

    /// The number of elements; 1 without axes.
    public var elementCount: Int { shape.elementCount }
    /// The bytes of all elements together.
    public var byteCount: Int { elementCount * elementType.byteCount }

    /// The bytes of the elements, in order.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(storage) {
            try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(storage.bytes)[..<byteCount]))
        }
    }

    /// The bytes of the elements, to be changed; a copy is made first where another array shares them.
    public mutating func withUnsafeMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        if !isKnownUniquelyReferenced(&storage) {
            let copy = Storage(byteCount: byteCount)
            copy.bytes.copyMemory(from: UnsafeRawBufferPointer(storage.bytes))
            storage = copy
        }
        return try withExtendedLifetime(storage) {
            try body(UnsafeMutableRawBufferPointer(rebasing: storage.bytes[..<byteCount]))
        }
    }

    /// The elements as values of their own type.
    /// - Precondition: `Scalar` is the type of the elements; use `converted(to:)` first where it may differ.
    public func values<Scalar: Element>(as type: Scalar.Type = Scalar.self) -> [Scalar] {
        precondition(Scalar.elementType == elementType, "elements are \(elementType), not \(Scalar.elementType)")
        return withUnsafeBytes { Array($0.assumingMemoryBound(to: Scalar.self)) }
    }

    /// The elements as `Float`, whatever their type.
    public var floats: [Float] { converted(to: .float32).values() }

    /// The elements as `Double`, whatever their type.
    public var doubles: [Double] { converted(to: .float64).values() }

    /// The same values as another element type; fractions are cut towards zero, and values beyond the range of an
    /// integer type are held at its ends (NaN becomes 0).
    public func converted(to target: ElementType) -> NDArray {
        if target == elementType { return self }
        switch elementType {
        case .float32: return converted(from: Float.self, to: target) { Double($0) }
        case .float64: return converted(from: Double.self, to: target) { $0 }
        case .int32: return converted(from: Int32.self, to: target) { Double($0) }
        case .uint8: return converted(from: UInt8.self, to: target) { Double($0) }
        }
    }

    private func converted<Source: Element>(
        from source: Source.Type, to target: ElementType, _ number: (Source) -> Double
    ) -> NDArray {
        func clamped<Integer: FixedWidthInteger>(_ value: Double, _: Integer.Type) -> Integer {
            value.isNaN ? 0 : Integer(max(Double(Integer.min), min(Double(Integer.max), value)))
        }
        return withUnsafeBytes { bytes in
            let source = bytes.assumingMemoryBound(to: Source.self)
            func filled<Target: Element>(_ convert: (Double) -> Target) -> NDArray {
                NDArray(shape: shape) { (values: UnsafeMutableBufferPointer<Target>) in
                    for index in values.indices { values[index] = convert(number(source[index])) }
                }
            }
            return switch target {
            case .float32: filled { Float($0) }
            case .float64: filled { $0 }
            case .int32: filled { clamped($0, Int32.self) }
            case .uint8: filled { clamped($0, UInt8.self) }
            }
        }
    }

    /// The same elements in another shape.
    /// - Throws: `ApusError.shape` where the number of elements differs, or a size is negative.
    public func reshaped(to newShape: Shape) throws -> NDArray {
        let count = try Self.elementCount(of: newShape, for: "reshaped(to:)")
        guard count == elementCount else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "reshaped(to:)", expected: "a shape of \(elementCount) elements",
                    received: "\(newShape) of \(count)", cure: "keep the number of elements"))
        }
        return NDArray(sharing: self, shape: newShape)
    }

    private init(sharing other: NDArray, shape: Shape) {
        self.shape = shape
        elementType = other.elementType
        storage = other.storage
    }

    /// The entries `range` along the first axis.
    /// - Precondition: `range` lies within the first axis.
    public func rows(_ range: Range<Int>) -> NDArray {
        precondition(
            !shape.isScalar && range.lowerBound >= 0 && range.upperBound <= shape[0], "no rows \(range) in \(shape)")
        var part = shape
        part[0] = range.count
        let rowByteCount = byteCount / max(shape[0], 1)
        var result = NDArray(uninitialized: part, elementType)
        withUnsafeBytes { source in
            result.withUnsafeMutableBytes { target in
                target.copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: source[range.lowerBound * rowByteCount..<range.upperBound * rowByteCount]))
            }
        }
        return result
    }
}

extension NDArray: Equatable {
    /// Same shape, same element type, same bits.
    public static func == (left: NDArray, right: NDArray) -> Bool {
        left.shape == right.shape && left.elementType == right.elementType
            && left.withUnsafeBytes { a in right.withUnsafeBytes { b in a.elementsEqual(b) } }
    }
}

extension NDArray: Hashable {
    public func hash(into hasher: inout Hasher) {
        hasher.combine(shape)
        hasher.combine(elementType)
        withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension NDArray: CustomStringConvertible {
    public var description: String {
        let shown = doubles.prefix(8).map { "\($0)" }.joined(separator: ", ")
        return "NDArray(\(shape), \(elementType.rawValue), [\(shown)\(elementCount > 8 ? ", ..." : "")])"
    }
}

extension NDArray: Codable {
    private enum CodingKeys: String, CodingKey { case shape, elementType, values }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let shape = try container.decode(Shape.self, forKey: .shape)
        let values = try container.decode([Double].self, forKey: .values)
        // Sizes from a file may be beyond all counting.
        guard !shape.isSymbolic, Shape.product(of: shape.sizes) == values.count else {
            throw DecodingError.dataCorruptedError(
                forKey: .values, in: container, debugDescription: "\(values.count) values for shape \(shape)")
        }
        self = try NDArray(values, shape: shape).converted(to: container.decode(ElementType.self, forKey: .elementType))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(shape, forKey: .shape)
        try container.encode(elementType, forKey: .elementType)
        try container.encode(doubles, forKey: .values)
    }
}
