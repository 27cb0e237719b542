import ApusCore
import CApusKernels
import Testing

/// The gradient of an image by products that are spread, against the plain sum in Double, worked out below.
extension KernelTests {
    @Suite struct SpreadGradient {
        struct Case: CustomStringConvertible, Sendable {
            var batch, channels, filters: Int
            /// Rows and columns.
            var image, kernel: (Int, Int)
            var strides = (1, 1)
            /// Rows above, columns to the left, rows below, columns to the right.
            var padding = (0, 0, 0, 0)

            init(
                _ batch: Int, _ image: (Int, Int), _ channels: Int, _ kernel: (Int, Int), _ filters: Int,
                strides: (Int, Int) = (1, 1), padding: (Int, Int, Int, Int) = (0, 0, 0, 0)
            ) {
                (self.batch, self.image, self.channels) = (batch, image, channels)
                (self.kernel, self.filters, self.strides, self.padding) = (kernel, filters, strides, padding)
            }

            var output: (Int, Int) {
                (
                    (image.0 + padding.0 + padding.2 - kernel.0) / strides.0 + 1,
                    (image.1 + padding.1 + padding.3 - kernel.1) / strides.1 + 1
                )
            }
            var imageCount: Int { batch * image.0 * image.1 * channels }
            var kernelCount: Int { kernel.0 * kernel.1 * channels * filters }
            var outputCount: Int { batch * output.0 * output.1 * filters }
            var description: String {
                "\(batch)x\(image.0)x\(image.1), \(channels) to \(filters), kernel \(kernel), strides \(strides), "
                    + "padding \(padding)"
            }

            /// gradient[n, y s + i - top, x t + j - left, c] = sum of upstream[n, y, x, f] kernel[i, j, c, f]
            func plainSum(kernel numbers: [Float], upstream: [Float]) -> [Double] {
                var result = [Double](repeating: 0, count: imageCount)
                for n in 0..<batch {
                    for (y, x) in places(output) {
                        for (i, j) in places(kernel) {
                            let (row, column) = (y * strides.0 + i - padding.0, x * strides.1 + j - padding.1)
                            guard (0..<image.0).contains(row) && (0..<image.1).contains(column) else { continue }
                            for c in 0..<channels {
                                let into = ((n * image.0 + row) * image.1 + column) * channels + c
                                let window = ((i * kernel.1 + j) * channels + c) * filters
                                let from = ((n * output.0 + y) * output.1 + x) * filters
                                for f in 0..<filters {
                                    result[into] += Double(upstream[from + f]) * Double(numbers[window + f])
                                }
                            }
                        }
                    }
                }
                return result
            }

            private func places(_ size: (Int, Int)) -> [(Int, Int)] {
                (0..<size.0).flatMap { row in (0..<size.1).map { (row, $0) } }
            }
        }

        /// Channels and filters below, at and beyond whole vectors and panels; windows that stand apart, beyond the
        /// edge, and wholly beyond it; places that no window reaches; one row of results at a time, and several.
        private static let cases = [
            Case(1, (1, 1), 1, (1, 1), 1), Case(2, (5, 7), 3, (3, 3), 5), Case(3, (12, 12), 24, (5, 5), 48),
            Case(2, (6, 5), 48, (2, 4), 17), Case(2, (9, 8), 17, (3, 5), 33, strides: (2, 3)),
            Case(1, (8, 9), 20, (2, 2), 3, strides: (3, 4)), Case(2, (7, 9), 6, (1, 5), 40, padding: (0, 4, 0, 2)),
            Case(2, (5, 4), 10, (5, 3), 16, strides: (2, 1), padding: (4, 2, 3, 2)),
            Case(1, (3, 3), 2, (2, 2), 4, strides: (2, 2), padding: (3, 5, 4, 3)),
            Case(4, (3, 20), 1, (3, 7), 32, padding: (1, 3, 1, 3)), Case(0, (4, 4), 8, (3, 3), 32),
        ]

        private static func description(
            _ size: Case, limit: apus_instruction_limit = APUS_BEST_INSTRUCTIONS
        ) -> apus_convolution_description {
            func axes(_ size: (Int, Int)) -> (Int64, Int64, Int64) { (Int64(size.0), Int64(size.1), 0) }
            var description = apus_convolution_description()
            description.kind = APUS_CONVOLUTION_IMAGE_GRADIENT
            description.method = APUS_CONVOLUTION_BY_SPREADING
            description.rank = 2
            description.batch = Int64(size.batch)
            description.channels = Int64(size.channels)
            description.filters = Int64(size.filters)
            description.groups = 1
            description.image = axes(size.image)
            description.kernel = axes(size.kernel)
            description.output = axes(size.output)
            description.strides = axes(size.strides)
            description.dilations = (1, 1, 0)
            description.padding_before = axes((size.padding.0, size.padding.1))
            description.padding_after = axes((size.padding.2, size.padding.3))
            description.instruction_limit = limit
            return description
        }

