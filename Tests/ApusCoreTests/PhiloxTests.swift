import ApusCore
import Testing

@Suite struct PhiloxTests {
    /// The vectors for philox4x32 with 10 rounds in kat_vectors of the Random123 distribution: counter, key, result.
    @Test(
        arguments: [
            ([0, 0, 0, 0], [0, 0], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            (
                [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], [0xFFFF_FFFF, 0xFFFF_FFFF],
                [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
            ),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0],
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
            ),
        ] as [([UInt32], [UInt32], [UInt32])])
    func publishedVectors(counter: [UInt32], key: [UInt32], expected: [UInt32]) {
        let result = Philox.rounds(
            counter: SIMD4(counter[0], counter[1], counter[2], counter[3]), key: SIMD2(key[0], key[1]))
        #expect([result[0], result[1], result[2], result[3]] == expected)
    }

    @Test func seedStreamAndStepFillKeyAndCounter() {
        let philox = Philox(seed: 0x1111_1111_2222_2222, stream: 3, step: 0x4444_4444_5555_5555)
        let expected = Philox.rounds(
            counter: SIMD4(9, 3, 0x5555_5555, 0x4444_4444), key: SIMD2(0x2222_2222, 0x1111_1111))
        #expect(philox.block(9) == expected)
        #expect((36..<40).map { philox.word($0) } == (0..<4).map { expected[$0] })
    }

    /// The 2^34 numbers of a stream form a ring.
    @Test func negativeIndicesCountFromTheEnd() {
        let philox = Philox(seed: 2)
        for index in [-1, -2, -3, -4, -5] {
            #expect(philox.word(index) == philox.word(index + 1 << 34))
            #expect(philox.uniform(index) == philox.uniform(index + 1 << 34))
            #expect(philox.normal(index) == philox.normal(index + 1 << 34))
        }
        #expect(philox.word(.min) == philox.word(0))
        #expect(philox.word(-1) == philox.block(.max)[3])
    }

    @Test func everyCoordinateMatters() {
        let base = Philox(seed: 1, stream: 1, step: 1).block(1)
        let others = [
            Philox(seed: 2, stream: 1, step: 1).block(1), Philox(seed: 1 << 32 | 1, stream: 1, step: 1).block(1),
            Philox(seed: 1, stream: 2, step: 1).block(1), Philox(seed: 1, stream: 1, step: 2).block(1),
            Philox(seed: 1, stream: 1, step: 1 << 32 | 1).block(1), Philox(seed: 1, stream: 1, step: 1).block(2),
        ]
        for (index, other) in others.enumerated() { #expect(other != base, "coordinate \(index)") }
    }

    @Test func uniformNumbers() {
        let philox = Philox(seed: 7)
        // The first word of seed 0 is 6627e8d5: its upper 24 bits are 6627e8.
        #expect(Philox(seed: 0).uniform(0) == Float(0x6627E8) * 0x1p-24)
        let count = 100_000
        var bins = [Int](repeating: 0, count: 20)
        for index in 0..<count {
            let value = philox.uniform(index)
            #expect(value >= 0 && value < 1)
            bins[Int(value * 20)] += 1
        }
        // Chi-squared with 19 degrees of freedom exceeds 43.8 once in 1,000 times.
        let chiSquared = bins.reduce(0.0) { $0 + (Double($1) - 5_000) * (Double($1) - 5_000) / 5_000 }
        #expect(chiSquared < 43.8)
        #expect(chiSquared > 5.4)
    }

    @Test func normalMoments() {
        let philox = Philox(seed: 11, stream: 2)
        let count = 200_000
        var sums = [0.0, 0.0, 0.0, 0.0]
        var product = 0.0
        for index in 0..<count {
            let value = Double(philox.normal(index))
            #expect(value.isFinite)
            for power in 0..<4 { sums[power] += (0...power).reduce(1.0) { result, _ in result * value } }
            if index % 2 == 0 { product += value * Double(philox.normal(index + 1)) }
        }
        let means = sums.map { $0 / Double(count) }
        // Five standard errors: sqrt(1, 2, 15, 96 / count) for the first four moments 0, 1, 0, 3.
        #expect(abs(means[0]) < 0.0112)
        #expect(abs(means[1] - 1) < 0.0159)
        #expect(abs(means[2]) < 0.0434)
        #expect(abs(means[3] - 3) < 0.110)
        // Both numbers of a pair are independent: standard error sqrt(1 / (count / 2)).
        #expect(abs(product / Double(count / 2)) < 0.0159)
    }

    @Test func bernoulliNumbers() {
        let philox = Philox(seed: 5)
        let ones = (0..<100_000).reduce(Float(0)) { $0 + philox.bernoulli($1, probability: 0.3) }
        // Five standard errors: sqrt(0.3 * 0.7 * 100,000) = 145.
        #expect(abs(ones - 30_000) < 725)
        #expect((0..<1_000).allSatisfy { philox.bernoulli($0, probability: 0) == 0 })
        #expect((0..<1_000).allSatisfy { philox.bernoulli($0, probability: 1) == 1 })
    }

    @Test(arguments: [-5, 0, 1, 2, 3, 10, 1_000]) func permutationsHoldEveryIndexOnce(count: Int) {
        let order = Philox(seed: 3).permutation(count)
        #expect(order.sorted() == (0..<max(count, 0)).map { Int32($0) })
        #expect(order == Philox(seed: 3).permutation(count))
        if count >= 10 { #expect(order != Philox(seed: 4).permutation(count)) }
    }

    @Test func permutationsAreEquallyLikely() {
        // All 24 orders of four, 24,000 draws: chi-squared with 23 degrees of freedom exceeds 49.7 once in 1,000.
        var counts: [[Int32]: Int] = [:]
        for step in 0..<24_000 { counts[Philox(seed: 1, step: UInt64(step)).permutation(4), default: 0] += 1 }
        #expect(counts.count == 24)
        let chiSquared = counts.values.reduce(0.0) { $0 + (Double($1) - 1_000) * (Double($1) - 1_000) / 1_000 }
        #expect(chiSquared < 49.7)
    }
}
