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