        /// The results of two runs one after the other: the second finds the memory as the first left it.
        private static func results(
            _ size: Case, kernel: [Float], upstream: [Float], limit: apus_instruction_limit = APUS_BEST_INSTRUCTIONS
        ) throws -> [[Float]] {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = description(size, limit: limit)
            var convolution: OpaquePointer?
            try check(apus_convolution_create(engine, &description, &convolution))
            defer { apus_convolution_destroy(convolution) }
            #expect(
                String(cString: apus_convolution_implementation(convolution)) == (size.batch == 0 ? "none" : "spread"))
            return try (0..<2).map { _ in
                var result = [Float](repeating: .nan, count: size.imageCount)
                try check(apus_convolution_run(convolution, nil, kernel, upstream, nil, &result))
                return result
            }
        }

        @Test(arguments: cases) func agreesWithThePlainSum(_ size: Case) throws {
            let (kernel, upstream) = (sampleValues(size.kernelCount, seed: 1), sampleValues(size.outputCount, seed: 2))
            let expected = size.plainSum(kernel: kernel, upstream: upstream)
            let largest = expected.lazy.map(\.magnitude).max() ?? 0
            for limit in [APUS_BEST_INSTRUCTIONS, APUS_AVX2_INSTRUCTIONS, APUS_PLAIN_INSTRUCTIONS] {
                for result in try Self.results(size, kernel: kernel, upstream: upstream, limit: limit) {
                    #expect(relativeError(result, expected, floor: largest) <= 2e-6, "limit \(limit.rawValue)")
                }
            }
        }

        /// Two results in a row of three places, one filter, windows of two: 2 (10, 20) at the first and 3 (10, 20) at
        /// the second place.
        @Test func handWorkedSums() throws {
            let size = Case(1, (1, 3), 1, (1, 2), 1)
            #expect(try Self.results(size, kernel: [10, 20], upstream: [2, 3])[0] == [20, 40 + 30, 60])
            let apart = Case(1, (1, 4), 1, (1, 2), 1, strides: (1, 2), padding: (0, 1, 0, 1))
            // Windows stand at -1, 1 and 3.
            #expect(try Self.results(apart, kernel: [10, 20], upstream: [2, 3, 4])[0] == [40, 30, 60, 40])
        }

        /// With three threads there are more than samples, or one has two.
        @Test(arguments: [5, 1]) func bitsDoNotDependOnThreads(batch: Int) throws {
            let size = Case(batch, (12, 12), 24, (5, 5), 48)
            let (kernel, upstream) = (sampleValues(size.kernelCount, seed: 1), sampleValues(size.outputCount, seed: 2))
            let count = apus_thread_count()
            defer { apus_set_thread_count(count) }
            let results = try [Int32(1), 2, 3].map { threads in
                apus_set_thread_count(threads)
                return bits(try Self.results(size, kernel: kernel, upstream: upstream)[0])
            }
            #expect(results[0] == results[1] && results[0] == results[2])
        }

        /// A number that is none reaches the places under its window and no other.
        @Test func whatIsNoNumberStaysInItsWindow() throws {
            let size = Case(1, (4, 5), 3, (2, 3), 5)
            var upstream = [Float](repeating: 1, count: size.outputCount)
            // The second row's second result: rows 1 and 2, columns 1 to 3.
            upstream[(1 * 3 + 1) * 5 + 4] = .nan
            let kernel = sampleValues(size.kernelCount, seed: 1)
            let result = try Self.results(size, kernel: kernel, upstream: upstream)[0]
            for place in 0..<20 {
                let isUnderWindow = (1...2).contains(place / 5) && (1...3).contains(place % 5)
                #expect(result[place * 3..<place * 3 + 3].allSatisfy { $0.isNaN == isUnderWindow }, "place \(place)")
            }
        }

        /// Only gradients of images in two axes, whose windows' places are neighbours.
        @Test func othersAreRefused() throws {
            let size = Case(2, (8, 8), 4, (3, 3), 4)
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            func status(_ change: (inout apus_convolution_description) -> Void) -> apus_status {
                var description = Self.description(size)
                change(&description)
                var convolution: OpaquePointer?
                defer { apus_convolution_destroy(convolution) }
                return apus_convolution_create(engine, &description, &convolution)
            }
            #expect(status { _ in } == APUS_SUCCESS)
            #expect(status { $0.kind = APUS_CONVOLUTION_FORWARD } == APUS_UNSUPPORTED)
            #expect(status { $0.kind = APUS_CONVOLUTION_KERNEL_GRADIENT } == APUS_UNSUPPORTED)
            #expect(status { $0.groups = 2 } == APUS_UNSUPPORTED)
            #expect(
                status {
                    $0.dilations = (2, 1, 0)
                    $0.output.0 = 4
                } == APUS_UNSUPPORTED)
        }
    }
}
