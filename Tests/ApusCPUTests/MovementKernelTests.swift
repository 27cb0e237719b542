import CApusKernels
import Testing

extension KernelTests {
    @Suite struct Movement {
        private func copy<Element>(
            _ source: [Element], from origin: Int = 0, _ dimensions: [Int], _ sourceStrides: [Int],
            _ destinationStrides: [Int], into destination: [Element], at target: Int = 0
        ) throws -> [Element] {
            var description = apus_copy_description(
                rank: Int32(dimensions.count), element_size: Int32(MemoryLayout<Element>.stride),
                dimensions: eightNumbers(dimensions), source_strides: eightNumbers(sourceStrides),
                destination_strides: eightNumbers(destinationStrides))
            var copy: OpaquePointer?
            try check(apus_copy_create(&description, &copy))
            defer { apus_copy_destroy(copy) }
            var destination = destination
            try source.withUnsafeBufferPointer { source in
                try destination.withUnsafeMutableBufferPointer { destination in
                    try check(
                        apus_copy_run(
                            copy, source.baseAddress.map { $0 + origin }, destination.baseAddress.map { $0 + target }))
                }
            }
            return destination
        }

        @Test func byHand() throws {
            let x: [Int32] = [1, 2, 3, 4, 5, 6]
            let zeros = [Int32](repeating: 0, count: 6)
            // The transpose of 1 2 3 / 4 5 6.
            #expect(try copy(x, [3, 2], [1, 3], [2, 1], into: zeros) == [1, 4, 2, 5, 3, 6])
            // Backwards.
            #expect(try copy(x, from: 5, [6], [-1], [1], into: zeros) == [6, 5, 4, 3, 2, 1])
            // A column spread over three.
            #expect(try copy(x, [2, 3], [1, 0], [3, 1], into: zeros) == [1, 1, 1, 2, 2, 2])
            // 1 2 / 4 5 into the lower right of 3 x 3.
            #expect(
                try copy(x, [2, 2], [3, 1], [3, 1], into: [Int32](repeating: 9, count: 9), at: 4)
                    == [9, 9, 9, 9, 1, 2, 9, 4, 5])
        }

        @Test(arguments: [
            [1], [70_000], [2, 3], [40, 33], [129, 100], [300, 300], [2, 3, 4], [5, 40, 36], [3, 1, 50, 9],
            [2, 3, 2, 3, 2, 3, 2, 2],
        ])
        func permutations(dimensions: [Int]) throws {
            let count = dimensions.reduce(1, *), strides = packedStrides(dimensions)
            let axes = Array(dimensions.indices)
            var orders = [axes, axes.reversed(), Array(axes.dropFirst() + axes.prefix(1))]
            if axes.count > 2 { orders.append(Array(axes.prefix(axes.count - 2)) + [axes.count - 1, axes.count - 2]) }
            for order in orders {
                let moved = order.map { dimensions[$0] }, movedStrides = order.map { strides[$0] }
                let places = offsets(moved, movedStrides)
                let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                let words = (0..<count).map { Int32($0) }, longs = (0..<count).map { Int64($0) << 33 }
                let packed = packedStrides(moved)
                let (one, two) = try withThreadCounts {
                    try copy(words, moved, movedStrides, packed, into: [Int32](repeating: -1, count: count))
                }
                #expect(one == places.map { words[$0] })
                #expect(one == two)
                #expect(
                    try copy(bytes, moved, movedStrides, packed, into: [UInt8](repeating: 0, count: count))
                        == places.map { bytes[$0] })
                #expect(
                    try copy(longs, moved, movedStrides, packed, into: [Int64](repeating: 0, count: count))
                        == places.map { longs[$0] })
                // And back: strides on the other side.
                #expect(try copy(one, moved, packed, movedStrides, into: [Int32](repeating: -1, count: count)) == words)
            }
        }

        @Test func broadcastsAndScalars() throws {
            #expect(try copy([Float(3)], [], [], [], into: [0]) == [3])
            #expect(
                try copy([Float(3)], [40, 50], [0, 0], [50, 1], into: [Float](repeating: 0, count: 2000))
                    .allSatisfy { $0 == 3 })
            #expect(try copy([Float](), [3, 0], [0, 1], [0, 1], into: [7]) == [7])
        }

        @Test func fill() throws {
            var bytes = [UInt8](repeating: 0, count: 70_001), words = [Float](repeating: 0, count: 5)
            var longs = [Int64](repeating: 0, count: 3)
            try check(apus_fill(&bytes, 70_001, [UInt8(9)], 1))
            try check(apus_fill(&words, 4, [Float(1.5)], 4))
            try check(apus_fill(&longs, 3, [Int64.min], 8))
            #expect(bytes.allSatisfy { $0 == 9 })
            #expect(words == [1.5, 1.5, 1.5, 1.5, 0])
            #expect(longs == [.min, .min, .min])
            #expect(apus_fill(&words, 4, [Float(1)], 3) == Int32(APUS_INVALID_DESCRIPTION))
        }
    }

    @Suite struct Indexing {
        @Test func oneHot() {
            var output = [Float](repeating: 7, count: 12)
            apus_one_hot([2, 0, -1, 3], &output, 4, 3)
            #expect(output == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        }

        @Test func gatherRows() throws {
            let table: [Float] = [1, 2, 3, 4, 5, 6]
            var output = [Float](repeating: 0, count: 6)
            try check(apus_gather_rows(table, [2, 0, 2], &output, 3, 3, 2))
            #expect(output == [5, 6, 1, 2, 5, 6])
            for bad: Int32 in [3, -1] {
                #expect(apus_gather_rows(table, [0, bad, 0], &output, 3, 3, 2) == Int32(APUS_INDEX_OUT_OF_RANGE))
            }
            #expect(output == [5, 6, 1, 2, 5, 6])
        }

        @Test func scatterAddRows() throws {
            var table: [Float] = [1, 1, 1, 1]
            try check(apus_scatter_add_rows([1, 2, 3, 4, 5, 6], [1, 0, 1], &table, 3, 2, 2))
            #expect(table == [4, 5, 7, 9])
            #expect(apus_scatter_add_rows([1, 2], [2], &table, 1, 2, 2) == Int32(APUS_INDEX_OUT_OF_RANGE))
            #expect(table == [4, 5, 7, 9])
        }

        @Test func scatterDoesNotDependOnThreads() throws {
            let (count, width) = (500, 300)
            let input = sampleValues(count * width, seed: 3)
            let indices = (0..<count).map { Int32($0 * $0 % 11) }
            let (one, two) = try withThreadCounts {
                var table = [Float](repeating: 0, count: 11 * width)
                try check(apus_scatter_add_rows(input, indices, &table, Int64(count), 11, Int64(width)))
                return table
            }
            #expect(bits(one) == bits(two))
        }
    }
}
