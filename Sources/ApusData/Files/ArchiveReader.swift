import ApusCore
import CArchive
import Foundation

/// The files in a tar archive (plain or packed by gzip) or in a zip archive (stored or deflated), one after another,
/// front to back.
package final class ArchiveReader {
    package enum Kind {
        case tar, zip
    }

    /// A file in the archive.
    package struct Entry {
        /// Its path in the archive.
        package let name: String
        /// Its size, where the archive says it before the contents.
        package let byteCount: Int?
    }

    /// Where the archive came from, for messages.
    let path: String
    /// The archive's own size.
    let byteCount: Int
    /// What libarchive reads from; `nil` for memory.
    private let file: InputFile?
    /// The first bytes.
    private let start: [UInt8]
    private let archive: OpaquePointer
    private let kind: Kind
    private var hasEntries = false

    /// - Throws: `ApusError.file`: `.missing`, `.unreadable`, `.foreign` for another kind of file.
    convenience init(_ url: URL, as kind: Kind) throws {
        let file = try InputFile(url)
        try self.init(
            path: file.path, byteCount: file.byteCount, start: file.bytes(at: 0, count: 64), file: file, as: kind
        ) {
            archive_read_open_fd($0, file.descriptor, 1 << 18)
        }
    }

    /// The archive that `memory` holds, which must stay where it is while the reader lives.
    /// - Throws: `ApusError.file` with `.foreign` for another kind of file.
    package convenience init(memory: UnsafeRawBufferPointer, name: String, as kind: Kind) throws {
        try self.init(path: name, byteCount: memory.count, start: Array(memory.prefix(64)), file: nil, as: kind) {
            archive_read_open_memory($0, memory.baseAddress, memory.count)
        }
    }

    private init(
        path: String, byteCount: Int, start: [UInt8], file: InputFile?, as kind: Kind,
        open: (OpaquePointer) -> Int32
    ) throws {
        (self.path, self.byteCount, self.start, self.file) = (path, byteCount, start, file)
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
        guard byteCount > 0, open(archive) == ARCHIVE_OK else { throw foreign }
    }

    deinit { archive_read_free(archive) }

    /// The next file, or `nil` after the last; what else is in the archive is passed over.
    /// - Throws: `ApusError.file` with `.foreign` where this is no archive, with `.damaged` where it cannot be unpacked.
    package func next() throws -> Entry? {
        // libarchive has no name for a file whose letters the locale lacks, and a program's is plain ASCII at first.
        let previous = Self.textLocale.map { uselocale($0) }
        defer { if let previous { uselocale(previous) } }
        while true {
            var entry: OpaquePointer?
            // libarchive ends the program where a name cannot be told and an earlier call of anybody's found no memory.
            errno = 0
            let status = archive_read_next_header(archive, &entry)
            if status == ARCHIVE_EOF {
                guard hasEntries else { throw foreign }
                return nil
            }
            // A warning is about names or times.
            guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else {
                throw hasEntries || message != "Unrecognized archive format" ? damaged : foreign
            }
            hasEntries = true
            guard archive_entry_filetype(entry) == S_IFREG else { continue }
            errno = 0
            guard let name = archive_entry_pathname(entry) else {
                throw ApusError.file(path: path, .damaged(reason: "a file in it has a name that cannot be read"))
            }
            let byteCount = archive_entry_size_is_set(entry) != 0 ? max(0, Int(archive_entry_size(entry))) : nil
            return Entry(name: String(cString: name), byteCount: byteCount)
        }
    }

    /// Made once, and never changed; `nil` where the system has none such.
    nonisolated(unsafe) private static let textLocale =
        newlocale(LC_CTYPE_MASK, "C.UTF-8", nil) ?? newlocale(LC_CTYPE_MASK, "en_US.UTF-8", nil)

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
    /// - Throws: `ApusError.file` with `.damaged`, also where there are more than `byteLimit`; with `.foreign` for a
    ///   way of packing that asks for memory of its own.
    package func contents(of entry: Entry, byteLimit: Int) throws -> [UInt8] {
        if kind == .zip { try checkPacking(of: entry) }
        var bytes: [UInt8] = []
        // What an archive says of a size is not believed before the bytes are there.
        bytes.reserveCapacity(min(entry.byteCount ?? 0, byteLimit, 1 << 26))
        var block = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try block.withUnsafeMutableBytes { try read(into: $0) }
            guard count <= byteLimit - bytes.count else {
                throw ApusError.file(
                    path: path, .damaged(reason: "\(excerpt(entry.name)) in it has more than \(byteLimit) bytes"))
            }
            bytes += block[..<count]
            if count < block.count { return bytes }
        }
    }

    /// Of what zip archives allow, some ways let a few bytes ask for gigabytes before the first one is unpacked.
    private func checkPacking(of entry: Entry) throws {
        // As in `ZIP 2.0 (deflation)`; libarchive has no other word about it.
        let format = archive_format_name(archive).map { String(cString: $0) } ?? ""
        guard format.hasSuffix("(deflation)") || format.hasSuffix("(uncompressed)") else {
            throw ApusError.file(
                path: path,
                .foreign(
                    expected: "files that are stored or deflated",
                    found: "\(excerpt(entry.name)) packed otherwise: \(excerpt(format))"))
        }
    }

    private var message: String {
        archive_error_string(archive).map { excerpt(String(cString: $0), limit: 200) } ?? "no reason given"
    }

    private var damaged: ApusError { .file(path: path, .damaged(reason: "it cannot be unpacked (\(message))")) }

    private var foreign: ApusError {
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
