import ApusCore
import Foundation

extension FuzzTarget {
    /// The files that fuzzing starts from and those that it found, by name.
    package func corpus() throws -> [(name: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("corpus/\(name)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { file in
            (file, [UInt8](try contents(of: folder.appendingPathComponent(file), byteLimit: 1 << 20)))
        }
    }

    /// Variants of `bytes`: up to `count` cuts, and as many with a byte or two changed, drawn by `seed`.
    package static func variants(of bytes: [UInt8], count: Int, seed: UInt64) -> [[UInt8]] {
        guard !bytes.isEmpty else { return [] }
        let draw = Philox(seed: seed, stream: 0)
        func number(_ index: Int, below limit: Int) -> Int { Int(draw.word(index)) % limit }
        let step = max(1, bytes.count / count)
        let cuts = stride(from: 0, to: bytes.count, by: step).map { Array(bytes[..<$0]) }
        let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF] + Array("09-\"{}[],".utf8)
        let changes = (0..<count).map { index in
            var changed = bytes
            for turn in 0...index % 2 {
                let place = number(8 * index + 4 * turn, below: bytes.count)
                switch number(8 * index + 4 * turn + 1, below: 3) {
                case 0: changed[place] ^= 1 << UInt8(number(8 * index + 4 * turn + 2, below: 8))
                case 1: changed[place] = interesting[number(8 * index + 4 * turn + 2, below: interesting.count)]
                default: changed[place] = UInt8(number(8 * index + 4 * turn + 2, below: 256))
                }
            }
            return changed
        }
        return cuts + changes
    }
}
