import ApusCore
import Foundation

/// A file that is open for reading.
final class InputFile {
    let path: String
    let descriptor: Int32
    let byteCount: Int

    /// - Throws: `ApusError.file`: `.missing`, `.unreadable` in the system's own words, `.foreign` for a folder.
    init(_ url: URL) throws {
        path = url.path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            byteCount = 0
            throw ApusError.file(
                path: url.path, errno == ENOENT ? .missing : .unreadable(reason: String(cString: strerror(errno))))
        }
        var information = stat()
        let status = fstat(descriptor, &information)
        byteCount = Int(information.st_size)
        guard status == 0 else {
            throw ApusError.file(path: url.path, .unreadable(reason: String(cString: strerror(errno))))
        }
        guard information.st_mode & S_IFMT != S_IFDIR else {
            throw ApusError.file(path: url.path, .foreign(expected: "a file", found: "a folder"))
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Up to `count` bytes from `offset` on; where the file is read otherwise does not change.
    func bytes(at offset: Int, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(offset)))
        }
    }
}
