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

    @inline(__always)
    private func sampleColumns(
        of row: UnsafePointer<Float>, _ size: ImageSize, into result: UnsafeMutablePointer<Float>
    ) {
        switch size.channelCount {
        case 1:
            for column in 0..<size.width {
                let tap = columns[column]
                let left = row[Int(tap.first)]
                result[column] = left + tap.share * (row[Int(tap.second)] - left)
            }
        case 3:
            var pixel = result
            for column in 0..<size.width {
                let tap = columns[column]
                let (left, right) = (row + Int(tap.first), row + Int(tap.second))
                pixel[0] = left[0] + tap.share * (right[0] - left[0])
                pixel[1] = left[1] + tap.share * (right[1] - left[1])
                pixel[2] = left[2] + tap.share * (right[2] - left[2])
                pixel += 3
            }
        default:
            var pixel = result
            for column in 0..<size.width {
                let tap = columns[column]
                let (left, right) = (row + Int(tap.first), row + Int(tap.second))
                for channel in 0..<size.channelCount {
                    pixel[channel] = left[channel] + tap.share * (right[channel] - left[channel])
                }
                pixel += size.channelCount
            }
        }
    }

    private func sampleByPixels(
        _ source: UnsafePointer<Float>, _ size: ImageSize, by map: AffineMap, into target: UnsafeMutablePointer<Float>
    ) {
        let (middleRow, middleColumn) = (Double(size.height - 1) / 2, Double(size.width - 1) / 2)
        let channelCount = size.channelCount
        var pixel = target
        for row in 0..<size.height {
            let fromMiddle = Double(row) - middleRow
            let firstRow = middleRow + map.rowFromRow * fromMiddle + map.rowOffset
            let firstColumn = middleColumn + map.columnFromRow * fromMiddle + map.columnOffset
            for column in 0..<size.width {
                let across = Double(column) - middleColumn
                let vertical = Tap(firstRow + map.rowFromColumn * across, count: size.height)
                let horizontal = Tap(firstColumn + map.columnFromColumn * across, count: size.width)
                let (upper, lower) = (
                    source + Int(vertical.first) * size.rowLength, source + Int(vertical.second) * size.rowLength
                )
                let (left, right) = (Int(horizontal.first) * channelCount, Int(horizontal.second) * channelCount)
                for channel in 0..<channelCount {
                    let leftValue =
                        upper[left + channel] + vertical.share * (lower[left + channel] - upper[left + channel])
                    let rightValue =
                        upper[right + channel] + vertical.share * (lower[right + channel] - upper[right + channel])
                    pixel[channel] = leftValue + horizontal.share * (rightValue - leftValue)
                }
                pixel += channelCount
            }
        }
    }
}
