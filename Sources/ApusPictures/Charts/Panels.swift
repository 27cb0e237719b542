/// Pictures side by side, in rows.
public struct Panels: Picture {
    public var title: String
    /// From left to right, row by row.
    public var pictures: [any Picture]
    public var columnCount: Int

    /// - Parameter columnCount: at least 1, which it is raised to.
    public init(title: String = "", columnCount: Int = 2, _ pictures: [any Picture]) {
        self.title = title
        self.pictures = pictures
        self.columnCount = max(1, columnCount)
    }

    /// A quantity over the epochs of a training.
    public struct TrainingCurve: Hashable, Sendable {
        public var name: String
        /// One value an epoch, from epoch 1.
        public var training: [Double]
        /// The same of the validation data; empty where there are none.
        public var validation: [Double]
        public var yScale: AxisScale

        public init(_ name: String, training: [Double], validation: [Double] = [], yScale: AxisScale = .linear) {
            self.name = name
            self.training = training
            self.validation = validation
            self.yScale = yScale
        }
    }

    /// The curves of a training: one panel for each quantity, such as loss beside accuracy.
    public init(title: String, training curves: [TrainingCurve]) {
        self.init(
            title: title, columnCount: min(2, curves.count),
            curves.map { curve in
                var series = [LineChart.Series("training", values: curve.training)]
                if !curve.validation.isEmpty {
                    series.append(.init("validation", values: curve.validation, isDashed: true))
                }
                return LineChart(
                    title: "", xLabel: "epoch", yLabel: curve.name, series: series, yScale: curve.yScale,
                    size: PictureSize(width: 400, height: 300))
            })
    }

    private var titleHeight: Double { title.isEmpty ? 0 : 30 }
    private var rowCount: Int { (pictures.count + columnCount - 1) / columnCount }
    private var cell: PictureSize {
        PictureSize(width: pictures.map(\.size.width).max() ?? 200, height: pictures.map(\.size.height).max() ?? 60)
    }

    /// Every panel has the room of the largest.
    public var size: PictureSize {
        PictureSize(
            width: cell.width * Double(max(1, min(columnCount, pictures.count))),
            height: titleHeight + cell.height * Double(max(1, rowCount)))
    }

    public func draw(on canvas: Canvas, in frame: Rectangle) throws {
        let inner = try PlotFrame.drawTitle(title, on: canvas, in: frame)
        let width = inner.width / Double(max(1, min(columnCount, pictures.count)))
        let height = inner.height / Double(max(1, rowCount))
        for (index, picture) in pictures.enumerated() {
            let place = Rectangle(
                x: inner.x + Double(index % columnCount) * width, y: inner.y + Double(index / columnCount) * height,
                width: width, height: height)
            try picture.draw(on: canvas, in: place)
        }
    }
}
