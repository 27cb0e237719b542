import ApusCore
import ApusImages

/// Images are read as they are, but with a bound on their pixels that keeps a run quick; the unit tests hold the true
/// one.
private let pixelLimit = 1 << 16

extension FuzzTarget {
    /// PNG: as it is, and then with right checksums, without which nothing behind them is ever reached.
    package static let png = FuzzTarget("png", longestInput: 2_048) { bytes in
        let repaired = withPNGChecksums(bytes)
        if repaired != bytes, let pixels = try? Pixels(png: repaired, path: "FILE", pixelLimit: pixelLimit) {
            use(pixels)
        }
        use(try Pixels(png: bytes, path: "FILE", pixelLimit: pixelLimit))
    }

    package static let jpeg = FuzzTarget("jpeg", longestInput: 2_048) { bytes in
        use(try Pixels(jpeg: bytes, path: "FILE", pixelLimit: pixelLimit))
    }
}

private func use(_ pixels: Pixels) {
    precondition(pixels.bytes.count == pixels.height * pixels.width * pixels.channelCount)
    precondition(pixels.bytes.reduce(0) { $0 ^ $1 } <= 255)
}

/// The same file with the checksum of each whole part put right.
///
/// Source: Portable Network Graphics (PNG) Specification, sections 5.3 and 5.5.
func withPNGChecksums(_ bytes: [UInt8]) -> [UInt8] {
    var (result, position) = (bytes, 8)
    while position + 12 <= result.count {
        let length = result[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= result.count - position - 12 else { break }
        let end = position + 8 + length
        var check = ~UInt32(0)
        for byte in result[position + 4..<end] {
            check ^= UInt32(byte)
            for _ in 0..<8 { check = check & 1 == 1 ? 0xEDB8_8320 ^ check >> 1 : check >> 1 }
        }
        for place in 0..<4 { result[end + place] = UInt8(truncatingIfNeeded: ~check >> UInt32(24 - 8 * place)) }
        position = end + 4
    }
    return result
}
