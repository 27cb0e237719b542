import ApusCore
import ApusGraph

/// Zeros around images: `[batch, spatial..., channels]` gives `[batch, before + size + after..., channels]`.
///
/// Applying it throws `ApusError.setting` for a negative count, `ApusError.shape` for inputs of another rank.
public protocol ZeroPaddingLayer: SpatialLayer {
    var padding: [AxisPadding] { get }
}

/// Images without their edges: `[batch, spatial..., channels]` gives `[batch, size - before - after..., channels]`.
///
/// Applying it throws `ApusError.setting` for a negative count, `ApusError.shape` for inputs of another rank and where
/// nothing is left.
public protocol CroppingLayer: SpatialLayer {
    var cropping: [AxisPadding] { get }
}

/// Zeros before and after the steps of `[batch, steps, channels]`.
public struct ZeroPadding1D: ZeroPaddingLayer {
    public static let spatialRank = 1
    public var name: String?
    public var padding: [AxisPadding]

    /// - Parameter padding: zeros on both sides, from 0 on.
    public init(_ padding: Int = 1, name: String? = nil) { self.init(symmetric([padding]), name: name) }
    /// - Parameter padding: one entry, before and after.
    public init(_ padding: [AxisPadding], name: String? = nil) { (self.padding, self.name) = (padding, name) }
}

/// Zeros around images `[batch, height, width, channels]`.
public struct ZeroPadding2D: ZeroPaddingLayer {
    public static let spatialRank = 2
    public var name: String?
    public var padding: [AxisPadding]

    /// - Parameter padding: zeros on both sides, from 0 on, for all spatial axes or for each.
    public init(_ padding: any PerAxis = 1, name: String? = nil) {
        self.init(symmetric(padding.perAxis(Self.spatialRank)), name: name)
    }
    /// - Parameter padding: above and below, left and right.
    public init(_ padding: [AxisPadding], name: String? = nil) { (self.padding, self.name) = (padding, name) }
}

/// Zeros around volumes `[batch, depth, height, width, channels]`.
public struct ZeroPadding3D: ZeroPaddingLayer {
    public static let spatialRank = 3
    public var name: String?
    public var padding: [AxisPadding]

    /// - Parameter padding: zeros on both sides, from 0 on, for all spatial axes or for each.
    public init(_ padding: any PerAxis = 1, name: String? = nil) {
        self.init(symmetric(padding.perAxis(Self.spatialRank)), name: name)
    }
    /// - Parameter padding: before and after, for each spatial axis.
    public init(_ padding: [AxisPadding], name: String? = nil) { (self.padding, self.name) = (padding, name) }
}

/// The steps of `[batch, steps, channels]` without the first and the last ones.
public struct Cropping1D: CroppingLayer {
    public static let spatialRank = 1
    public var name: String?
    public var cropping: [AxisPadding]

    /// - Parameter cropping: steps left out on both sides, from 0 on.
    public init(_ cropping: Int = 1, name: String? = nil) { self.init(symmetric([cropping]), name: name) }
    /// - Parameter cropping: one entry, before and after.
    public init(_ cropping: [AxisPadding], name: String? = nil) { (self.cropping, self.name) = (cropping, name) }
}

/// Images `[batch, height, width, channels]` without their edges.
public struct Cropping2D: CroppingLayer {
    public static let spatialRank = 2
    public var name: String?
    public var cropping: [AxisPadding]

    /// - Parameter cropping: places left out on both sides, from 0 on, for all spatial axes or for each.
    public init(_ cropping: any PerAxis = 0, name: String? = nil) {
        self.init(symmetric(cropping.perAxis(Self.spatialRank)), name: name)
    }
    /// - Parameter cropping: above and below, left and right.
    public init(_ cropping: [AxisPadding], name: String? = nil) { (self.cropping, self.name) = (cropping, name) }
}

/// Volumes `[batch, depth, height, width, channels]` without their edges.
public struct Cropping3D: CroppingLayer {
    public static let spatialRank = 3
    public var name: String?
    public var cropping: [AxisPadding]

    /// - Parameter cropping: places left out on both sides, from 0 on, for all spatial axes or for each.
    public init(_ cropping: any PerAxis = 1, name: String? = nil) {
        self.init(symmetric(cropping.perAxis(Self.spatialRank)), name: name)
    }
    /// - Parameter cropping: before and after, for each spatial axis.
    public init(_ cropping: [AxisPadding], name: String? = nil) { (self.cropping, self.name) = (cropping, name) }
}

private func symmetric(_ counts: [Int]) -> [AxisPadding] { counts.map { AxisPadding(before: $0, after: $0) } }

extension ZeroPaddingLayer {
    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try require(padding, "padding", in: scope)
        try requireImages(input, in: scope)
        var result = input
        for (axis, edge) in padding.enumerated() where edge.before + edge.after > 0 {
            result = result.padded(before: edge.before, after: edge.after, axis: axis + 1)
        }
        return result
    }
}

extension CroppingLayer {
    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try require(cropping, "cropping", in: scope)
        try requireImages(input, in: scope)
        var result = input
        for (axis, edge) in cropping.enumerated() where edge.before + edge.after > 0 {
            let count = input.shape[axis + 1]
            guard edge.before < count, edge.after < count - edge.before else {
                throw scope.mismatch(
                    expected: "more than \(edge.before) + \(edge.after) places along spatial axis \(axis)",
                    received: "\(input.shape)", cure: "crop less, so that something is left")
            }
            result = result.slice(edge.before..<count - edge.after, axis: axis + 1)
        }
        return result
    }
}
