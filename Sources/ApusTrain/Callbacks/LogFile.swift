import ApusCore
import Foundation

/// A text file that is written line by line, so that it is whole after each line whatever comes.
final class LogFile {
    let file: OpenFile
    private var path: String { file.path }
    private var descriptor: Int32 { file.descriptor }
    private var byteCount: Int

    /// Opens the file, and empties it unless `appends`.
    /// - Throws: `ApusError.file` where the system refuses.
    init(_ url: URL, appends: Bool) throws {
        file = try OpenFile(url, flags: appends ? 0 : O_TRUNC)
        byteCount = Int(lseek(file.descriptor, 0, SEEK_END))
    }

    var isEmpty: Bool { byteCount <= 0 }

    /// Its length; `nil` for something that has none, such as a pipe.
    var length: Int? { byteCount >= 0 ? byteCount : nil }

    /// Takes away what was written after the first `length` bytes. Of a file that has lost some of these, its last line
    /// is taken away unless it is whole.
    /// - Throws: `ApusError.file` where the system refuses.
    func cut(to length: Int) throws {
        var length = length
        if byteCount >= 0, byteCount < length {
            let end = try contents(of: URL(fileURLWithPath: path)).lastIndex(of: UInt8(ascii: "\n"))
            length = end.map { $0 + 1 } ?? 0
        }
        guard length < byteCount else { return }
        guard ftruncate(descriptor, off_t(length)) == 0, lseek(descriptor, 0, SEEK_END) == off_t(length) else {
            throw ApusError.file(path: path, .unwritable(reason: String(cString: strerror(errno))))
        }
        byteCount = length
    }

    /// Adds a line. Where that fails, what was written of it is taken back: the file keeps its whole lines.
    /// - Throws: `ApusError.file` where the system refuses, as on a full disk.
    func write(line: String) throws {
        let bytes = Array((line + "\n").utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                #if canImport(Darwin)
                    Darwin.write(descriptor, buffer.baseAddress?.advanced(by: written), bytes.count - written)
                #else
                    Glibc.write(descriptor, buffer.baseAddress?.advanced(by: written), bytes.count - written)
                #endif
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = String(cString: strerror(errno))
                if byteCount >= 0, ftruncate(descriptor, off_t(byteCount)) == 0 {
                    lseek(descriptor, 0, SEEK_END)
                }
                throw ApusError.file(path: path, .unwritable(reason: reason))
            }
            written += count
        }
        byteCount += bytes.count
    }
}

extension LogFile {
    /// What a callback remembers of a file that it adds to; one that it writes anew follows from the history.
    func state(appends: Bool) -> CallbackState? {
        guard appends, let length else { return nil }
        var state = CallbackState()
        state[count: "byteCount"] = length
        return state
    }

    /// Takes away what was written after the checkpoint that `state` is from.
    func restore(_ state: CallbackState) throws {
        if let length = state[count: "byteCount"] { try cut(to: length) }
    }
}
