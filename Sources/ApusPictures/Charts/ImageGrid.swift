import ApusCore
import ApusImages

/// Equally large images without gaps over a plane: what a decoder makes of each point of its latent space.
public struct ImageGrid: Picture {
    public var title: String
    public var xLabel: String
    public var yLabel: String
    public let rowCount: Int
    public let columnCount: Int
    private let mosaic: Pixels
    private let xRange: ClosedRange<Double>
    private let yRange: ClosedRange<Double>

    /// - Parameters:
    ///   - images: shape `[rows * columns, height, width]`, or with 1 or 3 channels last; grey or RGB, real from 0 to 1
    ///     or `uint8`. Row by row from the top, so the first row has the greatest y.
    ///   - x: the numbers at the centres of the first (left) and the last column.
    ///   - y: the numbers at the centres of the last (bottom) and the first row.
    /// - Throws: `ApusError.shape` where the images are not rows times columns, or not images; `ApusError.setting` for
    ///   a range of no extent.
    public init(
        title: String, xLabel: String = "z[0]", yLabel: String = "z[1]", images: NDArray, rows: Int, columns: Int,
        x: ClosedRange<Double> = -4...4, y: ClosedRange<Double> = -4...4
    ) throws {
        let shape = images.shape
        guard rows > 0, columns > 0, shape.rank == 3 || shape.rank == 4, shape[0] == rows * columns else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "ImageGrid", expected: "\(rows) x \(columns) images, [\(rows * columns), height, width]",
                    received: "\(shape)", cure: "give one image for each row and column"))
        }
        for (name, range) in [("x", x), ("y", y)] {
            guard abs(range.lowerBound) <= 1e300, abs(range.upperBound) <= 1e300, range.lowerBound < range.upperBound
            else {
                throw ApusError.setting(
                    owner: "ImageGrid", name: name, value: "\(range)",
                    expected: "from one finite number to a greater one")
            }
        }
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        rowCount = rows
        columnCount = columns
        mosaic = try Self.mosaic(of: images, rows: rows, columns: columns)
        xRange = Self.edges(of: x, count: columns)
        yRange = Self.edges(of: y, count: rows)
    }

    /// The numbers at the outer edges, where `centers` are those at the centres of the first and last image.
    private static func edges(of centers: ClosedRange<Double>, count: Int) -> ClosedRange<Double> {
        guard count > 1 else { return centers }
        let half = (centers.upperBound - centers.lowerBound) / Double(count - 1) / 2
        return centers.lowerBound - half...centers.upperBound + half
    }

    private static func mosaic(of images: NDArray, rows: Int, columns: Int) throws -> Pixels {
        let shape = images.shape
        // All images under each other are one tall image, checked and converted as such, but for its height.
        let single = try Pixels(NDArray(zeros: Shape(Array(shape.sizes.dropFirst())), .uint8))
        let (height, width) = (rows * single.height, columns * single.width)
        guard height <= Pixels.sideLimit, width <= Pixels.sideLimit else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "ImageGrid", expected: "at most \(Pixels.sideLimit) pixels a side in all",
                    received: "\(height) x \(width)", cure: "give fewer or smaller images"))
        }
        let rowByteCount = single.width * single.channelCount
        var bytes = [UInt8](repeating: 0, count: height * width * single.channelCount)
        for index in 0..<rows * columns {
            let image = try Pixels(
                try images.rows(index..<index + 1).reshaped(to: Shape(Array(shape.sizes.dropFirst()))))
            for y in 0..<single.height {
                let start =
                    ((index / columns * single.height + y) * columns + index % columns) * rowByteCount
                bytes.replaceSubrange(
                    start..<start + rowByteCount, with: image.bytes[y * rowByteCount..<(y + 1) * rowByteCount])
            }
        }
        return Pixels(height: height, width: width, channelCount: single.channelCount, bytes: bytes)
    }

    /// The inside's size: every image pixel is a whole number of half-points (a pixel of the PNG file), near 420 points
    /// in all; a mosaic of more pixels has half a point for each.
    private var inside: PictureSize {
        let factor = max(1, (840 / Double(max(mosaic.width, mosaic.height))).rounded()) / 2
        return PictureSize(width: Double(mosaic.width) * factor, height: Double(mosaic.height) * factor)
    }

    private static let sides = PlotFrame.Insets(left: 64, right: 24, top: 10, bottom: 50)
    private var titleHeight: Double { title.isEmpty ? 0 : 30 }

    /// Follows from the number of pixels.
    public var size: PictureSize {
        PictureSize(
            width: inside.width + Self.sides.left + Self.sides.right,
            height: inside.height + Self.sides.top + Self.sides.bottom + titleHeight)
    }

    public func draw(on canvas: Canvas, in frame: Rectangle) throws {
        let inner = try PlotFrame.drawTitle(title, on: canvas, in: frame)
        let available = PictureSize(
            width: max(1, inner.width - Self.sides.left - Self.sides.right),
            height: max(1, inner.height - Self.sides.top - Self.sides.bottom))
        let factor = min(1, available.width / inside.width, available.height / inside.height)
        let area = Rectangle(
            x: inner.x + Self.sides.left, y: inner.y + Self.sides.top, width: inside.width * factor,
            height: inside.height * factor)
        let plot = PlotFrame(x: Axis(label: xLabel, range: xRange), y: Axis(label: yLabel, range: yRange), area: area)
        try plot.draw(on: canvas, hasGrid: false) { try canvas.image(mosaic, in: area) }
    }
}
