import CApusKernels
import Foundation
import Testing

extension KernelTests {
    @Suite struct Softmax {
        @Test func byHand() {
            // exp(0), exp(ln 2), exp(ln 5) = 1, 2, 5: eighths.
            let x: [Float] = [0, 0.6931472, 1.6094379]
            var y = [Float](repeating: 0, count: 3)
            apus_softmax(x, &y, 1, 3)
            #expect(relativeError(y, [0.125, 0.25, 0.625]) < 1e-7)
            apus_log_softmax(x, &y, 1, 3)
            #expect(relativeError(y, [log(0.125), log(0.25), log(0.625)]) < 1e-6)
            var loss: [Float] = [0]
            apus_softmax_cross_entropy(x, [0, 1, 0], &loss, 1, 3)
            #expect(relativeError(loss, [log(4)]) < 1e-6)
            // Targets need not sum to 1: 2 ln 8 + 3 ln (8 / 5).
            apus_softmax_cross_entropy(x, [2, 0, 3], &loss, 1, 3)
            #expect(relativeError(loss, [2 * log(8) + 3 * log(1.6)]) < 1e-6)
        }

        @Test(arguments: [
            (1, 1), (3, 2), (128, 10), (1000, 10), (5, 16), (7, 17), (15, 32), (16, 32), (17, 33), (4, 100), (64, 1000),
            (2, 3001),
        ])
        func againstDouble(rows: Int, columns: Int) {
            let (x, t) = (sampleValues(rows * columns, seed: 1, scale: 4), sampleValues(rows * columns, seed: 2))
            var (softmax, logSoftmax, losses): ([Double], [Double], [Double]) = ([], [], [])
            for row in 0..<rows {
                let numbers = x[row * columns..<(row + 1) * columns].map(Double.init)
                let largest = numbers.max() ?? 0
                let total = log(numbers.reduce(0) { $0 + exp($1 - largest) }) + largest
                softmax += numbers.map { exp($0 - total) }
                logSoftmax += numbers.map { $0 - total }
                losses.append(
                    numbers.enumerated().reduce(0) { $0 + Double(t[row * columns + $1.offset]) * (total - $1.element) })
            }
            let (one, two) = withThreadCounts {
                var (y, z) = (x, [Float](repeating: 0, count: x.count))
                var loss = [Float](repeating: 0, count: rows)
                y.withUnsafeMutableBufferPointer {  // in place
                    apus_softmax($0.baseAddress, $0.baseAddress, Int64(rows), Int64(columns))
                }
                apus_log_softmax(x, &z, Int64(rows), Int64(columns))
                apus_softmax_cross_entropy(x, t, &loss, Int64(rows), Int64(columns))
                return [y, z, loss]
            }
            #expect(one.map(bits) == two.map(bits))
            #expect(relativeError(one[0], softmax, floor: 1e-6) < 3e-6)
            #expect(relativeError(one[1], logSoftmax) < 1e-6)
            #expect(relativeError(one[2], losses, floor: Double(columns)) < 2e-6)
        }

        /// In rows of three, and as the first three of forty, which are done by another loop: what is added has no part
        /// in the sums.
        @Test(arguments: [3, 40]) func hugeAndInfiniteNumbers(columns: Int) {
            var y = [Float](repeating: 9, count: columns)
            let count = Int64(columns), rest = columns - 3
            func filled(_ x: [Float], _ filler: Float = -.infinity) -> [Float] {
                x + [Float](repeating: filler, count: rest)
            }
            apus_softmax(filled([1e38, 1e38, -1e38]), &y, 1, count)
            #expect(y == filled([0.5, 0.5, 0], 0))
            apus_log_softmax(filled([-1e4, 0, -.infinity]), &y, 1, count)
            #expect(y == filled([-1e4, 0, -.infinity]))
            // 1 / (1 + e) and e / (1 + e).
            apus_softmax(filled([-.infinity, 0, 1]), &y, 1, count)
            #expect(y[0] == 0 && relativeError(Array(y[1...2]), [0.2689414213699951, 0.7310585786300049]) < 1e-6)
            #expect(y.dropFirst(3).allSatisfy { $0 == 0 })
            apus_softmax(filled([.nan, 0, 1]), &y, 1, count)
            #expect(y.allSatisfy { $0.isNaN })
            // A target of 0 times an infinite distance would be no number.
            var loss: [Float] = [0]
            apus_softmax_cross_entropy(filled([1000, 0, 0], -1e38), filled([0, 1, 0], 0), &loss, 1, count)
            #expect(loss == [1000])
        }

        @Test func empty() {
            var loss: [Float] = [5, 5]
            apus_softmax_cross_entropy([], [], &loss, 2, 0)
            #expect(loss == [0, 0])
            apus_softmax_cross_entropy([], [], &loss, 0, 3)
        }
    }
}
