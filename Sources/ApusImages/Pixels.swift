import ApusCore
import CCairo

/// A grey or coloured raster, eight bits a value.
public struct Pixels: Hashable, Sendable {
    public let height: Int
    public let width: Int
    /// 1 (grey) or 3 (red, green, blue).
    public let channelCount: Int
    /// Row by row from the top, the channels of a pixel side by side.
    public let bytes: [UInt8]

    /// What a picture of ours or of yours may measure, in pixels a side.
    public static let sideLimit = 16_384

    package init(height: Int, width: Int, channelCount: Int, bytes: [UInt8]) {
        self.height = height
        self.width = width
        self.channelCount = channelCount
        self.bytes = bytes
    }

    /// The pixels of an array.
    ///
    /// - Parameter array: shape `[height, width]`, `[height, width, 1]` or `[height, width, 3]`. Real numbers go from 0
    ///   (black) to 1 and are rounded to the nearest of 256 steps; beyond that they are held at the ends, and NaN is
    ///   black. Integers are taken as they are, from 0 to 255.
    /// - Throws: `ApusError.shape` for any other shape, and for more than 16,384 pixels a side.
    public init(_ array: NDArray) throws {
        let shape = array.shape
        let sides = 1...Self.sideLimit
        guard shape.rank == 2 || (shape.rank == 3 && (shape[2] == 1 || shape[2] == 3)),
            sides.contains(shape[0]), sides.contains(shape[1])
        else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Pixels",
                    expected:
                        "[height, width], [height, width, 1] or [height, width, 3], sides from 1 to \(Self.sideLimit)",
                    received: "\(shape)", cure: "give one image, channels last"))
        }
        let channelCount = shape.rank == 2 ? 1 : shape[2]
        let bytes: [UInt8] =
            switch array.elementType {
            case .uint8, .int32: array.converted(to: .uint8).values()
            case .float32, .float64: array.doubles.map { Self.byte($0) }
            }
        self.init(height: shape[0], width: shape[1], channelCount: channelCount, bytes: bytes)
    }

    /// The nearest of 256 steps.
    package static func byte(_ value: Double) -> UInt8 {
        value.isNaN ? 0 : UInt8((max(0, min(1, value)) * 255).rounded())
    }

    /// The pixels as an array of `uint8`: `[height, width]` where grey, `[height, width, 3]` where coloured.
    public var array: NDArray {
        let shape: Shape = channelCount == 1 ? [height, width] : [height, width, 3]
        return NDArray(shape: shape) { (values: UnsafeMutableBufferPointer<UInt8>) in
            for index in values.indices { values[index] = bytes[index] }
        }
    }

    /// The same in grey: luma Y = 0.299 R + 0.587 G + 0.114 B, rounded.
    ///
    /// Source: ITU-R BT.601.
    public var gray: Pixels {
        guard channelCount == 3 else { return self }
        let luma = stride(from: 0, to: bytes.count, by: 3).map { index -> UInt8 in
            let (red, green, blue) = (Int(bytes[index]), Int(bytes[index + 1]), Int(bytes[index + 2]))
            // Thousandths, so that the sum is exact and a grey pixel keeps its value.
            return UInt8((299 * red + 587 * green + 114 * blue + 500) / 1000)
        }
        return Pixels(height: height, width: width, channelCount: 1, bytes: luma)
    }

    /// The same with three channels.
    public var colored: Pixels {
        guard channelCount == 1 else { return self }
        return Pixels(height: height, width: width, channelCount: 3, bytes: bytes.flatMap { [$0, $0, $0] })
    }

    /// A cairo raster of these pixels.
    /// - Parameter forDrawing: whether it is painted onto others; one that becomes a grey PNG file is a mask to cairo.
    package func surface(forDrawing: Bool) throws -> Surface {
        let isMask = channelCount == 1 && !forDrawing
        let surface = try Surface(isMask ? CAIRO_FORMAT_A8 : CAIRO_FORMAT_RGB24, width: width, height: height)
        try surface.withRows { rows, stride in
            for y in 0..<height {
                let row = rows + y * stride
                let start = y * width * channelCount
                if isMask {
                    for x in 0..<width { row[x] = bytes[start + x] }
                    continue
                }
                row.withMemoryRebound(to: UInt32.self, capacity: width) { row in
                    for x in 0..<width {
                        let index = start + x * channelCount
                        let (green, blue) = channelCount == 3 ? (index + 1, index + 2) : (index, index)
                        row[x] = UInt32(bytes[index]) << 16 | UInt32(bytes[green]) << 8 | UInt32(bytes[blue])
                    }
                }
            }
        }
        return surface
    }
}
