/// The part of a chart that axes enclose, and the drawing of all that stands around it.
package struct PlotFrame {
    var x: Axis
    var y: Axis
    /// The inside, on whole half-points, so that its lines are sharp at two pixels a point.
    var area: Rectangle

    static let margin = 12.0
    private static let tickLength = 4.0
    private static let labelHeight = 16.0

    /// Draws a title across the upper edge of `frame`.
    /// - Returns: what is left of the frame below.
    static func drawTitle(_ title: String, on canvas: Canvas, in frame: Rectangle) throws -> Rectangle {
        guard !title.isEmpty else { return frame }
        let shown = try canvas.shortened(title, to: frame.width - 2 * margin, .title)
        try canvas.text(shown, at: Point(x: frame.midX, y: frame.y + margin + 8), .title, .center)
        let height = margin + 18
        return Rectangle(x: frame.x, y: frame.y + height, width: frame.width, height: frame.height - height)
    }

    /// The widths that stand left of, below, above and right of the inside.
    struct Insets {
        var left: Double
        var right: Double
        var top: Double
        var bottom: Double
    }

    /// What labels and ticks need around the inside.
    /// - Parameter right: what else stands on the right side.
    static func insets(x: Axis, y: Axis, height: Double, right: Double, on canvas: Canvas) throws -> Insets {
        var tickWidth = 0.0
        for tick in y.ticks(atMost: yTickLimit(height)) {
            tickWidth = max(tickWidth, try canvas.width(of: tick.label, .tick))
        }
        var lastWidth = 0.0
        for tick in x.ticks(atMost: 8) { lastWidth = max(lastWidth, try canvas.width(of: tick.label, .tick)) }
        return Insets(
            left: (margin + (y.label.isEmpty ? 0 : labelHeight) + tickWidth + tickLength + 8).rounded(.up),
            // The last label of the x axis stands out by half its width.
            right: max(margin + 4, lastWidth / 2 + 4).rounded(.up) + right,
            top: margin - 2,
            bottom: margin + labelHeight + tickLength + (x.label.isEmpty ? 0 : labelHeight))
    }

    private static func yTickLimit(_ height: Double) -> Int { max(2, Int(height / 34)) }

    package init(x: Axis, y: Axis, area: Rectangle) {
        self.x = x
        self.y = y
        self.area = area
    }

    /// Lays out a plot that fills `frame`.
    init(x: Axis, y: Axis, in frame: Rectangle, right: Double = 0, on canvas: Canvas) throws {
        let insets = try Self.insets(x: x, y: y, height: frame.height - 60, right: right, on: canvas)
        func half(_ value: Double) -> Double { (2 * value).rounded() / 2 }
        self.init(
            x: x, y: y,
            area: Rectangle(
                x: half(frame.x + insets.left), y: half(frame.y + insets.top),
                width: max(1, half(frame.width - insets.left - insets.right)),
                height: max(1, half(frame.height - insets.top - insets.bottom))))
    }

    /// Where a point of the data lies in the picture.
    package func place(_ point: Point) -> Point {
        Point(x: area.x + area.width * x.fraction(of: point.x), y: area.maxY - area.height * y.fraction(of: point.y))
    }

    /// The marks of the x axis: the most whose labels keep apart.
    private func xTicks(on canvas: Canvas) throws -> [Tick] {
        for limit in stride(from: max(2, min(10, Int(area.width / 28))), to: 2, by: -1) {
            let ticks = x.ticks(atMost: limit)
            var end = -Double.infinity
            var isClear = true
            for tick in ticks {
                let half = try canvas.width(of: tick.label, .tick) / 2
                let center = area.width * x.fraction(of: tick.value)
                isClear = isClear && center - half >= end + 9
                end = center + half
            }
            if isClear { return ticks }
        }
        return x.ticks(atMost: 2)
    }

    /// Draws grid, frame, ticks and labels; what the chart shows comes on top, by `contents`, and is cut at the frame.
    func draw(on canvas: Canvas, hasGrid: Bool, contents: () throws -> Void) throws {
        let xTicks = try xTicks(on: canvas)
        let yTicks = y.ticks(atMost: Self.yTickLimit(area.height))
        let xPlaces = xTicks.map { ((area.x + area.width * x.fraction(of: $0.value)) * 2).rounded() / 2 }
        let yPlaces = yTicks.map { ((area.maxY - area.height * y.fraction(of: $0.value)) * 2).rounded() / 2 }
        if hasGrid {
            for place in xPlaces {
                try canvas.line([Point(x: place, y: area.y), Point(x: place, y: area.maxY)], .gridLine)
            }
            for place in yPlaces {
                try canvas.line([Point(x: area.x, y: place), Point(x: area.maxX, y: place)], .gridLine)
            }
        }
        try canvas.clipped(to: area, contents)
        try canvas.outline(area, .frameLine)
        let tickEnd = area.maxY + Self.tickLength
        for (tick, place) in zip(xTicks, xPlaces) {
            try canvas.line([Point(x: place, y: area.maxY), Point(x: place, y: tickEnd)], .frameLine)
            try canvas.text(tick.label, at: Point(x: place, y: tickEnd + 9), .tick, .center)
        }
        for (tick, place) in zip(yTicks, yPlaces) {
            try canvas.line([Point(x: area.x, y: place), Point(x: area.x - Self.tickLength, y: place)], .frameLine)
            try canvas.text(tick.label, at: Point(x: area.x - Self.tickLength - 4, y: place), .tick, .trailing)
        }
        try canvas.text(
            try canvas.shortened(x.label, to: area.width, .label),
            at: Point(x: area.midX, y: tickEnd + Self.labelHeight + 11), .label, .center)
        var tickWidth = 0.0
        for tick in yTicks { tickWidth = max(tickWidth, try canvas.width(of: tick.label, .tick)) }
        try canvas.text(
            try canvas.shortened(y.label, to: area.height, .label),
            at: Point(x: area.x - Self.tickLength - tickWidth - 18, y: area.midY), .label, .center, isVertical: true)
    }
}
