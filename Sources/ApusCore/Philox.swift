/// Counter-based random numbers: each number is a function of (seed, stream, step, index), so any part of a
/// sequence can be drawn by itself, in any order, on any device.
///
/// Philox 4x32 with 10 rounds. The key is the seed (low and high half); the counter's four words are the block
/// (index / 4), the stream, and the step (low and high half). One block gives four numbers.
///
/// Source: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
public struct Philox: Sendable, Hashable {
    /// The key: another seed gives other numbers everywhere.
    public var seed: UInt64
    /// Keeps uses of one seed apart, as of two layers.
    public var stream: UInt32
    /// Keeps the steps of one use apart.
    public var step: UInt64

    /// The numbers of one stream at one step.
    public init(seed: UInt64, stream: UInt32 = 0, step: UInt64 = 0) {
        self.seed = seed
        self.stream = stream
        self.step = step
    }

    /// Four random words.
    public func block(_ index: UInt32) -> SIMD4<UInt32> {
        Self.rounds(
            counter: SIMD4(index, stream, UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32)),
            key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    }

    /// The bare function from a counter and a key to four words.
    package static func rounds(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (counter, key) = (counter, key)
        for round in 0..<10 {
            if round > 0 { key = key &+ SIMD2(0x9E37_79B9, 0xBB67_AE85) }
            let first = UInt64(0xD251_1F53) * UInt64(counter[0])
            let second = UInt64(0xCD9E_8D57) * UInt64(counter[2])
            counter = SIMD4(
                UInt32(second >> 32) ^ counter[1] ^ key[0], UInt32(truncatingIfNeeded: second),
                UInt32(first >> 32) ^ counter[3] ^ key[1], UInt32(truncatingIfNeeded: first))
        }
        return counter
    }

    /// The random word number `index`. There are 2^34 of them, in a ring: number -1 is the last.
    public func word(_ index: Int) -> UInt32 {
        block(UInt32(truncatingIfNeeded: index >> 2))[index & 3]
    }

    /// Number `index` of the uniform distribution on [0, 1): the word's upper 24 bits times 2^-24.
    public func uniform(_ index: Int) -> Float { Self.unitInterval(word(index)) }

    /// Number `index` of the standard normal distribution, by Box and Muller from the pair of words it belongs to:
    /// `sqrt(-2 ln(1 - u)) * cos(2 pi v)` for an even index, with `sin` for an odd one.
    public func normal(_ index: Int) -> Float {
        let words = block(UInt32(truncatingIfNeeded: index >> 2))
        let (radius, angle) = Self.point(words[index & 2], words[index & 2 + 1])
        return Float(index & 1 == 0 ? radius * Double.cos(angle) : radius * Double.sin(angle))
    }

    /// The four numbers from `normal(4 * index)` on.
    package func normals(_ index: UInt32) -> SIMD4<Float> {
        let words = block(index)
        let (first, second) = (Self.point(words[0], words[1]), Self.point(words[2], words[3]))
        return SIMD4(
            Float(first.radius * Double.cos(first.angle)), Float(first.radius * Double.sin(first.angle)),
            Float(second.radius * Double.cos(second.angle)), Float(second.radius * Double.sin(second.angle)))
    }

    /// A point of the plane whose coordinates are two independent normal numbers.
    private static func point(_ u: UInt32, _ v: UInt32) -> (radius: Double, angle: Double) {
        ((-2 * Double.log(1 - Double(unitInterval(u)))).squareRoot(), 2 * Double.pi * Double(unitInterval(v)))
    }

    /// 1 with `probability`, else 0.
    public func bernoulli(_ index: Int, probability: Float) -> Float { uniform(index) < probability ? 1 : 0 }

    private static func unitInterval(_ word: UInt32) -> Float { Float(word >> 8) * 0x1p-24 }

    /// A random order of `0..<count`, each equally likely: Fisher and Yates' shuffle, from the last place down,
    /// with 64 random bits a draw. Empty for a count below 1.
    /// - Precondition: `count` is at most `Int32.max`.
    public func permutation(_ count: Int) -> [Int32] {
        let count = max(count, 0)
        var order = [Int32](unsafeUninitializedCapacity: count) { buffer, filled in
            for index in 0..<count { buffer[index] = Int32(index) }
            filled = count
        }
        order.withUnsafeMutableBufferPointer { order in
            var words = SIMD4<UInt32>()
            for (draw, last) in stride(from: count - 1, to: 0, by: -1).enumerated() {
                if draw % 2 == 0 { words = block(UInt32(truncatingIfNeeded: draw / 2)) }
                let bits = UInt64(words[draw % 2 * 2]) << 32 | UInt64(words[draw % 2 * 2 + 1])
                // The high half of a 128-bit product is uniform on 0...last up to a bias of 2^-40 or less.
                order.swapAt(last, Int(bits.multipliedFullWidth(by: UInt64(last + 1)).high))
            }
        }
        return order
    }
}
