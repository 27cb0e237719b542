import ApusCore
import ApusGraph

/// A layer over images, or whatever else has places along one to three axes: `[batch, spatial..., channels]`.
public protocol SpatialLayer: UnaryLayer {
    /// The number of axes between the batch and the channels.
    static var spatialRank: Int { get }
}

/// A setting for the spatial axes of a layer: one number for all of them, or a list with one for each.
///
///     Conv2D(32, kernel: 3)
///     Conv2D(32, kernel: [3, 5])
public protocol PerAxis: Sendable {
    /// One number for each of `count` axes; a list stays as it is, and the layer finds where its length is wrong.
    func perAxis(_ count: Int) -> [Int]
}

extension Int: PerAxis {
    public func perAxis(_ count: Int) -> [Int] { [Int](repeating: self, count: count) }
}

extension Array: PerAxis where Element == Int {
    public func perAxis(_ count: Int) -> [Int] { self }
}

extension SpatialLayer {
    /// Throws unless `input` is `[batch, spatial..., channels]` with as many spatial axes as the layer has.
    func requireImages(_ input: Tensor, in scope: LayerScope) throws {
        let spatial = [["steps"], ["height", "width"], ["depth", "height", "width"]][Self.spatialRank - 1]
        let sizes = input.shape.sizes
        guard sizes.count == Self.spatialRank + 2, sizes.dropFirst().allSatisfy({ $0 > 0 }) else {
            throw scope.mismatch(
                expected: "[batch, \(spatial.joined(separator: ", ")), channels]", received: "\(input.shape)",
                cure: "bring the input to this form with Reshape; what has no channels has one of them")
        }
    }

    /// Throws unless `values` has a number of at least `least` for each spatial axis.
    func requirePerAxis(_ values: [Int], _ name: String, from least: Int = 1, in scope: LayerScope) throws {
        let count = Self.spatialRank
        try scope.require(
            values.count == count && values.allSatisfy { $0 >= least }, name, values,
            mustBe: count == 1
                ? "one number of \(least) or more"
                : "\(count) numbers of \(least) or more, one for each spatial axis")
        try scope.require(values.allSatisfy { $0 <= Int(Int32.max) }, name, values, mustBe: "at most \(Int32.max)")
    }

    /// Throws unless explicit padding has two counts for each spatial axis.
    func require(_ padding: Padding, in scope: LayerScope) throws {
        guard case .explicit(let axes) = padding else { return }
        try require(axes, "padding", in: scope)
    }

    /// Throws unless `axes` has two counts for each spatial axis.
    func require(_ axes: [AxisPadding], _ name: String, in scope: LayerScope) throws {
        let (count, counts) = (Self.spatialRank, 0...Int(Int32.max))
        let text = axes.map { "\($0.before)+\($0.after)" }.joined(separator: ", ")
        try scope.require(
            axes.count == count && axes.allSatisfy { counts.contains($0.before) && counts.contains($0.after) }, name,
            "[\(text)]",
            mustBe: "\(count == 1 ? "one pair" : "\(count) pairs") of counts from 0 to \(counts.upperBound)")
    }
}
