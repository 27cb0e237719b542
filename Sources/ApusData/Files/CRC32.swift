/// The check value at the end of every gzip file. libarchive reads past it without a look.
///
/// Eight bytes a turn, by eight tables.
/// Source: RFC 1952, section 8; Kounavis and Berry, Novel table lookup-based algorithms for high-performance CRC
/// generation, 2008.
package enum CRC32 {
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            tables[byte] = (0..<8).reduce(UInt32(byte)) { value, _ in
                value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1
            }
        }
        for entry in 256..<8 * 256 {
            let shorter = tables[entry - 256]
            tables[entry] = tables[Int(shorter & 0xFF)] ^ shorter >> 8
        }
        return tables
    }()

    /// The check value of several stretches of memory read as one.
    package static func value(ofParts parts: [UnsafeRawBufferPointer]) -> UInt32 {
        ~tables.withUnsafeBufferPointer { tables in
            parts.reduce(~UInt32(0)) { update($0, $1, tables) }
        }
    }

    private static func update(
        _ start: UInt32, _ bytes: UnsafeRawBufferPointer, _ tables: UnsafeBufferPointer<UInt32>
    ) -> UInt32 {
        var value = start
        var offset = 0
        while offset + 8 <= bytes.count {
            let word =
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(value)
            let early =
                tables[7 << 8 | Int(word & 0xFF)] ^ tables[6 << 8 | Int(word >> 8 & 0xFF)]
                ^ tables[5 << 8 | Int(word >> 16 & 0xFF)] ^ tables[4 << 8 | Int(word >> 24 & 0xFF)]
            let late =
                tables[3 << 8 | Int(word >> 32 & 0xFF)] ^ tables[2 << 8 | Int(word >> 40 & 0xFF)]
                ^ tables[1 << 8 | Int(word >> 48 & 0xFF)] ^ tables[Int(word >> 56)]
            value = early ^ late
            offset += 8
        }
        while offset < bytes.count {
            value = tables[Int((value ^ UInt32(bytes[offset])) & 0xFF)] ^ value >> 8
            offset += 1
        }
        return value
    }
}
