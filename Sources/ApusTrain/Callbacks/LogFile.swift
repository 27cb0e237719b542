import ApusCore
import Foundation

/// A text file that is written line by line, so that it is whole after each line whatever comes.
final class LogFile {
    private let path: String
    private let descriptor: Int32
    private var byteCount: Int

    /// Opens the file, and empties it unless `appends`.
    /// - Throws: `ApusError.file` where the system refuses.
    init(_ url: URL, appends: Bool) throws {
        path = url.path
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (appends ? 0 : O_TRUNC), 0o644)
        guard descriptor >= 0 else {
            throw ApusError.file(path: path, .unwritable(url, code: errno))
        }
        byteCount = Int(lseek(descriptor, 0, SEEK_END))
    }

    deinit { close(descriptor) }

    var isEmpty: Bool { byteCount <= 0 }

    /// Its length; `nil` for something that has none, such as a pipe.
    var length: Int? { byteCount >= 0 ? byteCount : nil }

    /// Takes away what was written after the first `length` bytes; does nothing where the file is no longer than that.
    /// - Throws: `ApusError.file` where the system refuses.
    func cut(to length: Int) throws {
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
