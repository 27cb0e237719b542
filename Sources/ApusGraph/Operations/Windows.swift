import ApusCore

/// What is added before and after one spatial axis, in places; it counts as 0 in convolutions, and not at all in
/// poolings.
public struct AxisPadding: Hashable, Sendable, Codable {
    public var before: Int
    public var after: Int

    public init(before: Int, after: Int) {
        self.before = before
        self.after = after
    }
}

/// What is added around an image before a window moves over it.
public enum Padding: Hashable, Sendable, Codable {
    /// Nothing: the window stays within the image.
    case valid
    /// As much as makes the result `size / stride` long, rounded up; of an odd number the larger half comes after.
    case same
    /// So much along each spatial axis.
    case explicit([AxisPadding])
}

/// How a window moves over spatial axes: what convolutions and poolings share. One entry an axis.
package struct WindowMotion: Hashable, Sendable, Codable {
    package var strides: [Int]
    /// The distance between neighbours in the window; 1 for none left out.
    package var dilations: [Int]
    package var padding: [AxisPadding]

    package init(strides: [Int], dilations: [Int], padding: [AxisPadding]) {
        self.strides = strides
        self.dilations = dilations
        self.padding = padding
    }

    /// The motion over an image of `image` places; no strides or dilations stand for 1 each.
    init(image: [Int], window: [Int], strides: [Int], dilations: [Int], padding: Padding) {
        let ones = [Int](repeating: 1, count: window.count)
        self.strides = strides.isEmpty ? ones : strides
        self.dilations = dilations.isEmpty ? ones : dilations
        self.padding = window.map { _ in AxisPadding(before: 0, after: 0) }
        switch padding {
        case .valid: break
        case .explicit(let padding): self.padding = padding
        case .same:
            // Otherwise the shape rule finds the fault.
            guard isWellFormed(rank: window.count), image.count == window.count else { return }
            guard (image + window).allSatisfy({ Self.sizes.contains($0) }) else { return }
            for axis in window.indices {
                let count = (image[axis] + self.strides[axis] - 1) / self.strides[axis]
                let reach = (count - 1) * self.strides[axis] + extent(of: window[axis], axis)
                let total = Swift.max(reach - image[axis], 0)
                self.padding[axis] = AxisPadding(before: total / 2, after: total - total / 2)
            }
        }
    }

    package var description: String {
        let padding = padding.map { "\($0.before)+\($0.after)" }.joined(separator: ", ")
        return "strides: \(strides), dilations: \(dilations), padding: [\(padding)]"
    }

    /// So that no product overflows.
    private static let sizes = 1...Int(Int32.max)

    /// The places from the first to the last of a window of `size`.
    private func extent(of size: Int, _ axis: Int) -> Int { (size - 1) * dilations[axis] + 1 }

    private func isWellFormed(rank: Int) -> Bool {
        strides.count == rank && dilations.count == rank && padding.count == rank
            && (strides + dilations).allSatisfy { Self.sizes.contains($0) }
            && padding.allSatisfy { (0..<Self.sizes.upperBound).contains($0.before) && $0.after >= 0 }
            && padding.allSatisfy { $0.after < Self.sizes.upperBound }
    }

    /// How many windows fit: `(image + before + after - (window - 1) * dilation - 1) / stride + 1`, rounded down.
    /// - Throws: `ApusError.shape` in the name of `rule`.
    func outputSizes(image: [Int], window: [Int], of rule: some OperationRule) throws -> [Int] {
        guard isWellFormed(rank: image.count) else {
            throw rule.mismatch(
                expected: "for each of \(image.count) spatial axes a stride and a dilation from 1, and paddings from 0",
                received: description, cure: "give one number for each spatial axis")
        }
        guard (image + window).allSatisfy({ Self.sizes.contains($0) }) else {
            throw rule.mismatch(
                expected: "settled spatial sizes from 1", received: "an image of \(image) under a window of \(window)",
                cure: "only the first axis may be open or empty")
        }
        return try image.indices.map { axis in
            let padded = image[axis] + padding[axis].before + padding[axis].after
            let extent = extent(of: window[axis], axis)
            guard extent <= padded else {
                throw rule.mismatch(
                    expected: "a window of at most \(padded) along spatial axis \(axis), the image with its padding",
                    received: dilations[axis] == 1 ? "\(extent)" : "\(extent) (\(window[axis]) dilated)",
                    cure: "use a smaller window, or more padding; images are [batch, spatial..., channels]")
            }
            return (padded - extent) / strides[axis] + 1
        }
    }

    /// The place in the image, counted along each axis, of a window's part; `nil` in the padding.
    func place(window: [Int], part: [Int], image: [Int]) -> [Int]? {
        var place = window
        for axis in window.indices {
            place[axis] = window[axis] * strides[axis] + part[axis] * dilations[axis] - padding[axis].before
            guard (0..<image[axis]).contains(place[axis]) else { return nil }
        }
        return place
    }
}

extension Shape {
    /// The sizes between the batch axis and the channels, of `[N, spatial..., C]`.
    package var spatialSizes: [Int] { Array(sizes.dropFirst().dropLast()) }
}
