import ApusCore
import Foundation
import Testing

import ApusImages
import ApusPictures

/// The colours that a picture's pixels have, and how often.
private func colorCounts(of picture: any Picture) throws -> [[UInt8]: Int] {
    let pixels = try Pixels(png: try picture.png(), path: "").bytes
    var counts: [[UInt8]: Int] = [:]
    // A line or disc has pixels of its pure colour inside, beside the blended ones at its rim.
    for index in stride(from: 0, to: pixels.count, by: 3) { counts[Array(pixels[index..<index + 3]), default: 0] += 1 }
    return counts
}

/// 0x0072B2 and 0xD55E00, the first two colours for lines.
private let firstColor: [UInt8] = [0x00, 0x72, 0xB2]
private let secondColor: [UInt8] = [0xD5, 0x5E, 0x00]

@Suite struct LineChartTests {
    private func chart(_ values: [[Double]], _ scale: AxisScale = .linear) -> LineChart {
        let series = values.enumerated().map { LineChart.Series("curve \($0.offset)", values: $0.element) }
        return LineChart(title: "t", xLabel: "epoch", yLabel: "loss", series: series, yScale: scale)
    }

    /// A legend's sample is 24 points of 1.8: about 48 by 3 pixels of the pure colour; a curve has many more.
    private let legendOnly = 200

    @Test func curvesAreDrawn() throws {
        let counts = try colorCounts(of: chart([[1, 1], [2, 2]]))
        #expect(counts[firstColor, default: 0] > 1000)
        #expect(counts[secondColor, default: 0] > 1000)
    }

    @Test func epochsCountFromOne() {
        let series = LineChart.Series("training", values: [5, 4])
        #expect(series.points == [Point(x: 1, y: 5), Point(x: 2, y: 4)])
    }

    /// A disc of 5 points has 10 pixels across, 78 in all.
    @Test(arguments: [
        [[0.5]], [[.nan, 3, .nan]], [[1, .infinity]], [[-1e300]], [[0]],
    ])
    func onePointIsADisc(_ values: [[Double]]) throws {
        let empty = try colorCounts(of: chart([[.nan]]))[firstColor, default: 0]
        let count = try colorCounts(of: chart(values))[firstColor, default: 0]
        #expect((30...90).contains(count - empty), "\(count) against \(empty)")
    }

    @Test(
        arguments: [
            [], [[]], [[.nan]], [[.infinity, -.infinity]], [[1e308, -1e308]], [[], [.nan, .nan]],
        ] as [[[Double]]])
    func nothingToDraw(_ values: [[Double]]) throws {
        for scale in [AxisScale.linear, .logarithmic] {
            #expect(try colorCounts(of: chart(values, scale))[firstColor, default: 0] < legendOnly)
            #expect(try !chart(values, scale).svg().isEmpty)
        }
    }

    @Test(
        arguments: [
            [[3, 3, 3]], [[0, 0]], [[1e-300, 2e-300]], [[1e300, -1e300]], [[1, 1 + 1e-15]], [[1e16, 1e16 + 2]],
            [[-5, 5]],
        ] as [[[Double]]])
    func extremesAreDrawn(_ values: [[Double]]) throws {
        #expect(try colorCounts(of: chart(values))[firstColor, default: 0] > legendOnly)
    }

    @Test func logarithmicScaleLeavesOutWhatHasNoLogarithm() throws {
        #expect(try colorCounts(of: chart([[0, -1]], .logarithmic))[firstColor, default: 0] < legendOnly)
        #expect(try colorCounts(of: chart([[0, 1, 1e-5, 1]], .logarithmic))[firstColor, default: 0] > legendOnly)
        #expect(try colorCounts(of: chart([[7, 7]], .logarithmic))[firstColor, default: 0] > legendOnly)
    }

