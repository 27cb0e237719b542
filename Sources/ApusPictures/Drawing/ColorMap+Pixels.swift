import ApusCore
import ApusImages

extension ColorMap {
    /// An array of numbers as colours.
    ///
    /// - Parameters:
    ///   - array: shape `[height, width]` or `[height, width, 1]`, any numbers.
    ///   - range: the numbers that become the first and the last colour; by default the least and the greatest finite
    ///     number there is.
    /// - Throws: `ApusError.shape` for any other shape.
    public func pixels(of array: NDArray, range: ClosedRange<Double>? = nil) throws -> Pixels {
        try check(array)
        let values = array.doubles
        let finite = values.filter(\.isFinite)
        let low = range?.lowerBound ?? finite.min() ?? 0
        let high = range?.upperBound ?? finite.max() ?? 0
        var bytes: [UInt8] = []
        bytes.reserveCapacity(3 * values.count)
        for value in values {
            // A map of one value throughout has no scale: it gets the middle colour.
            let color = color(at: value.isNaN ? .nan : high > low ? (value - low) / (high - low) : 0.5)
            bytes += [Pixels.byte(color.red), Pixels.byte(color.green), Pixels.byte(color.blue)]
        }
        return Pixels(height: array.shape[0], width: array.shape[1], channelCount: 3, bytes: bytes)
    }

    /// - Throws: `ApusError.shape` for what is no map of numbers.
    func check(_ map: NDArray) throws {
        let shape = map.shape
        let sides = 1...Pixels.sideLimit
        guard shape.rank == 2 || (shape.rank == 3 && shape[2] == 1), sides.contains(shape[0]), sides.contains(shape[1])
        else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "ColorMap \(name)",
                    expected: "[height, width] or [height, width, 1], sides from 1 to \(Pixels.sideLimit)",
                    received: "\(shape)", cure: "give one map of numbers"))
        }
    }
}
