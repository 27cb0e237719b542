import ApusCore
import CArchive
import Foundation

/// Named arrays in one file: NumPy's NPZ, a zip archive of NPY files.
public struct NPZFile: Sendable, Hashable {
    public var arrays: [String: NDArray]

    public init(_ arrays: [String: NDArray]) { self.arrays = arrays }

    /// Reads all arrays of a file, stored or deflated; see `NDArray.init(contentsOfNPY:)`. What else is in the archive
    /// is passed over. All of them together may have as many bytes as deflate can hold in the file's size, and half of
    /// the machine's memory.
    /// - Throws: `ApusError.file`: `.missing`, `.unreadable`, `.foreign` for another kind of file or one without
    ///   arrays, `.damaged`; an error in an array names it as `FILE/NAME.npy`.
    public init(contentsOf url: URL) throws {
        try self.init(from: ArchiveReader(url, as: .zip))
    }

    package init(from reader: ArchiveReader) throws {
        arrays = [:]
        var rest = min(PackedStream.unpackedLimit(reader.byteCount), MemoryLimit.byteCount)
        while let entry = try reader.next() {
            guard entry.name.hasSuffix(".npy") else { continue }
            let bytes = try reader.contents(of: entry, byteLimit: rest)
            rest -= bytes.count
            let array = try bytes.withUnsafeBytes {
                try NDArray(npy: $0, path: "\(reader.path)/\(excerpt(entry.name))")
            }
            guard arrays.updateValue(array, forKey: String(entry.name.dropLast(4))) == nil else {
                throw ApusError.file(
                    path: reader.path, .damaged(reason: "\(excerpt(entry.name)) is in it a second time"))
            }
        }
        guard !arrays.isEmpty else {
            throw ApusError.file(
                path: reader.path, .foreign(expected: "NumPy arrays (.npz)", found: "a zip archive without any"))
        }
    }

    /// The array called `name`.
    /// - Throws: `ApusError.unknownName`.
    public func array(_ name: String) throws -> NDArray {
        guard let array = arrays[name] else {
            throw ApusError.unknownName(kind: "array", name: name, known: arrays.keys.sorted().map { excerpt($0) })
        }
        return array
    }

    /// Writes the arrays in the order of their names, beside under a temporary name and then renamed.
    /// - Parameter isCompressed: Whether they are deflated. Default `true`.
    /// - Throws: `ApusError.file` with `.unwritable`.
    public func save(to url: URL, isCompressed: Bool = true) throws {
        try AtomicFile.write(to: url) { file in
            let writer = try ZipWriter(file.descriptor, path: url.path, isCompressed: isCompressed)
            for (name, array) in arrays.sorted(by: { $0.key < $1.key }) {
                let header = array.npyHeader
                try writer.begin("\(name).npy", byteCount: header.count + array.byteCount)
                try header.withUnsafeBytes { try writer.write($0) }
                try array.withUnsafeBytes { try writer.write($0) }
            }
            try writer.finish()
        }
    }
}

extension Dataset {
    /// A data set of arrays in an NPZ file.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - inputs: The names of the input arrays, `[n, ...]` each.
    ///   - targets: The names of the target arrays. Default none.
    ///   - scale: What uint8 and float inputs are multiplied by. Default 1.
    /// - Throws: `ApusError.file` as `NPZFile.init(contentsOf:)`, `ApusError.unknownName`, `ApusError.shape` where the
    ///   arrays differ in their number of samples.
    public init(npzAt url: URL, inputs: [String], targets: [String] = [], scale: Float = 1) throws {
        let file = try NPZFile(contentsOf: url)
        func column(_ name: String, scale: Float) throws -> Column {
            let array = try file.array(name)
            return try Column(array, scale: array.elementType == .int32 ? 1 : scale, name: "\(url.path)/\(name).npy")
        }
        try self.init(
            inputs: inputs.map { try column($0, scale: scale) }, targets: targets.map { try column($0, scale: 1) },
            name: url.lastPathComponent, source: url.path,
            checksums: [url.lastPathComponent: SHA256.hexadecimal(ofFileAt: url)])
    }
}

/// Writes a zip archive into an open file.
private final class ZipWriter {
    private let archive: OpaquePointer
    private let path: String

    init(_ descriptor: Int32, path: String, isCompressed: Bool) throws {
        guard let archive = archive_write_new() else {
            throw ApusError.library(name: "libarchive", call: "archive_write_new", status: "out of memory")
        }
        self.archive = archive
        self.path = path
        try check(archive_write_set_format_zip(archive))
        try check(
            isCompressed
                ? archive_write_zip_set_compression_deflate(archive) : archive_write_zip_set_compression_store(archive))
        // Not filled up to whole blocks, as tapes need it.
        try check(archive_write_set_bytes_in_last_block(archive, 1))
        try check(archive_write_open_fd(archive, descriptor))
    }

    deinit { archive_write_free(archive) }

    func begin(_ name: String, byteCount: Int) throws {
        let entry = archive_entry_new()
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname_utf8(entry, name)
        archive_entry_set_size(entry, Int64(byteCount))
        archive_entry_set_filetype(entry, S_IFREG as mode_t)
        archive_entry_set_perm(entry, 0o644)
        try check(archive_write_header(archive, entry))
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = archive_write_data(archive, rest.baseAddress, rest.count)
            guard count > 0 else { throw problem }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    func finish() throws { try check(archive_write_close(archive)) }

    private func check(_ status: Int32) throws {
        guard status == ARCHIVE_OK else { throw problem }
    }

    private var problem: ApusError {
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "no reason given"
        return .file(path: path, .unwritable(reason: reason))
    }
}