    @Test func legendStandsAboveThePlot() throws {
        let canvas = try Canvas(Surface(svgOfWidth: 400, height: 300))
        let frame = Rectangle(x: 0, y: 30, width: 400, height: 270)
        let entries = (0..<9).map { Legend.Entry(name: "a name of some length \($0)", color: .black, isDashed: false) }
        #expect(try Legend(entries: []).draw(on: canvas, in: frame) == frame)
        let one = try Legend(entries: Array(entries.prefix(1))).draw(on: canvas, in: frame)
        #expect(one == Rectangle(x: 0, y: 47, width: 400, height: 253))
        // Nine such names do not fit a line of 400 points: rows of 17 points each.
        let all = try Legend(entries: entries).draw(on: canvas, in: frame)
        #expect(all.y > one.y && (all.y - 30).truncatingRemainder(dividingBy: 17) == 0)
    }

    @Test func longSeriesAreThinnedToTheSameOutline() throws {
        // 1,000 points in each half-point of a width of 2: four of each group remain, among them the extremes.
        let places = (0..<4000).map { Point(x: Double($0) / 2000, y: Double(($0 * 919 + 500) % 1000)) }
        let thinned = LineChart.thinned(places, width: 2)
        try #require(thinned.count == 16)
        #expect(thinned.first == places.first && thinned.last == places.last)
        for column in 0..<4 {
            let group = places[column * 1000..<(column + 1) * 1000]
            let kept = thinned[column * 4..<(column + 1) * 4]
            #expect(kept.map(\.y).min() == group.map(\.y).min() && kept.map(\.y).max() == group.map(\.y).max())
        }
        #expect(LineChart.thinned(Array(places.prefix(10)), width: 2).count == 10)
    }

    @Test func longSeriesAreSmallFiles() throws {
        let values = (0..<100_000).map { Double(($0 * 7919) % 1000) }
        #expect(try chart([values]).svg().count < 300_000)
    }
}

@Suite struct ScatterChartTests {
    @Test func tenThousandPointsAreASmallFile() throws {
        let count = try Sample.scatter(count: 10_000).svg().count
        #expect(count < 1_500_000, "\(count) bytes")
    }

    /// Each point is a line of no length, so the document has as many as there are points.
    @Test func everyPointIsInTheDocument() throws {
        let svg = String(decoding: try Sample.scatter(count: 1234).svg(), as: UTF8.self)
        let dots = svg.components(separatedBy: "\n").filter { $0.contains("stroke-linecap:round") }
        let moves = dots.map { $0.components(separatedBy: "M ").count - 1 }.reduce(0, +)
        #expect(moves == 1234)
    }

    @Test func veryManyPointsBecomeAnImage() throws {
        let svg = try Sample.scatter(count: 100_000).svg()
        #expect(svg.count < 2_500_000)
        #expect(String(decoding: svg, as: UTF8.self).contains("<image "))
    }

    @Test func allClassesShowInPointsAndBar() throws {
        let counts = try colorCounts(of: try Sample.scatter(count: 500))
        for color in Palette.classes {
            let bytes = [color.red, color.green, color.blue].map(Pixels.byte)
            // Points are slightly transparent, so this is the bar: 28 pixels wide and a tenth of its height.
            #expect(counts[bytes, default: 0] > 1500, "\(color)")
        }
    }

