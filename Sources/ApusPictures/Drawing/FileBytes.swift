import ApusCore
import Foundation

/// Whole files, in and out, with the system's own words where it refuses.
package enum FileBytes {
    /// Writes beside under a temporary name, flushes to the disk, then renames: a reader sees the old file or the new.
    /// - Throws: `ApusError.file(path, .unwritable)`; then nothing is left behind.
    package static func write(_ bytes: [UInt8], to url: URL) throws {
        let temporary = url.deletingLastPathComponent()
            .appendingPathComponent(".\(url.lastPathComponent).\(getpid()).\(UInt32.random(in: 0...UInt32.max)).tmp")
            .path
        func failure() -> ApusError { .file(path: url.path, .unwritable(reason: String(cString: strerror(errno)))) }

        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure() }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            written += count
        }
        let isOnDisk = written == bytes.count && fsync(descriptor) == 0
        let problem = failure()
        let isClosed = close(descriptor) == 0
        guard isOnDisk, isClosed else {
            unlink(temporary)
            throw isOnDisk ? failure() : problem
        }
        guard rename(temporary, url.path) == 0 else {
            let problem = failure()
            unlink(temporary)
            throw problem
        }
    }

    /// All bytes of a file of at most `limit` bytes.
    /// - Throws: `ApusError.file(path, .missing)` or `.unreadable`.
    package static func read(_ url: URL, limit: Int) throws -> [UInt8] {
        func failure() -> ApusError {
            .file(path: url.path, errno == ENOENT ? .missing : .unreadable(reason: String(cString: strerror(errno))))
        }
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Foundation.read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            if count == 0 { return bytes }
            bytes += block[..<count]
            guard bytes.count <= limit else {
                throw ApusError.file(path: url.path, .unreadable(reason: "it has more than \(limit) bytes"))
            }
        }
    }
}
