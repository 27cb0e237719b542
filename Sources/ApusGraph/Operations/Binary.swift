import ApusCore

/// A function of two elements at the same place. Both inputs have one shape; the operators broadcast first.
package struct Binary: OperationRule {
    package enum Function: String, Hashable, Sendable, Codable, CaseIterable {
        case add, subtract, multiply, divide, maximum, minimum, power
        /// 1 where it holds, else 0; never where one side is NaN.
        case greater, greaterOrEqual, equal
    }

    package var function: Function

    package init(_ function: Function) { self.function = function }

    package var name: String { function.rawValue }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        guard inputs[0] == inputs[1] else {
            throw mismatch(
                expected: "two inputs of one shape", received: "\(inputs[0].shape) and \(inputs[1].shape)",
                cure: "reshape or broadcast one of them")
        }
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .binary(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (a, b, y, upstream) = (context.inputs[0], context.inputs[1], context.output, context.upstream)
        func ifNeeded(_ index: Int, _ make: () -> Tensor) -> Tensor? { context.isNeeded[index] ? make() : nil }
        switch function {
        case .add: return [upstream, upstream]
        case .subtract: return [upstream, ifNeeded(1) { -upstream }]
        case .multiply: return [ifNeeded(0) { upstream * b }, ifNeeded(1) { upstream * a }]
        case .divide: return [ifNeeded(0) { upstream / b }, ifNeeded(1) { -upstream * y / b }]
        case .maximum:  // ties share evenly
            return [
                ifNeeded(0) { upstream * ((a .> b) + 0.5 * (a .== b)) },
                ifNeeded(1) { upstream * ((b .> a) + 0.5 * (a .== b)) },
            ]
        case .minimum:
            return [
                ifNeeded(0) { upstream * ((b .> a) + 0.5 * (a .== b)) },
                ifNeeded(1) { upstream * ((a .> b) + 0.5 * (a .== b)) },
            ]
        case .power:
            return [
                // b a^(b - 1), which is 0 for b = 0 at a = 0 too: there the exponent is 0 instead of -1.
                ifNeeded(0) { upstream * b * pow(a, b - 1 + (b .== 0)) },
                // a^b log a, whose limit at a = 0 is 0.
                ifNeeded(1) { upstream * select(a .> 0, y * log(select(a .> 0, a, 0 * a + 1)), 0 * y) },
            ]
        case .greater, .greaterOrEqual, .equal: return [nil, nil]
        }
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        ReferenceArray(type.shape, zip(inputs[0].values, inputs[1].values).map { value($0, $1) })
    }

    /// The function itself.
    package func value<Scalar: RealScalar>(_ a: Scalar, _ b: Scalar) -> Scalar {
        switch function {
        case .add: a + b
        case .subtract: a - b
        case .multiply: a * b
        case .divide: a / b
        case .maximum: a.isNaN || a > b ? a : b
        case .minimum: a.isNaN || a < b ? a : b
        case .power: Scalar.pow(a, b)
        case .greater: a > b ? 1 : 0
        case .greaterOrEqual: a >= b ? 1 : 0
        case .equal: a == b ? 1 : 0
        }
    }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { output.shape.elementCount }
}

