import ApusCore
import CApusKernels
import Testing

/// Convolutions of bfloat16 pairs against float32's of the same rounded numbers.
extension KernelTests {
    @Suite struct PairsConvolution {
        struct Case: CustomStringConvertible, Sendable {
            var batch, channels, filters: Int
            var groups = 1
            var image, kernel, strides, dilations: [Int]
            /// Before and after, axis by axis.
            var padding: [(Int, Int)]
            var activation = APUS_ACTIVATION_NONE

            init(
                _ batch: Int, _ image: [Int], _ channels: Int, _ kernel: [Int], _ filters: Int, groups: Int = 1,
                strides: [Int]? = nil, dilations: [Int]? = nil, padding: [(Int, Int)]? = nil,
                activation: apus_activation = APUS_ACTIVATION_NONE
            ) {
                (self.batch, self.image, self.channels) = (batch, image, channels)
                (self.kernel, self.filters, self.groups) = (kernel, filters, groups)
                self.strides = strides ?? image.map { _ in 1 }
                self.dilations = dilations ?? image.map { _ in 1 }
                self.padding = padding ?? image.map { _ in (0, 0) }
                self.activation = activation
            }

            var output: [Int] {
                image.indices.map {
                    (image[$0] + padding[$0].0 + padding[$0].1 - (kernel[$0] - 1) * dilations[$0] - 1) / strides[$0] + 1
                }
            }
            var imageCount: Int { image.reduce(batch * channels, *) }
            var kernelCount: Int { kernel.reduce(channels / groups * filters, *) }
            var outputCount: Int { output.reduce(batch * filters, *) }

            func resultCount(_ kind: apus_convolution_kind) -> Int {
                switch kind {
                case APUS_CONVOLUTION_IMAGE_GRADIENT: imageCount
                case APUS_CONVOLUTION_KERNEL_GRADIENT: kernelCount
                default: outputCount
                }
            }

            /// The most products that one number of the result adds up.
            func termCount(_ kind: apus_convolution_kind) -> Int {
                switch kind {
                case APUS_CONVOLUTION_IMAGE_GRADIENT: kernel.reduce(filters / groups, *)
                case APUS_CONVOLUTION_KERNEL_GRADIENT: output.reduce(batch, *)
                default: kernel.reduce(channels / groups, *)
                }
            }

            var description: String {
                "\(batch)x\(image), \(channels) to \(filters) in \(groups), kernel \(kernel), strides \(strides), "
                    + "dilations \(dilations), padding \(padding), activation \(activation.rawValue)"
            }
        }

        /// In two axes, without groups and dilations: rows of windows and results, channels and filters odd and even,
        /// below, at and beyond whole vectors, panels, tiles and blocks; windows apart and beyond the edge; one sample,
        /// and more than a chunk.
        private static let planeCases = [
            Case(1, [1, 1], 1, [1, 1], 1), Case(2, [5, 7], 3, [3, 3], 5, activation: APUS_ACTIVATION_RELU),
            Case(3, [12, 12], 24, [5, 5], 48), Case(40, [9, 8], 1, [5, 5], 24, activation: APUS_ACTIVATION_TANH),
            Case(2, [9, 8], 17, [3, 5], 33, strides: [2, 3]),
            Case(1, [8, 9], 20, [2, 2], 3, strides: [3, 4], activation: APUS_ACTIVATION_SIGMOID),
            Case(2, [7, 9], 6, [1, 5], 40, padding: [(0, 0), (4, 2)]),
            Case(2, [5, 4], 10, [5, 3], 16, strides: [2, 1], padding: [(4, 3), (2, 2)]),
            Case(1, [3, 3], 2, [2, 2], 4, strides: [2, 2], padding: [(3, 4), (5, 3)]),
            Case(17, [3, 20], 1, [3, 7], 130, padding: [(1, 1), (3, 3)]), Case(2, [6, 5], 48, [2, 4], 72),
            Case(18, [32, 30], 3, [3, 3], 64, padding: [(1, 1), (1, 1)]), Case(33, [5, 5], 128, [1, 1], 10),
            Case(2, [13, 16], 13, [1, 1], 31, strides: [2, 2]),
        ]

