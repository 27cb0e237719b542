/// What a file seems to be, from its first bytes: for messages about a file that is not what it should be.
package enum FileKind {
    /// A phrase such as `a PNG image` or `a text file (it begins with "Hello")`.
    package static func description(of start: [UInt8]) -> String {
        if start.isEmpty { return "an empty file" }
        if start.starts(with: "RIFF".utf8), start.dropFirst(8).starts(with: "WEBP".utf8) { return "a WebP image" }
        if start.count > 3, start.starts(with: [0, 0, 8]), (1...8).contains(start[3]) { return "an IDX file" }
        if let known = signatures.first(where: { start.starts(with: $0.bytes) }) { return known.kind }
        if let text = text(start) {
            let lowered = text.lowercased()
            let words = lowered.drop { $0.isWhitespace }
            if words.hasPrefix("<!doctype html") || words.hasPrefix("<html") { return "an HTML page" }
            if words.hasPrefix("<?xml") { return "an XML document" }
            if words.hasPrefix("<svg") { return "an SVG image" }
            let line = text.prefix { !$0.isNewline }.prefix(24)
            return line.isEmpty ? "a text file" : "a text file (it begins with \"\(excerpt(line))\")"
        }
        let digits = start.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        return "a file that begins with the bytes \(digits.joined(separator: " "))"
    }

    private static let signatures: [(bytes: [UInt8], kind: String)] = [
        ([0x89, 0x50, 0x4E, 0x47], "a PNG image"),
        ([0xFF, 0xD8, 0xFF], "a JPEG image"),
        (Array("GIF8".utf8), "a GIF image"),
        (Array("BM".utf8), "a BMP image"),
        ([0x49, 0x49, 0x2A, 0x00], "a TIFF image"),
        ([0x4D, 0x4D, 0x00, 0x2A], "a TIFF image"),
        (Array("<svg".utf8), "an SVG image"),
        (Array("%PDF".utf8), "a PDF document"),
        ([0x50, 0x4B, 0x03, 0x04], "a ZIP archive"),
        ([0x50, 0x4B, 0x05, 0x06], "an empty ZIP archive"),
        ([0x1F, 0x8B], "a gzip file"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "an xz file"),
        ([0x28, 0xB5, 0x2F, 0xFD], "a Zstandard file"),
        (Array("BZh".utf8), "a bzip2 file"),
        ([0x93] + Array("NUMPY".utf8), "a NumPy array (.npy)"),
        ([0x89] + Array("HDF".utf8), "an HDF5 file"),
        ([0x00, 0x00, 0x08, 0x01], "an IDX file"),
        ([0x00, 0x00, 0x08, 0x03], "an IDX file"),
        ([0x7F] + Array("ELF".utf8), "a program"),
    ]

    /// The bytes as text, where they are printable UTF-8 (its last character may be cut).
    private static func text(_ bytes: [UInt8]) -> String? {
        guard !bytes.contains(where: { $0 < 32 && ![9, 10, 13].contains($0) || $0 == 127 }) else { return nil }
        return (0..<4).lazy.compactMap { String(validating: bytes.dropLast($0), as: UTF8.self) }.first
    }
}
