import ApusCore
import ApusGraph

/// A function that stands after a layer's sum: all that Keras 3 lists, with its defaults.
///
/// The functions along an axis (`softmax`, `logSoftmax`, `sparsemax`, `glu`) take the last one.
public enum ActivationFunction: Hashable, Sendable, Codable {
    /// `x` above 0, `alpha (exp(x / alpha) - 1)` below. Source: Barron, 2017.
    case celu(alpha: Float = 1)
    /// `x` above 0, `alpha (exp(x) - 1)` below. Source: Clevert, Unterthiner and Hochreiter, 2016.
    case elu(alpha: Float = 1)
    /// `exp(x)`.
    case exponential
    /// `x` times the normal distribution function of x, or `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` where
    /// approximate. Source: Hendrycks and Gimpel, 2016.
    case gelu(approximate: Bool = false)
    /// The first half of the last axis times the sigmoid of the second: `[..., 2n] -> [..., n]`.
    /// Source: Dauphin and others, 2017.
    case glu
    /// `x` where `|x| > threshold`, else 0.
    case hardShrink(threshold: Float = 0.5)
    /// `slope x + 0.5`, held within 0 and 1. Keras 3 has a slope of 1/6 (the default), its older versions one of 0.2.
    case hardSigmoid(slope: Float = 1 / 6)
    /// `x` times `hardSigmoid` of it; also called hard swish. Source: Howard and others, 2019.
    case hardSiLU
    /// `x`, held within -1 and 1.
    case hardTanh
    /// `x` above 0, `negativeSlope x` below.
    case leakyReLU(negativeSlope: Float = 0.2)
    /// `x`.
    case linear
    /// `log(sigmoid(x))`.
    case logSigmoid
    /// `x_j - log(sum_k exp(x_k))`.
    case logSoftmax
    /// `x tanh(softplus(x))`. Source: Misra, 2019.
    case mish
    /// `max(x, 0)`.
    case relu
    /// `maxValue` from there on, `x` above `threshold`, `negativeSlope (x - threshold)` up to it.
    case boundedReLU(maxValue: Float?, negativeSlope: Float, threshold: Float)
    /// `x`, held within 0 and 6.
    case relu6
    /// `1.0507 elu(x)` with `alpha = 1.6733`, which keeps mean 0 and variance 1. Source: Klambauer and others, 2017.
    case selu
    /// `1 / (1 + exp(-x))`.
    case sigmoid
    /// `x sigmoid(x)`; also called swish. Source: Ramachandran, Zoph and Le, 2017.
    case silu
    /// `exp(x_j) / sum_k exp(x_k)`.
    case softmax
    /// `x` brought nearer to 0 by `threshold`; 0 where it is closer than that.
    case softShrink(threshold: Float = 0.5)
    /// `log(1 + exp(x))`.
    case softplus
    /// `x / (1 + |x|)`.
    case softsign
    /// `0` up to -1, `(x + 1)^2 / 4` up to 1, `x` from there.
    case sparsePlus
    /// `(x + 1) / 2`, held within 0 and 1.
    case sparseSigmoid
    /// The nearest point whose elements are not negative and sum to 1; takes time and memory by the axis' size
    /// squared. Source: Martins and Astudillo, 2016.
    case sparsemax
    /// `(x + sqrt(x^2 + b)) / 2`. Source: Barron, 2021.
    case squareplus(b: Float = 4)
    case tanh
    /// `x - tanh(x)`.
    case tanhShrink
    /// `x` above the threshold, else `value`.
    case threshold(Float, value: Float)

    public static var celu: Self { .celu(alpha: 1) }
    public static var elu: Self { .elu(alpha: 1) }
    public static var gelu: Self { .gelu(approximate: false) }
    public static var hardShrink: Self { .hardShrink(threshold: 0.5) }
    public static var hardSigmoid: Self { .hardSigmoid(slope: 1 / 6) }
    public static var hardSwish: Self { .hardSiLU }
    public static var leakyReLU: Self { .leakyReLU(negativeSlope: 0.2) }
    public static var softShrink: Self { .softShrink(threshold: 0.5) }
    public static var squareplus: Self { .squareplus(b: 4) }
    public static var swish: Self { .silu }
    /// `maxValue` from there on, `x` above `threshold`, `negativeSlope (x - threshold)` up to it.
    public static func relu(maxValue: Float? = nil, negativeSlope: Float = 0, threshold: Float = 0) -> Self {
        .boundedReLU(maxValue: maxValue, negativeSlope: negativeSlope, threshold: threshold)
    }
}

