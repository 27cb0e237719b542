import ApusCore
import CApusKernels
import Testing

/// Winograd's filtering against the plain sum in Double, worked out below.
extension KernelTests {
    @Suite struct Winograd {
        struct Case: CustomStringConvertible, Sendable {
            var (batch, height, width, channels, filters) = (1, 1, 1, 1, 1)
            /// Rows above, columns to the left, rows below, columns to the right.
            var padding = (1, 1, 1, 1)
            /// The kernel's along an axis.
            var size = 3

            init(_ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ filters: Int) {
                (self.batch, self.height, self.width) = (batch, height, width)
                (self.channels, self.filters) = (channels, filters)
            }

            init(_ other: Case, padding: (Int, Int, Int, Int), size: Int = 3) {
                self = other
                (self.padding, self.size) = (padding, size)
            }

            var outputHeight: Int { height + padding.0 + padding.2 - size + 1 }
            var outputWidth: Int { width + padding.1 + padding.3 - size + 1 }
            var imageCount: Int { batch * height * width * channels }
            var outputCount: Int { batch * outputHeight * outputWidth * filters }
            var kernelCount: Int { size * size * channels * filters }
            var description: String {
                "\(batch)x\(height)x\(width), \(channels) to \(filters), size \(size), padding \(padding)"
            }

            /// The results of a tile along an axis.
            var tile: Int { 7 - size }

            /// Whether the image's gradient is spread from tiles of the upstream, which are fewer than the image's.
            var isSpread: Bool {
                func tiles(_ height: Int, _ width: Int) -> Int {
                    ((height + tile - 1) / tile) * ((width + tile - 1) / tile)
                }
                return batch >= 16 && 5 * tiles(outputHeight, outputWidth) <= 4 * tiles(height, width)
            }

            func resultCount(_ kind: apus_convolution_kind) -> Int {
                switch kind {
                case APUS_CONVOLUTION_IMAGE_GRADIENT: imageCount
                case APUS_CONVOLUTION_KERNEL_GRADIENT: kernelCount
                default: outputCount
                }
            }
        }

        /// Channels below, at and beyond whole vectors, panels and parts; tiles within and over the edge, one block and
        /// chunk of them and several.
        static let cases = [
            Case(1, 1, 1, 1, 1), Case(2, 1, 1, 3, 16), Case(1, 4, 4, 16, 3), Case(3, 9, 9, 17, 24),
            Case(2, 6, 11, 24, 17),
            Case(1, 8, 8, 128, 128), Case(2, 5, 4, 200, 17), Case(1, 4, 9, 70, 140), Case(2, 33, 32, 16, 24),
            Case(4, 40, 40, 3, 5),
            Case(Case(2, 7, 5, 32, 48), padding: (0, 0, 0, 0)), Case(Case(1, 3, 3, 64, 1), padding: (0, 0, 0, 0)),
            Case(Case(1, 13, 6, 3, 1), padding: (2, 2, 2, 2)), Case(Case(2, 6, 11, 16, 64), padding: (0, 1, 2, 1)),
            Case(Case(1, 2, 3, 5, 6), padding: (4, 3, 3, 6)), Case(Case(1, 1, 8, 48, 32), padding: (0, 2, 2, 0)),
            // Their gradients are spread: one to sixteen tiles a sample, windows over two edges, over all four, and beyond;
            // fewer channels than a vector, two panels of them, and a last vector that overlaps.
            Case(Case(16, 6, 6, 18, 17), padding: (0, 0, 0, 0)), Case(Case(17, 5, 9, 35, 3), padding: (1, 0, 0, 0)),
            Case(Case(16, 8, 8, 24, 20), padding: (0, 0, 0, 0), size: 5),
            Case(Case(17, 7, 6, 20, 9), padding: (0, 0, 0, 0), size: 5),
            Case(Case(16, 9, 10, 1, 5), padding: (1, 1, 1, 1), size: 5),
            Case(Case(16, 5, 5, 35, 33), padding: (0, 0, 0, 0), size: 5),
            Case(Case(16, 5, 20, 17, 18), padding: (5, 0, 0, 0), size: 5),
            Case(Case(16, 6, 6, 56, 16), padding: (0, 0, 0, 0)),
            // Not spread.
            Case(Case(2, 9, 8, 17, 24), padding: (2, 2, 2, 2), size: 5),
            Case(Case(1, 1, 1, 1, 1), padding: (2, 2, 2, 2), size: 5),
            Case(Case(1, 6, 7, 140, 70), padding: (0, 0, 0, 0), size: 5),
            Case(Case(2, 6, 5, 16, 32), padding: (5, 1, 0, 4), size: 5),
            Case(Case(4, 30, 20, 3, 16), padding: (2, 1, 2, 3), size: 5),
        ]
        static let kinds = [
            APUS_CONVOLUTION_FORWARD, APUS_CONVOLUTION_IMAGE_GRADIENT, APUS_CONVOLUTION_KERNEL_GRADIENT,
        ]

