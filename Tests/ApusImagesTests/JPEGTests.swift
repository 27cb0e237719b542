import ApusCore
import ApusImages
import ApusTestSupport
import Foundation
import Testing

/// The files are made by Data/make-images.py, with the pixels that Pillow reads from them.
@Suite struct JPEGTests {
    private static func data(_ name: String) throws -> [UInt8] {
        [UInt8](
            try Data(
                contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Data/\(name)"))
        )
    }

    @Test(arguments: [("gray", 1), ("color", 3), ("progressive", 3), ("inks", 3)])
    func pixelsAsPillowReadsThem(_ name: String, channelCount: Int) throws {
        let pixels = try Pixels(jpeg: Self.data("\(name).jpg"), path: name)
        let expected = try Self.data("\(name).pixels")
        #expect((pixels.height, pixels.width, pixels.channelCount) == (11, 19, channelCount))
        #expect(pixels.bytes.count == expected.count)
        // Versions of libjpeg round their cosines differently, and Pillow its inks.
        let furthest = zip(pixels.bytes, expected).map { abs(Int($0) - Int($1)) }.max() ?? 0
        #expect(furthest <= 2)
    }

    /// Cut anywhere, a file never decodes to something.
    @Test(arguments: ["gray", "color", "progressive", "inks"]) func truncatedAnywhere(_ name: String) throws {
        let whole = try Self.data("\(name).jpg")
        for count in 1..<whole.count {
            #expect("\(count) of \(whole.count)") {
                try Pixels(jpeg: Array(whole.prefix(count)), path: "p.jpg")
            } throws: { error in
                guard case ApusError.file("p.jpg", .damaged) = error else { return false }
                return true
            }
        }
        #expect {
            try Pixels(jpeg: whole.dropLast(2), path: "p.jpg")
        } throws: {
            "\($0)" == "p.jpg: is damaged: it ends before its last pixel. Fetch or copy the file again."
        }
    }

    /// Whatever a byte is changed to, there are pixels or an error.
    @Test func damagedAnywhere() throws {
        let whole = try Self.data("color.jpg")
        for place in whole.indices {
            for change: UInt8 in [0x01, 0x80, 0xFF] {
                var bytes = whole
                bytes[place] ^= change
                do {
                    _ = try Pixels(jpeg: bytes, path: "p.jpg")
                } catch ApusError.file {}
            }
        }
    }

    @Test func foreignAndTooLarge() throws {
        #expect(throws: ApusError.file(path: "p", .otherKind(expected: "a JPEG image", found: "an empty file"))) {
            try Pixels(jpeg: [], path: "p")
        }
        #expect(throws: ApusError.file(path: "p", .otherKind(expected: "a JPEG image", found: "a GIF image"))) {
            try Pixels(jpeg: Array("GIF89a".utf8), path: "p")
        }
        // The frame's header (FF C0, length, precision, height, width) gives 16,385 x 11 pixels.
        var bytes = try Self.data("color.jpg")
        let start = try #require((0..<bytes.count - 1).first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        (bytes[start + 7], bytes[start + 8]) = (0x40, 0x01)
        #expect {
            try Pixels(jpeg: bytes, path: "p.jpg")
        } throws: {
            "\($0)" == "p.jpg: cannot be read: it has 16385 x 11 pixels, more than 16384 a side or 67108864 in all."
        }
    }

    @Test func eitherKindByItsBytes() throws {
        let folder = try TemporaryFolder()
        let pixels = try Pixels(jpeg: Self.data("color.jpg"), path: "")
        // The names say the opposite.
        let jpeg = try folder.write(Self.data("color.jpg"), to: "a.png")
        let png = try folder.write(pixels.png(), to: "b.jpg")
        #expect(try Pixels(contentsOf: jpeg) == pixels)
        #expect(try Pixels(contentsOf: png) == pixels)
        let text = try folder.write("hello".utf8, to: "c.jpg")
        #expect {
            try Pixels(contentsOf: text)
        } throws: {
            "\($0)" == "\(text.path): is a text file (it begins with \"hello\"), not a PNG or JPEG image."
        }
        let empty = try folder.write([], to: "d.jpg")
        #expect {
            try Pixels(contentsOf: empty)
        } throws: {
            "\($0)" == "\(empty.path): is an empty file, not a PNG or JPEG image."
        }
    }
}
