import CApusKernels
import Testing

extension KernelTests {
    /// The largest of windows that do not overlap, which is worked on sixteen channels at a time.
    @Suite struct PoolingTiles {
        struct Case: CustomTestStringConvertible, Sendable {
            var image: [Int]
            var channels: Int
            var window: Int
            var stride: Int
            var testDescription: String { "\(image) x \(channels), window \(window), stride \(stride)" }
            var output: [Int] { image.map { ($0 - window) / stride + 1 } }
        }

        /// Whole vectors, an overlapping last vector, places that no window covers.
        static let cases = [
            Case(image: [4, 6], channels: 16, window: 2, stride: 2),
            Case(image: [4, 4], channels: 24, window: 2, stride: 2),
            Case(image: [5, 7], channels: 48, window: 2, stride: 2),
            Case(image: [6, 9], channels: 17, window: 3, stride: 3),
            Case(image: [8, 5], channels: 31, window: 2, stride: 3),
            Case(image: [3, 3], channels: 64, window: 1, stride: 2),
            Case(image: [8, 8], channels: 33, window: 8, stride: 8),
            Case(image: [4, 4], channels: 15, window: 2, stride: 2),
        ]

        @Test(arguments: cases) func againstPlainLoops(pooling: Case) throws {
            let batch = 3, count = batch * pooling.image.reduce(1, *) * pooling.channels
            let outputs = batch * pooling.output.reduce(1, *) * pooling.channels
            // Many equal numbers, and some that are none.
            let image = (0..<count).map { (index: Int) -> Float in
                index % 37 == 5 ? .nan : Float((index * 7 + index / 11) % 5)
            }
            let upstream = (0..<outputs).map { Float($0 % 13 + 1) }
            var (largest, gradient) = ([Float](repeating: 0, count: outputs), [Float](repeating: 0, count: count))
            for output in 0..<outputs {
                let (place, channel) = (output / pooling.channels, output % pooling.channels)
                let (row, column) = (place / pooling.output[1], place % pooling.output[1])
                let (sample, line) = (row / pooling.output[0], row % pooling.output[0])
                var best = -1
                for i in 0..<pooling.window {
                    for j in 0..<pooling.window {
                        let y = sample * pooling.image[0] + line * pooling.stride + i
                        let x = y * pooling.image[1] + column * pooling.stride + j
                        let index = x * pooling.channels + channel
                        if best < 0 || image[index] > image[best] || (image[index].isNaN && !image[best].isNaN) {
                            best = index
                        }
                    }
                }
                largest[output] = image[best]
                gradient[best] = upstream[output]
            }
            let (one, two) = try withThreadCounts {
                (
                    try run(APUS_POOLING_MAXIMUM, pooling, batch, image, nil, count: outputs),
                    try run(APUS_POOLING_MAXIMUM_GRADIENT, pooling, batch, image, upstream, count: count)
                )
            }
            #expect(one.0.map(\.description) == largest.map(\.description))
            #expect(one.1 == gradient)
            #expect(bits(one.0) == bits(two.0))
            #expect(bits(one.1) == bits(two.1))
        }

        private func run(
            _ kind: apus_pooling_kind, _ pooling: Case, _ batch: Int, _ image: [Float], _ values: [Float]?, count: Int
        ) throws -> [Float] {
            func pair(_ sizes: [Int]) -> (Int64, Int64, Int64) { (Int64(sizes[0]), Int64(sizes[1]), 0) }
            let window = [pooling.window, pooling.window], stride = [pooling.stride, pooling.stride]
            var description = apus_pooling_description(
                kind: kind, rank: 2, batch: Int64(batch), channels: Int64(pooling.channels), image: pair(pooling.image),
                window: pair(window), output: pair(pooling.output), strides: pair(stride), padding_before: (0, 0, 0))
            var made: OpaquePointer?
            try check(apus_pooling_create(&description, &made))
            defer { apus_pooling_destroy(made) }
            var result = [Float](repeating: -99, count: count)
            try check(apus_pooling_run(made, image, values, &result))
            return result
        }
    }
}