        /// The second one where the processor has its instructions.
        static let methods =
            [APUS_CONVOLUTION_BY_WINOGRAD] + (apus_has_bfloat16_pairs() ? [APUS_CONVOLUTION_BY_WINOGRAD_PAIRS] : [])

        private static func description(
            _ kind: apus_convolution_kind, _ size: Case,
            _ method: apus_convolution_method = APUS_CONVOLUTION_BY_WINOGRAD,
            limit: apus_instruction_limit = APUS_BEST_INSTRUCTIONS
        ) -> apus_convolution_description {
            var description = apus_convolution_description()
            description.kind = kind
            description.rank = 2
            description.batch = Int64(size.batch)
            description.channels = Int64(size.channels)
            description.filters = Int64(size.filters)
            description.groups = 1
            description.image = (Int64(size.height), Int64(size.width), 0)
            description.output = (Int64(size.outputHeight), Int64(size.outputWidth), 0)
            description.kernel = (Int64(size.size), Int64(size.size), 0)
            (description.strides, description.dilations) = ((1, 1, 0), (1, 1, 0))
            description.padding_before = (Int64(size.padding.0), Int64(size.padding.1), 0)
            description.padding_after = (Int64(size.padding.2), Int64(size.padding.3), 0)
            description.has_bias = kind == APUS_CONVOLUTION_FORWARD
            description.method = method
            description.instruction_limit = limit
            return description
        }

        struct Arrays {
            var image, kernel, output, bias: [Float]

            init(_ size: Case) {
                image = sampleValues(size.imageCount, seed: 1)
                output = sampleValues(size.outputCount, seed: 2)
                kernel = sampleValues(size.kernelCount, seed: 3)
                bias = sampleValues(size.filters, seed: 4)
            }