        private static let otherCases = [
            Case(2, [19], 12, [4], 24, strides: [2], padding: [(1, 2)]),
            Case(2, [5, 6, 7], 8, [3, 2, 3], 16, padding: [(1, 1), (0, 1), (1, 0)]),
            Case(2, [11, 9], 16, [3, 3], 32, dilations: [2, 3], padding: [(2, 2), (3, 3)]),
            Case(2, [8, 8], 32, [3, 3], 64, groups: 2, padding: [(1, 1), (1, 1)], activation: APUS_ACTIVATION_RELU),
            Case(2, [8, 8], 32, [3, 3], 32, groups: 32),
        ]

        private static let kinds = [
            APUS_CONVOLUTION_FORWARD, APUS_CONVOLUTION_IMAGE_GRADIENT, APUS_CONVOLUTION_KERNEL_GRADIENT,
        ]

        private static func description(
            _ kind: apus_convolution_kind, _ size: Case, _ method: apus_convolution_method
        ) -> apus_convolution_description {
            func axes(_ sizes: [Int]) -> (Int64, Int64, Int64) {
                let padded = sizes.map { Int64($0) } + [0, 0]
                return (padded[0], padded[1], padded[2])
            }
            var description = apus_convolution_description()
            description.kind = kind
            description.method = method
            description.rank = Int32(size.image.count)
            description.batch = Int64(size.batch)
            description.channels = Int64(size.channels)
            description.filters = Int64(size.filters)
            description.groups = Int64(size.groups)
            description.image = axes(size.image)
            description.kernel = axes(size.kernel)
            description.output = axes(size.output)
            description.strides = axes(size.strides)
            description.dilations = axes(size.dilations)
            description.padding_before = axes(size.padding.map(\.0))
            description.padding_after = axes(size.padding.map(\.1))
            description.has_bias = kind == APUS_CONVOLUTION_FORWARD
            description.activation = kind == APUS_CONVOLUTION_FORWARD ? size.activation : APUS_ACTIVATION_NONE
            return description
        }

        private struct Arrays {
            var image, kernel, output, bias: [Float]

            init(_ size: Case) {
                image = sampleValues(size.imageCount, seed: 1)
                kernel = sampleValues(size.kernelCount, seed: 2)
                output = sampleValues(size.outputCount, seed: 3)
                bias = sampleValues(size.filters, seed: 4)
            }

            /// What products read, rounded: the bias is not.
            var rounded: Arrays {
                var result = self
                result.image = image.map(\.roundedToBfloat16)
                result.kernel = kernel.map(\.roundedToBfloat16)
                result.output = output.map(\.roundedToBfloat16)
                return result
            }

            var magnitudes: Arrays {
                var result = self
                result.image = image.map(\.magnitude)
                result.kernel = kernel.map(\.magnitude)
                result.output = output.map(\.magnitude)
                result.bias = bias.map(\.magnitude)
                return result
            }
        }

        /// The results of two runs, another convolution's between them: the second finds the engine's scratch memory as
        /// that left it. `nil` where the method is refused.
        private static func results(
            _ kind: apus_convolution_kind, _ size: Case, _ method: apus_convolution_method, _ arrays: Arrays
        ) throws -> [[Float]]? {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = description(kind, size, method)
            var convolution: OpaquePointer?
            let status = apus_convolution_create(engine, &description, &convolution)
            if status == APUS_UNSUPPORTED { return nil }
            try check(status)
            defer { apus_convolution_destroy(convolution) }
            var results: [[Float]] = []
            for _ in 0..<2 {
                var result = [Float](repeating: .nan, count: size.resultCount(kind))
                try check(
                    apus_convolution_run(
                        convolution, arrays.image, arrays.kernel, arrays.output, arrays.bias, &result))
                results.append(result)
                try dirtyScratch(of: engine)
            }
            return results
        }

        /// Numbers that are none in all of the engine's scratch memory that a product with many threads takes.
        private static func dirtyScratch(of engine: OpaquePointer?) throws {
            let size = Case(2, [9, 9], 16, [3, 3], 16)
            var description = description(APUS_CONVOLUTION_FORWARD, size, APUS_CONVOLUTION_BY_WINOGRAD)
            var convolution: OpaquePointer?
            try check(apus_convolution_create(engine, &description, &convolution))
            defer { apus_convolution_destroy(convolution) }
            let image = [Float](repeating: .nan, count: size.imageCount)
            let kernel = [Float](repeating: .nan, count: size.kernelCount)
            var result = [Float](repeating: 0, count: size.outputCount)
            try check(apus_convolution_run(convolution, image, kernel, nil, [Float](repeating: 0, count: 16), &result))
        }

