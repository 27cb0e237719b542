import ApusCore
import Foundation

/// Writing a file of the cache so that it is there whole or not at all.
enum CacheFile {
    /// Writes `place` by `write`, in a folder that is made where it is missing; see `AtomicFile`.
    /// - Throws: What `write` throws; `ApusError.file` with `.unwritable` where the system refuses.
    static func write(to place: URL, _ write: (FileHandle) throws -> Void) throws {
        try makeFolder(at: place.deletingLastPathComponent())
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

    /// The system's own words for an error, where it has any.
    private static func reason(_ error: any Error) -> String {
        var current = error as NSError
        while let underlying = current.userInfo[NSUnderlyingErrorKey] as? NSError { current = underlying }
        return current.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(current.code))) : current.localizedDescription
    }
}