extension ActivationFunction {
    /// The function of `x`, in operations that neither overflow nor cancel where the function itself does not.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch self {
        case .celu(let alpha): return exponentialBelowZero(x) { alpha * expMinusOne($0 / alpha) }
        case .elu(let alpha): return exponentialBelowZero(x) { alpha * expMinusOne($0) }
        case .exponential: return exp(x)
        case .gelu(approximate: false): return 0.5 * x * (1 + erf(x * Float(0.5.squareRoot())))
        case .gelu(approximate: true):
            return 0.5 * x * (1 + ApusGraph.tanh(Float((2 / Double.pi).squareRoot()) * (x + 0.044715 * x * square(x))))
        case .glu: return gatedLinearUnit(x)
        case .hardShrink(let threshold): return select(abs(x) .> .constant(threshold), x, 0)
        case .hardSigmoid(let slope): return saturate(slope * x + 0.5, 0...1)
        case .hardSiLU: return x * saturate(x + 3, 0...6) / 6
        case .hardTanh: return saturate(x, -1...1)
        case .leakyReLU(let slope): return select(x .> 0, x, slope * x)
        case .linear: return x
        case .logSigmoid: return -ApusGraph.softplus(-x)
        case .logSoftmax: return ApusGraph.logSoftmax(x)
        case .mish: return x * ApusGraph.tanh(ApusGraph.softplus(x))
        case .relu: return ApusGraph.relu(x)
        case .boundedReLU(let limit, let slope, let threshold): return twoSidedReLU(x, limit, slope, threshold)
        case .relu6: return saturate(x, 0...6)
        case .selu: return 1.05070098 * exponentialBelowZero(x) { 1.67326324 * expMinusOne($0) }
        case .sigmoid: return ApusGraph.sigmoid(x)
        case .silu: return x * ApusGraph.sigmoid(x)
        case .softmax: return ApusGraph.softmax(x)
        case .softShrink(let threshold): return select(abs(x) .> .constant(threshold), x - threshold * sign(x), 0)
        case .softplus: return ApusGraph.softplus(x)
        case .softsign: return x / (1 + abs(x))
        case .sparsePlus: return select(x .>= 1, x, 0.25 * square(ApusGraph.relu(x + 1)))
        case .sparseSigmoid: return saturate(0.5 * x + 0.5, 0...1)
        case .sparsemax: return sparseMaximum(x)
        case .squareplus(let b): return squarePlus(x, b)
        case .tanh: return ApusGraph.tanh(x)
        case .tanhShrink: return x - ApusGraph.tanh(x)
        case .threshold(let threshold, let value): return select(x .> .constant(threshold), x, .constant(value))
        }
    }

    /// The first setting that makes no sense: its name, its value, and what it must be.
    package var problem: (name: String, value: Float, expected: String)? {
        switch self {
        case .celu(let alpha) where !(alpha > 0): ("alpha", alpha, "above 0")
        case .hardShrink(let threshold) where !(threshold >= 0), .softShrink(let threshold) where !(threshold >= 0):
            ("threshold", threshold, "0 or more")
        case .hardSigmoid(let slope) where !(slope > 0): ("slope", slope, "above 0")
        case .squareplus(let b) where !(b > 0): ("b", b, "above 0")
        case .boundedReLU(let limit?, _, let threshold) where !(limit >= threshold):
            ("maxValue", limit, "at least the threshold, \(threshold)")
        default: nil
        }
    }
}

/// `x` above 0, `curve` of it up to 0. The curve never sees what is above, where it would overflow.
private func exponentialBelowZero(_ x: Tensor, _ curve: (Tensor) -> Tensor) -> Tensor {
    let isAbove = x .> 0
    return select(isAbove, x, curve(select(isAbove, 0, x)))
}

private func twoSidedReLU(_ x: Tensor, _ limit: Float?, _ slope: Float, _ threshold: Float) -> Tensor {
    let result = select(x .> .constant(threshold), x, slope == 0 ? 0 : slope * (x - threshold))
    return limit.map { select(x .>= .constant($0), .constant($0), result) } ?? result
}

private func gatedLinearUnit(_ x: Tensor) -> Tensor {
    if x.node.failure != nil { return x }
    guard let count = x.shape.sizes.last, count >= 0, count % 2 == 0 else {
        return Tensor(
            node: Node(
                failure: ApusError.shape(
                    ShapeProblem(
                        operation: "glu", expected: "a last axis of even size", received: "\(x.shape)",
                        cure: "give the layer before it twice as many units"))))
    }
    return x.slice(0..<count / 2, axis: -1) * ApusGraph.sigmoid(x.slice(count / 2..<count, axis: -1))
}

/// Below 0 the plain formula would cancel: `(x + r) / 2 = b / 2 / (r - x)`, with `r = sqrt(x^2 + b)`.
private func squarePlus(_ x: Tensor, _ b: Float) -> Tensor {
    let root = sqrt(square(x) + b)
    return select(x .>= 0, 0.5 * (x + root), 0.5 * b / (root + abs(x)))
}

/// `max(x - t, 0)` with the t that makes the sum 1. An element is in the support where
/// `1 + count * x > sum`, with the count and the sum of the elements that are not smaller.
private func sparseMaximum(_ x: Tensor) -> Tensor {
    guard x.node.failure == nil, let count = x.shape.sizes.last, count > 0 else { return ApusGraph.softmax(x) }
    let shifted = x - stopGradient(x.max(-1, keepsAxes: true))
    let one = shifted.reshaped(to: Shape(x.shape.sizes + [1]))
    let other = shifted.reshaped(to: Shape(x.shape.sizes.dropLast() + [1, count]))
    let isNotSmaller = other .>= one
    let support = stopGradient(1 + isNotSmaller.sum(-1) * shifted .> (isNotSmaller * other).sum(-1))
    let excess = (support * shifted).sum(-1, keepsAxes: true) - 1
    return select(support, shifted - excess / support.sum(-1, keepsAxes: true), 0)
}
