import ApusCore
import ApusGraph

/// How a variable gets its first values: a function of the seed and the variable's place in its model.
///
/// "fan in" and "fan out" are the numbers of values that enter and leave one unit: for a kernel `[..., in, out]` they
/// are `in` and `out` times the product of the sizes in front (a convolution's window); for a vector both are its size.
public indirect enum Initializer: Hashable, Sendable, Codable {
    case zeros
    case ones
    case constant(Float)
    /// Uniform between the two.
    case uniform(Float, Float)
    case normal(mean: Float = 0, deviation: Float = 0.05)
    /// A normal distribution cut at two deviations from the mean: `deviation` is that before the cut.
    case truncatedNormal(mean: Float = 0, deviation: Float = 0.05)
    /// Uniform within `sqrt(6 / (fan in + fan out))`. Source: Glorot and Bengio, 2010, equation 16.
    case glorotUniform
    /// Truncated normal of variance `2 / (fan in + fan out)` after the cut. Source: Glorot and Bengio, 2010.
    case glorotNormal
    /// Uniform within `sqrt(6 / fan in)`. Source: He, Zhang, Ren and Sun, 2015.
    case heUniform
    /// Truncated normal of variance `2 / fan in` after the cut. Source: He, Zhang, Ren and Sun, 2015.
    case heNormal
    /// Uniform within `sqrt(3 / fan in)`. Source: LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998.
    case lecunUniform
    /// Truncated normal of variance `1 / fan in` after the cut. Source: LeCun, Bottou, Orr and Müller, 1998.
    case lecunNormal
    /// `gain` times a matrix `[product of the other sizes, last size]` with orthonormal columns, or rows where those
    /// are fewer. Source: Saxe, McClelland and Ganguli, 2014.
    case orthogonal(gain: Float = 1)
    /// `gain` on the diagonal of a matrix, 0 elsewhere.
    case identity(gain: Float = 1)
    /// The last axis in equal parts, each with an initialiser of its own, as the gates of a recurrent layer have.
    case parts([Initializer])

    public static var orthogonal: Initializer { .orthogonal(gain: 1) }
    public static var identity: Initializer { .identity(gain: 1) }

    /// Throws where the initializer cannot fill `shape` or its numbers make no sense.
    package func check(_ shape: Shape, variable: String, layer: String) throws {
        func setting(_ name: String, _ value: Float, _ expected: String) -> ApusError {
            .setting(owner: "\(layer): initializer of '\(variable)'", name: name, value: "\(value)", expected: expected)
        }
        func mismatch(_ expected: String, _ cure: String = "choose another initializer") -> ApusError {
            .shape(
                ShapeProblem(
                    layer: layer, operation: "initializer of '\(variable)'", expected: expected, received: "\(shape)",
                    cure: cure))
        }
        guard Shape.isPossible(shape.sizes) else {
            throw mismatch("at most 2^40 elements", "check the sizes")
        }
        switch self {
        case .uniform(let low, let high):
            guard low.isFinite, high.isFinite else { throw setting("bound", low.isFinite ? high : low, "finite") }
            guard low <= high else { throw setting("lower bound", low, "at most the upper bound, \(high)") }
        case .normal(_, let deviation), .truncatedNormal(_, let deviation):
            guard deviation >= 0, deviation.isFinite else { throw setting("deviation", deviation, "0 or more") }
        case .orthogonal where shape.rank < 2: throw mismatch("a shape of two axes or more")
        case .identity where shape.rank != 2: throw mismatch("a matrix")
        case .parts(let parts):
            guard let part = Self.part(of: shape, count: parts.count) else {
                throw mismatch("a last axis of \(parts.count) equal parts")
            }
            for initializer in parts { try initializer.check(part, variable: variable, layer: layer) }
        default: break
        }
    }
}

extension Initializer: VariableInitializer {
    public func values(shape: Shape, seed: UInt64, stream: UInt32) -> NDArray {
        let draw = InitialDraw(philox: Philox(seed: seed, stream: stream), shape: shape)
        let (fanIn, fanOut) = Self.fans(of: shape)
        switch self {
        case .zeros: return NDArray(zeros: shape)
        case .ones: return NDArray(repeating: Float(1), shape: shape)
        case .constant(let value): return NDArray(repeating: value, shape: shape)
        case .uniform(let low, let high): return draw.uniform(low, high)
        case .normal(let mean, let deviation): return draw.normal(mean, deviation)
        case .truncatedNormal(let mean, let deviation): return draw.truncatedNormal(mean, Double(deviation))
        case .glorotUniform: return draw.scaledUniform(variance: 2 / (fanIn + fanOut))
        case .glorotNormal: return draw.scaledNormal(variance: 2 / (fanIn + fanOut))
        case .heUniform: return draw.scaledUniform(variance: 2 / fanIn)
        case .heNormal: return draw.scaledNormal(variance: 2 / fanIn)
        case .lecunUniform: return draw.scaledUniform(variance: 1 / fanIn)
        case .lecunNormal: return draw.scaledNormal(variance: 1 / fanIn)
        case .orthogonal(let gain): return draw.orthogonal(gain: gain)
        case .identity(let gain): return draw.identity(gain: gain)
        case .parts(let parts): return Self.values(of: parts, shape: shape, seed: seed, stream: stream)
        }
    }

    /// The shape of one of `count` equal parts along the last axis; `nil` where there are none.
    private static func part(of shape: Shape, count: Int) -> Shape? {
        guard let size = shape.sizes.last, count > 0, size % count == 0 else { return nil }
        return Shape(shape.sizes.dropLast() + [size / count])
    }

    /// Each part draws from a stream of its own.
    private static func values(of parts: [Initializer], shape: Shape, seed: UInt64, stream: UInt32) -> NDArray {
        guard let part = part(of: shape, count: parts.count) else {
            preconditionFailure("\(shape) has no \(parts.count) parts")
        }
        let values = parts.enumerated().map { index, initializer in
            initializer.values(shape: part, seed: seed, stream: stream &+ UInt32(index) &* 0x9E37_79B9).floats
        }
        let width = part[-1]
        return NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for index in target.indices {
                let (row, column) = (index / shape[-1], index % shape[-1])
                target[index] = values[column / width][row * width + column % width]
            }
        }
    }

    /// Fan in and fan out, at least 1 each.
    static func fans(of shape: Shape) -> (Double, Double) {
        switch shape.rank {
        case 0: return (1, 1)
        case 1: return (Double(max(shape[0], 1)), Double(max(shape[0], 1)))
        default:
            let window = shape.sizes.dropLast(2).reduce(1, *)
            return (Double(max(shape[-2] * window, 1)), Double(max(shape[-1] * window, 1)))
        }
    }
}
