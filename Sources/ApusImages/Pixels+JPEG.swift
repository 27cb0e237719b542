import ApusCore
import CApusJPEG
import Foundation

extension Pixels {
    /// Reads a JPEG file.
    ///
    /// Grey files give one channel, all others three. How the camera was held (EXIF) is not looked at. The size is
    /// checked by the header before anything is unpacked: at most 16,384 pixels a side and 64 million in all, in a file
    /// of at most 256 MiB.
    ///
    /// - Throws: `ApusError.file` with `.missing`, `.unreadable` (also where it is too large), `.foreign` for another
    ///   kind of file, `.damaged` also where it is cut short.
    public init(contentsOfJPEG url: URL) throws {
        try self.init(jpeg: [UInt8](try contents(of: url, byteLimit: Self.fileByteLimit)), path: url.path)
    }

    /// The pixels of a JPEG file's bytes; `path` is where they came from, for errors.
    public init(jpeg bytes: [UInt8], path: String) throws {
        try self.init(jpeg: bytes, path: path, pixelLimit: Self.filePixelLimit)
    }

    package init(jpeg bytes: [UInt8], path: String, pixelLimit: Int) throws {
        guard !bytes.isEmpty, bytes.starts(with: Self.jpegBeginning.prefix(bytes.count)) else {
            throw ApusError.file(
                path: path,
                .otherKind(expected: "a JPEG image", found: FileKind.description(of: Array(bytes.prefix(64))))
            )
        }
        func check(_ work: (UnsafeMutablePointer<CChar>) -> Int32) throws {
            var message = [CChar](repeating: 0, count: Int(APUS_JPEG_MESSAGE_SIZE))
            switch work(&message) {
            case Int32(APUS_JPEG_DONE): return
            case Int32(APUS_JPEG_CUT_SHORT):
                throw ApusError.file(path: path, .damaged(reason: "it ends before its last pixel"))
            default:
                let words = message.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
                throw ApusError.file(path: path, .damaged(reason: "its pixels cannot be unpacked (\(words))"))
            }
        }
        var size = apus_jpeg_size()
        try check { apus_jpeg_header(bytes, bytes.count, &size, $0) }
        let (height, width, channelCount) = (Int(size.height), Int(size.width), Int(size.channel_count))
        try Self.checkSize(height: height, width: width, path: path, pixelLimit: pixelLimit)
        // Memory that is not touched is not taken: a small file cut short behind a large promise costs little.
        let count = height * width * channelCount
        let pixels = try [UInt8](unsafeUninitializedCapacity: count) { pixels, filled in
            try check { apus_jpeg_pixels(bytes, bytes.count, pixels.baseAddress, $0) }
            filled = count
        }
        self.init(height: height, width: width, channelCount: channelCount, bytes: pixels)
    }

    static let jpegBeginning: [UInt8] = [0xFF, 0xD8, 0xFF]
}
