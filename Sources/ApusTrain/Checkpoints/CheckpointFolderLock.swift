import ApusCore
import Foundation

/// Keeps every other training out of a folder of checkpoints, until it goes away or the process ends, however that
/// happens: the lock is the kernel's, on the folder itself.
final class CheckpointFolderLock {
    private let descriptor: Int32

    /// - Throws: `ApusError.file` with `.locked` where another training holds it.
    init(_ folder: CheckpointFolder) throws {
        descriptor = open(folder.url.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // Some file systems have no such locks.
        guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK else { return }
        close(descriptor)
        throw ApusError.file(path: folder.url.path, .locked(processID: nil))
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
