import ApusCore
import ApusImages
import CCairo
import Foundation

/// What pictures are drawn on: a raster or an SVG document, in points, y downwards.
public final class Canvas {
    private let context: OpaquePointer
    private let surface: Surface

    /// - Parameter scale: units of the surface in a point.
    package init(_ surface: Surface, scale: Double = 1) throws {
        guard let context = cairo_create(surface.pointer) else {
            throw ApusError.library(name: "cairo", call: "cairo_create", status: "no context")
        }
        self.context = context
        self.surface = surface
        // From here on deinit destroys the context, also when a check throws.
        try check("cairo_create")
        cairo_scale(context, scale, scale)
        cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
        guard let options = cairo_font_options_create() else { return }
        defer { cairo_font_options_destroy(options) }
        // Unhinted letters have the same widths on both kinds of surface.
        cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE)
        cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF)
        cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY)
        try Cairo.check(cairo_font_options_status(options), "cairo_font_options_create")
        cairo_set_font_options(context, options)
        try check("cairo_set_font_options")
    }

    deinit { cairo_destroy(context) }

    /// A context keeps its first error, so that one look after a few calls finds it.
    private func check(_ call: String) throws { try Cairo.check(cairo_status(context), call) }

    private func setColor(_ color: Color, opacity: Double = 1) {
        cairo_set_source_rgba(context, color.red, color.green, color.blue, opacity)
    }

    // MARK: Areas and lines

    func fill(_ area: Rectangle, _ color: Color) throws {
        setColor(color)
        cairo_rectangle(context, area.x, area.y, area.width, area.height)
        cairo_fill(context)
        try check("cairo_fill")
    }

    func outline(_ area: Rectangle, _ color: Color, width: Double = 1) throws {
        setColor(color)
        cairo_set_line_width(context, width)
        cairo_rectangle(context, area.x, area.y, area.width, area.height)
        cairo_stroke(context)
        try check("cairo_stroke")
    }

    /// A line through `points`.
    func line(_ points: [Point], _ color: Color, width: Double = 1, isDashed: Bool = false) throws {
        guard let first = points.first else { return }
        setColor(color)
        cairo_set_line_width(context, width)
        if isDashed { cairo_set_dash(context, [4.5 * width / 1.5, 2.5 * width / 1.5], 2, 0) }
        cairo_move_to(context, first.x, first.y)
        for point in points.dropFirst() { cairo_line_to(context, point.x, point.y) }
        cairo_stroke(context)
        cairo_set_dash(context, nil, 0, 0)
        try check("cairo_stroke")
    }

    /// Discs of one colour, as one path: a line of no length with a round cap is a disc of few bytes.
    func discs(at centers: [Point], diameter: Double, _ color: Color, opacity: Double = 1) throws {
        guard !centers.isEmpty else { return }
        setColor(color, opacity: opacity)
        cairo_set_line_width(context, diameter)
        cairo_set_line_cap(context, CAIRO_LINE_CAP_ROUND)
        for center in centers {
            cairo_move_to(context, center.x, center.y)
            cairo_line_to(context, center.x, center.y)
        }
        cairo_stroke(context)
        cairo_set_line_cap(context, CAIRO_LINE_CAP_BUTT)
        try check("cairo_stroke")
    }

    /// Draws with everything outside `area` left as it is.
    func clipped(to area: Rectangle, _ body: () throws -> Void) throws {
        cairo_save(context)
        cairo_rectangle(context, area.x, area.y, area.width, area.height)
        cairo_clip(context)
        try body()
        cairo_restore(context)
        try check("cairo_clip")
    }

    // MARK: Text

    /// Where a text's anchor lies along its line.
    enum Alignment: Double {
        case leading = 0
        case center = 0.5
        case trailing = 1
    }

    struct TextStyle {
        var size: Double
        var isBold = false
        var color = Color.text

        static let title = TextStyle(size: 14, isBold: true)
        static let label = TextStyle(size: 12)
        static let tick = TextStyle(size: 10.5)
        static let note = TextStyle(size: 10.5, color: .note)
    }

    private func select(_ style: TextStyle) {
        let weight = style.isBold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL
        cairo_select_font_face(context, "sans-serif", CAIRO_FONT_SLANT_NORMAL, weight)
        cairo_set_font_size(context, style.size)
    }

    /// What the selected font can show of a text. Control characters have no glyphs, and a NUL would end the text.
    private func printable(_ text: String) -> String {
        var text = text
        // Where no font is installed, cairo draws its own letters, which are ASCII only.
        if cairo_scaled_font_get_type(cairo_get_scaled_font(context)) == CAIRO_FONT_TYPE_USER {
            text = text.replacingOccurrences(of: "\u{2212}", with: "-").replacingOccurrences(of: "…", with: "...")
        }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    /// The width of a text, in points.
    func width(of text: String, _ style: TextStyle) throws -> Double {
        select(style)
        var extents = cairo_text_extents_t()
        cairo_text_extents(context, printable(text), &extents)
        try check("cairo_text_extents")
        return extents.x_advance
    }

    /// A text on one line, its middle line at `point.y`; upwards where `isVertical`, its middle line at `point.x`.
    func text(
        _ text: String, at point: Point, _ style: TextStyle, _ alignment: Alignment = .leading, isVertical: Bool = false
    ) throws {
        guard !text.isEmpty else { return }
        let width = try width(of: text, style)
        cairo_save(context)
        setColor(style.color)
        cairo_translate(context, point.x, point.y)
        if isVertical { cairo_rotate(context, -Double.pi / 2) }
        // Half the height of capitals and digits, which is near 0.73 of the size in sans-serif fonts.
        cairo_move_to(context, -width * alignment.rawValue, 0.365 * style.size)
        cairo_show_text(context, printable(text))
        cairo_restore(context)
        try check("cairo_show_text")
    }

    /// `text`, or as much of its beginning as fits `width` with an ellipsis after it.
    func shortened(_ text: String, to width: Double, _ style: TextStyle) throws -> String {
        if try self.width(of: text, style) <= width { return text }
        // The text's length is the user's: halve the interval instead of trying every length.
        let letters = Array(text)
        var (fits, fails) = (0, letters.count)
        while fails - fits > 1 {
            let middle = (fits + fails) / 2
            if try self.width(of: String(letters.prefix(middle)) + "…", style) <= width {
                fits = middle
            } else {
                fails = middle
            }
        }
        return String(letters.prefix(fits)) + "…"
    }

    // MARK: Images

    /// An image stretched over `area`, its pixels as sharp squares.
    func image(_ pixels: Pixels, in area: Rectangle) throws {
        var pixels = pixels
        if cairo_surface_get_type(surface.pointer) == CAIRO_SURFACE_TYPE_SVG {
            // Some viewers blur images whatever the document says; of large squares they blur only the rims.
            let wanted = 4 * max(area.width / Double(pixels.width), area.height / Double(pixels.height))
            let most = 1024 / max(pixels.width, pixels.height)
            pixels = pixels.repeated(max(1, min(most, Int(wanted.rounded()))))
        }
        try paint(try pixels.surface(forDrawing: true), in: area)
    }

    /// A raster, one pixel a unit, from the upper left corner.
    func paint(_ source: Surface) throws {
        try paint(source, in: Rectangle(x: 0, y: 0, width: Double(source.width), height: Double(source.height)))
    }

    private func paint(
        _ source: Surface, in area: Rectangle, filter: cairo_filter_t = CAIRO_FILTER_NEAREST
    ) throws {
        cairo_save(context)
        cairo_translate(context, area.x, area.y)
        cairo_scale(context, area.width / Double(source.width), area.height / Double(source.height))
        cairo_set_source_surface(context, source.pointer, 0, 0)
        cairo_pattern_set_filter(cairo_get_source(context), filter)
        cairo_paint(context)
        cairo_restore(context)
        try check("cairo_paint")
    }

    /// Draws through a raster of `scale` pixels a point, for what would make too many paths.
    func rasterized(in area: Rectangle, scale: Double, _ body: (Canvas) throws -> Void) throws {
        let (width, height) = ((area.width * scale).rounded(.up), (area.height * scale).rounded(.up))
        let layer = try Surface(CAIRO_FORMAT_ARGB32, width: Int(width), height: Int(height))
        let canvas = try Canvas(layer, scale: scale)
        cairo_translate(canvas.context, -area.x, -area.y)
        try body(canvas)
        try paint(
            layer, in: Rectangle(x: area.x, y: area.y, width: width / scale, height: height / scale),
            filter: CAIRO_FILTER_GOOD)
    }
}
