import ApusCore
import ApusImages

extension ColorMap {
    /// An image with a map of numbers over it, as of what a network sees where:
    /// (1 - opacity) * image + opacity * colour.
    ///
    /// - Parameters:
    ///   - map: shape `[height, width]` or `[height, width, 1]`, of any size; it is brought to the image's bilinearly
    ///     (centres at half steps, edges repeated), and averaged over areas where it is the larger of the two.
    ///   - image: grey or RGB; a grey one leaves all colour to the map.
    ///   - opacity: the colours' part, from 0 to 1. Default 0.5.
    ///   - range: the numbers that become the first and the last colour; by default the least and the greatest finite
    ///     number of `map`, so that every map shows its own contrasts.
    /// - Throws: `ApusError.shape` for a map of any other shape, `ApusError.setting` for any other opacity.
    public func overlay(
        _ map: NDArray, on image: Pixels, opacity: Double = 0.5, range: ClosedRange<Double>? = nil
    ) throws -> Pixels {
        guard (0...1).contains(opacity) else {
            throw ApusError.setting(
                owner: "ColorMap \(name)", name: "opacity", value: "\(opacity)", expected: "from 0 to 1")
        }
        try check(map)
        let finite = map.doubles.filter(\.isFinite)
        let own = (finite.min() ?? 0)...(finite.max() ?? 0)
        let colors = try pixels(
            of: map.resizedMap(height: image.height, width: image.width), range: range ?? own)
        let bytes = zip(image.colored.bytes, colors.bytes).map { below, above in
            UInt8(((1 - opacity) * Double(below) + opacity * Double(above)).rounded())
        }
        return Pixels(height: image.height, width: image.width, channelCount: 3, bytes: bytes)
    }
}

extension NDArray {
    /// A map of numbers `[height, width]` or `[height, width, 1]` in another size, float64 `[height, width]`, by the
    /// rule of `Pixels.resized(height:width:)`.
    package func resizedMap(height newHeight: Int, width newWidth: Int) -> NDArray {
        let (width, values) = (shape[1], doubles)
        let columns = Pixels.taps(from: width, to: newWidth)
        let rows = Pixels.taps(from: shape[0], to: newHeight)
        return NDArray(shape: [newHeight, newWidth]) { (result: UnsafeMutableBufferPointer<Double>) in
            for (y, row) in rows.enumerated() {
                for (x, column) in columns.enumerated() {
                    var sum = 0.0
                    for (down, rowWeight) in row.weights.enumerated() {
                        for (right, columnWeight) in column.weights.enumerated() {
                            let value = values[(row.first + down) * width + column.first + right]
                            sum += Double(rowWeight) * Double(columnWeight) * value
                        }
                    }
                    result[y * newWidth + x] = sum
                }
            }
        }
    }
}
