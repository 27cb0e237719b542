import ApusCore
import Foundation

/// A file that a training writes to. It is closed when nobody holds it any more, so that another thread can bring it to
/// the disk meanwhile.
final class OpenFile: Sendable {
    let path: String
    let descriptor: Int32

    /// Opens the file for writing, and makes it where there is none.
    /// - Throws: `ApusError.file` where the system refuses.
    init(_ url: URL, flags: Int32 = 0) throws {
        path = url.path
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o644)
        guard descriptor >= 0 else { throw ApusError.file(path: path, .unwritable(url, code: errno)) }
    }

    deinit { close(descriptor) }

    /// Whether it is a file on a disk, and no pipe or terminal.
    var isRegular: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Brings what was written so far to the disk.
    /// - Throws: `ApusError.file` where that fails, as with a disk at fault.
    func sync() throws {
        // A pipe or a terminal has no disk; a file that may no longer be written to has nothing new.
        while fsync(descriptor) != 0 {
            switch errno {
            case EINTR: continue
            case EINVAL, EROFS, ENOTSUP: return
            default: throw failure
            }
        }
    }

    /// The last call's error.
    var failure: ApusError { .file(path: path, .unwritable(reason: String(cString: strerror(errno)))) }
}

/// A callback with a file that a checkpoint counts on: what was written until then is still there after a power cut.
protocol RecordKeeping: Callback {
    /// Between `trainingWillStart` and the end of the training.
    var openFile: OpenFile? { get }
}
