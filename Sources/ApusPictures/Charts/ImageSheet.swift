import ApusCore
import ApusImages

/// Rows of images with captions, as of images beside what a network sees in them.
public struct ImageSheet: Picture {
    /// An image and the line above it.
    public struct Tile: Hashable, Sendable {
        public let pixels: Pixels
        public var caption: String
        public var captionColor: Color

        /// - Parameter captionColor: by default nearly black.
        public init(_ pixels: Pixels, caption: String = "", captionColor: Color? = nil) {
            self.pixels = pixels
            self.caption = caption
            self.captionColor = captionColor ?? .text
        }

        /// - Parameter image: as `Pixels(_:)` takes it.
        /// - Throws: `ApusError.shape`.
        public init(_ image: NDArray, caption: String = "") throws {
            self.init(try Pixels(image), caption: caption)
        }

        /// - Parameters:
        ///   - map: as `ColorMap.pixels(of:range:)` takes it.
        ///   - range: the numbers of the first and the last colour; by default the least and the greatest there is.
        /// - Throws: `ApusError.shape`.
        public init(map: NDArray, in colors: ColorMap, range: ClosedRange<Double>? = nil, caption: String = "") throws {
            self.init(try colors.pixels(of: map, range: range), caption: caption)
        }
    }

    public var title: String
    /// They may differ in length.
    public var rows: [[Tile]]
    /// The longer side of every image, in points.
    public let tileSide: Double
    /// How many tiles of a row belong together: there is more room after each such group. `nil` for no groups.
    public let groupLength: Int?

    private static let gap = 10.0
    private static let groupGap = 18.0
    private static let captionHeight = 16.0

    /// - Throws: `ApusError.setting` where `tileSide` is not from 8 to 2,000 points, or `groupLength` is below 1.
    public init(title: String = "", rows: [[Tile]], tileSide: Double = 96, groupLength: Int? = nil) throws {
        guard (8...2000).contains(tileSide) else {
            throw ApusError.setting(
                owner: "ImageSheet", name: "tileSide", value: "\(tileSide)", expected: "from 8 to 2000 points")
        }
        if let groupLength, groupLength < 1 {
            throw ApusError.setting(
                owner: "ImageSheet", name: "groupLength", value: "\(groupLength)", expected: "1 or more")
        }
        self.title = title
        self.rows = rows
        self.tileSide = tileSide
        self.groupLength = groupLength
    }

    /// An image's own size: its longer side is the tile's.
    private func extent(of pixels: Pixels) -> PictureSize {
        let factor = tileSide / Double(max(pixels.width, pixels.height))
        return PictureSize(width: Double(pixels.width) * factor, height: Double(pixels.height) * factor)
    }

    private func height(of row: [Tile]) -> Double {
        (row.contains { !$0.caption.isEmpty } ? Self.captionHeight : 0)
            + (row.map { extent(of: $0.pixels).height }.max() ?? 0) + Self.gap
    }

    /// Where a column's tiles begin, counted from the first's.
    private func offset(of column: Int) -> Double {
        Double(column) * (tileSide + Self.gap) + Double(groupLength.map { column / $0 } ?? 0) * Self.groupGap
    }

    public var size: PictureSize {
        let last = max(1, rows.map(\.count).max() ?? 1) - 1
        return PictureSize(
            width: offset(of: last) + tileSide + 2 * PlotFrame.margin,
            height: (title.isEmpty ? 0 : 30) + rows.map(height).reduce(0, +) + 2 * PlotFrame.margin - Self.gap)
    }

    public func draw(on canvas: Canvas, in frame: Rectangle) throws {
        let inner = try PlotFrame.drawTitle(title, on: canvas, in: frame)
        var y = inner.y + PlotFrame.margin
        for row in rows {
            let hasCaption = row.contains { !$0.caption.isEmpty }
            let top = y + (hasCaption ? Self.captionHeight : 0)
            for (column, tile) in row.enumerated() {
                let extent = extent(of: tile.pixels)
                let x = inner.x + PlotFrame.margin + offset(of: column)
                let caption = try canvas.shortened(tile.caption, to: tileSide + Self.gap - 4, .tick)
                var style = Canvas.TextStyle.tick
                style.color = tile.captionColor
                try canvas.text(caption, at: Point(x: x + tileSide / 2, y: y + 6), style, .center)
                let area = Rectangle(
                    x: x + (tileSide - extent.width) / 2, y: top, width: extent.width, height: extent.height)
                try canvas.image(try fitted(tile.pixels, extent), in: area)
            }
            y += height(of: row)
        }
    }

    /// An image of more pixels than there is room for is averaged; nearest pixels alone would flicker.
    private func fitted(_ pixels: Pixels, _ extent: PictureSize) throws -> Pixels {
        let (width, height) = (Int((2 * extent.width).rounded(.up)), Int((2 * extent.height).rounded(.up)))
        guard pixels.width > width || pixels.height > height else { return pixels }
        return try pixels.resized(height: min(height, pixels.height), width: min(width, pixels.width))
    }
}
