import CApusKernels
import Testing

/// Sums that an element-wise program takes along.
extension KernelTests {
    @Suite struct ElementwiseSums {
        @Test func byHand() throws {
            // 1 2 3 / 4 5 6 squared: columns 1 + 16, 4 + 25, 9 + 36; all 91. Of the input itself: 5 7 9.
            let program = try KernelProgram(
                [2, 3], inputs: [.init(strides: [3, 1])], steps: [.init(operation: APUS_SQUARE, a: 0)],
                outputs: [(1, APUS_FLOAT32)], sums: [(1, 3), (1, 1), (0, 3)])
            let results = try program.run([[1, 2, 3, 4, 5, 6]], outputCount: 4)
            #expect(results[0] == [1, 4, 9, 16, 25, 36])
            #expect(results[1].prefix(3) == [17, 29, 45])
            #expect(results[2].prefix(1) == [91])
            #expect(results[3].prefix(3) == [5, 7, 9])
            #expect(results[3].dropFirst(3).allSatisfy { $0 == -99 }, "nothing is written behind the sums")
        }

        /// Small whole numbers, whose sums Float holds exactly: whatever the order, there is one right answer.
        @Test(arguments: [
            [1, 1], [1, 7], [5, 1], [7, 3], [100, 10], [33, 16], [1000, 24], [129, 64], [300, 100], [40, 512],
            [9, 784],
            [3, 1000], [5, 3000], [70000, 2],
        ])
        func againstPlainLoops(dimensions: [Int]) throws {
            let (rows, columns) = (dimensions[0], dimensions[1])
            let x: [Float] = (0..<rows * columns).map { (index: Int) -> Float in
                Float((index * 7 + index / 13) % 11 - 5)
            }
            let pattern: [Float] = (0..<columns).map { (index: Int) -> Float in Float(index % 5 - 2) }
            let program = try KernelProgram(
                dimensions, inputs: [.init(strides: [columns, 1]), .init(strides: [0, 1])],
                steps: [.init(operation: APUS_ADD, a: 0, b: 1)], outputs: [(2, APUS_FLOAT32)],
                sums: [(2, columns), (2, 1), (0, columns), (1, columns)])
            let results = try program.run([x, pattern], outputCount: 5)
            let sum: [Float] = x.indices.map { (index: Int) -> Float in x[index] + pattern[index % columns] }
            func columnSums(_ values: [Float]) -> [Float] {
                var result = [Float](repeating: 0, count: columns)
                for (index, value) in values.enumerated() { result[index % columns] += value }
                return result
            }
            #expect(results[0] == sum)
            #expect(Array(results[1].prefix(columns)) == columnSums(sum))
            #expect(results[2][0] == sum.reduce(0, +))
            #expect(Array(results[3].prefix(columns)) == columnSums(x))
            #expect(Array(results[4].prefix(columns)) == pattern.map { $0 * Float(rows) })
        }

        /// An output over an input that is summed after it.
        @Test func sumOfAnInputThatIsOverwritten() throws {
            let program = try KernelProgram(
                [2, 600], inputs: [.init(strides: [600, 1])], steps: [.init(operation: APUS_NEGATE, a: 0)],
                outputs: [(1, APUS_FLOAT32)], sums: [(0, 1)])
            let values = UnsafeMutableBufferPointer.allocateCopy([Float](repeating: 1, count: 1200))
            let sum = UnsafeMutableBufferPointer.allocateCopy([Float](repeating: -99, count: 1))
            defer {
                values.deallocate()
                sum.deallocate()
            }
            try program.run(
                [UnsafeRawPointer(values.baseAddress)],
                [UnsafeMutableRawPointer(values.baseAddress), UnsafeMutableRawPointer(sum.baseAddress)])
            #expect(sum[0] == 1200)
            #expect(values.allSatisfy { $0 == -1 })
        }

        @Test func longSumsStayExact() throws {
            // 0.1 a million times: 100,000 within Float's half step of 0.004; plain Float additions give 100,958.
            let program = try KernelProgram(
                [1_000_000], inputs: [.init(strides: [1])], steps: [], sums: [(0, 1)])
            let result = try program.run([[Float](repeating: 0.1, count: 1_000_000)])
            #expect(abs(result[0][0] - 100_000) <= 0.008)
        }

        @Test func nothingSumsToZero() throws {
            let program = try KernelProgram([0, 3], inputs: [.init(strides: [3, 1])], steps: [], sums: [(0, 3)])
            let sum = UnsafeMutableBufferPointer.allocateCopy([Float](repeating: -99, count: 3))
            defer { sum.deallocate() }
            try program.run([nil], [UnsafeMutableRawPointer(sum.baseAddress)])
            #expect(Array(sum) == [0, 0, 0])
        }

        @Test func sameBitsWhateverTheThreads() throws {
            let x = sampleValues(128 * 1024, seed: 3)
            let before = apus_thread_count()
            defer { apus_set_thread_count(before) }
            let results = try [1, 2, 3].map { count in
                apus_set_thread_count(Int32(count))
                let program = try KernelProgram(
                    [1024, 128], inputs: [.init(strides: [128, 1])], steps: [.init(operation: APUS_EXP, a: 0)],
                    sums: [(1, 128)])
                return try program.run([x])[0].prefix(128).map(\.bitPattern)
            }
            #expect(results[0] == results[1])
            #expect(results[0] == results[2])
        }

        @Test func meaninglessSumsAreRefused() {
            for sum in [
                (value: 2, columns: 3), (value: -1, columns: 3), (value: 0, columns: 4), (value: 0, columns: 0),
            ] {
                #expect(throws: (any Error).self) {
                    _ = try KernelProgram(
                        [2, 3], inputs: [.init(strides: [3, 1])], steps: [.init(operation: APUS_NEGATE, a: 0)],
                        sums: [sum])
                }
            }
        }
    }
}
