import ApusCore
import CArchive
import Foundation

/// The bytes of a file, or of memory, unpacked on the way where they are gzip. One reader, front to back.
package final class PackedStream {
    /// The path, or a name for memory, for messages.
    let path: String
    /// Whether what is read is unpacked from gzip.
    let isCompressed: Bool
    /// The number of bytes there are: exact where they are plain, else the most that gzip can hold in this size.
    let byteLimit: Int
    /// The check value and byte count (modulo 2^32) that the gzip file ends with.
    let gzipTrailer: (check: UInt32, byteCount: UInt32)?

    private let archive: OpaquePointer
    /// What libarchive reads from; `nil` for memory.
    private let file: InputFile?
    private var block = UnsafeRawBufferPointer(start: nil, count: 0)

    /// Deflate's best: 258 bytes by two bits, a little more than 1,000 times.
    static let largestExpansion = 1_032

    /// The most bytes that deflate can hold in `byteCount`.
    static func unpackedLimit(_ byteCount: Int) -> Int {
        let (product, overflow) = byteCount.multipliedReportingOverflow(by: largestExpansion)
        return overflow ? .max : product
    }

    convenience init(file url: URL) throws {
        let file = try InputFile(url)
        let trailer = file.byteCount >= 8 ? file.bytes(at: file.byteCount - 8, count: 8) : []
        try self.init(path: file.path, byteCount: file.byteCount, trailer: trailer, file: file) {
            archive_read_open_fd($0, file.descriptor, 1 << 18)
        }
    }

    /// The bytes of `memory`, which must stay where it is while the stream lives.
    package convenience init(memory: UnsafeRawBufferPointer, name: String) throws {
        try self.init(path: name, byteCount: memory.count, trailer: Array(memory.suffix(8)), file: nil) {
            archive_read_open_memory($0, memory.baseAddress, memory.count)
        }
    }

    private init(
        path: String, byteCount: Int, trailer: [UInt8], file: InputFile?, open: (OpaquePointer) -> Int32
    ) throws {
        guard byteCount > 0 else {
            throw ApusError.file(path: path, .foreign(expected: "an IDX file", found: FileKind.description(of: [])))
        }
        guard let archive = archive_read_new() else {
            throw ApusError.library(name: "libarchive", call: "archive_read_new", status: "out of memory")
        }
        var isReady = false
        defer { if !isReady { archive_read_free(archive) } }
        var entry: OpaquePointer?
        func check(_ status: Int32, _ call: String) throws {
            guard status == ARCHIVE_OK else {
                throw ApusError.library(name: "libarchive", call: call, status: Self.message(archive))
            }
        }
        try check(archive_read_support_filter_gzip(archive), "archive_read_support_filter_gzip")
        try check(archive_read_support_format_raw(archive), "archive_read_support_format_raw")
        // The raw format takes every file: what fails here is gzip that breaks off or is wrong in its first block.
        guard open(archive) == ARCHIVE_OK, archive_read_next_header(archive, &entry) == ARCHIVE_OK else {
            throw ApusError.file(path: path, .damaged(reason: "it cannot be unpacked (\(Self.message(archive)))"))
        }
        isReady = true
        self.path = path
        self.archive = archive
        self.file = file
        isCompressed = archive_filter_code(archive, 0) == ARCHIVE_FILTER_GZIP
        byteLimit = isCompressed ? Self.unpackedLimit(byteCount) : byteCount
        if isCompressed, trailer.count == 8 {
            let words = [0, 4].map { start in
                trailer[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            }
            gzipTrailer = (words[0], words[1])
        } else {
            gzipTrailer = nil
        }
    }

    deinit { archive_read_free(archive) }

    /// Fills `target` as far as there are bytes, and returns how many there were.
    /// - Throws: `ApusError.file` with `.damaged` for gzip that cannot be unpacked. A gzip file that ends too early
    ///   simply has no more bytes.
    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < target.count {
            if block.isEmpty, try !readBlock() { break }
            let count = min(block.count, target.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: target[filled..<filled + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: block[..<count]))
            block = UnsafeRawBufferPointer(rebasing: block[count...])
            filled += count
        }
        return filled
    }

    /// Up to `count` bytes.
    func read(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try read(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    private func readBlock() throws -> Bool {
        var (start, count, offset) = (UnsafeRawPointer?.none, 0, Int64(0))
        let status = archive_read_data_block(archive, &start, &count, &offset)
        if status == ARCHIVE_EOF { return false }
        guard status == ARCHIVE_OK else {
            let message = Self.message(archive)
            if isCompressed, message.contains("truncated") { return false }
            throw ApusError.file(path: path, .damaged(reason: "it cannot be unpacked (\(message))"))
        }
        block = UnsafeRawBufferPointer(start: start, count: count)
        return true
    }

    private static func message(_ archive: OpaquePointer) -> String {
        archive_error_string(archive).map { excerpt(String(cString: $0), limit: 200) } ?? "no reason given"
    }
}