            /// output[n, y, x, f] = bias[f] + sum over i, j, c of image[n, y + i - top, x + j - left, c]
            /// kernel[i, j, c, f], or one of its gradients.
            func plainSum(_ kind: apus_convolution_kind, _ size: Case) -> [Double] {
                var result = [Double](repeating: 0, count: size.resultCount(kind))
                if kind == APUS_CONVOLUTION_FORWARD {
                    for place in result.indices { result[place] = Double(bias[place % size.filters]) }
                }
                for n in 0..<size.batch {
                    for y in 0..<size.outputHeight {
                        for x in 0..<size.outputWidth {
                            let out = ((n * size.outputHeight + y) * size.outputWidth + x) * size.filters
                            for tap in 0..<size.size * size.size {
                                let row = y + tap / size.size - size.padding.0
                                let column = x + tap % size.size - size.padding.1
                                guard (0..<size.height).contains(row) && (0..<size.width).contains(column) else {
                                    continue
                                }
                                let into = ((n * size.height + row) * size.width + column) * size.channels
                                for c in 0..<size.channels {
                                    let filter = (tap * size.channels + c) * size.filters
                                    for f in 0..<size.filters {
                                        let (i, k, o) = (into + c, filter + f, out + f)
                                        switch kind {
                                        case APUS_CONVOLUTION_IMAGE_GRADIENT:
                                            result[i] += Double(kernel[k]) * Double(output[o])
                                        case APUS_CONVOLUTION_KERNEL_GRADIENT:
                                            result[k] += Double(image[i]) * Double(output[o])
                                        default: result[o] += Double(image[i]) * Double(kernel[k])
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                return result
            }
        }

        /// The results of runs one after the other, with one object and the engine's memory as the run before left it.
        private static func results(
            _ description: apus_convolution_description, isSpread: Bool = false, count: Int, _ runs: [Arrays]
        ) throws -> [[Float]] {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = description
            var convolution: OpaquePointer?
            try check(apus_convolution_create(engine, &description, &convolution))
            defer { apus_convolution_destroy(convolution) }
            #expect(apus_engine_workspace(engine) > 0)
            let suffix = description.method == APUS_CONVOLUTION_BY_WINOGRAD ? "" : ":pairs"
            let filtering = description.kernel.0 == 3 ? "F(4x4,3x3)" : "F(2x2,5x5)"
            #expect(
                String(cString: apus_convolution_implementation(convolution))
                    == "winograd:\(filtering)\(isSpread ? ":spread" : "")\(suffix)")
            return try runs.map { arrays in
                var result = [Float](repeating: .nan, count: count)
                try check(
                    apus_convolution_run(
                        convolution, arrays.image, arrays.kernel, arrays.output, arrays.bias, &result))
                return result
            }
        }

        static func result(
            _ kind: apus_convolution_kind, _ size: Case, _ arrays: Arrays,
            _ method: apus_convolution_method = APUS_CONVOLUTION_BY_WINOGRAD,
            limit: apus_instruction_limit = APUS_BEST_INSTRUCTIONS
        ) throws -> [Float] {
            try results(
                description(kind, size, method, limit: limit),
                isSpread: kind == APUS_CONVOLUTION_IMAGE_GRADIENT && size.isSpread, count: size.resultCount(kind),
                [arrays])[0]
        }

        @Test(arguments: cases) func agreesWithThePlainSum(_ size: Case) throws {
            let arrays = Arrays(size)
            for kind in Self.kinds {
                let expected = arrays.plainSum(kind, size)
                let largest = expected.lazy.map(\.magnitude).max() ?? 0
                for limit in [APUS_BEST_INSTRUCTIONS, APUS_AVX2_INSTRUCTIONS, APUS_PLAIN_INSTRUCTIONS] {
                    let filtered = try Self.result(kind, size, arrays, limit: limit)
                    let error = relativeError(filtered, expected, floor: largest)
                    #expect(error <= 5e-6, "kind \(kind.rawValue), limit \(limit.rawValue)")
                }
            }
        }

        /// By pairs results are off by 0.034 of the largest at most, measured, and forward by less than 0.02. Neighbours
        /// there differ by 0.049 of the largest or more, the gradients' by 0.2.
        @Test(arguments: methods) func handWorkedSums(_ method: apus_convolution_method) throws {
            let size = Case(1, 3, 3, 1, 1)
            var arrays = Arrays(size)
            arrays.image = [1, 2, 3, 4, 5, 6, 7, 8, 9]
            arrays.kernel = [0, 1, 0, 0, 0, 0, 0, 0, 2]
            arrays.output = [1, 0, 0, 0, 0, 0, 0, 0, 0]
            arrays.bias = [0.5]
            func error(_ kind: apus_convolution_kind, _ expected: [Double]) throws -> Double {
                let largest = expected.lazy.map(\.magnitude).max() ?? 0
                return relativeError(try Self.result(kind, size, arrays, method), expected, floor: largest)
            }
            let tolerance = method == APUS_CONVOLUTION_BY_WINOGRAD ? 1e-6 : 0.06
            // The pixel above, and twice the one below to the right.
            let output = [10.5, 12.5, 0.5, 17.5, 20.5, 3.5, 4.5, 5.5, 6.5]
            let forward = try error(APUS_CONVOLUTION_FORWARD, output)
            #expect(forward < (method == APUS_CONVOLUTION_BY_WINOGRAD ? 1e-6 : 0.02))
            // The output's corner sees the image through the kernel's last four places.
            let image = try error(APUS_CONVOLUTION_IMAGE_GRADIENT, [0, 0, 0, 0, 2, 0, 0, 0, 0])
            #expect(image < tolerance)
            let kernel = try error(APUS_CONVOLUTION_KERNEL_GRADIENT, [0, 0, 0, 0, 1, 2, 0, 4, 5])
            #expect(kernel < tolerance)
        }

        /// The same with a kernel of 5 x 5 on the only window there is, and with 16 samples, so that the image's gradient
        /// is spread: the upstream is the sample's number, from 1 on. By pairs results are off by 0.02 of the largest at
        /// most, measured; those that differ do so by a third of it at least, the kernel's gradient by a 25th.
        @Test(arguments: methods) func handWorkedSumsOfFive(_ method: apus_convolution_method) throws {
            let size = Case(Case(16, 5, 5, 1, 1), padding: (0, 0, 0, 0), size: 5)
            var arrays = Arrays(size)
            let ramp = (1...25).map { Float($0) }
            arrays.image = (0..<16).flatMap { _ in ramp }
            // The first place, twice the one in the middle, and three times the last.
            arrays.kernel = (0..<25).map { $0 == 0 ? 1 : $0 == 12 ? 2 : $0 == 24 ? 3 : 0 }
            arrays.output = (1...16).map { Float($0) }
            arrays.bias = [0.5]
            let tolerance = method == APUS_CONVOLUTION_BY_WINOGRAD ? 2e-6 : 0.03
            // 1 + 2 * 13 + 3 * 25 + 0.5.
            let forward = try Self.result(APUS_CONVOLUTION_FORWARD, size, arrays, method)
            #expect(relativeError(forward, [Double](repeating: 102.5, count: 16), floor: 102.5) < tolerance)
            let image = try Self.result(APUS_CONVOLUTION_IMAGE_GRADIENT, size, arrays, method)
            for sample in 1...16 {
                let expected = arrays.kernel.map { Double($0) * Double(sample) }
                let error = relativeError(
                    Array(image[(sample - 1) * 25..<sample * 25]), expected, floor: 3 * Double(sample))
                #expect(error < tolerance, "sample \(sample)")
            }
            // The samples' numbers add up to 136.
            let kernel = try Self.result(APUS_CONVOLUTION_KERNEL_GRADIENT, size, arrays, method)
            #expect(relativeError(kernel, (1...25).map { 136 * Double($0) }, floor: 3400) < tolerance)
        }

        /// The result without a function is the other tests' business.
        @Test(arguments: methods) func activationsFollow(_ method: apus_convolution_method) throws {
            let size = Case(2, 9, 7, 16, 20)
            var arrays = Arrays(size)
            // Sums of about 1, where sigmoid and tanh are steep.
            arrays.kernel = arrays.kernel.map { $0 / 12 }
            let plain = try Self.result(APUS_CONVOLUTION_FORWARD, size, arrays, method).map { Double($0) }
            #expect(plain.contains { $0 < -1 } && plain.contains { $0 > 1 })
            let functions: [(apus_activation, Float, (Double) -> Double)] = [
                (APUS_ACTIVATION_RELU, 0, { max($0, 0) }), (APUS_ACTIVATION_RELU, 0.25, { $0 < 0 ? 0.25 * $0 : $0 }),
                (APUS_ACTIVATION_SIGMOID, 0, { 1 / (1 + Double.exp(-$0)) }),
                (APUS_ACTIVATION_TANH, 0, { Double.tanh($0) }),
            ]
            for (activation, alpha, function) in functions {
                var description = Self.description(APUS_CONVOLUTION_FORWARD, size, method)
                (description.activation, description.activation_alpha) = (activation, alpha)
                let result = try Self.results(description, count: size.outputCount, [arrays])[0]
                #expect(relativeError(result, plain.map(function), floor: 0.1) <= 1e-6, "\(activation.rawValue)")
            }
        }

        /// The image is 0, so that the bias is all there is: nothing below 0 is -0 or no number afterwards.
        @Test(arguments: [1, 20], methods)
        func nothingBelowZeroPassesRelu(repeats: Int, _ method: apus_convolution_method) throws {
            let biases: [Float] = [-.infinity, -0.0, -3, -.leastNonzeroMagnitude, 0, 2, .infinity, .nan]
            let size = Case(1, 4, 5, 1, biases.count * repeats)
            var arrays = Arrays(size)
            arrays.image = arrays.image.map { _ in 0 }
            arrays.bias = (0..<repeats).flatMap { _ in biases }
            var description = Self.description(APUS_CONVOLUTION_FORWARD, size, method)
            description.activation = APUS_ACTIVATION_RELU
            let results = try Self.results(description, count: size.outputCount, [arrays])[0]
            for (index, result) in results.enumerated() {
                let bias = biases[index % biases.count]
                #expect(bias.isNaN ? result.isNaN : result.bitPattern == (bias > 0 ? bias : 0).bitPattern, "\(bias)")
            }
            // With a slope below 0, all goes through it.
            description.activation_alpha = 0.5
            let leaky = try Self.results(description, count: size.outputCount, [arrays])[0]
            #expect(Array(leaky[0..<3]) == [-.infinity, 0, -1.5])
        }

        /// Sums of the kernel's gradient beside the first, by the memory that two threads need more than one does.
        /// 2,048 tiles are 49 blocks of 42, and chunks have two of them; 32 parts of a large kernel need no chunks, but
        /// 128,000 tiles would have 63 chunks of 2,048 if there were memory for more than seven. Pairs: 29 blocks of 72;
        /// and 6 of 24, so that 128 tiles are work for some threads.
        @Test(arguments: [
            (APUS_CONVOLUTION_BY_WINOGRAD, Case(8, 64, 64, 16, 16), 24),
            (APUS_CONVOLUTION_BY_WINOGRAD, Case(2000, 32, 32, 512, 512), 7),
            (APUS_CONVOLUTION_BY_WINOGRAD_PAIRS, Case(8, 64, 64, 16, 16), 14),
            (APUS_CONVOLUTION_BY_WINOGRAD_PAIRS, Case(32, 8, 8, 16, 16), 3),
        ])
        func chunksOfTheKernelsGradient(_ method: apus_convolution_method, _ size: Case, _ expected: Int) throws {
            guard Self.methods.contains(method) else { return }
            let description = Self.description(APUS_CONVOLUTION_KERNEL_GRADIENT, size, method)
            let (one, two) = try withThreadCounts { () -> Int in
                var engine: OpaquePointer?
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                var description = description, convolution: OpaquePointer?
                try check(apus_convolution_create(engine, &description, &convolution))
                apus_convolution_destroy(convolution)
                return Int(apus_engine_workspace(engine))
            }
            #expect((2 * one - two) / (4 * size.kernelCount) == expected - 1)
        }

        /// Several chunks of tiles, of some blocks each, and two parts of the channels; an odd count of tiles, channels
        /// and filters. Then blocks of samples that are spread.
        @Test(
            arguments: kinds,
            methods.flatMap { method in
                [Case(15, 19, 26, 71, 35), Case(Case(37, 12, 11, 71, 35), padding: (0, 0, 0, 0), size: 5)].map {
                    (method, $0)
                }
            })
        func bitsDoNotDependOnThreadsNorRuns(
            _ kind: apus_convolution_kind, _ variant: (method: apus_convolution_method, size: Case)
        ) throws {
            let (method, size) = variant
            let arrays = Arrays(size)
            var spoiled = arrays
            spoiled.image = spoiled.image.map { _ in .nan }
            spoiled.output = spoiled.output.map { _ in .nan }
            let (one, two) = try withThreadCounts {
                try Self.results(
                    Self.description(kind, size, method),
                    isSpread: kind == APUS_CONVOLUTION_IMAGE_GRADIENT && size.isSpread,
                    count: size.resultCount(kind), [arrays, spoiled, arrays])
            }
            #expect(one[0].allSatisfy { $0.isFinite })
            #expect(one[1].allSatisfy { $0.isNaN })
            #expect(bits(one[0]) == bits(two[0]))
            #expect(bits(one[0]) == bits(one[2]))
            #expect(bits(two[0]) == bits(two[2]))
        }

        @Test(arguments: methods) func emptyBatchGivesZeros(_ method: apus_convolution_method) throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = Self.description(APUS_CONVOLUTION_KERNEL_GRADIENT, Case(0, 4, 4, 2, 3), method)
            var convolution: OpaquePointer?
            try check(apus_convolution_create(engine, &description, &convolution))
            defer { apus_convolution_destroy(convolution) }
            var result = [Float](repeating: .nan, count: 54)
            try check(apus_convolution_run(convolution, nil, nil, nil, nil, &result))
            #expect(result == [Float](repeating: 0, count: 54))
        }

        @Test(arguments: methods) func othersAreRefused(_ method: apus_convolution_method) throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            let size = Case(1, 9, 9, 4, 4)
            let changes: [(inout apus_convolution_description) -> Void] = [
                {
                    $0.kernel = (1, 1, 0)
                    ($0.padding_before, $0.padding_after) = ((0, 0, 0), (0, 0, 0))
                },
                {
                    $0.strides = (2, 2, 0)
                    $0.output = (5, 5, 0)
                },
                {
                    $0.dilations = (2, 1, 0)
                    $0.output = (7, 9, 0)
                },
                {
                    $0.kernel = (3, 5, 0)
                    ($0.padding_before, $0.padding_after) = ((1, 2, 0), (1, 2, 0))
                },
                {
                    $0.kernel = (4, 4, 0)
                    ($0.padding_before, $0.padding_after) = ((1, 1, 0), (2, 2, 0))
                },
                { $0.groups = 2 }, { $0.activation = APUS_ACTIVATION_GELU },
            ]
            for change in changes {
                var description = Self.description(APUS_CONVOLUTION_FORWARD, size, method)
                change(&description)
                var convolution: OpaquePointer?
                #expect(apus_convolution_create(engine, &description, &convolution) == Int32(APUS_UNSUPPORTED))
                #expect(convolution == nil)
            }
        }
    }
}
