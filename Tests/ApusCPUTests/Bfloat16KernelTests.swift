import ApusCore
import CApusKernels
import Testing

extension KernelTests {
    @Suite struct Bfloat16Rounding {
        /// For every upper half of a float: the lower halves around the steps. The expected bits are those of the
        /// reference, which divides and rounds.
        @Test func everyUpperHalf() throws {
            let lower: [UInt32] = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]
            let x = (UInt32(0)...0xffff).flatMap { upper in lower.map { Float(bitPattern: upper << 16 | $0) } }
            let y = try apply(APUS_ROUND_TO_BFLOAT16, x)
            let wrong = zip(x, y).first { x, y in
                x.isNaN ? !y.isNaN : y.bitPattern != x.roundedToBfloat16.bitPattern
            }
            #expect(wrong == nil)
        }

        /// Whole vectors and the rest of an array have the same code.
        @Test(arguments: [1, 15, 16, 17, 530]) func everyLength(_ count: Int) throws {
            let x = (0..<count).map { 1 + Float($0) / 1000 }
            #expect(try apply(APUS_ROUND_TO_BFLOAT16, x) == x.map(\.roundedToBfloat16))
        }
    }
}
