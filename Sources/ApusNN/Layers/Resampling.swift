import ApusCore
import ApusGraph

/// Makes images larger by whole factors: `[batch, spatial..., channels]` gives `[batch, size * factor..., channels]`.
///
/// Applying it throws `ApusError.setting` for a factor below 1, `ApusError.shape` for inputs of another rank.
public protocol UpSamplingLayer: SpatialLayer {
    /// How many places come from each, along each spatial axis.
    var factors: [Int] { get }
    var interpolation: Interpolation { get }
}

/// Where numbers between the places of an image come from.
public enum Interpolation: Hashable, Sendable {
    /// The nearest place: each is repeated.
    case nearest
    /// The two nearest places along each axis, by distance; places are the middles of their squares, and beyond the
    /// edge the image goes on as it is there.
    case bilinear
}

/// `[batch, steps, channels]` with each step repeated; see `UpSamplingLayer`.
public struct UpSampling1D: UpSamplingLayer {
    public static let spatialRank = 1
    public var name: String?
    public var factors: [Int]
    public var interpolation: Interpolation { .nearest }

    public init(_ factor: Int = 2, name: String? = nil) {
        factors = [factor]
        self.name = name
    }
}

/// Larger images `[batch, height, width, channels]`; see `UpSamplingLayer`.
public struct UpSampling2D: UpSamplingLayer {
    public static let spatialRank = 2
    public var name: String?
    public var factors: [Int]
    public var interpolation: Interpolation

    public init(_ factors: any PerAxis = 2, interpolation: Interpolation = .nearest, name: String? = nil) {
        self.factors = factors.perAxis(Self.spatialRank)
        self.interpolation = interpolation
        self.name = name
    }
}

/// `[batch, depth, height, width, channels]` with each place repeated; see `UpSamplingLayer`.
public struct UpSampling3D: UpSamplingLayer {
    public static let spatialRank = 3
    public var name: String?
    public var factors: [Int]
    public var interpolation: Interpolation { .nearest }

    public init(_ factors: any PerAxis = 2, name: String? = nil) {
        self.factors = factors.perAxis(Self.spatialRank)
        self.name = name
    }
}

extension UpSamplingLayer {
    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try requirePerAxis(factors, "factors", in: scope)
        try requireImages(input, in: scope)
        for (axis, factor) in factors.enumerated() {
            try scope.require(
                factor <= Int(Int32.max) / input.shape[axis + 1], "factors", factors,
                mustBe: "small enough for \(Int32.max) places along an axis")
        }
        return switch interpolation {
        case .nearest: repeated(input)
        case .bilinear: (0..<Self.spatialRank).reduce(input) { interpolated($0, axis: $1 + 1, factor: factors[$1]) }
        }
    }

    /// All axes in one step: each gets one of size 1 behind it, which is stretched.
    private func repeated(_ input: Tensor) -> Tensor {
        let (batch, channels, sizes) = (input.shape[0], input.shape[-1], input.shape.spatialSizes)
        let split = sizes.flatMap { [$0, 1] }
        let stretched = zip(sizes, factors).flatMap { [$0, $1] }
        return input.reshaped(to: Shape([batch] + split + [channels]))
            .broadcast(to: Shape([batch] + stretched + [channels]))
            .reshaped(to: Shape([batch] + zip(sizes, factors).map { $0 * $1 } + [channels]))
    }

    /// Place p of the `factor` ones that come from place i lies at `i + (p + 0.5) / factor - 0.5`.
    private func interpolated(_ input: Tensor, axis: Int, factor: Int) -> Tensor {
        if factor == 1 || input.node.failure != nil { return input }
        let count = input.shape[axis]
        let (first, last) = (input.slice(0..<1, axis: axis), input.slice(count - 1..<count, axis: axis))
        let previous = count == 1 ? input : concatenate([first, input.slice(0..<count - 1, axis: axis)], axis: axis)
        let next = count == 1 ? input : concatenate([input.slice(1..<count, axis: axis), last], axis: axis)
        let offsets = (0..<factor).map { (Float($0) + 0.5) / Float(factor) - 0.5 }
        let inner = [Int](repeating: 1, count: input.shape.rank - 1 - axis)
        func weights(_ values: [Float]) -> Tensor {
            Tensor.constant(NDArray(values)).reshaped(to: Shape([factor] + inner))
        }
        func split(_ x: Tensor) -> Tensor {
            x.reshaped(to: Shape(x.shape.sizes[...axis] + [1] + x.shape.sizes[(axis + 1)...]))
        }
        let result =
            split(input) * weights(offsets.map { 1 - abs($0) }) + split(previous) * weights(offsets.map { max(-$0, 0) })
            + split(next) * weights(offsets.map { max($0, 0) })
        var shape = input.shape
        shape[axis] = count * factor
        return result.reshaped(to: shape)
    }
}
