import ApusCore
import CCairo

/// The one place where cairo's statuses become errors.
package enum Cairo {
    package static func check(_ status: cairo_status_t, _ call: String) throws {
        guard status == CAIRO_STATUS_SUCCESS else {
            throw ApusError.library(name: "cairo", call: call, status: String(cString: cairo_status_to_string(status)))
        }
    }
}

/// A cairo surface, destroyed with the last reference.
package final class Surface {
    package let pointer: OpaquePointer
    /// Where a streaming surface writes; it must outlive the surface, which may write while it is destroyed.
    private let sink: ByteSink?

    private init(_ pointer: OpaquePointer?, _ call: String, sink: ByteSink? = nil) throws {
        guard let pointer else { throw ApusError.library(name: "cairo", call: call, status: "no surface") }
        let status = cairo_surface_status(pointer)
        if status != CAIRO_STATUS_SUCCESS { cairo_surface_destroy(pointer) }
        try Cairo.check(status, call)
        self.pointer = pointer
        self.sink = sink
    }

    deinit { cairo_surface_destroy(pointer) }

    /// A raster of `width` by `height` zero pixels.
    package convenience init(_ format: cairo_format_t, width: Int, height: Int) throws {
        guard let width = Int32(exactly: width), let height = Int32(exactly: height) else {
            throw ApusError.library(
                name: "cairo", call: "cairo_image_surface_create", status: "\(width) x \(height) pixels are too many")
        }
        try self.init(cairo_image_surface_create(format, width, height), "cairo_image_surface_create")
    }

    /// An SVG document of a size in points, collected in memory.
    package convenience init(svgOfWidth width: Double, height: Double) throws {
        let sink = ByteSink()
        let pointer = cairo_svg_surface_create_for_stream(ByteSink.write, sink.opaque, width, height)
        try self.init(pointer, "cairo_svg_surface_create_for_stream", sink: sink)
    }

    /// The raster that a PNG file's bytes hold.
    convenience init(png bytes: [UInt8]) throws {
        let source = ByteSource(bytes)
        let pointer = withExtendedLifetime(source) {
            cairo_image_surface_create_from_png_stream(ByteSource.read, source.opaque)
        }
        try self.init(pointer, "cairo_image_surface_create_from_png_stream")
    }

    package var width: Int { Int(cairo_image_surface_get_width(pointer)) }
    package var height: Int { Int(cairo_image_surface_get_height(pointer)) }

    /// The rows of a raster, and the bytes from one to the next.
    func withRows<Result>(_ body: (UnsafeMutablePointer<UInt8>, _ stride: Int) throws -> Result) throws -> Result {
        cairo_surface_flush(pointer)
        guard let data = cairo_image_surface_get_data(pointer) else {
            throw ApusError.library(name: "cairo", call: "cairo_image_surface_get_data", status: "no pixels")
        }
        let result = try body(data, Int(cairo_image_surface_get_stride(pointer)))
        cairo_surface_mark_dirty(pointer)
        try Cairo.check(cairo_surface_status(pointer), "cairo_surface_mark_dirty")
        return result
    }

    /// The same raster seen on white paper, without transparency.
    func onWhite() throws -> Surface {
        let paper = try Surface(CAIRO_FORMAT_RGB24, width: width, height: height)
        guard let context = cairo_create(paper.pointer) else {
            throw ApusError.library(name: "cairo", call: "cairo_create", status: "no context")
        }
        defer { cairo_destroy(context) }
        cairo_set_source_rgb(context, 1, 1, 1)
        cairo_paint(context)
        cairo_set_source_surface(context, pointer, 0, 0)
        cairo_paint(context)
        // A context keeps its first error.
        try Cairo.check(cairo_status(context), "cairo_paint")
        return paper
    }

    /// The raster as the bytes of a PNG file.
    package func png() throws -> [UInt8] {
        let sink = ByteSink()
        let status = withExtendedLifetime(sink) {
            cairo_surface_write_to_png_stream(pointer, ByteSink.write, sink.opaque)
        }
        try Cairo.check(status, "cairo_surface_write_to_png_stream")
        return sink.bytes
    }

    /// Ends a streaming surface: all that it wrote. It cannot be drawn on afterwards.
    package func finish() throws -> [UInt8] {
        cairo_surface_finish(pointer)
        try Cairo.check(cairo_surface_status(pointer), "cairo_surface_finish")
        return sink?.bytes ?? []
    }
}

/// Collects what cairo writes.
private final class ByteSink {
    private(set) var bytes: [UInt8] = []

    var opaque: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static let write: cairo_write_func_t = { closure, data, count in
        guard let closure, let data else { return CAIRO_STATUS_WRITE_ERROR }
        let sink = Unmanaged<ByteSink>.fromOpaque(closure).takeUnretainedValue()
        sink.bytes.append(contentsOf: UnsafeBufferPointer(start: data, count: Int(count)))
        return CAIRO_STATUS_SUCCESS
    }
}

/// Hands bytes to cairo.
private final class ByteSource {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var opaque: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static let read: cairo_read_func_t = { closure, data, count in
        guard let closure, let data else { return CAIRO_STATUS_READ_ERROR }
        let source = Unmanaged<ByteSource>.fromOpaque(closure).takeUnretainedValue()
        guard source.bytes.count - source.position >= Int(count) else { return CAIRO_STATUS_READ_ERROR }
        source.bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            data.update(from: start + source.position, count: Int(count))
        }
        source.position += Int(count)
        return CAIRO_STATUS_SUCCESS
    }
}
