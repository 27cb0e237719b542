import CApusKernels

/// What this processor reaches with all threads of a run: the bounds that kernels are held against.
package struct MachinePeaks: Hashable, Sendable {
    /// The rate of passes over so many bytes in all, two thirds of them read and the others written.
    package struct MemoryRate: Hashable, Sendable {
        package let byteCount: Int
        package let bytesPerSecond: Double

        package init(byteCount: Int, bytesPerSecond: Double) {
            (self.byteCount, self.bytesPerSecond) = (byteCount, bytesPerSecond)
        }
    }

    /// Operations a second; a multiplication and an addition are two.
    package let float32: Double
    /// Of bfloat16 numbers with float32 sums, by AVX-512's dot products; `nil` without them.
    package let bfloat16Dots: Double?
    /// Likewise, by AMX's tiles.
    package let bfloat16Tiles: Double?
    /// In rising order of bytes: from the first cache to memory.
    package let memory: [MemoryRate]

    package init(float32: Double, bfloat16Dots: Double?, bfloat16Tiles: Double?, memory: [MemoryRate]) {
        (self.float32, self.bfloat16Dots, self.bfloat16Tiles) = (float32, bfloat16Dots, bfloat16Tiles)
        self.memory = memory
    }

    /// Measures for about a quarter of a second, with the instructions and threads that runs use now.
    package static func measured() -> MachinePeaks {
        func rate(_ kind: apus_arithmetic) -> Double? {
            let rate = apus_measure_arithmetic(kind)
            return rate > 0 ? rate : nil
        }
        // 48 KiB, four times as many each, up to 192 MiB.
        let sizes = (0...6).map { (48 << 10) << (2 * $0) }
        return MachinePeaks(
            float32: apus_measure_arithmetic(APUS_ARITHMETIC_FLOAT32),
            bfloat16Dots: rate(APUS_ARITHMETIC_BFLOAT16_DOTS), bfloat16Tiles: rate(APUS_ARITHMETIC_BFLOAT16_TILES),
            memory: sizes.map { MemoryRate(byteCount: $0, bytesPerSecond: apus_measure_memory(Int64($0))) })
    }

    /// The better of both, number by number: other programs can take a share of a measurement. Both have measured the
    /// same sizes.
    package func improved(by other: MachinePeaks) -> MachinePeaks {
        func better(_ one: Double?, _ two: Double?) -> Double? { [one, two].compactMap { $0 }.max() }
        return MachinePeaks(
            float32: max(float32, other.float32), bfloat16Dots: better(bfloat16Dots, other.bfloat16Dots),
            bfloat16Tiles: better(bfloat16Tiles, other.bfloat16Tiles),
            memory: zip(memory, other.memory).map { one, two in
                MemoryRate(byteCount: one.byteCount, bytesPerSecond: max(one.bytesPerSecond, two.bytesPerSecond))
            })
    }

    /// Operations a second of a product. Rounded factors may be multiplied as bfloat16 numbers or as float32 ones.
    package func products(ofRoundedFactors areRounded: Bool) -> Double {
        areRounded ? max(float32, bfloat16Dots ?? 0, bfloat16Tiles ?? 0) : float32
    }

    /// The bytes a second of a pass over `byteCount` bytes: between two measured sizes by their logarithms.
    package func memoryRate(byteCount: Int) -> Double {
        guard let first = memory.first, let last = memory.last else { return .infinity }
        if byteCount <= first.byteCount { return first.bytesPerSecond }
        for (low, high) in zip(memory, memory.dropFirst()) where byteCount < high.byteCount {
            // log2 without a mathematical library: the exponent, and the fraction as a straight line.
            func logarithm(_ count: Int) -> Double {
                let value = Double(count)
                return Double(value.exponent) + (value.significand - 1)
            }
            let share =
                (logarithm(byteCount) - logarithm(low.byteCount))
                / (logarithm(high.byteCount) - logarithm(low.byteCount))
            return low.bytesPerSecond + share * (high.bytesPerSecond - low.bytesPerSecond)
        }
        return last.bytesPerSecond
    }
}
