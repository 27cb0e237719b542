import ApusCore
import Foundation

/// A column of a CSV file: by its name in the header, or by its place, from 0.
public enum CSVColumn: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case name(String)
    case index(Int)

    public init(stringLiteral name: String) { self = .name(name) }
    public init(integerLiteral index: Int) { self = .index(index) }
}

/// A CSV file whose rows all have the fields of the first one.
struct CSVTable {
    let path: String
    let columnCount: Int
    /// The header's, where there is one.
    let names: [String]?
    private var reader: CSVReader
    /// Whether the reader stands at a row that was not given out yet.
    private var hasRow: Bool

    init(_ contents: some Collection<UInt8>, path: String, separator: Character, hasHeader: Bool) throws {
        var reader = try CSVReader(contents, path: path, separator: separator)
        guard try reader.next() else {
            throw ApusError.file(path: path, .foreign(expected: "rows of fields", found: "an empty file"))
        }
        self.path = path
        columnCount = reader.fields.count
        names = hasHeader ? reader.fields.map { reader.text($0) } : nil
        hasRow = !hasHeader
        self.reader = reader
    }

    /// The place of a column, from 0.
    /// - Throws: `ApusError.unknownName`, `ApusError.setting` for a place that is none.
    func place(of column: CSVColumn) throws -> Int {
        switch column {
        case .name(let name):
            guard let place = names?.firstIndex(of: name) else {
                throw ApusError.unknownName(
                    kind: "column of \(path)", name: name,
                    known: names.map { $0.prefix(100).map { excerpt($0) } } ?? ["no names, as the file has no header"])
            }
            return place
        case .index(let index):
            guard (0..<columnCount).contains(index) else {
                throw ApusError.setting(
                    owner: path, name: "a column's place", value: "\(index)", expected: "from 0 to \(columnCount - 1)")
            }
            return index
        }
    }

    /// Goes to the next row; `false` after the last.
    /// - Throws: `ApusError.file` with `.field` for a row with more or fewer fields than the first.
    mutating func next() throws -> Bool {
        if hasRow {
            hasRow = false
            return true
        }
        guard try reader.next() else { return false }
        guard reader.fields.count == columnCount else {
            throw ApusError.file(
                path: path,
                .field(
                    line: reader.line, column: nil, name: nil,
                    expected: "\(columnCount) fields, as in the first row", found: "\(reader.fields.count)"))
        }
        return true
    }

    /// The number in the row's field at `place`.
    /// - Throws: `ApusError.file` with `.field` where there is none.
    func number(at place: Int) throws -> Float {
        let field = reader.fields[place]
        guard let number = reader.number(field) else { throw problem(place, expected: "a finite number") }
        return number
    }

    /// The text in the row's field at `place`.
    func text(at place: Int) -> String { reader.text(reader.fields[place]) }

    /// Says that the row's field at `place` holds something else.
    func problem(_ place: Int, expected: String) -> ApusError {
        let text = text(at: place)
        return reader.problem(
            place, reader.fields[place].line, name: (names?[place]).map { excerpt($0) }, expected: expected,
            found: text.isEmpty ? "nothing" : "\"\(excerpt(text, limit: 24))\"")
    }
}
