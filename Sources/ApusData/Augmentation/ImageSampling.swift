/// An image's sides and channels; its values are packed, row by row, the channels of a pixel side by side.
struct ImageSize: Equatable {
    let height: Int
    let width: Int
    let channelCount: Int

    var rowLength: Int { width * channelCount }
    var elementCount: Int { height * width * channelCount }
}

/// Reads images at other places, bilinearly, with their edges repeated. It keeps the memory that this takes.
final class ImageSampler {
    /// A row between two rows.
    private let line: UnsafeMutablePointer<Float>
    /// For each column of the result: the two columns it is read between, and how far it is from the first.
    private let columns: UnsafeMutablePointer<Tap>

    /// Two neighbours, as indices, and the second's share.
    private struct Tap {
        var first: Int32
        var second: Int32
        var share: Float

        /// - Parameter place: anywhere; beyond the ends it is held there.
        @inline(__always)
        init(_ place: Double, count: Int) {
            let held = max(0, min(Double(count - 1), place))
            let index = Int32(held)
            first = index
            second = min(index + 1, Int32(truncatingIfNeeded: count - 1))
            share = Float(held - Double(index))
        }
    }

    /// - Parameters:
    ///   - rowLength: the greatest number of values in a row.
    ///   - width: the greatest number of pixels in a row.
    init(rowLength: Int, width: Int) {
        line = .allocate(capacity: max(rowLength, 1))
        columns = .allocate(capacity: max(width, 1))
    }

    deinit {
        line.deallocate()
        columns.deallocate()
    }

    /// Makes `target` from `source`, another place in memory of the same size.
    func sample(
        _ source: UnsafePointer<Float>, _ size: ImageSize, by map: AffineMap, into target: UnsafeMutablePointer<Float>
    ) {
        if map.isAxisAligned {
            sampleByRows(source, size, by: map, into: target)
        } else {
            sampleByPixels(source, size, by: map, into: target)
        }
    }

    /// Rows first: between the same two rows lie all pixels of a new row.
    private func sampleByRows(
        _ source: UnsafePointer<Float>, _ size: ImageSize, by map: AffineMap, into target: UnsafeMutablePointer<Float>
    ) {
        let (height, width, length) = (size.height, size.width, size.rowLength)
        let (middleRow, middleColumn) = (Double(height - 1) / 2, Double(width - 1) / 2)
        for column in 0..<width {
            let place = middleColumn + map.columnFromColumn * (Double(column) - middleColumn) + map.columnOffset
            var tap = Tap(place, count: width)
            // From here on they index values.
            tap.first *= Int32(truncatingIfNeeded: size.channelCount)
            tap.second *= Int32(truncatingIfNeeded: size.channelCount)
            columns[column] = tap
        }
        for row in 0..<height {
            let tap = Tap(middleRow + map.rowFromRow * (Double(row) - middleRow) + map.rowOffset, count: height)
            let (upper, lower) = (source + Int(tap.first) * length, source + Int(tap.second) * length)
            let result = target + row * length
            if tap.share == 0 {
                sampleColumns(of: upper, size, into: result)
            } else {
                for index in 0..<length { line[index] = upper[index] + tap.share * (lower[index] - upper[index]) }
                sampleColumns(of: UnsafePointer(line), size, into: result)
            }
        }
    }

    private func sampleColumns(
        of row: UnsafePointer<Float>, _ size: ImageSize, into result: UnsafeMutablePointer<Float>
    ) {
        switch size.channelCount {
        case 1: sampleColumns(of: row, width: size.width, channelCount: 1, into: result)
        case 3: sampleColumns(of: row, width: size.width, channelCount: 3, into: result)
        case let count: sampleColumns(of: row, width: size.width, channelCount: count, into: result)
        }
    }

    /// Inlined, so that a known number of channels is no loop.
    @inline(__always)
    private func sampleColumns(
        of row: UnsafePointer<Float>, width: Int, channelCount: Int, into result: UnsafeMutablePointer<Float>
    ) {
        var pixel = result
        for column in 0..<width {
            let tap = columns[column]
            let (left, right) = (row + Int(tap.first), row + Int(tap.second))
            for channel in 0..<channelCount {
                pixel[channel] = left[channel] + tap.share * (right[channel] - left[channel])
            }
            pixel += channelCount
        }
    }

    private func sampleByPixels(
        _ source: UnsafePointer<Float>, _ size: ImageSize, by map: AffineMap, into target: UnsafeMutablePointer<Float>
    ) {
        switch size.channelCount {
        case 1: sampleByPixels(source, size, channelCount: 1, by: map, into: target)
        case 3: sampleByPixels(source, size, channelCount: 3, by: map, into: target)
        case let count: sampleByPixels(source, size, channelCount: count, by: map, into: target)
        }
    }

    @inline(__always)
    private func sampleByPixels(
        _ source: UnsafePointer<Float>, _ size: ImageSize, channelCount: Int, by map: AffineMap,
        into target: UnsafeMutablePointer<Float>
    ) {
        let (height, width) = (size.height, size.width)
        let (middleRow, middleColumn) = (Double(height - 1) / 2, Double(width - 1) / 2)
        var pixel = target
        for row in 0..<height {
            let fromMiddle = Double(row) - middleRow
            let firstRow = middleRow + map.rowFromRow * fromMiddle + map.rowOffset
            let firstColumn = middleColumn + map.columnFromRow * fromMiddle + map.columnOffset
            for column in 0..<width {
                let across = Double(column) - middleColumn
                let vertical = Tap(firstRow + map.rowFromColumn * across, count: height)
                let horizontal = Tap(firstColumn + map.columnFromColumn * across, count: width)
                let (left, right) = (Int(horizontal.first) * channelCount, Int(horizontal.second) * channelCount)
                let upper = source + Int(vertical.first) * width * channelCount
                let lower = source + Int(vertical.second) * width * channelCount
                let (upperLeft, upperRight) = (upper + left, upper + right)
                let (lowerLeft, lowerRight) = (lower + left, lower + right)
                for channel in 0..<channelCount {
                    let leftValue =
                        upperLeft[channel] + vertical.share * (lowerLeft[channel] - upperLeft[channel])
                    let rightValue =
                        upperRight[channel] + vertical.share * (lowerRight[channel] - upperRight[channel])
                    pixel[channel] = leftValue + horizontal.share * (rightValue - leftValue)
                }
                pixel += channelCount
            }
        }
    }
}
