import ApusCore
import ApusImages
import ApusTestSupport
import Foundation
import Testing

@Suite struct PNGTests {
    private func ramp(_ shape: Shape) throws -> NDArray {
        try NDArray((0..<shape.elementCount).map { UInt8(truncatingIfNeeded: $0 * 37) }, shape: shape)
    }

    @Test(arguments: [[1, 1], [5, 3], [28, 28], [33, 257], [1, 1, 3], [7, 5, 3], [32, 32, 3]])
    func roundTripIsExact(_ sizes: [Int]) throws {
        let array = try ramp(Shape(sizes))
        let temporary = try TemporaryFolder()
        let folder = temporary.url
        let url = folder.appendingPathComponent("image.png")
        try Pixels(array).savePNG(to: url)
        #expect(try Pixels(contentsOfPNG: url).array == array)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["image.png"])
    }

    /// Two pixels each, made with zlib by hand: red and a transparent one; 16 bits 8080 and FFFF; a palette of
    /// (10, 20, 30) and (40, 50, 60), second first; three pixels of one bit.
    @Test(arguments: [
        (
            "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAD0lEQVR4nGP4z8AARAwMAAz8Af9c/RSVAAAAAElFTkSuQmCC",
            3, [255, 0, 0, 255, 255, 255] as [UInt8]
        ),
        (
            "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR4nGNoaPj/HwAGggL/s75RMwAAAABJRU5ErkJggg==",
            1, [128, 255]
        ),
        (
            "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAMAAADD/I+4AAAABlBMVEUKFB4oMjzVG7TpAAAAC0lEQVR4nGNgZAAAAAUAAtFmM3gA"
                + "AAAASUVORK5CYII=",
            3, [40, 50, 60, 10, 20, 30]
        ),
        (
            "iVBORw0KGgoAAAANSUhEUgAAAAMAAAABAQAAAAAzmykZAAAACklEQVR4nGNYAAAAogCh3I2xzAAAAABJRU5ErkJggg==",
            1, [255, 0, 255]
        ),
    ])
    func otherKinds(_ base64: String, _ channelCount: Int, _ bytes: [UInt8]) throws {
        let file = try #require(Data(base64Encoded: base64))
        let pixels = try Pixels(png: [UInt8](file), path: "p.png")
        #expect(pixels.channelCount == channelCount)
        #expect(pixels.bytes == bytes)
    }

    private func expectError(_ bytes: [UInt8], _ text: String) {
        #expect {
            try Pixels(png: bytes, path: "p.png")
        } throws: {
            "\($0)" == text
        }
    }

    @Test(
        arguments: [
            ([], "an empty file"),
            ([0xFF, 0xD8, 0xFF, 0xE0, 0, 0], "a JPEG image"),
            ([0x1F, 0x8B, 8], "a gzip file"),
            ([0, 0, 8, 3, 0, 0, 0x27, 0x10], "an IDX file"),
            (Array("GIF89a".utf8), "a GIF image"),
            (Array("RIFF....WEBP".utf8), "a WebP image"),
            (Array("hello, world".utf8), "a text file (it begins with \"hello, world\")"),
            ([1, 2, 0xFE], "a file that begins with the bytes 01 02 fe"),
        ] as [([UInt8], String)])
    func foreign(_ bytes: [UInt8], _ found: String) {
        expectError(bytes, "p.png: is \(found), not a PNG image.")
    }

    /// Cut anywhere, a file is truncated: it never decodes to something.
    @Test func truncatedAnywhere() throws {
        let whole = try Pixels(ramp([6, 4, 3])).png()
        for count in 1..<whole.count {
            #expect("\(count) of \(whole.count)") {
                try Pixels(png: Array(whole.prefix(count)), path: "p.png")
            } throws: { error in
                guard case ApusError.file("p.png", .truncated(let expected, count)) = error else { return false }
                return expected > count && expected <= whole.count
            }
        }
        // All but the last two bytes: the end mark's own length tells what is missing.
        expectError(
            Array(whole.dropLast(2)),
            "p.png: is cut short: expected \(whole.count) bytes, found \(whole.count - 2). "
                + "Fetch or copy the file again."
        )
    }

    @Test func damagedContents() throws {
        var bytes = try Pixels(ramp([6, 4, 3])).png()
        // The last byte but 16 belongs to the checksum of the pixels, which stands before the end mark's 12 bytes.
        bytes[bytes.count - 14] ^= 0xFF
        expectError(
            bytes,
            "p.png: is damaged: its pixels cannot be unpacked. Fetch or copy the file again.")
    }

    @Test func damagedHeader() throws {
        var bytes = try Pixels(ramp([6, 4, 3])).png()
        bytes.replaceSubrange(16..<20, with: [0, 0, 0, 0])
        expectError(bytes, "p.png: is damaged: its header gives 0 x 6 pixels. Fetch or copy the file again.")
        bytes[12] = UInt8(ascii: "X")
        expectError(bytes, "p.png: is damaged: it does not begin with its header. Fetch or copy the file again.")
    }

    /// 100,000 by 7 pixels by its header and no pixels at all.
    @Test func tooLargeIsRefusedBeforeUnpacking() throws {
        let base64 = "iVBORw0KGgoAAAANSUhEUgABhqAAAAAHCAIAAAAERWKfAAAAAElEQVQ1rwYeAAAAAElFTkSuQmCC"
        let file = try #require(Data(base64Encoded: base64))
        expectError(
            [UInt8](file),
            "p.png: cannot be read: it has 100000 x 7 pixels, more than 16384 a side or 67108864 in all.")
    }

    @Test func files() throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.url
        let missing = folder.appendingPathComponent("none.png")
        #expect {
            try Pixels(contentsOfPNG: missing)
        } throws: {
            "\($0)" == "\(missing.path): there is no such file or folder. Check the path."
        }
        #expect {
            try Pixels(contentsOfPNG: folder)
        } throws: {
            "\($0)" == "\(folder.path): cannot be read: Is a directory."
        }
        #expect(throws: ApusError.file(path: "/dev/zero", .unreadable(reason: "it has more than 1000 bytes"))) {
            try contents(of: URL(fileURLWithPath: "/dev/zero"), byteLimit: 1000)
        }
    }
}
