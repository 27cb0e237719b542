import ApusCore
import Foundation
import Testing

import ApusImages
import ApusPictures

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// One picture of every kind, small.
enum Sample {
    static let line = LineChart(
        title: "Loss & <accuracy>", xLabel: "epoch", yLabel: "loss",
        series: [
            .init("training", values: [3, 2, 1.5, 1.2]),
            .init("validation", values: [2.9, 2.2, .nan, 1.9], isDashed: true),
        ])

    static func scatter(count: Int, classCount: Int = 10) throws -> ScatterChart {
        // Golden-angle spirals fill a disc evenly.
        let points = (0..<count).map { index -> Point in
            let radius = 4 * (Double(index) / Double(max(count, 1))).squareRoot()
            let angle = 2.399963 * Double(index)
            return Point(x: radius * cos(angle), y: radius * sin(angle))
        }
        let coloring = ScatterChart.Coloring.classes(
            (0..<count).map { $0 % classCount }, names: (0..<classCount).map { "\($0)" }, label: "digit")
        return try ScatterChart(title: "z_mean", points: points, coloring: coloring)
    }

    static func grid() throws -> ImageGrid {
        let values = (0..<6 * 4 * 4).map { Float($0) / 96 }
        return try ImageGrid(title: "digits", images: NDArray(values, shape: [6, 4, 4]), rows: 2, columns: 3)
    }

    static func sheet() throws -> ImageSheet {
        let image = try NDArray((0..<48).map { Float($0) / 48 }, shape: [4, 4, 3])
        let map = try NDArray((0..<15).map { Float($0) }, shape: [3, 5])
        return try ImageSheet(
            title: "maps", rows: [[.init(image, caption: "image"), .init(map: map, in: .jet, caption: "map")]])
    }

    static func all() throws -> [any Picture] {
        let curves = Panels(
            title: "run",
            training: [.init("loss", training: [2, 1], validation: [2, 1.5]), .init("accuracy", training: [0.5, 1])])
        let colored = try ScatterChart(
            title: "", points: [Point(x: 0, y: 0), Point(x: 1, y: 2), Point(x: .nan, y: 2)],
            coloring: .values([1, .nan, 3], map: .viridis, label: "value"))
        return [line, try scatter(count: 200), colored, try grid(), try sheet(), curves, Panels([])]
    }
}

@Suite struct PictureTests {
    @Test func bytesAreTheSameEveryTime() throws {
        for (first, second) in zip(try Sample.all(), try Sample.all()) {
            #expect(try first.png() == second.png())
            #expect(try first.svg() == second.svg())
        }
    }

    @Test func svgIsWellFormed() throws {
        for picture in try Sample.all() {
            let parser = XMLParser(data: Data(try picture.svg()))
            let reader = IdentifierReader()
            parser.delegate = reader
            #expect(parser.parse(), "\(picture): \(String(describing: parser.parserError))")
            #expect(!reader.defined.isEmpty)
            #expect(reader.used.isSubset(of: reader.defined), "references to nothing in \(picture)")
            #expect(reader.defined.count == reader.definitionCount, "an identifier twice in \(picture)")
        }
    }

