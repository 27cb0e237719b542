import ApusCore

/// A function of each element by itself.
package struct Unary: OperationRule {
    package enum Function: String, Hashable, Sendable, Codable, CaseIterable {
        case negate, absolute, sign, floor, square, reciprocal, squareRoot, reciprocalSquareRoot
        case exp, expMinusOne, log, logOnePlus, sin, cos, erf, tanh, sigmoid, relu, softplus
        case roundToBfloat16
    }

    package var function: Function

    package init(_ function: Function) { self.function = function }

    package var name: String { function.rawValue }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .unary(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (x, y, upstream) = (context.inputs[0], context.output, context.upstream)
        let gradient: Tensor? =
            switch function {
            case .negate: -upstream
            case .absolute: upstream * sign(x)
            case .sign, .floor: nil
            case .square: upstream * (2 * x)
            case .reciprocal: -upstream * (y * y)
            case .squareRoot: upstream * (0.5 / y)
            case .reciprocalSquareRoot: upstream * (-0.5 * y * y * y)
            case .exp: upstream * y
            case .expMinusOne: upstream * (y + 1)
            case .log: upstream / x
            case .logOnePlus: upstream / (x + 1)
            case .sin: upstream * cos(x)
            case .cos: -upstream * sin(x)
            case .erf: upstream * (Float(2 / Double.pi.squareRoot()) * exp(-square(x)))
            case .tanh: upstream * (1 - y * y)
            case .sigmoid: upstream * (y * (1 - y))
            case .relu: select(y .> 0, upstream, 0 * upstream)
            case .softplus: upstream * sigmoid(x)
            // The slope of the steps is 0, which nothing could be trained by; that of the line which they follow is 1
            // (straight through; Bengio, Léonard and Courville, 2013).
            case .roundToBfloat16: upstream
            }
        return [gradient]
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> { inputs[0].map { value($0) } }

    /// The function itself.
    package func value<Scalar: RealScalar>(_ x: Scalar) -> Scalar {
        switch function {
        case .negate: -x
        case .absolute: x.magnitude
        case .sign: x > 0 ? 1 : x < 0 ? -1 : x
        case .floor: x.rounded(.down)
        case .square: x * x
        case .reciprocal: 1 / x
        case .squareRoot: x.squareRoot()
        case .reciprocalSquareRoot: 1 / x.squareRoot()
        case .exp: Scalar.exp(x)
        case .expMinusOne: Scalar.expMinusOne(x)
        case .log: Scalar.log(x)
        case .logOnePlus: Scalar.logOnePlus(x)
        case .sin: Scalar.sin(x)
        case .cos: Scalar.cos(x)
        case .erf: Scalar.erf(x)
        case .tanh: Scalar.tanh(x)
        case .sigmoid: 1 / (1 + Scalar.exp(-x))
        case .relu: x < 0 ? 0 : x
        // max(x, 0) + log(1 + exp(-|x|)) does not overflow.
        case .softplus: (x > 0 ? x : 0) + Scalar.logOnePlus(Scalar.exp(-x.magnitude))
        case .roundToBfloat16: x.roundedToBfloat16
        }
    }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { output.shape.elementCount }
}

/// e to the power of each element.
public func exp(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.exp)), [x]) }
/// exp(x) - 1, exact near 0.
public func expMinusOne(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.expMinusOne)), [x]) }
/// The natural logarithm.
public func log(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.log)), [x]) }
/// log(1 + x), exact near 0.
public func logOnePlus(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.logOnePlus)), [x]) }
/// The square root.
public func sqrt(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.squareRoot)), [x]) }
/// 1 / sqrt(x).
public func reciprocalSquareRoot(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.reciprocalSquareRoot)), [x]) }
/// 1 / x.
public func reciprocal(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.reciprocal)), [x]) }
/// x * x.
public func square(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.square)), [x]) }
/// |x|; its gradient at 0 is 0.
public func abs(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.absolute)), [x]) }
/// -1, 0 or 1; its gradient is 0.
public func sign(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.sign)), [x]) }
/// The largest whole number that is not above x; its gradient is 0.
public func floor(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.floor)), [x]) }
/// The sine of x in radians.
public func sin(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.sin)), [x]) }
/// The cosine of x in radians.
public func cos(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.cos)), [x]) }
/// The error function.
public func erf(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.erf)), [x]) }
/// The hyperbolic tangent.
public func tanh(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.tanh)), [x]) }
/// 1 / (1 + exp(-x)).
public func sigmoid(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.sigmoid)), [x]) }
/// max(x, 0); its gradient at 0 is 0.
public func relu(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.relu)), [x]) }
/// log(1 + exp(x)).
public func softplus(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.softplus)), [x]) }
/// The nearest bfloat16 number, still as float32: 8 significant bits, of two equally near the one whose last bit is 0.
/// Its gradient is taken for 1.
public func roundedToBfloat16(_ x: Tensor) -> Tensor { Tensor(.unary(Unary(.roundToBfloat16)), [x]) }

extension Tensor {
    /// The element with its sign turned.
    public static prefix func - (x: Tensor) -> Tensor { Tensor(.unary(Unary(.negate)), [x]) }
}
