/// Curves over a common axis, as of losses over epochs.
public struct LineChart: Picture {
    /// One curve.
    public struct Series: Hashable, Sendable {
        public var name: String
        /// In drawing order. A point that is not finite (or not above 0 on a logarithmic scale) leaves a gap, and the
        /// legend says how many there are.
        public var points: [Point]
        public var isDashed: Bool

        public init(_ name: String, points: [Point], isDashed: Bool = false) {
            self.name = name
            self.points = points
            self.isDashed = isDashed
        }

        /// Values at `first`, `first` + 1 and so on: one for each epoch, counted from 1.
        public init(_ name: String, values: [Double], startingAt first: Int = 1, isDashed: Bool = false) {
            let points = values.enumerated().map { Point(x: Double(first + $0.offset), y: $0.element) }
            self.init(name, points: points, isDashed: isDashed)
        }
    }

    public var title: String
    public var xLabel: String
    public var yLabel: String
    /// Drawn in this order, later ones on top.
    public var series: [Series]
    public var yScale: AxisScale
    public var size: PictureSize

    public init(
        title: String, xLabel: String, yLabel: String, series: [Series], yScale: AxisScale = .linear,
        size: PictureSize = PictureSize(width: 480, height: 340)
    ) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.series = series
        self.yScale = yScale
        self.size = size
    }

    private func isDrawable(_ point: Point) -> Bool {
        point.isDrawable && (yScale == .linear || point.y >= 1e-300)
    }

    public func draw(on canvas: Canvas, in frame: Rectangle) throws {
        let drawable = series.map { $0.points.filter(isDrawable) }
        let entries = zip(series, drawable).enumerated().map { index, pair in
            let missing = pair.0.points.count - pair.1.count
            return Legend.Entry(
                name: pair.0.name + (missing > 0 ? " (\(missing) not \(yScale == .linear ? "finite" : "shown"))" : ""),
                color: color(index), isDashed: pair.0.isDashed)
        }
        var inner = try PlotFrame.drawTitle(title, on: canvas, in: frame)
        inner = try Legend(entries: entries).draw(on: canvas, in: inner)
        let all = drawable.flatMap { $0 }
        let plot = try PlotFrame(
            x: xAxis(of: all.map(\.x)),
            y: Axis(label: yLabel, range: Axis.range(of: all.map(\.y), margin: 0.05, scale: yScale), scale: yScale),
            in: inner, on: canvas)
        try plot.draw(on: canvas, hasGrid: true) {
            for (index, series) in series.enumerated() { try draw(series, color(index), in: plot, on: canvas) }
            if all.isEmpty {
                let text = series.allSatisfy(\.points.isEmpty) ? "no values" : "no finite values"
                let place = Point(x: plot.area.midX, y: plot.area.midY)
                let width = try canvas.width(of: text, .label) + 16
                try canvas.fill(Rectangle(x: place.x - width / 2, y: place.y - 11, width: width, height: 22), .white)
                try canvas.text(text, at: place, .label, .center)
            }
        }
    }

    private func color(_ index: Int) -> Color { Palette.lines[index % Palette.lines.count] }

    /// Epochs and steps are whole numbers, and so are their ticks.
    private func xAxis(of values: [Double]) -> Axis {
        let isWhole = values.allSatisfy { $0 == $0.rounded() }
        if isWhole, let low = values.min(), low == values.max() {
            let room = max(0.5, abs(low) * 1e-3)
            return Axis(label: xLabel, range: low - room...low + room, wholeNumbers: true)
        }
        guard let low = values.min(), let high = values.max(), low < high else {
            return Axis(label: xLabel, range: Axis.range(of: values, margin: 0.02), wholeNumbers: isWhole)
        }
        let room = max(high - low, max(abs(low), abs(high)) * 1e-6) * 0.02
        return Axis(label: xLabel, range: low - room...high + room, wholeNumbers: isWhole)
    }

    private func draw(_ series: Series, _ color: Color, in plot: PlotFrame, on canvas: Canvas) throws {
        // Few points are shown as such; one point between gaps is shown in any case, for no line runs through it.
        let hasDiscs = series.points.count <= 12
        for run in series.points.split(whereSeparator: { !isDrawable($0) }) {
            let places = Self.thinned(run.map(plot.place), width: plot.area.width)
            try canvas.line(places, color, width: 1.8, isDashed: series.isDashed)
            if hasDiscs || run.count == 1 { try canvas.discs(at: places, diameter: 5, color) }
        }
    }

    /// The same line by fewer points: of those that fall into the same half-point of the x axis only the first, the
    /// lowest, the highest and the last are kept, which draw the same.
    package static func thinned(_ places: [Point], width: Double) -> [Point] {
        guard Double(places.count) > 8 * width else { return places }
        var result: [Point] = []
        var start = 0
        while start < places.count {
            let column = (places[start].x * 2).rounded(.down)
            var end = start + 1
            while end < places.count, (places[end].x * 2).rounded(.down) == column { end += 1 }
            let members = start..<end
            let lowest = members.min { places[$0].y < places[$1].y } ?? start
            let highest = members.max { places[$0].y < places[$1].y } ?? start
            for index in Set([start, lowest, highest, end - 1]).sorted() { result.append(places[index]) }
            start = end
        }
        return result
    }
}
