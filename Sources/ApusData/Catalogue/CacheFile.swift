import ApusCore
import Foundation

/// Writing a file of the cache so that it is there whole or not at all.
enum CacheFile {
    /// Writes `place` by `write`, in a folder that is made where it is missing; see `AtomicFile`.
    /// - Throws: What `write` throws; `ApusError.file` with `.unwritable` where the system refuses.
    static func write(to place: URL, _ write: (FileHandle) throws -> Void) throws {
        try make(folder: place.deletingLastPathComponent().path)
        try AtomicFile.write(to: place) { file in
            do {
                try write(FileHandle(fileDescriptor: file.descriptor, closeOnDealloc: false))
            } catch let problem as ApusError {
                throw problem
            } catch {
                throw ApusError.file(path: place.path, .unwritable(reason: reason(error)))
            }
        }
    }

    /// Makes a folder and those above it that are missing. Foundation would not say why it cannot.
    private static func make(folder path: String) throws {
        var code = mkdir(path, 0o755) == 0 ? 0 : errno
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if code == ENOENT, parent != path {
            try make(folder: parent)
            code = mkdir(path, 0o755) == 0 ? 0 : errno
        }
        guard code == 0 || code == EEXIST else { throw refusal(path, code) }
    }

    private static func refusal(_ path: String, _ code: Int32) -> ApusError {
        .file(path: path, .unwritable(reason: String(cString: strerror(code))))
    }

    /// The system's own words for an error, where it has any.
    private static func reason(_ error: any Error) -> String {
        var current = error as NSError
        while let underlying = current.userInfo[NSUnderlyingErrorKey] as? NSError { current = underlying }
        return current.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(current.code))) : current.localizedDescription
    }
}
