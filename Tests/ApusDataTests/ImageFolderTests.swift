import ApusCore
import ApusData
import ApusImages
import Foundation
import Testing

@Suite struct ImageFolderTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A PNG file of `height` x `width` pixels of one colour.
    private func png(_ color: [UInt8], height: Int = 2, width: Int = 3) throws -> [UInt8] {
        let bytes = (0..<height * width).flatMap { _ in color }
        return try Pixels(NDArray(bytes, shape: [height, width, color.count])).png()
    }

    private static func jpeg() throws -> [UInt8] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: tests.appendingPathComponent("ApusImagesTests/Data/gray.jpg")))
    }

    @Test func classesInTheOrderOfTheirNames() throws {
        try folder.write(png([30, 20, 10]), to: "zebra/b.png")
        try folder.write(png([40]), to: "zebra/deeper/a.png")
        try folder.write(png([1, 2, 3]), to: "Ape/x.png")
        try folder.write(png([7, 8, 9]), to: "bear/x.png")
        // What is passed over.
        try folder.write([1], to: "bear/.hidden")
        try folder.write([1], to: "bear/Thumbs.db")
        try folder.write([1], to: "labels.txt")
        try folder.write([1], to: ".cache/x.png")
        let images = try ImageFolder(folder.url)
        #expect(images.classNames == ["Ape", "bear", "zebra"])
        #expect(images.labels == [0, 1, 2, 2])
        #expect(images.files.map(\.lastPathComponent) == ["x.png", "x.png", "b.png", "a.png"])
        let data = try images.dataset()
        #expect(data.inputs[0].values.shape == [4, 2, 3, 3] && data.inputs[0].scale == Float(1) / 255)
        let bytes: [UInt8] = data.inputs[0].values.values()
        #expect(
            stride(from: 0, to: 72, by: 18).map { Array(bytes[$0..<$0 + 4]) }
                == [[1, 2, 3, 1], [7, 8, 9, 7], [30, 20, 10, 30], [40, 40, 40, 40]])
        #expect(data.labels == [0, 1, 2, 2])
        #expect(data.name == folder.url.lastPathComponent)
    }

    @Test func grayAndResizedAndJPEG() throws {
        try folder.write(png([255, 0, 0], height: 5, width: 2), to: "a/1.png")
        try folder.write(Self.jpeg(), to: "b/2.jpg")
        let gray = try Dataset(imageFolder: folder.url, size: (height: 4, width: 6), colors: .gray)
        #expect(gray.inputs[0].values.shape == [2, 4, 6, 1])
        // 0.299 * 255 = 76.2.
        #expect(gray.inputs[0].values.values(as: UInt8.self).prefix(24).allSatisfy { $0 == 76 })
        let color = try Dataset(imageFolder: folder.url, size: (height: 1, width: 1))
        #expect(color.inputs[0].values.shape == [2, 1, 1, 3])
        #expect(color.inputs[0].values.values(as: UInt8.self).prefix(3) == [255, 0, 0])
        #expect(
            message { _ = try Dataset(imageFolder: folder.url, size: (height: 0, width: 6)) }
                == "Pixels.resized: height is 0; it must be from 1 to 16384.")
    }

    @Test func manyImagesKeepTheirPlaces() throws {
        for index in 0..<60 {
            try folder.write(png([UInt8(index)]), to: "\(index % 2)/\(100 + index).png")
        }
        let data = try Dataset(imageFolder: folder.url, colors: .gray)
        let bytes: [UInt8] = data.inputs[0].values.values()
        #expect((0..<60).map { Int(bytes[$0 * 6]) } == (0..<30).map { 2 * $0 } + (0..<30).map { 2 * $0 + 1 })
    }

    @Test func mistakes() throws {
        let expected = "\(folder.url.path): expected a folder with a folder of images for each class, found "
        #expect(message { _ = try ImageFolder(folder.url) } == expected + "no folder in it.")
        try folder.write(png([1]), to: "image.png")
        #expect(message { _ = try ImageFolder(folder.url) } == expected + "no folder in it.")
        let file = folder.url.appendingPathComponent("image.png")
        #expect(message { _ = try ImageFolder(file) }.hasSuffix("for each class, found a file."))
        let missing = folder.url.appendingPathComponent("none")
        #expect(
            message { _ = try ImageFolder(missing) }.hasSuffix("none: there is no such file or folder. Check the path.")
        )
        try folder.write(png([1]), to: "a/1.png")
        let empty = folder.url.appendingPathComponent("b")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
        #expect(
            message { _ = try ImageFolder(folder.url) }
                == "\(empty.path): expected images of the class 'b', found none.")
        // Of several the first is reported.
        let text = try folder.write(Array("no image".utf8), to: "b/1.png")
        try folder.write(Array("no image".utf8), to: "b/2.png")
        #expect(
            message { _ = try Dataset(imageFolder: folder.url) }
                == "\(text.path): is a text file (it begins with \"no image\"), not a PNG or JPEG image.")
        let whole = try png([1, 2, 3])
        try folder.write(Array(whole.dropLast(20)), to: "b/1.png")
        #expect(message { _ = try Dataset(imageFolder: folder.url) }.hasPrefix("\(text.path): is cut short: "))
        try folder.write(Array(Self.jpeg().dropLast(40)), to: "b/1.png")
        #expect(
            message { _ = try Dataset(imageFolder: folder.url) }
                == "\(text.path): is damaged: it ends before its last pixel. Fetch or copy the file again.")
        try folder.write(png([1], height: 3, width: 3), to: "b/1.png")
        try folder.write(png([1]), to: "b/2.png")
        let first = folder.url.appendingPathComponent("a/1.png").path
        #expect(
            message { _ = try Dataset(imageFolder: folder.url) }
                == "\(text.path): expected 2 x 3 pixels (height x width) as in \(first), or a size to bring all images "
                + "to, found 3 x 3.")
    }
}