    /// Gathers what an SVG document defines and refers to.
    private final class IdentifierReader: NSObject, XMLParserDelegate {
        var defined: Set<String> = []
        var used: Set<String> = []
        var definitionCount = 0

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            if let identifier = attributes["id"] {
                defined.insert(identifier)
                definitionCount += 1
            }
            for value in attributes.values {
                if value.hasPrefix("#") { used.insert(String(value.dropFirst())) }
                if value.hasPrefix("url(#") { used.insert(String(value.dropFirst(5).dropLast())) }
            }
        }
    }

    /// Identifiers by first appearance, references with them; the rest as it was.
    @Test func svgIdentifiers() {
        let document =
            ##"<a id="surface17"/><b id="glyph0-1" clip="url(#surface17)"/><use href="#glyph0-1"/><image x="1"/>"##
        let expected =
            ##"<a id="n0"/><b id="n1" clip="url(#n0)"/><use href="#n1"/>"##
            + ##"<image style="image-rendering:pixelated" x="1"/>"##
        #expect(SVGText.normalized(Array(document.utf8)) == Array(expected.utf8))
    }

    @Test func sizes() throws {
        let picture = Sample.line
        let twofold = try PNGHeader(try picture.png(), path: "")
        #expect((twofold.width, twofold.height) == (960, 680))
        let single = try PNGHeader(try picture.png(scale: 1), path: "")
        #expect((single.width, single.height) == (480, 340))
        let svg = String(decoding: try picture.svg(), as: UTF8.self)
        #expect(svg.contains("viewBox=\"0 0 480 340\""))
    }

    @Test func savesBothKinds() throws {
        try withTestFolder { folder in
            let files = try Sample.line.save(as: "loss", in: folder)
            #expect(files.map(\.lastPathComponent) == ["loss.png", "loss.svg"])
            #expect(try [UInt8](Data(contentsOf: files[0])) == Sample.line.png())
            #expect(try [UInt8](Data(contentsOf: files[1])) == Sample.line.svg())
            // A second time replaces them and leaves nothing else behind.
            try Sample.line.save(as: "loss", in: folder)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["loss.png", "loss.svg"])
        }
    }

    @Test func unwritablePlaces() throws {
        try withTestFolder { folder in
            let inside = folder.appendingPathComponent("none")
            let cure = "Choose another place, or make room."
            #expect {
                try Sample.line.save(as: "loss", in: inside)
            } throws: {
                "\($0)"
                    == "\(inside.path)/loss.png: cannot be written: there is no folder \(inside.path). Create it first."
            }
            let taken = folder.appendingPathComponent("loss.png")
            try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
            #expect {
                try Sample.line.save(as: "loss", in: folder)
            } throws: {
                "\($0)" == "\(taken.path): cannot be written: Is a directory. \(cure)"
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["loss.png"])
        }
    }

    @Test func impossibleSizes() {
        var picture = Sample.line
        picture.size = PictureSize(width: 480, height: 20_000)
        #expect {
            try picture.png()
        } throws: {
            "\($0)" == "LineChart: height is 20000.0; it must be from 1 to 16383 points."
        }
        picture.size = PictureSize(width: .nan, height: 100)
        #expect {
            try picture.svg()
        } throws: {
            "\($0)" == "LineChart: width is nan; it must be from 1 to 32767 points."
        }
        #expect {
            try Sample.line.png(scale: 0)
        } throws: {
            "\($0)" == "LineChart: scale is 0.0; it must be above 0 and at most 32."
        }
    }

    /// A picture too small for its labels is ugly, but no error.
    @Test func tinyPicturesAreDrawn() throws {
        var picture = Sample.line
        picture.size = PictureSize(width: 1, height: 1)
        #expect(try !picture.svg().isEmpty)
        #expect(try !picture.png().isEmpty)
    }

    @Test func cairosStatusBecomesAnError() {
        #expect {
            _ = try Pixels(height: 1, width: 40_000, channelCount: 1, bytes: []).png()
        } throws: {
            "\($0)"
                == "cairo: cairo_image_surface_create failed: invalid value (typically too big) for the size of the "
                + "input (surface, pattern, etc.). "
                + "Run 'apus doctor' to see which libraries are in use."
        }
    }

    @Test func textMayHoldAnything() throws {
        for title in ["", "\u{0}\n\t", "été 数字 🙂", String(repeating: "very long ", count: 500), "a\u{FEFF}b"] {
            var picture = Sample.line
            picture.title = title
            picture.xLabel = title
            picture.yLabel = title
            picture.series[0].name = title
            #expect(XMLParser(data: Data(try picture.svg())).parse(), "\(title.prefix(20))")
            #expect(try !picture.png().isEmpty)
        }
    }
}