        // MARK: Results

        private static func expectAgreement(
            _ size: Case, _ method: apus_convolution_method, _ sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let arrays = Arrays(size).rounded
            for kind in kinds {
                guard let results = try results(kind, size, method, arrays) else {
                    // Our own loops are refused where their instructions are missing, and for no other reason.
                    #expect(
                        !apus_has_bfloat16_pairs() || method == APUS_CONVOLUTION_BY_ONEDNN_PAIRS,
                        sourceLocation: sourceLocation)
                    continue
                }
                #expect(apus_has_bfloat16_pairs(), sourceLocation: sourceLocation)
                let expected = try #require(try Self.results(kind, size, APUS_CONVOLUTION_BY_ONEDNN, arrays))[0]
                var linear = size
                linear.activation = APUS_ACTIVATION_NONE
                let sums = try #require(try Self.results(kind, linear, APUS_CONVOLUTION_BY_ONEDNN, arrays.magnitudes))
                // Two sums of n + 1 numbers, each rounded n times, differ by 2 n 2^-24 of the sum of magnitudes at most;
                // activations have no steeper slope than 1, and are right to 3e-7.
                let share = 2 * Float(size.termCount(kind) + 1) * 0x1p-24
                let activationError: Float = size.activation == APUS_ACTIVATION_NONE ? 0 : 6e-7
                for (index, result) in results.enumerated() {
                    let isClose = result.indices.allSatisfy {
                        abs(result[$0] - expected[$0]) <= share * sums[0][$0] + activationError
                    }
                    #expect(isClose, "kind \(kind.rawValue), run \(index)", sourceLocation: sourceLocation)
                }
                #expect(bits(results[0]) == bits(results[1]), "kind \(kind.rawValue)", sourceLocation: sourceLocation)
            }
        }

        @Test(arguments: planeCases) func ourLoopsAgreeWithFloat32(_ size: Case) throws {
            try Self.expectAgreement(size, APUS_CONVOLUTION_BY_PAIRS)
        }

        @Test(arguments: planeCases + otherCases) func oneDNNsAgreeWithFloat32(_ size: Case) throws {
            try Self.expectAgreement(size, APUS_CONVOLUTION_BY_ONEDNN_PAIRS)
        }

        /// Factors that are not rounded yet give the same bits as those that are.
        @Test(arguments: [APUS_CONVOLUTION_BY_PAIRS, APUS_CONVOLUTION_BY_ONEDNN_PAIRS])
        func factorsAreRounded(_ method: apus_convolution_method) throws {
            let size = Case(3, [9, 7], 5, [3, 3], 20, padding: [(1, 1), (1, 1)])
            for kind in Self.kinds {
                guard let plain = try Self.results(kind, size, method, Arrays(size)),
                    let rounded = try Self.results(kind, size, method, Arrays(size).rounded)
                else { continue }
                #expect(bits(plain[0]) == bits(rounded[0]), "kind \(kind.rawValue)")
            }
        }

        /// With three threads there are more than samples, or they have unequal shares of them and of chunks.
        @Test(arguments: [2, 20]) func bitsDoNotDependOnThreads(batch: Int) throws {
            let size = Case(batch, [12, 11], 3, [5, 5], 24)
            let arrays = Arrays(size)
            let count = apus_thread_count()
            defer { apus_set_thread_count(count) }
            for kind in Self.kinds {
                let results = try [Int32(1), 2, 3].map { threads in
                    apus_set_thread_count(threads)
                    return try Self.results(kind, size, APUS_CONVOLUTION_BY_PAIRS, arrays).map { bits($0[0]) }
                }
                #expect(results[0] == results[1] && results[0] == results[2], "kind \(kind.rawValue)")
            }
        }

