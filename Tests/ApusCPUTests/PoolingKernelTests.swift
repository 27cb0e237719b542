import CApusKernels
import Testing

extension KernelTests {
    /// The largest of windows that do not overlap, which is worked on sixteen channels at a time.
    @Suite struct PoolingTiles {
        struct Case: CustomTestStringConvertible, Sendable {
            var image: [Int]
            var channels: Int
            var window: [Int]
            var stride: [Int]
            var testDescription: String { "\(image) x \(channels), window \(window), stride \(stride)" }
            var output: [Int] { image.indices.map { (image[$0] - window[$0]) / stride[$0] + 1 } }
            let batch = 3
            var imageCount: Int { batch * image.reduce(1, *) * channels }
            var outputCount: Int { batch * output.reduce(1, *) * channels }

            init(_ image: [Int], channels: Int, window: [Int], stride: [Int]? = nil) {
                (self.image, self.channels, self.window, self.stride) = (image, channels, window, stride ?? window)
            }

            /// The offsets from a window's first place to all of it, in row-major order, and of all windows' first places.
            var places: (within: [Int], first: [Int]) {
                let strides = packedStrides(image).map { $0 * channels }
                let samples = (0..<batch).map { $0 * image.reduce(1, *) * channels }
                let steps = zip(strides, stride).map { $0 * $1 }
                return (
                    offsets(window, strides), samples.flatMap { sample in offsets(output, steps).map { $0 + sample } }
                )
            }
        }

        /// Whole vectors, an overlapping last vector, places that no window covers; one axis and three; windows that are
        /// no squares, of as many places as tiles have and of more, and fewer channels, which have loops of their own.
        static let cases = [
            Case([4, 6], channels: 16, window: [2, 2]),
            Case([4, 4], channels: 24, window: [2, 2]),
            Case([5, 7], channels: 48, window: [2, 2]),
            Case([6, 9], channels: 17, window: [3, 3]),
            Case([8, 5], channels: 31, window: [2, 2], stride: [3, 3]),
            Case([3, 3], channels: 64, window: [1, 1], stride: [2, 2]),
            Case([8, 8], channels: 33, window: [8, 8]),
            Case([4, 4], channels: 15, window: [2, 2]),
            Case([7, 9], channels: 20, window: [1, 3], stride: [2, 4]),
            Case([9, 16], channels: 16, window: [4, 16], stride: [5, 16]),
            Case([9, 10], channels: 18, window: [9, 8]),
            Case([7, 10], channels: 16, window: [5, 7]),
            Case([11], channels: 19, window: [3]),
            Case([130], channels: 16, window: [65]),
            Case([12], channels: 32, window: [2], stride: [5]),
            Case([4, 5, 6], channels: 21, window: [2, 2, 2]),
            Case([5, 4, 7], channels: 16, window: [2, 1, 3], stride: [3, 2, 3]),
            Case([5, 5, 5], channels: 17, window: [5, 4, 4]),
            Case([7, 5], channels: 70, window: [3, 2], stride: [3, 3]),
            Case([6, 7, 5], channels: 3, window: [2, 2, 1], stride: [3, 2, 2]),
        ]

        /// Many equal numbers, and some that are none.
        @Test(arguments: cases) func againstPlainLoops(pooling: Case) throws {
            try compare(
                pooling,
                (0..<pooling.imageCount).map { (index: Int) -> Float in
                    index % 37 == 5 ? .nan : Float((index * 7 + index / 11) % 5)
                })
        }

        /// Both zeros are equal, so that the first of them is the largest.
        @Test(arguments: cases) func zerosOfEitherSign(pooling: Case) throws {
            try compare(pooling, (0..<pooling.imageCount).map { $0 * 5 / 3 % 2 == 0 ? 0 : -0.0 })
        }

        /// The first NaN is the largest.
        @Test(arguments: cases) func noNumbersAtAll(pooling: Case) throws {
            try compare(pooling, [Float](repeating: .nan, count: pooling.imageCount))
        }

        private func compare(_ pooling: Case, _ image: [Float]) throws {
            let upstream = (0..<pooling.outputCount).map { Float($0 % 13 + 1) }
            var largest = [Float](repeating: 0, count: pooling.outputCount)
            var gradient = [Float](repeating: 0, count: pooling.imageCount)
            let values = (0..<pooling.imageCount).map { Float($0 % 101) }
            var selected = [Float](repeating: 0, count: pooling.outputCount)
            let (within, first) = pooling.places
            for output in 0..<pooling.outputCount {
                var best = -1
                for offset in within {
                    let index = first[output / pooling.channels] + offset + output % pooling.channels
                    if best < 0 || image[index] > image[best] || (image[index].isNaN && !image[best].isNaN) {
                        best = index
                    }
                }
                largest[output] = image[best]
                gradient[best] = upstream[output]
                selected[output] = values[best]
            }
            let (one, two) = try withThreadCounts {
                (
                    try run(APUS_POOLING_MAXIMUM, pooling, image, nil, count: pooling.outputCount),
                    try run(APUS_POOLING_MAXIMUM_GRADIENT, pooling, image, upstream, count: pooling.imageCount),
                    // Over the image, as plans ask for it.
                    try run(APUS_POOLING_MAXIMUM_GRADIENT, pooling, nil, upstream, over: image),
                    try run(APUS_POOLING_SELECTION, pooling, image, values, count: pooling.outputCount)
                )
            }
            #expect(one.0.map(\.description) == largest.map(\.description))
            #expect(one.1 == gradient && one.2 == gradient)
            #expect(one.3 == selected && two.3 == selected)
            #expect(bits(one.0) == bits(two.0))
            #expect(bits(one.1) == bits(two.1) && bits(one.2) == bits(two.2))
        }

        private func run(
            _ kind: apus_pooling_kind, _ pooling: Case, _ image: [Float], _ values: [Float]?, count: Int
        ) throws -> [Float] {
            try run(kind, pooling, image, values, over: [Float](repeating: -99, count: count))
        }

        /// - Parameters:
        ///   - image: `nil` for what the result is written over.
        ///   - memory: where the result goes.
        private func run(
            _ kind: apus_pooling_kind, _ pooling: Case, _ image: [Float]?, _ values: [Float]?, over memory: [Float]
        ) throws -> [Float] {
            func three(_ sizes: [Int]) -> (Int64, Int64, Int64) {
                let all = sizes.map { Int64($0) } + [0, 0]
                return (all[0], all[1], all[2])
            }
            var description = apus_pooling_description(
                kind: kind, rank: Int32(pooling.image.count), batch: Int64(pooling.batch),
                channels: Int64(pooling.channels), image: three(pooling.image), window: three(pooling.window),
                output: three(pooling.output), strides: three(pooling.stride), padding_before: (0, 0, 0))
            var made: OpaquePointer?
            try check(apus_pooling_create(&description, &made))
            defer { apus_pooling_destroy(made) }
            var result = memory
            try result.withUnsafeMutableBufferPointer { result in
                guard let image else {
                    return try check(apus_pooling_run(made, result.baseAddress, values, result.baseAddress))
                }
                try check(apus_pooling_run(made, image, values, result.baseAddress))
            }
            return result
        }
    }
}
