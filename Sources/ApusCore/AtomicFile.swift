import Foundation

/// A file that appears under its name only when it is complete: it is written beside, brought to the disk, and
/// renamed. Whoever reads meanwhile, or after a crash, finds the old file or the new one.
package struct AtomicFile: ~Copyable {
    private let path: String
    private let temporaryPath: String
    /// Open for writing until the file is renamed.
    package let descriptor: Int32

    /// Writes what `body` gives into the file at `url`.
    /// - Throws: what `body` throws, and `ApusError.file` with `.unwritable`; the old file is then unharmed, and nothing
    ///   is left beside it. Where only the folder cannot be brought to the disk, the new file is there, but may not
    ///   outlive a power cut.
    package static func write(to url: URL, _ body: (borrowing AtomicFile) throws -> Void) throws {
        let file = try AtomicFile(url)
        do {
            try body(file)
            try file.check(fsync(file.descriptor))
        } catch {
            close(file.descriptor)
            unlink(file.temporaryPath)
            throw error
        }
        do {
            try file.check(close(file.descriptor))
            try file.check(rename(file.temporaryPath, file.path))
        } catch {
            unlink(file.temporaryPath)
            throw error
        }
        try syncFolder(of: url)
    }

    /// Brings the folder of the file at `url` to the disk: a new name outlives a power cut only then.
    /// - Throws: `ApusError.file` with `.unwritable` or `.missingFolder`.
    package static func syncFolder(of url: URL) throws {
        let folder = open(url.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // One that may be written to but not read cannot be named to the system.
        if folder < 0, errno == EACCES { return }
        guard folder >= 0 else { throw failure(url.path) }
        defer { close(folder) }
        while fsync(folder) != 0 {
            switch errno {
            case EINTR: continue
            // Some file systems cannot do that with folders, and have no need to.
            case EINVAL, EROFS, ENOTSUP: return
            default: throw failure(url.path)
            }
        }
    }

    /// A name beside `url` that nobody else uses.
    package static func temporaryPath(for url: URL) -> String {
        let name = ".\(url.lastPathComponent).\(getpid()).\(UInt32.random(in: 0...UInt32.max))\(temporaryEnding)"
        return url.deletingLastPathComponent().appendingPathComponent(name).path
    }

    /// Whether `name` is that of a file that was being written; a process that is killed leaves one.
    package static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(temporaryEnding) }

    private static let temporaryEnding = ".temporary"

    /// Writes `data` as the file at `url`.
    package static func write(_ data: Data, to url: URL) throws {
        try write(to: url) { file in try data.withUnsafeBytes { try file.append($0) } }
    }

    /// Writes `bytes` as the file at `url`.
    package static func write(_ bytes: [UInt8], to url: URL) throws {
        try write(to: url) { file in try bytes.withUnsafeBytes { try file.append($0) } }
    }

    private init(_ url: URL) throws {
        path = url.path
        temporaryPath = Self.temporaryPath(for: url)
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw ApusError.file(path: path, .unwritable(url, code: errno)) }
    }

    /// Writes all of `bytes` at the end.
    package borrowing func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let count = Foundation.write(descriptor, start, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(path) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    private borrowing func check(_ status: Int32) throws {
        if status != 0 { throw Self.failure(path) }
    }

    private static func failure(_ path: String) -> ApusError {
        // Before anything else calls the system, as the making of a URL does.
        let code = errno
        return .file(path: path, .unwritable(URL(fileURLWithPath: path), code: code))
    }
}

extension FileProblem {
    /// Why the file at `url` cannot be written, by the system's error `code`.
    package static func unwritable(_ url: URL, code: Int32) -> FileProblem {
        let folder = url.deletingLastPathComponent().path
        if code == ENOENT, access(folder, F_OK) != 0 { return .missingFolder(folder) }
        return .unwritable(reason: String(cString: strerror(code)))
    }
}
