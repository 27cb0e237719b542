import ApusCore
import Foundation

/// A file in the IDX format of MNIST: one dense array, big-endian, plain or packed by gzip.
///
/// The format: two zero bytes, the element type, the number of axes, the size of each axis (32 bits), the elements.
/// Unsigned bytes stay `uint8`; signed bytes and 16-bit and 32-bit integers become `int32`; `float32` and `float64`
/// stay as they are.
///
/// Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
public struct IDXFile: Sendable {
    /// The array.
    public let values: NDArray
    /// The SHA-256 of the unpacked bytes of the whole file.
    public let checksum: String

    /// Reads a file. No more memory is taken than the file's header promises, and none for a promise that the file's
    /// size cannot keep, or that is more than half of the machine's memory.
    /// - Throws: `ApusError.file`: `.missing`, `.unreadable`, `.foreign` for another kind of file, `.truncated`, or
    ///   `.damaged`.
    public init(contentsOf url: URL) throws {
        let stream = try PackedStream(file: url)
        try self.init(from: stream, isWhole: true)
    }

    /// Reads the next array of a stream. `isWhole`: nothing may follow it.
    package init(from stream: PackedStream, isWhole: Bool) throws {
        let header = try IDXHeader(from: stream)
        let path = stream.path
        guard header.byteCount <= stream.byteLimit else {
            throw ApusError.file(
                path: path,
                stream.isCompressed
                    ? .damaged(
                        reason: "its header promises \(header.byteCount) bytes, more than gzip can hold in its size")
                    : .truncated(expectedByteCount: header.byteCount, byteCount: stream.byteLimit))
        }
        // As elements become int32 at least, but for bytes.
        let growth = header.element == .uint8 ? 1 : max(4 / header.element.byteCount, 1)
        try MemoryLimit.check((header.byteCount - header.bytes.count) * growth, path: path)
        let content = try NDArray([header.byteCount - header.bytes.count], .uint8) { content in
            let count = try stream.read(into: content)
            guard count == content.count else {
                throw ApusError.file(
                    path: path,
                    .truncated(expectedByteCount: header.byteCount, byteCount: header.bytes.count + count))
            }
        }
        if isWhole, try !stream.read(1).isEmpty {
            throw ApusError.file(
                path: path, .damaged(reason: "it goes on after the \(header.byteCount) bytes that its header promises"))
        }
        checksum = try header.bytes.withUnsafeBytes { start in
            try content.withUnsafeBytes { rest in
                if isWhole, let trailer = stream.gzipTrailer {
                    guard trailer.byteCount == UInt32(truncatingIfNeeded: header.byteCount),
                        trailer.check == CRC32.value(ofParts: [start, rest])
                    else {
                        throw ApusError.file(
                            path: path, .damaged(reason: "its contents do not fit the check value that gzip keeps"))
                    }
                }
                return try SHA256.hexadecimal(ofParts: [start, rest])
            }
        }
        values = try header.values(from: content)
    }

    /// Writes unsigned bytes back as the file they came from.
    /// - Precondition: The elements are `uint8`.
    func write(to file: FileHandle) throws {
        precondition(values.elementType == .uint8, "only bytes are written, not \(values.elementType)")
        let sizes = values.shape.sizes.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 0xFF) } }
        try file.write(contentsOf: [0, 0, IDXHeader.Element.uint8.rawValue, UInt8(values.shape.rank)] + sizes)
        try values.withUnsafeBytes { try file.write(contentsOf: $0) }
    }
}

/// The first bytes of an IDX file, checked.
struct IDXHeader {
    enum Element: UInt8 {
        case uint8 = 0x08, int8 = 0x09, int16 = 0x0B, int32 = 0x0C, float32 = 0x0D, float64 = 0x0E

        var byteCount: Int {
            switch self {
            case .uint8, .int8: 1
            case .int16: 2
            case .int32, .float32: 4
            case .float64: 8
            }
        }
    }

    let element: Element
    let shape: Shape
    /// The header itself.
    let bytes: [UInt8]
    /// Header and elements.
    let byteCount: Int

    init(from stream: PackedStream) throws {
        let magic = try stream.read(4)
        guard magic.count == 4, magic[0] == 0, magic[1] == 0, let element = Element(rawValue: magic[2]), magic[3] > 0
        else {
            let found = FileKind.description(of: magic + (try stream.read(60)))
            throw ApusError.file(
                path: stream.path,
                .foreign(expected: "an IDX file", found: stream.isCompressed ? "\(found), packed by gzip" : found))
        }
        let sizes = try stream.read(4 * Int(magic[3]))
        let headerByteCount = 4 + 4 * Int(magic[3])
        guard sizes.count == headerByteCount - 4 else {
            throw ApusError.file(
                path: stream.path, .truncated(expectedByteCount: headerByteCount, byteCount: 4 + sizes.count))
        }
        self.element = element
        bytes = magic + sizes
        shape = Shape(
            stride(from: 0, to: sizes.count, by: 4).map { start in
                sizes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            })
        guard Shape.isPossible(shape.sizes) else {
            throw ApusError.file(
                path: stream.path, .damaged(reason: "its header promises \(shape) elements, more than can be"))
        }
        byteCount = headerByteCount + shape.elementCount * element.byteCount
    }

    /// The elements that stand big-endian in `content`, in the header's shape.
    func values(from content: NDArray) throws -> NDArray {
        switch element {
        case .uint8: try content.reshaped(to: shape)
        case .int8: converted(content) { Int32(Int8(bitPattern: $0)) }
        case .int16: converted(content) { Int32(Int16(bigEndian: $0)) }
        case .int32: converted(content) { Int32(bigEndian: $0) }
        case .float32: converted(content) { Float(bitPattern: UInt32(bigEndian: $0)) }
        case .float64: converted(content) { Double(bitPattern: UInt64(bigEndian: $0)) }
        }
    }

    private func converted<Stored: BitwiseCopyable, Value: ApusCore.Element>(
        _ content: NDArray, _ value: (Stored) -> Value
    ) -> NDArray {
        NDArray(shape: shape) { (values: UnsafeMutableBufferPointer<Value>) in
            content.withUnsafeBytes { bytes in
                for index in values.indices {
                    values[index] = value(
                        bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Stored>.size, as: Stored.self))
                }
            }
        }
    }
}
