/// The key to a chart's colours, standing at its right side.
struct ColorBar {
    private enum Kind {
        case classes([Color], names: [String])
        case values(ColorMap, ClosedRange<Double>)
    }

    private var kind: Kind
    private var label: String

    private static let barWidth = 14.0
    private static let nameLimit = 110.0

    /// One block for each class, the first at the bottom.
    init(label: String, classes: [Color], names: [String]) {
        self.label = label
        kind = .classes(classes, names: names)
    }

    /// The whole map, with numbers beside it.
    init(label: String, map: ColorMap, range: ClosedRange<Double>) {
        self.label = label
        kind = .values(map, range)
    }

    /// Names and where they stand: 0 at the bottom, 1 at the top.
    private var marks: [(name: String, fraction: Double)] {
        switch kind {
        case .classes(_, let names):
            // Above forty, names would touch: every second, third, ... is written.
            stride(from: 0, to: names.count, by: names.count / 40 + 1).map {
                (names[$0], (Double($0) + 0.5) / Double(names.count))
            }
        case .values(_, let range):
            Ticks.linear(in: range, atMost: 8).map {
                ($0.label, ($0.value - range.lowerBound) / (range.upperBound - range.lowerBound))
            }
        }
    }

    private func nameWidth(on canvas: Canvas) throws -> Double {
        var width = 0.0
        for mark in marks { width = max(width, min(Self.nameLimit, try canvas.width(of: mark.name, style))) }
        return width
    }

    private var style: Canvas.TextStyle { marks.count > 20 ? .init(size: 8) : .tick }

    /// The width that it takes beside a plot, with the gap between.
    func width(on canvas: Canvas) throws -> Double {
        (14 + Self.barWidth + 8 + (try nameWidth(on: canvas)) + (label.isEmpty ? 0 : 20)).rounded(.up) - 4
    }

    func draw(on canvas: Canvas, at x: Double, from top: Double, height: Double) throws {
        let colors: [Color] =
            switch kind {
            case .classes(let colors, _): colors
            case .values(let map, _): (0..<128).map { map.color(at: (Double($0) + 0.5) / 128) }
            }
        // Each block reaches to the bottom under the next one, so that no seam shows between them.
        for (index, color) in colors.enumerated().reversed() {
            let part = height * Double(index + 1) / Double(colors.count)
            try canvas.fill(Rectangle(x: x, y: top + height - part, width: Self.barWidth, height: part), color)
        }
        try canvas.outline(Rectangle(x: x, y: top, width: Self.barWidth, height: height), .frameLine)
        for mark in marks {
            let name = try canvas.shortened(mark.name, to: Self.nameLimit, style)
            let y = top + height * (1 - mark.fraction)
            if case .values = kind {
                try canvas.line(
                    [Point(x: x + Self.barWidth, y: y), Point(x: x + Self.barWidth + 4, y: y)], .frameLine)
            }
            try canvas.text(name, at: Point(x: x + Self.barWidth + 8, y: y), style)
        }
        let labelX = x + Self.barWidth + 8 + (try nameWidth(on: canvas)) + 12
        try canvas.text(
            try canvas.shortened(label, to: height, .label), at: Point(x: labelX, y: top + height / 2), .label, .center,
            isVertical: true)
    }
}