/// `onTrue` where `condition` is not 0, else `onFalse`.
package struct Select: OperationRule {
    package var name: String { "select" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        guard inputs[0] == inputs[1], inputs[1] == inputs[2] else {
            throw mismatch(
                expected: "three inputs of one shape",
                received: inputs.map(\.shape.description).joined(separator: ", "),
                cure: "reshape or broadcast them")
        }
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .select(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let condition = context.inputs[0]
        return [
            nil,
            context.isNeeded[1] ? select(condition, context.upstream, 0 * context.upstream) : nil,
            context.isNeeded[2] ? select(condition, 0 * context.upstream, context.upstream) : nil,
        ]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        ReferenceArray(
            type.shape,
            inputs[0].values.indices.map { (inputs[0].values[$0] != 0 ? inputs[1] : inputs[2]).values[$0] })
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { output.shape.elementCount }
}

/// The same numbers as another element type.
package struct Cast: OperationRule {
    package var elementType: ElementType

    package init(elementType: ElementType) {
        self.elementType = elementType
    }

    package var name: String { "cast" }
    package var settings: String { elementType.rawValue }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard elementType == .float32 || elementType == .int32, [.float32, .int32].contains(inputs[0].elementType)
        else {
            throw mismatch(
                expected: "float32 or int32", received: "\(inputs[0]) to \(elementType.rawValue)",
                cure: "convert the array before it enters the graph")
        }
        return TensorType(inputs[0].shape, elementType)
    }
    package func specialized(batchSize: Int) -> Operation { .cast(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        guard elementType == .int32 else { return inputs[0] }
        // As `NDArray.converted(to:)`: held at the ends of the range, NaN becomes 0.
        let (least, greatest) = (Scalar(Int32.min), Scalar(Int32.max))
        return inputs[0].map { $0.isNaN ? 0 : Swift.max(least, Swift.min(greatest, $0.rounded(.towardZero))) }
    }
}

infix operator .> : ComparisonPrecedence
infix operator .>= : ComparisonPrecedence
infix operator .< : ComparisonPrecedence
infix operator .<= : ComparisonPrecedence
infix operator .== : ComparisonPrecedence

extension Tensor {
    /// The sum of two elements. As with all operators: float32 only; sizes are matched from the last axis, and a
    /// missing axis or a size of 1 stretches. Operands that do not fit give a tensor that holds `ApusError.shape`.
    public static func + (a: Tensor, b: Tensor) -> Tensor { binary(.add, a, b) }
    /// The difference of two elements.
    public static func - (a: Tensor, b: Tensor) -> Tensor { binary(.subtract, a, b) }
    /// The product of two elements.
    public static func * (a: Tensor, b: Tensor) -> Tensor { binary(.multiply, a, b) }
    /// The quotient of two elements; by 0 it is infinite, or NaN for 0 / 0.
    public static func / (a: Tensor, b: Tensor) -> Tensor { binary(.divide, a, b) }
    /// 1 where it holds, else 0.
    public static func .> (a: Tensor, b: Tensor) -> Tensor { binary(.greater, a, b) }
    /// 1 where it holds, else 0.
    public static func .>= (a: Tensor, b: Tensor) -> Tensor { binary(.greaterOrEqual, a, b) }
    /// 1 where it holds, else 0.
    public static func .< (a: Tensor, b: Tensor) -> Tensor { binary(.greater, b, a) }
    /// 1 where it holds, else 0.
    public static func .<= (a: Tensor, b: Tensor) -> Tensor { binary(.greaterOrEqual, b, a) }
    /// 1 where it holds, else 0.
    public static func .== (a: Tensor, b: Tensor) -> Tensor { binary(.equal, a, b) }

    fileprivate static func binary(_ function: Binary.Function, _ a: Tensor, _ b: Tensor) -> Tensor {
        let (left, right) = broadcast(a, b)
        return Tensor(.binary(Binary(function)), [left, right])
    }

    /// Both in their common shape; unchanged where there is none, so that the operation itself reports it.
    fileprivate static func broadcast(_ a: Tensor, _ b: Tensor) -> (Tensor, Tensor) {
        guard a.node.failure == nil, b.node.failure == nil, let shape = a.shape.broadcast(with: b.shape) else {
            return (a, b)
        }
        return (a.broadcast(to: shape), b.broadcast(to: shape))
    }

    /// The same numbers with another element type (float32 or int32; fractions are cut towards zero).
    public func cast(to elementType: ElementType) -> Tensor {
        elementType == self.elementType ? self : Tensor(.cast(Cast(elementType: elementType)), [self])
    }
}

extension Tensor: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    public init(floatLiteral value: Float) { self = .constant(value) }
    public init(integerLiteral value: Int) { self = .constant(Float(value)) }
}

/// The same operators with a number on one side, which stretches to the other's shape.
extension Tensor {
    public static func + (a: Tensor, b: Float) -> Tensor { a + .constant(b) }
    public static func + (a: Float, b: Tensor) -> Tensor { .constant(a) + b }
    public static func - (a: Tensor, b: Float) -> Tensor { a - .constant(b) }
    public static func - (a: Float, b: Tensor) -> Tensor { .constant(a) - b }
    public static func * (a: Tensor, b: Float) -> Tensor { a * .constant(b) }
    public static func * (a: Float, b: Tensor) -> Tensor { .constant(a) * b }
    public static func / (a: Tensor, b: Float) -> Tensor { a / .constant(b) }
    public static func / (a: Float, b: Tensor) -> Tensor { .constant(a) / b }
}

/// The larger of two elements; ties share the gradient evenly.
public func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { .binary(.maximum, a, b) }
/// The smaller of two elements; ties share the gradient evenly.
public func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { .binary(.minimum, a, b) }
/// a to the power of b.
public func pow(_ a: Tensor, _ b: Tensor) -> Tensor { .binary(.power, a, b) }
/// x held within `range`. The gradient is 1 inside, 0 outside and 1/2 at either bound, as at a tie of `maximum`.
public func clamp(_ x: Tensor, _ range: ClosedRange<Float>) -> Tensor {
    minimum(maximum(x, .constant(range.lowerBound)), .constant(range.upperBound))
}

/// x held within `range`, as an activation function: the gradient is 0 at the bounds too, as that of `relu` is at 0.
package func saturate(_ x: Tensor, _ range: ClosedRange<Float>) -> Tensor {
    let (low, high) = (Tensor.constant(range.lowerBound), Tensor.constant(range.upperBound))
    return select(x .>= high, high, select(x .<= low, low, x))
}

/// `onTrue` where `condition` is not 0, else `onFalse`; no gradient flows to the condition.
public func select(_ condition: Tensor, _ onTrue: Tensor, _ onFalse: Tensor) -> Tensor {
    let (a, b) = Tensor.broadcast(onTrue, onFalse)
    let (first, onTrue) = Tensor.broadcast(condition, a)
    let (condition, onFalse) = Tensor.broadcast(first, b)
    return Tensor(.select(Select()), [condition, onTrue, onFalse])
}
