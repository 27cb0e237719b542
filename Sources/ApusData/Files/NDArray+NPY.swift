import ApusCore
import Foundation

extension NDArray {
    /// Reads a NumPy array from an NPY file (versions 1 to 3, either order of axes and of bytes).
    ///
    /// Floating-point numbers of 16 and 32 bits become float32, those of 64 bits float64; unsigned bytes and truth
    /// values uint8; all other whole numbers int32, into which they have to fit. Python objects (pickle) are never
    /// loaded. The promise of the header is held against the file's size before memory is taken.
    ///
    /// - Throws: `ApusError.file`: `.missing`, `.unreadable`, `.foreign` for another kind of file or elements that are
    ///   no numbers, `.truncated`, `.damaged`.
    public init(contentsOfNPY url: URL) throws {
        let bytes = try contents(of: url)
        self = try bytes.withUnsafeBytes { try NDArray(npy: $0, path: url.path) }
    }

    /// Writes an NPY file (version 1), beside under a temporary name and then renamed.
    /// - Throws: `ApusError.file` with `.unwritable`.
    public func saveNPY(to url: URL) throws {
        try AtomicFile.write(to: url) { file in
            try npyHeader.withUnsafeBytes { try file.append($0) }
            try withUnsafeBytes { try file.append($0) }
        }
    }

    /// - Parameter path: Where the bytes come from, for errors.
    package init(npy bytes: UnsafeRawBufferPointer, path: String) throws {
        let header = try NPYHeader(bytes, path: path)
        let expected = header.byteCount + header.shape.elementCount * header.element.byteCount
        guard bytes.count >= expected else {
            throw ApusError.file(path: path, .truncated(expectedByteCount: expected, byteCount: bytes.count))
        }
        guard bytes.count == expected else {
            throw ApusError.file(
                path: path, .damaged(reason: "it goes on after the \(expected) bytes that its header promises"))
        }
        // As elements become int32 or float32 at least, but for bytes.
        let isByte = header.element == .uint8 || header.element == .bool
        try MemoryLimit.check(
            header.shape.elementCount * (isByte ? 1 : max(header.element.byteCount, 4)), path: path)
        let elements = NPYElements(header, UnsafeRawBufferPointer(rebasing: bytes[header.byteCount...]), path: path)
        self =
            switch header.element {
            case .float16: elements.array { (bits: UInt16) in Self.float(half: bits) }
            case .float32: elements.array { (bits: UInt32) in Float(bitPattern: bits) }
            case .float64: elements.array { (bits: UInt64) in Double(bitPattern: bits) }
            case .int8: elements.array { (bits: UInt8) in Int32(Int8(bitPattern: bits)) }
            case .int16: elements.array { (bits: UInt16) in Int32(Int16(bitPattern: bits)) }
            case .uint16: elements.array { (bits: UInt16) in Int32(bits) }
            case .int32: elements.array { (bits: UInt32) in Int32(bitPattern: bits) }
            case .uint8: elements.array { (bits: UInt8) in bits }
            case .bool: elements.array { (bits: UInt8) -> UInt8 in bits == 0 ? 0 : 1 }
            case .uint32: try elements.fittingArray { (bits: UInt32) in bits }
            case .int64: try elements.fittingArray { (bits: UInt64) in Int64(bitPattern: bits) }
            case .uint64: try elements.fittingArray { (bits: UInt64) in bits }
            }
    }

    /// What stands before the elements in a file: filled up so that they begin at a multiple of 64 bytes.
    var npyHeader: [UInt8] {
        let type =
            switch elementType {
            case .float32: "<f4"
            case .float64: "<f8"
            case .int32: "<i4"
            case .uint8: "|u1"
            }
        let sizes = shape.sizes.map { "\($0)" }.joined(separator: ", ") + (shape.rank == 1 ? "," : "")
        var text = Array("{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }".utf8)
        let length = (10 + text.count + 1 + 63) / 64 * 64 - 10
        text += [UInt8](repeating: UInt8(ascii: " "), count: length - 1 - text.count) + [UInt8(ascii: "\n")]
        return NPYHeader.magic + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + text
    }

    /// The number that 16 bits stand for: a sign, five bits of exponent, ten of fraction.
    ///
    /// Source: IEEE 754, binary16.
    private static func float(half bits: UInt16) -> Float {
        let (exponent, fraction) = (UInt32(bits >> 10 & 31), UInt32(bits & 1023))
        let magnitude: Float =
            switch exponent {
            case 0: Float(fraction) * 0x1p-24
            case 31: Float(bitPattern: 0x7F80_0000 | fraction << 13)
            default: Float(bitPattern: (exponent + 112) << 23 | fraction << 13)
            }
        return bits >> 15 == 0 ? magnitude : -magnitude
    }
}

/// The elements of an NPY file, as many as its header says.
private struct NPYElements {
    let header: NPYHeader
    let bytes: UnsafeRawBufferPointer
    let path: String

    init(_ header: NPYHeader, _ bytes: UnsafeRawBufferPointer, path: String) {
        (self.header, self.bytes, self.path) = (header, bytes, path)
    }

    func array<Bits: FixedWidthInteger & BitwiseCopyable, Value: Element>(_ value: (Bits) -> Value) -> NDArray {
        NDArray(shape: header.shape) { (values: UnsafeMutableBufferPointer<Value>) in
            forEach { (place, bits: Bits) in values[place] = value(bits) }
        }
    }

    /// Whole numbers as int32.
    /// - Throws: `ApusError.file` for a number beyond int32.
    func fittingArray<Bits: FixedWidthInteger & BitwiseCopyable, Whole: FixedWidthInteger>(
        _ value: (Bits) -> Whole
    ) throws -> NDArray {
        try NDArray(shape: header.shape) { (values: UnsafeMutableBufferPointer<Int32>) in
            try forEach { (place, bits: Bits) in
                guard let fitting = Int32(exactly: value(bits)) else {
                    throw ApusError.file(
                        path: path,
                        .foreign(expected: "whole numbers within int32's range", found: "\(value(bits))"))
                }
                values[place] = fitting
            }
        }
    }

    /// Calls `body` with each element's bits and its place in row-major order.
    private func forEach<Bits: FixedWidthInteger & BitwiseCopyable>(_ body: (Int, Bits) throws -> Void) rethrows {
        func bits(_ index: Int) -> Bits {
            let stored = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self)
            return header.isBigEndian ? Bits(bigEndian: stored) : Bits(littleEndian: stored)
        }
        let count = header.shape.elementCount
        guard header.isColumnMajor, header.shape.rank > 1 else {
            for place in 0..<count { try body(place, bits(place)) }
            return
        }
        // Counts through the row-major places, and keeps the other order's place beside.
        let sizes = header.shape.sizes
        let strides = sizes.indices.map { sizes[..<$0].reduce(1, *) }
        var index = [Int](repeating: 0, count: sizes.count)
        var source = 0
        for place in 0..<count {
            try body(place, bits(source))
            var axis = sizes.count - 1
            while axis >= 0 {
                index[axis] += 1
                source += strides[axis]
                if index[axis] < sizes[axis] { break }
                source -= sizes[axis] * strides[axis]
                index[axis] = 0
                axis -= 1
            }
        }
    }
}
