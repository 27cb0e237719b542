/// Names and line samples in rows above a plot, where no curve can run under them.
package struct Legend {
    package struct Entry {
        var name: String
        var color: Color
        var isDashed: Bool

        package init(name: String, color: Color, isDashed: Bool) {
            self.name = name
            self.color = color
            self.isDashed = isDashed
        }
    }

    var entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    private static let rowHeight = 17.0
    private static let sampleWidth = 24.0

    /// Draws the rows centred in the upper part of `frame`.
    /// - Returns: what is left of the frame below.
    package func draw(on canvas: Canvas, in frame: Rectangle) throws -> Rectangle {
        let available = frame.width - 2 * PlotFrame.margin
        var rows: [[(entry: Entry, name: String, width: Double)]] = []
        var used = Double.infinity
        for entry in entries {
            let name = try canvas.shortened(entry.name, to: available - Self.sampleWidth - 6, .tick)
            let width = Self.sampleWidth + 6 + (try canvas.width(of: name, .tick))
            if used + 18 + width > available {
                rows.append([])
                used = -18
            }
            rows[rows.count - 1].append((entry, name, width))
            used += 18 + width
        }
        guard !rows.isEmpty else { return frame }
        for (index, row) in rows.enumerated() {
            let y = frame.y + 10 + Double(index) * Self.rowHeight
            var x = frame.midX - (row.map(\.width).reduce(0, +) + 18 * Double(row.count - 1)) / 2
            for (entry, name, width) in row {
                try canvas.line(
                    [Point(x: x, y: y), Point(x: x + Self.sampleWidth, y: y)], entry.color, width: 1.8,
                    isDashed: entry.isDashed)
                try canvas.text(name, at: Point(x: x + Self.sampleWidth + 6, y: y), .tick)
                x += width + 18
            }
        }
        let height = Double(rows.count) * Self.rowHeight
        return Rectangle(x: frame.x, y: frame.y + height, width: frame.width, height: frame.height - height)
    }
}
