import ApusCore
import Testing

/// bfloat16 has 8 significant bits: between 1 and 2 its numbers are 2^-7 apart, between 256 and 512 they are 2 apart.
@Suite struct Bfloat16Tests {
    @Test(
        arguments: [
            (1, 1), (-3.5, -3.5), (0.1, 0x1.9ap-4), (Float.pi, 3.140625),
            // A quarter and three quarters of the way.
            (0x1.008p0, 1), (0x1.018p0, 0x1.02p0), (257.5, 258), (-258.5, -258),
            // Halfway: the one whose last bit is 0.
            (0x1.01p0, 1), (0x1.03p0, 0x1.04p0), (257, 256), (259, 260), (-259, -260),
            // Next to halfway.
            (0x1.010002p0, 0x1.02p0), (0x1.02fffep0, 0x1.02p0),
            // Up to the next power of two.
            (0x1.ffp0, 2), (0x1.fefffep0, 0x1.fep0),
        ] as [(Float, Float)])
    func nearestNumber(_ x: Float, _ expected: Float) {
        #expect(x.roundedToBfloat16 == expected)
        #expect(Double(x).roundedToBfloat16 == Double(expected))
    }

    /// The largest is 255 * 2^120; from the middle between it and 2^128 on, all is infinite.
    @Test func overflow() {
        #expect(Float(0x1.fep127).roundedToBfloat16 == 0x1.fep127)
        #expect(Float(0x1.fefffep127).roundedToBfloat16 == 0x1.fep127)
        #expect(Float(0x1.ffp127).roundedToBfloat16 == .infinity)
        #expect(-Float.greatestFiniteMagnitude.roundedToBfloat16 == -.infinity)
        #expect(0x1.ffp127.roundedToBfloat16 == .infinity)
        #expect(0x1.fefffep127.roundedToBfloat16 == 0x1.fep127)
    }

    /// Below 2^-126 the numbers are 2^-133 apart.
    @Test func subnormalNumbers() {
        #expect(Float(0x1p-133).roundedToBfloat16 == 0x1p-133)
        #expect(Float(0x1.8p-133).roundedToBfloat16 == 0x1p-132)
        #expect(Float(0x1.4p-133).roundedToBfloat16 == 0x1p-133)
        #expect(Float(0x1p-134).roundedToBfloat16 == 0)
        #expect(Float(0x1.8p-134).roundedToBfloat16 == 0x1p-133)
        #expect(Float.leastNonzeroMagnitude.roundedToBfloat16 == 0)
        #expect((-Float.leastNonzeroMagnitude).roundedToBfloat16.sign == .minus)
        #expect(Float.leastNormalMagnitude.roundedToBfloat16 == .leastNormalMagnitude)
        #expect(0x1p-200.roundedToBfloat16 == 0)
    }

    @Test func numbersThatAreNone() {
        #expect(Float.infinity.roundedToBfloat16 == .infinity && (-Float.infinity).roundedToBfloat16 == -.infinity)
        #expect(Float.nan.roundedToBfloat16.isNaN && Double.nan.roundedToBfloat16.isNaN)
        #expect(Float(-0.0).roundedToBfloat16.sign == .minus)
    }
}
