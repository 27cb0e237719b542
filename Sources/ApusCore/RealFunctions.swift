#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The elementary functions of a floating-point type, as static functions, so that generic code can use them.
public protocol RealScalar: BinaryFloatingPoint, Sendable {
    static func exp(_ x: Self) -> Self
    static func expMinusOne(_ x: Self) -> Self
    static func log(_ x: Self) -> Self
    static func logOnePlus(_ x: Self) -> Self
    static func tanh(_ x: Self) -> Self
    static func sin(_ x: Self) -> Self
    static func cos(_ x: Self) -> Self
    static func erf(_ x: Self) -> Self
    static func pow(_ x: Self, _ y: Self) -> Self
}

#if canImport(Glibc) || canImport(Musl) || canImport(Darwin)
    extension Double: RealScalar {
        public static func exp(_ x: Double) -> Double { _exp(x) }
        public static func expMinusOne(_ x: Double) -> Double { expm1(x) }
        public static func log(_ x: Double) -> Double { _log(x) }
        public static func logOnePlus(_ x: Double) -> Double { log1p(x) }
        public static func tanh(_ x: Double) -> Double { _tanh(x) }
        public static func sin(_ x: Double) -> Double { _sin(x) }
        public static func cos(_ x: Double) -> Double { _cos(x) }
        public static func erf(_ x: Double) -> Double { _erf(x) }
        public static func pow(_ x: Double, _ y: Double) -> Double { _pow(x, y) }
    }

    extension Float: RealScalar {
        public static func exp(_ x: Float) -> Float { expf(x) }
        public static func expMinusOne(_ x: Float) -> Float { expm1f(x) }
        public static func log(_ x: Float) -> Float { logf(x) }
        public static func logOnePlus(_ x: Float) -> Float { log1pf(x) }
        public static func tanh(_ x: Float) -> Float { tanhf(x) }
        public static func sin(_ x: Float) -> Float { sinf(x) }
        public static func cos(_ x: Float) -> Float { cosf(x) }
        public static func erf(_ x: Float) -> Float { erff(x) }
        public static func pow(_ x: Float, _ y: Float) -> Float { powf(x, y) }
    }

    // Inside the extensions a bare `exp` would name the static function itself.
    private func _exp(_ x: Double) -> Double { exp(x) }
    private func _log(_ x: Double) -> Double { log(x) }
    private func _tanh(_ x: Double) -> Double { tanh(x) }
    private func _sin(_ x: Double) -> Double { sin(x) }
    private func _cos(_ x: Double) -> Double { cos(x) }
    private func _erf(_ x: Double) -> Double { erf(x) }
    private func _pow(_ x: Double, _ y: Double) -> Double { pow(x, y) }
#endif