        /// One row of three places, windows of two: 10 + 60 and 30 + 80 with the bias; 2 (10, 20) and 5 (10, 20) that are
        /// spread; 2 + 15 and 6 + 20.
        @Test func handWorkedSums() throws {
            let size = Case(1, [1, 3], 1, [1, 2], 1)
            var arrays = Arrays(size)
            (arrays.image, arrays.kernel, arrays.output, arrays.bias) = ([1, 3, 4], [10, 20], [2, 5], [0.5])
            func result(_ kind: apus_convolution_kind) throws -> [Float]? {
                try Self.results(kind, size, APUS_CONVOLUTION_BY_PAIRS, arrays)?[0]
            }
            guard apus_has_bfloat16_pairs() else { return }
            #expect(try result(APUS_CONVOLUTION_FORWARD) == [70.5, 110.5])
            #expect(try result(APUS_CONVOLUTION_IMAGE_GRADIENT) == [20, 90, 100])
            #expect(try result(APUS_CONVOLUTION_KERNEL_GRADIENT) == [17, 26])
        }

        /// A number that is none reaches the results of the windows over it and no others, where a window's numbers are
        /// odd and its neighbour's first one would make them even.
        @Test(arguments: [1, 3, 4]) func whatIsNoNumberStaysInItsWindow(channels: Int) throws {
            let size = Case(1, [5, 9], channels, [3, 3], 5, strides: [1, 2])
            var arrays = Arrays(size)
            // Row 1, column 4: under windows from rows 0 and 1, columns 2 and 4.
            arrays.image[(1 * 9 + 4) * channels] = .nan
            guard let result = try Self.results(APUS_CONVOLUTION_FORWARD, size, APUS_CONVOLUTION_BY_PAIRS, arrays)?[0]
            else { return }
            for place in 0..<12 {
                let isOver = place / 4 <= 1 && (1...2).contains(place % 4)
                #expect(result[place * 5..<place * 5 + 5].allSatisfy { $0.isNaN == isOver }, "place \(place)")
            }
            arrays = Arrays(size)
            // The second row's third result: rows 1 to 3, columns 4 to 6.
            arrays.output[(1 * 4 + 2) * 5 + 4] = .nan
            let gradient = try #require(
                try Self.results(APUS_CONVOLUTION_IMAGE_GRADIENT, size, APUS_CONVOLUTION_BY_PAIRS, arrays))[0]
            for place in 0..<45 {
                let isUnder = (1...3).contains(place / 9) && (4...6).contains(place % 9)
                let numbers = gradient[place * channels..<(place + 1) * channels]
                #expect(numbers.allSatisfy { $0.isNaN == isUnder }, "place \(place)")
            }
        }

        // MARK: What is refused

        private static func status(
            _ kind: apus_convolution_kind, _ size: Case, _ method: apus_convolution_method
        ) throws -> apus_status {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = description(kind, size, method)
            var convolution: OpaquePointer?
            defer { apus_convolution_destroy(convolution) }
            return apus_convolution_create(engine, &description, &convolution)
        }

        @Test func processorsWithoutPairs() throws {
            let expected = apus_has_bfloat16_pairs() ? apus_status(APUS_SUCCESS) : apus_status(APUS_UNSUPPORTED)
            for kind in Self.kinds {
                for method in [
                    APUS_CONVOLUTION_BY_PAIRS, APUS_CONVOLUTION_BY_ONEDNN_PAIRS, APUS_CONVOLUTION_BY_WINOGRAD_PAIRS,
                ] {
                    #expect(try Self.status(kind, Case(2, [8, 8], 16, [3, 3], 32), method) == expected)
                }
            }
        }

        @Test(arguments: kinds) func ourLoopsRefuseOthers(_ kind: apus_convolution_kind) throws {
            for size in Self.otherCases {
                #expect(try Self.status(kind, size, APUS_CONVOLUTION_BY_PAIRS) == APUS_UNSUPPORTED, "\(size)")
            }
        }

        @Test func withoutSamples() throws {
            guard apus_has_bfloat16_pairs() else { return }
            let size = Case(0, [8, 8], 4, [3, 3], 6)
            for method in [APUS_CONVOLUTION_BY_PAIRS, APUS_CONVOLUTION_BY_ONEDNN_PAIRS] {
                let result = try Self.results(APUS_CONVOLUTION_KERNEL_GRADIENT, size, method, Arrays(size))
                #expect(result?[0] == [Float](repeating: 0, count: size.kernelCount))
                #expect(try Self.results(APUS_CONVOLUTION_FORWARD, size, method, Arrays(size))?[0] == [])
            }
        }
    }
}
