import ApusCore
import ApusImages
import CCairo
import Foundation

/// Something that can be drawn, and so written as PNG and as SVG by the same code.
///
/// A picture of your own composes others: it draws them in parts of its frame.
public protocol Picture: Sendable {
    /// The size it is made for, in points.
    var size: PictureSize { get }

    /// Draws it into `frame`.
    /// - Throws: `ApusError.library` where cairo fails, `.shape` or `.setting` for contents that do not fit.
    func draw(on canvas: Canvas, in frame: Rectangle) throws
}

extension Picture {
    private var frame: Rectangle { Rectangle(x: 0, y: 0, width: size.width, height: size.height) }

    private func checkSize(scale: Double) throws {
        for (name, value) in [("width", size.width), ("height", size.height)] {
            // cairo's rasters end at 32,767 pixels a side.
            guard value >= 1, value * scale <= 32_767 else {
                throw ApusError.setting(
                    owner: "\(Self.self)", name: name, value: "\(value)",
                    expected: "from 1 to \(Int(32_767 / scale)) points")
            }
        }
    }

    /// The bytes of a PNG file: the picture on white, `scale` pixels a point.
    public func png(scale: Double = 2) throws -> [UInt8] {
        guard scale > 0, scale <= 32 else {
            throw ApusError.setting(
                owner: "\(Self.self)", name: "scale", value: "\(scale)", expected: "above 0 and at most 32")
        }
        try checkSize(scale: scale)
        let surface = try Surface(
            CAIRO_FORMAT_RGB24, width: Int((size.width * scale).rounded(.up)),
            height: Int((size.height * scale).rounded(.up)))
        let canvas = try Canvas(surface, scale: scale)
        try canvas.fill(Rectangle(x: 0, y: 0, width: size.width + 1, height: size.height + 1), .white)
        try draw(on: canvas, in: frame)
        return try surface.png()
    }

    /// The bytes of an SVG file: the picture on white. Letters are paths, so that no font is needed to show it.
    public func svg() throws -> [UInt8] {
        try checkSize(scale: 1)
        let surface = try Surface(svgOfWidth: size.width, height: size.height)
        let canvas = try Canvas(surface)
        try canvas.fill(frame, .white)
        try draw(on: canvas, in: frame)
        return SVGText.normalized(try surface.finish())
    }

    /// Writes `NAME.png` and `NAME.svg` into `folder`, which must exist.
    /// - Returns: both files.
    /// - Throws: `ApusError.file(path, .unwritable)`, and what drawing throws.
    @discardableResult
    public func save(as name: String, in folder: URL) throws -> [URL] {
        let files = [("png", try png()), ("svg", try svg())]
        return try files.map { ending, bytes in
            let url = folder.appendingPathComponent("\(name).\(ending)")
            try AtomicFile.write(bytes, to: url)
            return url
        }
    }
}
