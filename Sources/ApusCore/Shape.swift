/// The sizes of an array along each axis, outermost first (row-major).
///
/// Inside a model the batch size is open. A negative size `-n` stands for `n` times the batch size, so
/// `[-1, 784]` is a batch of vectors; `specialized(batchSize:)` settles it. A shape has one such axis at most.
public struct Shape: Hashable, Sendable, Codable {
    /// The size along each axis; a negative one is open.
    public var sizes: [Int]

    /// A shape of these sizes; none for a single number.
    public init(_ sizes: [Int]) { self.sizes = sizes }

    /// The shape of a single number: no axes, one element.
    public static let scalar = Shape([])

    /// The number of axes.
    public var rank: Int { sizes.count }

    /// The number of elements; negative (a multiple of the batch size) while the batch size is open.
    public var elementCount: Int { sizes.contains(0) ? 0 : sizes.reduce(1, *) }

    /// No tensor has more elements than this (for one sample); what is larger is taken for a mistake, before any
    /// arithmetic on it could overflow.
    package static let largestCount = 1 << 40

    /// The product of the sizes; `nil` where it is too large for an `Int`. Strides multiply the other sizes even where
    /// one is 0, so these must fit too.
    package static func product(of sizes: [Int]) -> Int? {
        var result = 1
        for size in sizes where size != 0 {
            let (value, overflow) = result.multipliedReportingOverflow(by: size)
            if overflow { return nil }
            result = value
        }
        return sizes.contains(0) ? 0 : result
    }

    /// Whether a tensor can have these sizes: the product of those that are not 0 is at most `largestCount`. So nothing
    /// that is computed of them overflows, strides and empty arrays included.
    package static func isPossible(_ sizes: [Int]) -> Bool {
        var product: UInt = 1
        for size in sizes where size != 0 {
            let (value, overflow) = product.multipliedReportingOverflow(by: size.magnitude)
            if overflow || value > UInt(largestCount) { return false }
            product = value
        }
        return true
    }

    /// Whether there are no axes: one element.
    public var isScalar: Bool { sizes.isEmpty }

    /// Whether the batch size is still open.
    public var isSymbolic: Bool { sizes.contains { $0 < 0 } }

    /// The size along `axis`; negative axes count from the end.
    public subscript(axis: Int) -> Int {
        get { sizes[axis < 0 ? axis + rank : axis] }
        set { sizes[axis < 0 ? axis + rank : axis] = newValue }
    }

    /// The distance in elements between neighbours along each axis of a packed row-major array.
    public var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * sizes[axis + 1] }
        return strides
    }

    /// This shape with every open size replaced for a batch of `batchSize` samples.
    public func specialized(batchSize: Int) -> Shape {
        Shape(sizes.map { $0 < 0 ? -$0 * batchSize : $0 })
    }

    /// The shape that element-wise operations on `self` and `other` give: sizes are matched from the last axis,
    /// and a missing axis or a size of 1 stretches. `nil` where two sizes differ.
    public func broadcast(with other: Shape) -> Shape? {
        let count = max(rank, other.rank)
        var result = [Int](repeating: 1, count: count)
        for axis in 0..<count {
            let mine = axis < count - rank ? 1 : sizes[axis - (count - rank)]
            let theirs = axis < count - other.rank ? 1 : other.sizes[axis - (count - other.rank)]
            guard mine == theirs || mine == 1 || theirs == 1 else { return nil }
            result[axis] = mine == 1 ? theirs : mine
        }
        return Shape(result)
    }

    /// `axis` as an index from the front, or `nil` where there is no such axis.
    public func normalizedAxis(_ axis: Int) -> Int? {
        let index = axis < 0 ? axis + rank : axis
        return sizes.indices.contains(index) ? index : nil
    }
}

extension Shape: ExpressibleByArrayLiteral {
    public init(arrayLiteral sizes: Int...) { self.init(sizes) }
}

extension Shape: CustomStringConvertible {
    /// `[128, 784]`; an open batch prints as `batch`, a multiple of it as `28*batch`.
    public var description: String {
        "[" + sizes.map { $0 >= 0 ? "\($0)" : $0 == -1 ? "batch" : "\($0.magnitude)*batch" }.joined(separator: ", ")
            + "]"
    }
}