    @Test func edges() throws {
        let colorings: [ScatterChart.Coloring] = [
            .plain, .classes([], names: [], label: ""), .classes([], names: ["only"], label: "class"),
            .values([], map: .jet, label: "v"),
        ]
        for coloring in colorings {
            #expect(try !ScatterChart(title: "", points: [], coloring: coloring).png().isEmpty)
        }
        let same = [Point](repeating: Point(x: 2, y: 2), count: 3)
        #expect(
            try !ScatterChart(title: "", points: same, coloring: .values([1, 1, 1], map: .jet, label: "")).svg().isEmpty
        )
        let odd = [Point(x: .nan, y: 0), Point(x: 0, y: .infinity)]
        let values = ScatterChart.Coloring.values([.infinity, -.infinity], map: .jet, label: "")
        #expect(try !ScatterChart(title: "", points: odd + [Point(x: 1e300, y: -1e300)]).svg().isEmpty)
        #expect(
            try !ScatterChart(title: "", points: [Point(x: 0, y: 0), Point(x: 1, y: 1)], coloring: values).svg().isEmpty
        )
        #expect(try !Sample.scatter(count: 300, classCount: 100).png().isEmpty)
    }

    @Test func fromAnArray() throws {
        let array = try NDArray([1, 2, 3, 4] as [Float], shape: [2, 2])
        #expect(try ScatterChart(title: "", points: array).points == [Point(x: 1, y: 2), Point(x: 3, y: 4)])
    }

    @Test func errors() throws {
        let points = [Point(x: 0, y: 0), Point(x: 1, y: 1)]
        #expect {
            try ScatterChart(title: "", points: points, coloring: .classes([1], names: ["a", "b"], label: ""))
        } throws: {
            "\($0)" == "ScatterChart: expected 2 classes, one a point, received 1. Cure: give one for each point."
        }
        #expect(throws: ApusError.label(2, index: 1, classCount: 2, source: "ScatterChart")) {
            try ScatterChart(title: "", points: points, coloring: .classes([1, 2], names: ["a", "b"], label: ""))
        }
        #expect {
            try ScatterChart(title: "", points: NDArray(zeros: [4, 3]))
        } throws: {
            "\($0)" == "ScatterChart: expected points of shape [count, 2], received [4, 3]. Cure: choose two columns."
        }
    }
}

@Suite struct ImageGridTests {
    /// Four images of one pixel each, without a title: 420 points inside, from 64 points right and 10 down.
    @Test func firstRowIsOnTopAndPixelsAreSharp() throws {
        let images = try NDArray([10, 20, 30, 40] as [UInt8], shape: [4, 1, 1])
        let grid = try ImageGrid(title: "", images: images, rows: 2, columns: 2)
        #expect(grid.size == PictureSize(width: 508, height: 480))
        let pixels = try Pixels(png: try grid.png(), path: "").gray
        func value(_ x: Int, _ y: Int) -> UInt8 { pixels.bytes[(20 + y) * pixels.width + 128 + x] }
        for (x, y, expected) in [(2, 2, 10), (837, 2, 20), (2, 837, 30), (837, 837, 40)] as [(Int, Int, UInt8)] {
            #expect(value(x, y) == expected)
        }
        // The seam lies between pixels 419 and 420, with nothing in between.
        #expect((value(419, 200), value(420, 200)) == (10, 20))
        #expect((value(200, 419), value(200, 420)) == (10, 30))
    }

    @Test func imagesLieRowByRow() throws {
        // Two rows of three images of 2 x 1 pixels, numbered through.
        let images = try NDArray((0..<12).map { UInt8($0 * 20) }, shape: [6, 2, 1])
        let grid = try ImageGrid(title: "", images: images, rows: 2, columns: 3)
        let pixels = try Pixels(png: try grid.png(), path: "").gray
        // 3 x 4 pixels of 210 each (840 / 4): the first pixels of images 0, 1, 2, then the second ones, and so on.
        let found = (0..<4).map { row in
            (0..<3).map { column in pixels.bytes[(20 + 210 * row + 100) * pixels.width + 128 + 210 * column + 100] }
        }
        #expect(found == [[0, 40, 80], [20, 60, 100], [120, 160, 200], [140, 180, 220]])
    }

    @Test func colorAndMostFormsAreTaken() throws {
        for shape in [[4, 3, 2], [4, 3, 2, 1], [4, 3, 2, 3]] as [Shape] {
            #expect(try !ImageGrid(title: "t", images: NDArray(zeros: shape), rows: 2, columns: 2).svg().isEmpty)
        }
        #expect(try !ImageGrid(title: "t", images: NDArray(zeros: [1, 3, 3]), rows: 1, columns: 1).svg().isEmpty)
    }

