import ApusCore
import Foundation

/// A file with a record on each line. The last line may be torn: a kill leaves its beginning, a power cut zeros.
struct RecordLines {
    private let lines: [Data]
    private let endsWithALine: Bool
    private let start: Data

    /// - Parameter start: what every line begins with.
    init(_ bytes: Data, start: String) {
        lines = bytes.split(separator: UInt8(ascii: "\n"))
        endsWithALine = bytes.last == UInt8(ascii: "\n")
        self.start = Data(start.utf8)
    }

    /// What `read` makes of the lines, but for a torn one.
    /// - Parameter name: what a line is, for the error.
    /// - Throws: `ApusError.file` with `.damaged` for a line that `read` gives `nil` for.
    func records<Record>(path: String, called name: String, _ read: (Data) -> Record?) throws -> [Record] {
        var records: [Record] = []
        for (index, line) in lines.enumerated() {
            if let record = read(line) {
                records.append(record)
            } else if index < lines.count - 1 || endsWithALine || !isTorn(line) {
                throw ApusError.file(path: path, .damaged(reason: "line \(index + 1) is no \(name)"))
            }
        }
        return records
    }

    private func isTorn(_ line: Data) -> Bool {
        let written = line.prefix { $0 != 0 }
        return line.dropFirst(written.count).allSatisfy { $0 == 0 }
            && (written.starts(with: start) || start.starts(with: written))
    }
}
