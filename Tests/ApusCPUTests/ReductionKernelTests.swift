import ApusCore
import CApusKernels
import Testing

extension KernelTests {
    @Suite struct Reduction {
        private func reduce(
            _ kind: apus_reduction_kind, _ input: [Float], _ outer: Int, _ reduced: Int, _ inner: Int
        ) throws -> [Float] {
            var reduction: OpaquePointer?
            try check(apus_reduction_create(kind, Int64(outer), Int64(reduced), Int64(inner), &reduction))
            defer { apus_reduction_destroy(reduction) }
            var output = [Float](repeating: -99, count: outer * inner)
            try check(apus_reduction_run(reduction, input, &output))
            return output
        }

        private func argmax(_ input: [Float], _ outer: Int, _ reduced: Int, _ inner: Int) throws -> [Int32] {
            var reduction: OpaquePointer?
            try check(
                apus_reduction_create(APUS_REDUCE_ARGMAX, Int64(outer), Int64(reduced), Int64(inner), &reduction))
            defer { apus_reduction_destroy(reduction) }
            var output = [Int32](repeating: -99, count: outer * inner)
            try check(apus_reduction_run(reduction, input, &output))
            return output
        }

        /// Chains of at most 18 float32 additions, each off by at most 2^-24 of the sum so far; usually half of that.
        private let tolerance = 5e-7

        @Test func byHand() throws {
            let x: [Float] = [1, 5, 2, 4, 5, 6]
            #expect(try reduce(APUS_REDUCE_SUM, x, 2, 3, 1) == [8, 15])
            #expect(try reduce(APUS_REDUCE_SUM, x, 1, 2, 3) == [5, 10, 8])
            #expect(try reduce(APUS_REDUCE_MAXIMUM, x, 2, 3, 1) == [5, 6])
            #expect(try reduce(APUS_REDUCE_MAXIMUM, x, 1, 2, 3) == [4, 5, 6])
            #expect(try reduce(APUS_REDUCE_MINIMUM, x, 1, 2, 3) == [1, 5, 2])
            #expect(try argmax(x, 2, 3, 1) == [1, 2])
            // The middle column is a tie: the first wins.
            #expect(try argmax(x, 1, 2, 3) == [1, 0, 1])
        }

        @Test(arguments: [
            (1, 1, 1), (3, 7, 1), (2, 16, 1), (5, 1025, 1), (1, 100_001, 1), (128, 10, 1), (1, 5, 3), (3, 40, 16),
            (2, 33, 17), (1, 128, 512), (2, 3, 129), (1, 3000, 10), (2, 2049, 70), (1, 70_000, 1), (300, 300, 1),
        ])
        func againstDouble(outer: Int, reduced: Int, inner: Int) throws {
            let x = sampleValues(outer * reduced * inner, seed: 5)
            var (sums, maxima, minima) = ([Double](), [Float](), [Float]())
            var places: [Int32] = []
            for o in 0..<outer {
                for i in 0..<inner {
                    let column = (0..<reduced).map { x[(o * reduced + $0) * inner + i] }
                    sums.append(column.reduce(0) { $0 + Double($1) })
                    let largest = column.max() ?? 0
                    maxima.append(largest)
                    minima.append(column.min() ?? 0)
                    places.append(Int32(column.firstIndex(of: largest) ?? -1))
                }
            }
            let (one, two) = try withThreadCounts { try reduce(APUS_REDUCE_SUM, x, outer, reduced, inner) }
            #expect(bits(one) == bits(two))
            #expect(relativeError(one, sums, floor: Double(reduced).squareRoot()) < tolerance)
            #expect(try reduce(APUS_REDUCE_MAXIMUM, x, outer, reduced, inner) == maxima)
            #expect(try reduce(APUS_REDUCE_MINIMUM, x, outer, reduced, inner) == minima)
            #expect(try argmax(x, outer, reduced, inner) == places)
        }

        @Test func longSumStaysAccurate() throws {
            // A million times 0.1 (as float32): a plain float32 sum is wrong in the third digit.
            let x = [Float](repeating: 0.1, count: 1_000_000)
            let sum = try reduce(APUS_REDUCE_SUM, x, 1, x.count, 1)
            #expect(relativeError(sum, [Double(0.1 as Float) * 1e6]) < tolerance)
            let columns = try reduce(APUS_REDUCE_SUM, x, 1, 100_000, 10)
            #expect(relativeError(columns, [Double](repeating: Double(0.1 as Float) * 1e5, count: 10)) < tolerance)
        }

