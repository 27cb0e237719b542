import ApusCore
import Foundation

/// The rows of a text file whose fields are separated by a character: fields may stand in double quotes, and then hold
/// separators, line ends and (doubled) quotes. Lines end with LF or CR LF; a byte-order mark is passed over.
///
/// Source: RFC 4180.
struct CSVReader {
    let path: String
    /// The fields of the row that was read last.
    private(set) var fields: [Field] = []
    /// The line that this row begins at, from 1.
    private(set) var line = 0

    /// The bytes, and a zero behind them.
    private let bytes: [UInt8]
    private let separator: UInt8
    private var position = 0
    private var nextLine = 1

    /// A field's place in the file.
    struct Field {
        fileprivate var start: Int
        fileprivate var end: Int
        fileprivate var isQuoted: Bool
        /// The line that it begins at, from 1.
        let line: Int
    }

    /// The most fields in a row.
    private static let widestRow = 1 << 20
    private static let quote = UInt8(ascii: "\"")
    private static let (lineFeed, carriageReturn): (UInt8, UInt8) = (10, 13)

    /// - Throws: `ApusError.setting` for a separator that cannot be.
    init(_ contents: some Collection<UInt8>, path: String, separator: Character) throws {
        guard let code = separator.asciiValue, code != Self.quote, code >= 32 || code == 9 else {
            throw ApusError.setting(
                owner: "CSV", name: "separator", value: "\(separator)",
                expected: "a tab or a visible ASCII character other than the double quote")
        }
        self.separator = code
        self.path = path
        bytes = contents + [0]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    private var end: Int { bytes.count - 1 }

    /// Reads the next row into `fields`; `false` at the end. Empty lines are passed over.
    /// - Throws: `ApusError.file` with `.field` for quotes that do not pair.
    mutating func next() throws -> Bool {
        repeat {
            guard position < end else { return false }
            fields.removeAll(keepingCapacity: true)
            line = nextLine
            while try readField() {}
        } while fields.count == 1 && !fields[0].isQuoted && fields[0].start == fields[0].end
        return true
    }

    /// Reads a field and what ends it; `false` where that is the end of the row.
    private mutating func readField() throws -> Bool {
        var field = Field(start: position, end: position, isQuoted: false, line: nextLine)
        if bytes[position] == Self.quote, position < end {
            field.isQuoted = true
            field.start += 1
            position += 1
            while true {
                guard position < end else {
                    throw problem(fields.count, field.line, expected: "a closing quote", found: "the end of the file")
                }
                if bytes[position] == Self.quote {
                    guard bytes[position + 1] == Self.quote else { break }
                    position += 1
                }
                if bytes[position] == Self.lineFeed { nextLine += 1 }
                position += 1
            }
            field.end = position
            position += 1
        } else {
            while position < end, bytes[position] != separator, bytes[position] != Self.lineFeed { position += 1 }
            field.end = position
            if position > field.start, bytes[position - 1] == Self.carriageReturn,
                position == end || bytes[position] == Self.lineFeed
            {
                field.end -= 1
            }
        }
        guard fields.count < Self.widestRow else {
            throw ApusError.file(
                path: path,
                .field(
                    line: line, column: nil, name: nil, expected: "at most \(Self.widestRow) fields", found: "more"))
        }
        fields.append(field)
        if position < end, field.isQuoted, bytes[position] == Self.carriageReturn { position += 1 }
        guard position < end else { return false }
        guard bytes[position] == separator || bytes[position] == Self.lineFeed else {
            let rest = bytes[position..<min(position + 8, end)]
            throw problem(
                fields.count - 1, nextLine, expected: "a separator after the closing quote",
                found: "\"\(excerpt(String(decoding: rest.prefix { $0 != Self.lineFeed }, as: UTF8.self)))\"")
        }
        position += 1
        if bytes[position - 1] == separator { return true }
        nextLine += 1
        return false
    }

    /// The field as text, without quotes.
    func text(_ field: Field) -> String {
        let text = String(decoding: bytes[field.start..<field.end], as: UTF8.self)
        return field.isQuoted ? text.replacingOccurrences(of: "\"\"", with: "\"") : text
    }

    /// The field as a finite decimal number, with spaces around it or none; `nil` for anything else.
    func number(_ field: Field) -> Float? {
        var (start, end) = (field.start, field.end)
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }
        while start < end, isSpace(bytes[start]) { start += 1 }
        while end > start, isSpace(bytes[end - 1]) { end -= 1 }
        // No words ("nan") and no hexadecimal digits: what strtof takes beyond this is no number here.
        let isDecimal = bytes[start..<end].allSatisfy { byte in
            (48...57).contains(byte) || byte == 43 || byte == 45 || byte == 46 || byte | 0x20 == 101
        }
        guard start < end, isDecimal else { return nil }
        return bytes.withUnsafeBytes { bytes in
            let text = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard let first = text.map({ $0 + start }) else { return nil }
            var stop: UnsafeMutablePointer<CChar>?
            let number = strtof(first, &stop)
            return number.isFinite && stop.map { UnsafePointer($0) } == first + (end - start) ? number : nil
        }
    }

    /// - Parameters:
    ///   - index: Of the field in its row, from 0.
    ///   - name: Of its column.
    func problem(
        _ index: Int, _ line: Int, name: String? = nil, expected: String, found: String
    ) -> ApusError {
        .file(path: path, .field(line: line, column: index + 1, name: name, expected: expected, found: found))
    }
}
