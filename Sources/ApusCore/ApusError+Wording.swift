import Foundation

extension ApusError: CustomStringConvertible {
    /// One line: what happened, where, what was expected, what came, what to do.
    public var description: String {
        switch self {
        case .shape(let problem): return problem.description
        case .setting(let owner, let name, let value, let expected):
            return "\(owner): \(name) is \(value); it must be \(expected)."
        case .file(let path, let problem): return Self.wording(of: problem, path: path)
        case .label(let label, let index, let classCount, let source):
            return "\(source): sample \(index) has label \(label), but labels go from 0 to \(classCount - 1). "
                + "Check the file, or give the last layer as many units as there are classes."
        case .index(let index, let place, let count, let layer):
            return "\(layer.isEmpty ? "gather" : layer): number \(place) of the indices is \(index), but they go "
                + "from 0 to \(count - 1). Check the data, or give the table more rows."
        case .unknownName(let kind, let name, let known):
            let guess = nearest(to: name, among: known).map { " Did you mean '\($0)'?" } ?? ""
            return "Unknown \(kind) '\(name)'.\(guess) Known: \(known.joined(separator: ", "))."
        case .library(let name, let call, _) where isOfMemory:
            return "Memory has run out (\(name): \(call)). "
                + "Give smaller batches, end other programs, or raise the limit (ulimit -v)."
        case .library(let name, let call, let status):
            return "\(name): \(call) failed: \(status). Run 'apus doctor' to see which libraries are in use."
        case .notFinite(let problem): return problem.description
        case .uninitialized(let variable, let layer):
            let reader = layer.map { ", read by layer '\($0)'," } ?? ""
            return "Variable '\(variable)'\(reader) has no values yet. Put the layer into a Model, which gives it its "
                + "first values, or assign values to the variable."
        case .memory(let purpose, let byteCount):
            let size = byteCount < 1_000_000 ? "\(byteCount) bytes" : "\((byteCount + 500_000) / 1_000_000) MB"
            return "\(purpose) needs \(size) of memory more than there are. "
                + "Give smaller batches, end other programs, or raise the limit (ulimit -v)."
        case .download(let url, let reason, let cure): return "Cannot fetch \(url): \(reason). \(cure)"
        case .usage(let problem, let cure): return "\(problem) \(cure)"
        }
    }

    private static func wording(of problem: FileProblem, path: String) -> String {
        switch problem {
        case .missing: "\(path): there is no such file or folder. Check the path."
        case .unreadable(let reason): "\(path): cannot be read: \(reason)."
        case .unwritable(let reason): "\(path): cannot be written: \(reason). Choose another place, or make room."
        case .missingFolder(let folder): "\(path): cannot be written: there is no folder \(folder). Create it first."
        case .otherKind(let expected, let found): "\(path): is \(found), not \(expected)."
        case .truncated(let expected, let count):
            "\(path): is cut short: expected \(expected) bytes, found \(count). Fetch or copy the file again."
        case .foreign(let expected, let found): "\(path): expected \(expected), found \(found)."
        case .damaged(let reason): "\(path): is damaged: \(reason). Fetch or copy the file again."
        case .field(let line, let column, let name, let expected, let found):
            "\(path): line \(line)\(column.map { ", column \($0)" } ?? "")\(name.map { " (\($0))" } ?? ""): "
                + "expected \(expected), found \(found)."
        case .checksum(let expected, let found):
            "\(path): is not the published file: expected SHA-256 \(expected), found \(found). Delete it and fetch it again."
        case .checkpoint(let reason): "\(path): is no whole checkpoint: \(reason)."
        case .locked(let processID):
            "\(path): is in use by another process\(processID.map { ", number \($0)" } ?? ""). Wait until it has ended, or end it."
        }
    }
}

/// For those who print `localizedDescription`.
extension ApusError: LocalizedError {
    public var errorDescription: String? { description }
}

extension ShapeProblem: CustomStringConvertible {
    public var description: String {
        let place = [layer, operation].compactMap { $0 }.joined(separator: ": ")
        let line = location.map { " (\($0))" } ?? ""
        return "\(place)\(line): expected \(expected), received \(received). Cure: \(cure)."
    }
}

/// The only known word that `word`, of three letters or more, abbreviates; else the one with the fewest edits (at most a
/// third of its length, and at least one allowed) from it.
package func nearest(to word: String, among known: [String]) -> String? {
    let abbreviated = known.filter { isAbbreviation(word.lowercased(), of: $0.lowercased()) }
    if word.count >= 3, abbreviated.count == 1 { return abbreviated[0] }
    let ranked = known.map { (candidate: $0, distance: editDistance(word.lowercased(), $0.lowercased())) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, best.candidate.count / 3) ? best.candidate : nil
}

/// Whether the word begins as the other one does, and its letters are among that one's in the same order: bf16 is one of
/// bfloat16.
private func isAbbreviation(_ word: String, of other: String) -> Bool {
    guard word.first == other.first else { return false }
    var rest = other[...]
    for letter in word {
        guard let place = rest.firstIndex(of: letter) else { return false }
        rest = rest[place...].dropFirst()
    }
    return true
}

/// The number of letters to insert, delete, replace or swap with their neighbour to get from one word to the other.
///
/// Source: Damerau, A technique for computer detection and correction of spelling errors, 1964 (restricted form).
package func editDistance(_ first: String, _ second: String) -> Int {
    let (a, b) = (Array(first), Array(second))
    var rows = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
    for i in 0...a.count { rows[i][0] = i }
    for j in 0...b.count { rows[0][j] = j }
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    for i in 1...a.count {
        for j in 1...b.count {
            rows[i][j] = min(
                rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
            }
        }
    }
    return rows[a.count][b.count]
}
