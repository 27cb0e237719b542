import ApusCore
import ApusGraph

/// The largest number, or the mean, of each channel over all places: `[batch, spatial..., channels]` gives
/// `[batch, channels]`, or `[batch, 1..., channels]` where the axes are kept. Of equal largest numbers each gets its
/// share of the gradient.
///
/// Applying it throws `ApusError.shape` for inputs of another rank.
public protocol GlobalPoolingLayer: SpatialLayer {
    static var function: PoolingFunction { get }
    /// Whether the spatial axes stay, with size 1.
    var keepsAxes: Bool { get }
}

/// The mean of each channel of `[batch, steps, channels]`; see `GlobalPoolingLayer`.
public struct GlobalAveragePool1D: GlobalPoolingLayer {
    public static let spatialRank = 1
    public static let function = PoolingFunction.average
    public var name: String?
    public var keepsAxes: Bool
    public init(keepsAxes: Bool = false, name: String? = nil) { (self.keepsAxes, self.name) = (keepsAxes, name) }
}

/// The mean of each channel of `[batch, height, width, channels]`; see `GlobalPoolingLayer`.
public struct GlobalAveragePool2D: GlobalPoolingLayer {
    public static let spatialRank = 2
    public static let function = PoolingFunction.average
    public var name: String?
    public var keepsAxes: Bool
    public init(keepsAxes: Bool = false, name: String? = nil) { (self.keepsAxes, self.name) = (keepsAxes, name) }
}

/// The mean of each channel of `[batch, depth, height, width, channels]`; see `GlobalPoolingLayer`.
public struct GlobalAveragePool3D: GlobalPoolingLayer {
    public static let spatialRank = 3
    public static let function = PoolingFunction.average
    public var name: String?
    public var keepsAxes: Bool
    public init(keepsAxes: Bool = false, name: String? = nil) { (self.keepsAxes, self.name) = (keepsAxes, name) }
}

/// The largest of each channel of `[batch, steps, channels]`; see `GlobalPoolingLayer`.
public struct GlobalMaxPool1D: GlobalPoolingLayer {
    public static let spatialRank = 1
    public static let function = PoolingFunction.maximum
    public var name: String?
    public var keepsAxes: Bool
    public init(keepsAxes: Bool = false, name: String? = nil) { (self.keepsAxes, self.name) = (keepsAxes, name) }
}

/// The largest of each channel of `[batch, height, width, channels]`; see `GlobalPoolingLayer`.
public struct GlobalMaxPool2D: GlobalPoolingLayer {
    public static let spatialRank = 2
    public static let function = PoolingFunction.maximum
    public var name: String?
    public var keepsAxes: Bool
    public init(keepsAxes: Bool = false, name: String? = nil) { (self.keepsAxes, self.name) = (keepsAxes, name) }
}

/// The largest of each channel of `[batch, depth, height, width, channels]`; see `GlobalPoolingLayer`.
public struct GlobalMaxPool3D: GlobalPoolingLayer {
    public static let spatialRank = 3
    public static let function = PoolingFunction.maximum
    public var name: String?
    public var keepsAxes: Bool
    public init(keepsAxes: Bool = false, name: String? = nil) { (self.keepsAxes, self.name) = (keepsAxes, name) }
}

extension GlobalPoolingLayer {
    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try requireImages(input, in: scope)
        let (batch, channels) = (input.shape[0], input.shape[-1])
        let ones = [Int](repeating: 1, count: Self.spatialRank)
        // All places as one axis.
        let places = input.reshaped(to: [batch, input.shape.spatialSizes.reduce(1, *), channels])
        let result = Self.function == .average ? places.mean(1) : places.max(1)
        return keepsAxes ? result.reshaped(to: Shape([batch] + ones + [channels])) : result
    }
}
