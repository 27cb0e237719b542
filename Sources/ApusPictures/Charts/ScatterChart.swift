import ApusCore

/// Points in a plane, coloured by class or by a number.
public struct ScatterChart: Picture {
    public enum Coloring: Hashable, Sendable {
        /// All alike.
        case plain
        /// A class for each point, from 0 to `names.count` - 1; the colour bar has one block for each name.
        case classes([Int], names: [String], label: String)
        /// A number for each point; the colour bar goes from the least to the greatest.
        case values([Double], map: ColorMap, label: String)
    }

    public var title: String
    public var xLabel: String
    public var yLabel: String
    /// Those that are not finite are left out, and a note says how many.
    public var points: [Point]
    public var coloring: Coloring
    /// In points; `nil` for one that suits their number, from 2 to 6.
    public var pointDiameter: Double?
    public var size: PictureSize

    /// - Throws: `ApusError.shape` unless there is one class or number for each point, and `ApusError.label` for a
    ///   class without a name.
    public init(
        title: String, xLabel: String = "z[0]", yLabel: String = "z[1]", points: [Point], coloring: Coloring = .plain,
        pointDiameter: Double? = nil, size: PictureSize = PictureSize(width: 560, height: 460)
    ) throws {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.points = points
        self.coloring = coloring
        self.pointDiameter = pointDiameter
        self.size = size
        _ = try colors()
    }

    /// - Parameter points: shape `[count, 2]`, x before y.
    /// - Throws: as the other initializer, and `ApusError.shape` for any other shape.
    public init(
        title: String, xLabel: String = "z[0]", yLabel: String = "z[1]", points: NDArray, coloring: Coloring = .plain
    ) throws {
        guard points.shape.rank == 2, points.shape[1] == 2 else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "ScatterChart", expected: "points of shape [count, 2]", received: "\(points.shape)",
                    cure: "choose two columns"))
        }
        let numbers = points.doubles
        let pairs = stride(from: 0, to: numbers.count, by: 2).map { Point(x: numbers[$0], y: numbers[$0 + 1]) }
        try self.init(title: title, xLabel: xLabel, yLabel: yLabel, points: pairs, coloring: coloring)
    }

    /// The colours there are and, for each point, which one it has.
    private func colors() throws -> (palette: [Color], indices: [Int]) {
        func checkCount(_ count: Int, _ what: String) throws {
            guard count == points.count else {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "ScatterChart", expected: "\(points.count) \(what), one a point",
                        received: "\(count)", cure: "give one for each point"))
            }
        }
        switch coloring {
        case .plain: return ([Palette.lines[0]], [Int](repeating: 0, count: points.count))
        case .classes(let labels, let names, _):
            try checkCount(labels.count, "classes")
            if let index = labels.firstIndex(where: { !names.indices.contains($0) }) {
                throw ApusError.label(labels[index], index: index, classCount: names.count, source: "ScatterChart")
            }
            return (Palette.classes(names.count), labels)
        case .values(let values, let map, _):
            try checkCount(values.count, "numbers")
            let range = Self.range(of: values)
            // 64 shades, so that points of a colour can share a path; the last index is for numbers that are none.
            let palette = (0..<64).map { map.color(at: (Double($0) + 0.5) / 64) } + [ColorMap.missing]
            return (
                palette,
                values.map {
                    if $0.isNaN { return 64 }
                    let part = ($0 - range.lowerBound) / (range.upperBound - range.lowerBound)
                    return Int(max(0, min(63, part * 64)))
                }
            )
        }
    }

    private static func range(of values: [Double]) -> ClosedRange<Double> {
        Axis.range(of: values.filter { abs($0) <= 1e300 }, margin: 0)
    }

    public func draw(on canvas: Canvas, in frame: Rectangle) throws {
        let (palette, indices) = try colors()
        let shown = points.indices.filter { points[$0].isDrawable }
        let inner = try PlotFrame.drawTitle(title, on: canvas, in: frame)
        let bar = colorBar(palette)
        let plot = try PlotFrame(
            x: Axis(label: xLabel, range: Axis.range(of: shown.map { points[$0].x }, margin: 0.04)),
            y: Axis(label: yLabel, range: Axis.range(of: shown.map { points[$0].y }, margin: 0.04)),
            in: inner, right: try bar?.width(on: canvas) ?? 0, on: canvas)
        try plot.draw(on: canvas, hasGrid: true) {
            // An SVG document has some 50 bytes a point; above this many an image is the smaller.
            if shown.count <= 40_000 {
                try drawPoints(shown, palette, indices, in: plot, on: canvas)
            } else {
                try canvas.rasterized(in: plot.area, scale: 2) {
                    try drawPoints(shown, palette, indices, in: plot, on: $0)
                }
            }
            if points.isEmpty {
                try canvas.text("no points", at: Point(x: plot.area.midX, y: plot.area.midY), .label, .center)
            }
        }
        try bar?.draw(on: canvas, at: plot.area.maxX + 14, from: plot.area.y, height: plot.area.height)
        if shown.count < points.count {
            let note = "\(points.count - shown.count) of \(points.count) points are not finite"
            try canvas.text(note, at: Point(x: frame.maxX - 8, y: frame.maxY - 10), .note, .trailing)
        }
    }

    /// Draws in twenty rounds, colour by colour in each: nearly the points' own order, so that no class hides all
    /// others, with as few paths as possible.
    private func drawPoints(
        _ shown: [Int], _ palette: [Color], _ indices: [Int], in plot: PlotFrame, on canvas: Canvas
    ) throws {
        let diameter = pointDiameter ?? max(2, min(6, 230 / Double(max(1, shown.count)).squareRoot()))
        let roundSize = max(1, (shown.count + 19) / 20)
        for start in stride(from: 0, to: shown.count, by: roundSize) {
            var groups = [[Point]](repeating: [], count: palette.count)
            for index in shown[start..<min(shown.count, start + roundSize)] {
                groups[indices[index]].append(plot.place(points[index]))
            }
            for (color, places) in zip(palette, groups) {
                try canvas.discs(at: places, diameter: diameter, color, opacity: 0.85)
            }
        }
    }

    private func colorBar(_ palette: [Color]) -> ColorBar? {
        switch coloring {
        case .plain: nil
        case .classes(_, let names, let label):
            names.isEmpty ? nil : ColorBar(label: label, classes: palette, names: names)
        case .values(let values, let map, let label): ColorBar(label: label, map: map, range: Self.range(of: values))
        }
    }
}
