import ApusCore

extension Pixels {
    /// The same picture in another size: each axis bilinear where it grows (pixel centres at half steps, edges
    /// repeated), the average over the area that a new pixel covers where it shrinks. Proportions are not kept.
    ///
    /// - Throws: `ApusError.setting` unless both sides are from 1 to 16,384.
    public func resized(height newHeight: Int, width newWidth: Int) throws -> Pixels {
        for (name, value) in [("height", newHeight), ("width", newWidth)] where !(1...Self.sideLimit).contains(value) {
            throw ApusError.setting(
                owner: "Pixels.resized", name: name, value: "\(value)", expected: "from 1 to \(Self.sideLimit)")
        }
        if newHeight == height, newWidth == width { return self }
        let columns = Self.taps(from: width, to: newWidth)
        let rows = Self.taps(from: height, to: newHeight)
        var result: [UInt8] = []
        result.reserveCapacity(newHeight * newWidth * channelCount)
        // Of a row pass only the rows that the next new row needs are alive at a time.
        var narrow: [Int: [Float]] = [:]
        for row in rows {
            narrow = narrow.filter { $0.key >= row.first }
            var sum = [Float](repeating: 0, count: newWidth * channelCount)
            for (offset, weight) in row.weights.enumerated() {
                let line = narrow[row.first + offset] ?? resizedRow(row.first + offset, columns)
                narrow[row.first + offset] = line
                for index in sum.indices { sum[index] += weight * line[index] }
            }
            result += sum.map { UInt8(max(0, min(255, $0.rounded()))) }
        }
        return Pixels(height: newHeight, width: newWidth, channelCount: channelCount, bytes: result)
    }

    /// Every pixel as a square of `factor` by `factor`.
    package func repeated(_ factor: Int) -> Pixels {
        guard factor > 1 else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count * factor * factor)
        for y in 0..<height {
            var row: [UInt8] = []
            for x in 0..<width {
                let start = (y * width + x) * channelCount
                for _ in 0..<factor { row += bytes[start..<start + channelCount] }
            }
            for _ in 0..<factor { result += row }
        }
        return Pixels(height: height * factor, width: width * factor, channelCount: channelCount, bytes: result)
    }

    private func resizedRow(_ y: Int, _ columns: [Taps]) -> [Float] {
        var line: [Float] = []
        line.reserveCapacity(columns.count * channelCount)
        for column in columns {
            for channel in 0..<channelCount {
                var sum: Float = 0
                for (offset, weight) in column.weights.enumerated() {
                    sum += weight * Float(bytes[(y * width + column.first + offset) * channelCount + channel])
                }
                line.append(sum)
            }
        }
        return line
    }

    /// The old pixels that make a new one, from the index `first`; the weights' sum is 1.
    package struct Taps {
        package var first: Int
        package var weights: [Float]
    }

    /// Those of all new pixels of an axis, as `resized(height:width:)` says.
    package static func taps(from old: Int, to new: Int) -> [Taps] {
        let step = Double(old) / Double(new)
        return (0..<new).map { index in
            if new >= old {
                let center = max(0, min(Double(old - 1), (Double(index) + 0.5) * step - 0.5))
                let first = Int(center)
                let part = Float(center - Double(first))
                return part == 0 ? Taps(first: first, weights: [1]) : Taps(first: first, weights: [1 - part, part])
            }
            let (start, end) = (Double(index) * step, min(Double(old), Double(index + 1) * step))
            let first = Int(start)
            let last = max(first + 1, Int(end.rounded(.up)))
            let weights = (first..<min(last, old)).map {
                max(0, min(end, Double($0 + 1)) - max(start, Double($0)))
            }
            let total = weights.reduce(0, +)
            return Taps(first: first, weights: weights.map { Float($0 / total) })
        }
    }
}