    @Test func errors() throws {
        #expect {
            try ImageGrid(title: "", images: NDArray(zeros: [899, 28, 28]), rows: 30, columns: 30)
        } throws: {
            "\($0)"
                == "ImageGrid: expected 30 x 30 images, [900, height, width], received [899, 28, 28]. "
                + "Cure: give one image for each row and column."
        }
        #expect {
            try ImageGrid(title: "", images: NDArray(zeros: [1, 2, 2]), rows: 1, columns: 1, x: 1...1)
        } throws: {
            "\($0)" == "ImageGrid: x is 1.0...1.0; it must be from one finite number to a greater one."
        }
        #expect(throws: ApusError.self) {
            try ImageGrid(title: "", images: NDArray(zeros: [1, 2, 2, 4]), rows: 1, columns: 1)
        }
        #expect {
            try ImageGrid(title: "", images: NDArray(zeros: [2, 9000, 1], .uint8), rows: 2, columns: 1)
        } throws: {
            "\($0)"
                == "ImageGrid: expected at most 16384 pixels a side in all, received 18000 x 1. "
                + "Cure: give fewer or smaller images."
        }
    }
}

@Suite struct ImageSheetTests {
    /// Two tiles of 96 points with 10 between and 12 around: 226 wide; caption 16, tile 96, margins 24 high, title 30.
    @Test func size() throws {
        #expect(try Sample.sheet().size == PictureSize(width: 226, height: 166))
    }

    /// A tile of 8 points for 64 x 64 pixels of black and white columns: averaged, all are grey.
    @Test func largeImagesAreAveraged() throws {
        let stripes = try NDArray((0..<64 * 64).map { UInt8($0 % 2 == 0 ? 0 : 255) }, shape: [64, 64])
        let sheet = try ImageSheet(rows: [[.init(stripes)]], tileSide: 8)
        let pixels = try Pixels(png: try sheet.png(), path: "").gray
        // 16 pixels from 24 on, four columns averaged in each: 127.5.
        let row = pixels.bytes[(30 * pixels.width + 24)..<(30 * pixels.width + 40)]
        #expect(Array(row) == [UInt8](repeating: 128, count: 16))
    }

    /// Five tiles with 10 between, 18 more after the second and the fourth, and margins: 5 * 96 + 4 * 10 + 2 * 18 + 24.
    @Test func groups() throws {
        let tile = ImageSheet.Tile(try Pixels(NDArray(zeros: [2, 2])))
        let sheet = try ImageSheet(rows: [[tile, tile, tile, tile, tile]], groupLength: 2)
        #expect(sheet.size.width == 580)
        // Black from 12 on for 96 points, white for 10, black again; white for 28 after 214.
        let pixels = try Pixels(png: try sheet.png(scale: 1), path: "").gray
        let row = pixels.bytes[20 * pixels.width..<21 * pixels.width]
        let starts = zip(row, row.dropFirst()).enumerated().compactMap { $1.0 == 255 && $1.1 == 0 ? $0 + 1 : nil }
        #expect(starts == [12, 118, 242, 348, 472])
    }

    @Test func captionsHaveTheirColor() throws {
        func redCount(_ color: Color?) throws -> Int {
            let tile = ImageSheet.Tile(try Pixels(NDArray(zeros: [2, 2])), caption: "wrong", captionColor: color)
            let bytes = try Pixels(png: try ImageSheet(rows: [[tile]]).png(), path: "").colored.bytes
            return stride(from: 0, to: bytes.count, by: 3).count { bytes[$0] > 150 && bytes[$0 + 1] < 60 }
        }
        #expect(try redCount(nil) == 0)
        #expect(try redCount(Color(hex: 0xC00000)) > 20)
    }

    @Test func emptyRowsAreFine() throws {
        #expect(try !ImageSheet(rows: []).png().isEmpty)
        #expect(try !ImageSheet(title: "t", rows: [[], []]).svg().isEmpty)
    }

    @Test func errors() {
        #expect {
            try ImageSheet(rows: [], tileSide: .nan)
        } throws: {
            "\($0)" == "ImageSheet: tileSide is nan; it must be from 8 to 2000 points."
        }
        #expect {
            try ImageSheet(rows: [], groupLength: 0)
        } throws: {
            "\($0)" == "ImageSheet: groupLength is 0; it must be 1 or more."
        }
    }
}
