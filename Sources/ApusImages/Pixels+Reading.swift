import ApusCore
import Foundation

extension Pixels {
    /// Reads an image file, PNG or JPEG by its first bytes, whatever its name.
    /// - Throws: As `init(contentsOfPNG:)` and `init(contentsOfJPEG:)`.
    public init(contentsOf url: URL) throws {
        let bytes = [UInt8](try contents(of: url, byteLimit: Self.fileByteLimit))
        if !bytes.isEmpty, bytes.starts(with: PNGHeader.signature.prefix(bytes.count)) {
            try self.init(png: bytes, path: url.path)
        } else if !bytes.isEmpty, bytes.starts(with: Self.jpegBeginning.prefix(bytes.count)) {
            try self.init(jpeg: bytes, path: url.path)
        } else {
            throw ApusError.file(
                path: url.path,
                .otherKind(
                    expected: "a PNG or JPEG image", found: FileKind.description(of: Array(bytes.prefix(64)))))
        }
    }

    /// The largest image file that is read.
    static let fileByteLimit = 1 << 28

    /// The most pixels that an image file may have.
    package static let filePixelLimit = 1 << 26

    /// Checks what a file's header says before memory is taken for it.
    static func checkSize(height: Int, width: Int, path: String, pixelLimit: Int) throws {
        guard width > 0, height > 0 else {
            throw ApusError.file(path: path, .damaged(reason: "its header gives \(width) x \(height) pixels"))
        }
        guard width <= sideLimit, height <= sideLimit, width * height <= pixelLimit else {
            throw ApusError.file(
                path: path,
                .unreadable(
                    reason: "it has \(width) x \(height) pixels, more than \(sideLimit) a side or \(pixelLimit) in all")
            )
        }
    }
}
