import ApusCore
import ApusGraph

/// In training, sets all places of a channel to 0 with probability `rate`, for each sample and channel by itself, and
/// divides the others by `1 - rate`; at inference, changes nothing. Neighbouring places of an image say much the same,
/// so that `Dropout` of single ones hides little.
///
/// Shapes: input and output `[batch, spatial..., channels]`.
///
/// Applying it throws `ApusError.setting` for a rate out of range, `ApusError.shape` for inputs of another rank.
/// Source: Tompson and others, Efficient object localization using convolutional networks, 2015.
public protocol SpatialDropoutLayer: SpatialLayer {
    /// In `0..<1`.
    var rate: Float { get }
}

/// Dropout of whole channels of `[batch, steps, channels]`; see `SpatialDropoutLayer`.
public struct SpatialDropout1D: SpatialDropoutLayer {
    public static let spatialRank = 1
    public var name: String?
    public var rate: Float
    public init(_ rate: Float, name: String? = nil) { (self.rate, self.name) = (rate, name) }
}

/// Dropout of whole channels of `[batch, height, width, channels]`; see `SpatialDropoutLayer`.
public struct SpatialDropout2D: SpatialDropoutLayer {
    public static let spatialRank = 2
    public var name: String?
    public var rate: Float
    public init(_ rate: Float, name: String? = nil) { (self.rate, self.name) = (rate, name) }
}

/// Dropout of whole channels of `[batch, depth, height, width, channels]`; see `SpatialDropoutLayer`.
public struct SpatialDropout3D: SpatialDropoutLayer {
    public static let spatialRank = 3
    public var name: String?
    public var rate: Float
    public init(_ rate: Float, name: String? = nil) { (self.rate, self.name) = (rate, name) }
}

extension SpatialDropoutLayer {
    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try requireImages(input, in: scope)
        let ones = [Int](repeating: 1, count: Self.spatialRank)
        return try dropped(
            input, rate: rate, decisions: Shape([input.shape[0]] + ones + [input.shape[-1]]), in: scope)
    }
}
