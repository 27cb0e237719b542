import ApusCore
import CCairo
import Foundation

extension Pixels {
    /// The bytes of a PNG file of these pixels: grey or RGB, eight bits a value, without loss.
    public func png() throws -> [UInt8] { try surface(forDrawing: false).png() }

    /// Writes a PNG file, beside under a temporary name and then renamed.
    /// - Throws: `ApusError.file(path, .unwritable)`.
    public func savePNG(to url: URL) throws { try AtomicFile.write(try png(), to: url) }

    /// Reads a PNG file.
    ///
    /// Grey files give one channel, all others three; transparent pixels are seen on white, and 16 bits a value are
    /// rounded to eight. The size is checked by the header before anything is unpacked: at most 16,384 pixels a side
    /// and 64 million in all, in a file of at most 256 MiB.
    ///
    /// - Throws: `ApusError.file` with `.missing`, `.unreadable` (also where it is too large), `.otherKind` for another
    ///   kind of file, `.truncated` or `.damaged`.
    public init(contentsOfPNG url: URL) throws {
        try self.init(png: [UInt8](try contents(of: url, byteLimit: Self.fileByteLimit)), path: url.path)
    }

    /// The pixels of a PNG file's bytes; `path` is where they came from, for errors.
    public init(png bytes: [UInt8], path: String) throws {
        try self.init(png: bytes, path: path, pixelLimit: Self.filePixelLimit)
    }

    package init(png bytes: [UInt8], path: String, pixelLimit: Int) throws {
        let header = try PNGHeader(bytes, path: path, pixelLimit: pixelLimit)
        let decoded: Surface
        do {
            decoded = try Surface(png: bytes)
        } catch ApusError.library {
            // The status tells nothing: cairo 1.16 calls any trouble with the contents a lack of memory.
            throw ApusError.file(path: path, .damaged(reason: "its pixels cannot be unpacked"))
        }
        guard decoded.width == header.width, decoded.height == header.height else {
            throw ApusError.file(path: path, .damaged(reason: "its header and its pixels disagree"))
        }
        // Painting on white settles transparency and whatever depth cairo chose.
        let opaque = try decoded.onWhite()
        var pixels = [UInt8](repeating: 0, count: header.width * header.height * 3)
        try opaque.withRows { rows, stride in
            for y in 0..<header.height {
                (rows + y * stride).withMemoryRebound(to: UInt32.self, capacity: header.width) { row in
                    for x in 0..<header.width {
                        let index = 3 * (y * header.width + x)
                        for channel in 0..<3 {
                            pixels[index + channel] = UInt8(truncatingIfNeeded: row[x] >> UInt32(16 - 8 * channel))
                        }
                    }
                }
            }
        }
        let result = Pixels(height: header.height, width: header.width, channelCount: 3, bytes: pixels)
        self = header.isGray ? result.gray : result
    }
}

/// What a PNG file says of itself, checked without unpacking it.
package struct PNGHeader {
    package let width: Int
    package let height: Int
    let isGray: Bool

    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    /// The smallest whole file: signature, header, one part of pixels and the end mark, without their contents.
    private static let leastByteCount = 8 + 25 + 12 + 12

    /// - Throws: `ApusError.file` as `Pixels.init(contentsOfPNG:)` says.
    package init(_ bytes: [UInt8], path: String, pixelLimit: Int = Pixels.filePixelLimit) throws {
        guard !bytes.isEmpty, bytes.starts(with: Self.signature.prefix(bytes.count)) else {
            let found = FileKind.description(of: Array(bytes.prefix(64)))
            throw ApusError.file(path: path, .otherKind(expected: "a PNG image", found: found))
        }
        guard bytes.count >= 33 else {
            throw ApusError.file(
                path: path, .truncated(expectedByteCount: Self.leastByteCount, byteCount: bytes.count))
        }
        func number(at index: Int) -> Int { bytes[index..<index + 4].reduce(0) { $0 << 8 | Int($1) } }
        guard number(at: 8) == 13, bytes[12..<16].elementsEqual("IHDR".utf8) else {
            throw ApusError.file(path: path, .damaged(reason: "it does not begin with its header"))
        }
        (width, height) = (number(at: 16), number(at: 20))
        isGray = bytes[25] == 0 || bytes[25] == 4
        try Pixels.checkSize(height: height, width: width, path: path, pixelLimit: pixelLimit)
        // Part by part to the end mark: length, name, contents, checksum.
        var position = 8
        while true {
            let known = position + 8 <= bytes.count
            let end = known ? position + 12 + number(at: position) : position + 12
            let isLast = known && bytes[position + 4..<position + 8].elementsEqual("IEND".utf8)
            guard end <= bytes.count else {
                // The file says no more of its length than this part and the end mark.
                throw ApusError.file(
                    path: path, .truncated(expectedByteCount: isLast || !known ? end : end + 12, byteCount: bytes.count)
                )
            }
            if isLast { return }
            position = end
        }
    }
}