        @Test func notANumberAndInfinities() throws {
            // Rows of up to 32 have an argmax of their own.
            for (reduced, inner) in [(3, 1), (3, 20), (32, 1), (33, 1), (100, 1)] {
                var x = [Float](repeating: 1, count: reduced * inner)
                x[inner] = .nan
                #expect(try reduce(APUS_REDUCE_MAXIMUM, x, 1, reduced, inner)[0].isNaN)
                #expect(try reduce(APUS_REDUCE_MINIMUM, x, 1, reduced, inner)[0].isNaN)
                #expect(try reduce(APUS_REDUCE_SUM, x, 1, reduced, inner)[0].isNaN)
                #expect(try argmax(x, 1, reduced, inner)[0] == 1)
                // The first NaN counts, also after and before larger numbers.
                (x[0], x[(reduced - 1) * inner]) = (5, .nan)
                #expect(try argmax(x, 1, reduced, inner)[0] == 1)
                x[(reduced - 1) * inner] = 7
                #expect(try argmax(x, 1, reduced, inner)[0] == 1)
                (x[0], x[(reduced - 1) * inner]) = (1, 1)
                x[inner] = -.infinity
                #expect(try reduce(APUS_REDUCE_MINIMUM, x, 1, reduced, inner)[0] == -.infinity)
                #expect(try reduce(APUS_REDUCE_MAXIMUM, x, 1, reduced, inner)[0] == 1)
                #expect(try argmax(x, 1, reduced, inner)[0] == 0)
            }
            #expect(try argmax([-.infinity, -.infinity], 1, 2, 1) == [0])
        }

        @Test(arguments: [(3, 1), (3, 20), (31, 1), (32, 1), (33, 1), (100, 1), (2000, 1)])
        func theFirstOfEqualsIsTheLargest(reduced: Int, inner: Int) throws {
            var x = [Float](repeating: 1, count: reduced * inner)
            #expect(try argmax(x, 1, reduced, inner)[0] == 0)
            for row in [reduced - 2, reduced - 1] { x[row * inner] = 7 }
            #expect(try argmax(x, 1, reduced, inner)[0] == Int32(reduced - 2))
            // Both zeros are equal.
            x = x.map { _ in 0 }
            x[0] = -0.0
            #expect(try argmax(x, 1, reduced, inner)[0] == 0)
        }

        /// Sixteen rows at once, with equals, infinities and NaNs at places of their own.
        @Test(arguments: [1, 2, 10, 15, 16, 17, 31, 32, 33], [1, 7, 16, 17, 50])
        func rowsDoNotSeeEachOther(reduced: Int, outer: Int) throws {
            let random = Philox(seed: UInt64(reduced * 100 + outer))
            let special: [Float] = [.nan, .infinity, -.infinity, .leastNonzeroMagnitude, -0.0]
            let x = (0..<outer * reduced).map { place in
                let word = Int(random.word(place) % 40)
                return word < special.count ? special[word] : Float(word % 5)
            }
            let expected = (0..<outer).map { row in
                let numbers = x[row * reduced..<(row + 1) * reduced]
                let first = numbers.firstIndex { $0.isNaN } ?? numbers.firstIndex(of: numbers.max() ?? 0)
                return first.map { Int32($0 - row * reduced) }
            }
            #expect(try argmax(x, outer, reduced, 1) == expected)
        }

        @Test func emptyAxes() throws {
            #expect(try reduce(APUS_REDUCE_SUM, [], 2, 0, 1) == [0, 0])
            #expect(try reduce(APUS_REDUCE_MAXIMUM, [], 1, 0, 2) == [-.infinity, -.infinity])
            #expect(try reduce(APUS_REDUCE_MINIMUM, [], 1, 0, 1) == [.infinity])
            #expect(try reduce(APUS_REDUCE_SUM, [], 0, 3, 1) == [])
            #expect(throws: KernelFailure.self) { try argmax([], 1, 0, 1) }
        }
    }
}
