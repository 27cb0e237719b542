import ApusCore
import CApusKernels
import Testing

extension KernelTests {
    /// Bit for bit the numbers of ApusCore's generator.
    @Suite struct Random {
        static let generators = [
            Philox(seed: 0), Philox(seed: 0x0123_4567_89AB_CDEF, stream: 7, step: 0xFEDC_BA98_7654_3210),
            Philox(seed: .max, stream: .max, step: 3),
        ]

        private func description(_ philox: Philox) -> apus_philox {
            apus_philox(seed: philox.seed, step: philox.step, stream: philox.stream)
        }

        @Test(arguments: generators) func sameAsCore(philox: Philox) {
            var c = description(philox)
            for (first, count) in [(0, 1), (0, 4), (1, 2), (3, 130), (5, 64), (62, 3), (1000, 1001), (1 << 33, 9)] {
                var output = [Float](repeating: -1, count: count)
                let range = first..<first + count
                apus_random_uniform(&c, Int64(first), Int64(count), &output)
                #expect(bits(output) == range.map { philox.uniform($0).bitPattern })
                apus_random_normal(&c, Int64(first), Int64(count), &output)
                #expect(bits(output) == range.map { philox.normal($0).bitPattern })
                apus_random_bernoulli(&c, Int64(first), Int64(count), 0.3, &output)
                #expect(output == range.map { philox.bernoulli($0, probability: 0.3) })
            }
        }

        @Test func manyNormalsAndThreads() {
            let philox = Philox(seed: 12, stream: 5, step: 9)
            let (one, two) = withThreadCounts {
                var c = description(philox)
                var output = [Float](repeating: 0, count: 100_003)
                apus_random_normal(&c, 3, 100_003, &output)
                return output
            }
            #expect(bits(one) == bits(two))
            #expect(bits(one) == (3..<100_006).map { philox.normal($0).bitPattern })
        }

        @Test func certainAndImpossible() {
            var c = description(Philox(seed: 1))
            var output = [Float](repeating: 5, count: 200)
            apus_random_bernoulli(&c, 0, 200, 1, &output)
            #expect(output.allSatisfy { $0 == 1 })
            apus_random_bernoulli(&c, 0, 200, 0, &output)
            #expect(output.allSatisfy { $0 == 0 })
        }
    }
}
