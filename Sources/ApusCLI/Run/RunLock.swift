import Apus
import Foundation

/// Keeps every other process from writing into a run's folder, until it goes away or the process ends, however that
/// happens: the lock is the kernel's.
package final class RunLock {
    private let descriptor: Int32

    /// - Throws: `ApusError.file` with `.locked` where another process holds it, `.unwritable` where there can be none.
    package init(_ folder: RunFolder) throws {
        let file = folder.lockFile
        descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ApusError.file(path: folder.path, .unwritable(file, code: errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = Self.processID(in: descriptor)
            close(descriptor)
            throw ApusError.file(
                path: folder.path, code == EWOULDBLOCK ? .locked(processID: holder) : .unwritable(file, code: code))
        }
        ftruncate(descriptor, 0)
        let text = Array("\(getpid())\n".utf8)
        // Who cannot read it is told that the folder is in use all the same.
        _ = pwrite(descriptor, text, text.count, 0)
    }

    deinit { close(descriptor) }

    /// The process that has written its number.
    private static func processID(in descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return count > 1 ? Int(String(decoding: bytes[..<(count - 1)], as: UTF8.self)) : nil
    }
}
