import ApusCore
import CArchive
import Foundation

/// The files in a tar archive (plain or packed by gzip) or in a zip archive, one after another, front to back.
final class ArchiveReader {
    enum Kind {
        case tar, zip
    }

    /// A file in the archive.
    struct Entry {
        /// Its path in the archive.
        let name: String
        /// Its size, where the archive says it before the contents.
        let byteCount: Int?
    }

    let path: String
    private let file: InputFile
    private let archive: OpaquePointer
    private let kind: Kind
    private var hasEntries = false

    /// - Throws: `ApusError.file`: `.missing`, `.unreadable`, `.foreign` for another kind of file.
    init(_ url: URL, as kind: Kind) throws {
        file = try InputFile(url)
        path = file.path
        guard let archive = archive_read_new() else {
            throw ApusError.library(name: "libarchive", call: "archive_read_new", status: "out of memory")
        }
        self.archive = archive
        self.kind = kind
        switch kind {
        case .tar:
            try check(archive_read_support_filter_gzip(archive), "archive_read_support_filter_gzip")
            try check(archive_read_support_format_tar(archive), "archive_read_support_format_tar")
        case .zip:
            // Only with the table of contents at the end, so that a file cut short is noticed.
            try check(
                archive_read_support_format_zip_seekable(archive), "archive_read_support_format_zip_seekable")
        }
        guard file.byteCount > 0, archive_read_open_fd(archive, file.descriptor, 1 << 18) == ARCHIVE_OK else {
            throw foreign
        }
    }

    deinit { archive_read_free(archive) }

    /// The next file, or `nil` after the last; what else is in the archive is passed over.
    /// - Throws: `ApusError.file` with `.foreign` where this is no archive, with `.damaged` where it cannot be unpacked.
    func next() throws -> Entry? {
        while true {
            var entry: OpaquePointer?
            let status = archive_read_next_header(archive, &entry)
            if status == ARCHIVE_EOF {
                guard hasEntries else { throw foreign }
                return nil
            }
            // A warning is about names or times, which nobody here asks for.
            guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else {
                throw hasEntries || message != "Unrecognized archive format" ? damaged : foreign
            }
            hasEntries = true
            guard archive_entry_filetype(entry) == S_IFREG, let name = archive_entry_pathname(entry) else { continue }
            let byteCount = archive_entry_size_is_set(entry) != 0 ? Int(archive_entry_size(entry)) : nil
            return Entry(name: String(cString: name), byteCount: byteCount)
        }
    }

    /// Fills `target` with the entry's next bytes as far as there are any, and returns how many there were.
    /// - Throws: `ApusError.file` with `.damaged`.
    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < target.count {
            let count = archive_read_data(
                archive, UnsafeMutableRawBufferPointer(rebasing: target[filled...]).baseAddress, target.count - filled)
            if count == 0 { break }
            guard count > 0 else { throw damaged }
            filled += count
        }
        return filled
    }

    /// All bytes of the entry; memory is taken as they come.
    /// - Throws: `ApusError.file` with `.damaged`, also where there are more than `byteLimit`.
    func contents(of entry: Entry, byteLimit: Int = .max) throws -> [UInt8] {
        var bytes: [UInt8] = []
        // What an archive says of a size is not believed before the bytes are there.
        bytes.reserveCapacity(min(entry.byteCount ?? 0, byteLimit, 1 << 26))
        var block = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try block.withUnsafeMutableBytes { try read(into: $0) }
            guard count <= byteLimit - bytes.count else {
                throw ApusError.file(
                    path: path, .damaged(reason: "\(entry.name) in it has more than \(byteLimit) bytes"))
            }
            bytes += block[..<count]
            if count < block.count { return bytes }
        }
    }

    private var message: String {
        archive_error_string(archive).map { String(cString: $0) } ?? "no reason given"
    }

    private var damaged: ApusError { .file(path: path, .damaged(reason: "it cannot be unpacked (\(message))")) }

    private var foreign: ApusError {
        let start = file.bytes(at: 0, count: 64)
        if kind == .zip, start.starts(with: [0x50, 0x4B, 3, 4]) {
            return .file(path: path, .damaged(reason: "the table of contents at its end is missing"))
        }
        return .file(
            path: path,
            .foreign(
                expected: kind == .tar ? "a tar archive" : "a zip archive with files in it",
                found: FileKind.description(of: start)))
    }

    private func check(_ status: Int32, _ call: String) throws {
        guard status == ARCHIVE_OK else {
            throw ApusError.library(name: "libarchive", call: call, status: message)
        }
    }
}
