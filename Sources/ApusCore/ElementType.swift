/// The type of an array's elements.
public enum ElementType: String, Hashable, Sendable, Codable, CaseIterable {
    case float32, float64, int32, uint8

    /// Bytes per element.
    public var byteCount: Int {
        switch self {
        case .float32, .int32: 4
        case .float64: 8
        case .uint8: 1
        }
    }
}

/// A Swift type that an array can hold.
public protocol Element: Sendable {
    static var elementType: ElementType { get }
}

extension Float: Element { public static var elementType: ElementType { .float32 } }
extension Double: Element { public static var elementType: ElementType { .float64 } }
extension Int32: Element { public static var elementType: ElementType { .int32 } }
extension UInt8: Element { public static var elementType: ElementType { .uint8 } }
