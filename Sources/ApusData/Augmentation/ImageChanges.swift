/// Changes of an image that do not read between pixels.
enum ImageChanges {
    /// The part of the image that begins at (`row`, `column`), either of which may lie outside; black beyond it.
    static func crop(
        _ source: UnsafePointer<Float>, _ size: ImageSize, row: Int, column: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        let length = size.rowLength
        // The columns of the result that lie within the image.
        let first = min(max(-column, 0), size.width)
        let last = max(min(size.width - column, size.width), first)
        for place in 0..<size.height {
            let result = target + place * length
            guard (0..<size.height).contains(place + row) else {
                result.update(repeating: 0, count: length)
                continue
            }
            result.update(repeating: 0, count: first * size.channelCount)
            (result + first * size.channelCount).update(
                from: source + (place + row) * length + (first + column) * size.channelCount,
                count: (last - first) * size.channelCount)
            (result + last * size.channelCount).update(
                repeating: 0, count: (size.width - last) * size.channelCount)
        }
    }

    /// Adds to all values, and holds them within `bounds`.
    static func add(
        _ amount: Float, to image: UnsafeMutablePointer<Float>, _ size: ImageSize, within bounds: ClosedRange<Float>?
    ) {
        for index in 0..<size.elementCount { image[index] += amount }
        hold(image, size, within: bounds)
    }

    /// Brings values nearer to the mean of their channel, or further from it, but holds them within `bounds`.
    static func stretch(
        by factor: Float, _ image: UnsafeMutablePointer<Float>, _ size: ImageSize, within bounds: ClosedRange<Float>?
    ) {
        let (count, channelCount) = (size.height * size.width, size.channelCount)
        for channel in 0..<channelCount {
            var sum = 0.0
            for pixel in 0..<count { sum += Double(image[pixel * channelCount + channel]) }
            let mean = Float(sum / Double(max(count, 1)))
            for pixel in 0..<count {
                let place = pixel * channelCount + channel
                image[place] = mean + factor * (image[place] - mean)
            }
        }
        hold(image, size, within: bounds)
    }

    private static func hold(
        _ image: UnsafeMutablePointer<Float>, _ size: ImageSize, within bounds: ClosedRange<Float>?
    ) {
        guard let bounds else { return }
        for index in 0..<size.elementCount {
            image[index] = max(bounds.lowerBound, min(bounds.upperBound, image[index]))
        }
    }

    /// Makes a square black whose first pixel is at (`row`, `column`), as far as it lies within the image.
    static func erase(
        _ image: UnsafeMutablePointer<Float>, _ size: ImageSize, row: Int, column: Int, side: Int
    ) {
        let columns = max(column, 0)..<max(min(column + side, size.width), max(column, 0))
        for place in max(row, 0)..<max(min(row + side, size.height), max(row, 0)) {
            (image + place * size.rowLength + columns.lowerBound * size.channelCount).update(
                repeating: 0, count: columns.count * size.channelCount)
        }
    }
}
