import CApusKernels
import Testing

extension KernelTests {
    /// Element-wise programs that pool what they write and spread what they read.
    @Suite struct WindowPrograms {
        /// One window of 2 x 2 places for each of 16 channels: numbers by place.
        private let places: [[Float]] = [[1, 4, 2, 3], [5, 5, 5, 5], [-4, -3, -1, -2], [1, .nan, 9, .nan]]
        private let strides = [64, 32, 16, 1]

        private func image() -> [Float] { (0..<64).map { places[$0 % 16 % 4][$0 / 16] } }

        @Test func poolingByHand() throws {
            // The image is x + 0, and what is selected the place's number.
            let numbers = (0..<64).map { Float($0 / 16) }
            let program = try KernelProgram(
                [1, 2, 2, 16], inputs: [.init(strides: strides), .init(strides: strides)], constants: [0],
                steps: [.init(operation: APUS_ADD, a: 0, b: 2)],
                pooled: [(3, APUS_WRITE_LARGEST), (1, APUS_WRITE_SELECTED), (1, APUS_WRITE_LARGEST)],
                windows: .init(height: 2, width: 2, columns: 2, channels: 16, image: 3))
            let results = try program.run([image(), numbers], outputCount: 3).map { Array($0.prefix(16)) }
            for channel in 0..<16 where channel % 4 != 3 {
                #expect(results[0][channel] == [4, 5, -1][channel % 4])
            }
            #expect((0..<4).allSatisfy { results[0][3 + 4 * $0].isNaN })
            // The first of equals, and the first NaN.
            #expect(results[1] == (0..<16).map { [1, 0, 2, 1][$0 % 4] })
            #expect(results[2] == [Float](repeating: 3, count: 16))
        }

        @Test(arguments: [true, false]) func spreadingByHand(imageIsInput: Bool) throws {
            let upstream = (0..<16).map { Float($0 + 1) }
            let program = try KernelProgram(
                [1, 2, 2, 16], inputs: [.init(strides: strides), .init(strides: strides, isSpread: true)],
                constants: [2, 0],
                steps: [.init(operation: APUS_ADD, a: 0, b: 3), .init(operation: APUS_MULTIPLY, a: 1, b: 2)],
                outputs: [(5, APUS_FLOAT32)], sums: [(1, 16)],
                windows: .init(height: 2, width: 2, columns: 2, channels: 16, image: imageIsInput ? 0 : 4))
            let results = try program.run([image(), upstream], outputCount: 2)
            let taken = [1, 0, 2, 1]
            let expected = (0..<64).map { (index: Int) -> Float in
                index / 16 == taken[index % 4] ? 2 * upstream[index % 16] : 0
            }
            #expect(results[0] == expected)
            #expect(Array(results[1].prefix(16)) == upstream)
        }

        struct Case: CustomTestStringConvertible, Sendable {
            var batch, rows, columns, channels: Int
            var height = 2, width = 2
            var testDescription: String { "\(batch) x \(rows) x \(columns) x \(channels), \(height) x \(width)" }
            var count: Int { batch * rows * columns * channels }
            var windowCount: Int { count / (height * width) }

            /// The elements of each window, in row-major order.
            var windows: [[Int]] {
                let places = offsets([height, width], [columns * channels, channels])
                let firsts = offsets(
                    [batch, rows / height, columns / width, channels],
                    [rows * columns * channels, height * columns * channels, width * channels, 1])
                return firsts.map { first in places.map { first + $0 } }
            }
        }

        /// Bands much shorter and longer than a tile and than a chunk; channels that are whole vectors, overlap, or make
        /// long units; several tiles, the last one shorter; columns alone; as many places as windows have.
        static let cases = [
            Case(batch: 1, rows: 2, columns: 2, channels: 16), Case(batch: 5, rows: 24, columns: 24, channels: 24),
            Case(batch: 3, rows: 8, columns: 8, channels: 48), Case(batch: 2, rows: 4, columns: 32, channels: 17),
            Case(batch: 2, rows: 6, columns: 16, channels: 200),
            Case(batch: 7, rows: 1, columns: 64, channels: 20, height: 1),
            Case(batch: 2, rows: 9, columns: 64, channels: 19, height: 3),
            Case(batch: 3, rows: 4, columns: 6, channels: 32, width: 3),
            Case(batch: 2, rows: 8, columns: 8, channels: 18, height: 8, width: 8),
        ]

        /// max(0, x a + b) pooled and selected by, and a gradient spread by it: against a program that writes all of it.
        @Test(arguments: cases, [APUS_FORM_BEST, APUS_FORM_INTERPRETED, APUS_FORM_AVX2])
        func againstPlainLoops(shape: Case, form: apus_program_form) throws {
            let x = sampleValues(shape.count, seed: 1), upstream = sampleValues(shape.windowCount, seed: 2)
            let vectors = (3..<6).map { sampleValues(shape.channels, seed: $0) }
            let dimensions = [shape.batch, shape.rows, shape.columns, shape.channels],
                packed = packedStrides(dimensions)
            let steps: [KernelProgram.Step] = [
                .init(operation: APUS_MULTIPLY, a: 0, b: 1), .init(operation: APUS_ADD, a: 5, b: 2),
                .init(operation: APUS_RELU, a: 6), .init(operation: APUS_SUBTRACT, a: 4, b: 3),
                .init(operation: APUS_MULTIPLY, a: 8, b: 0),
            ]
            func inputs(isSpread: Bool) -> [KernelProgram.Input] {
                [.init(strides: packed)] + vectors.map { _ in .init(strides: [0, 0, 0, 1]) }
                    + [.init(strides: packed, isSpread: isSpread)]
            }
            let images = try KernelProgram(
                dimensions, inputs: inputs(isSpread: false), steps: steps,
                outputs: [(7, APUS_FLOAT32), (9, APUS_FLOAT32)],
                form: form)
            let image = try images.run([x] + vectors + [x], outputCount: 2)[0]
            var spread = [Float](repeating: 0, count: shape.count)
            var (largest, selected): ([Float], [Float]) = ([], [])
            for (window, elements) in shape.windows.enumerated() {
                let best = elements.dropFirst().reduce(elements[0]) { image[$1] > image[$0] ? $1 : $0 }
                spread[best] = upstream[window]
                largest.append(image[best])
                selected.append(x[best])
            }
            let gradient = try images.run([x] + vectors + [spread], outputCount: 2)[1]

            let windows = apus_program_windows(
                height: Int64(shape.height), width: Int64(shape.width), columns: Int64(shape.columns),
                channels: Int64(shape.channels), image: 7)
            let pooling = try KernelProgram(
                dimensions, inputs: inputs(isSpread: false), steps: steps, outputs: [(6, APUS_FLOAT32)],
                pooled: [(0, APUS_WRITE_SELECTED), (7, APUS_WRITE_LARGEST)], sums: [(7, shape.channels)],
                windows: windows, form: form)
            let selecting = try KernelProgram(
                dimensions, inputs: inputs(isSpread: false), steps: steps, pooled: [(0, APUS_WRITE_SELECTED)],
                windows: windows, form: form)
            let spreading = try KernelProgram(
                dimensions, inputs: inputs(isSpread: true), steps: steps, outputs: [(9, APUS_FLOAT32)],
                sums: [(9, shape.channels)], windows: windows, form: form)
            let (one, two) = try withThreadCounts {
                (
                    try pooling.run([x] + vectors + [x], outputCount: 4), try selecting.run([x] + vectors + [x]),
                    try spreading.run([x] + vectors + [upstream], outputCount: 2)
                )
            }
            #expect(Array(one.0[1].prefix(shape.windowCount)) == selected)
            #expect(Array(one.0[2].prefix(shape.windowCount)) == largest)
            #expect(Array(one.1[0].prefix(shape.windowCount)) == selected)
            #expect(one.2[0] == gradient)
            for (sums, values) in [(one.0[3], image), (one.2[1], gradient)] {
                for channel in 0..<shape.channels {
                    let summands = stride(from: channel, to: shape.count, by: shape.channels).map { Double(values[$0]) }
                    // Eight numbers in float32 at most before they go on in double.
                    let bound = summands.reduce(0) { $0 + abs($1) } * 8 * Double(Float.ulpOfOne)
                    #expect(abs(Double(sums[channel]) - summands.reduce(0, +)) <= bound)
                }
            }
            for (first, second) in zip(one.0 + one.1 + one.2, two.0 + two.1 + two.2) {
                #expect(bits(first) == bits(second))
            }

            // Over the input, as plans do it.
            let place = UnsafeMutableBufferPointer.allocateCopy(x)
            let arrays = (vectors + [upstream]).map { UnsafeMutableBufferPointer.allocateCopy($0) }
            let sums = UnsafeMutableBufferPointer.allocateCopy(vectors[0])
            defer { (arrays + [place, sums]).forEach { $0.deallocate() } }
            try spreading.run(
                ([place] + arrays).map { UnsafeRawPointer($0.baseAddress) },
                [place, sums].map { UnsafeMutableRawPointer($0.baseAddress) })
            #expect(Array(place) == gradient)
        }

        /// Code that has a window's places in registers, against the interpreter bit by bit, sums included: images that
        /// are computed, given, written, and written over; zeros of both signs, infinities, and what is no number,
        /// several in a window.
        @Test(arguments: [
            Case(batch: 3, rows: 8, columns: 8, channels: 32), Case(batch: 3, rows: 6, columns: 24, channels: 24),
            Case(batch: 2, rows: 4, columns: 40, channels: 16, width: 1),
            Case(batch: 2, rows: 3, columns: 60, channels: 64, height: 1, width: 3),
            Case(batch: 2, rows: 4, columns: 4, channels: 200),
        ])
        func walksAgainstTheInterpreter(shape: Case) throws {
            let edges: [Float] = [0, -0.0, .nan, -.nan, .infinity, -.infinity, .leastNonzeroMagnitude, 3, 3]
            let x = sampleValues(shape.count, seed: 1).enumerated().map { place, value in
                place % 3 == 0 ? value : edges[(place * 7 + place / 11) % edges.count]
            }
            let upstream = sampleValues(shape.windowCount, seed: 2)
            let vectors = (3..<5).map { sampleValues(shape.channels, seed: $0) }
            let dimensions = [shape.batch, shape.rows, shape.columns, shape.channels],
                packed = packedStrides(dimensions)
            let inputs: [KernelProgram.Input] =
                [.init(strides: packed)] + vectors.map { _ in .init(strides: [0, 0, 0, 1]) }
                + [
                    .init(strides: [0, 0, 0, 0]), .init(strides: [], isSpread: true),
                    .init(strides: [], isSpread: true),
                ]
            // Values: inputs 0...5, constant 6; x a + b; what is spread twice together; (x - s) times that.
            let steps: [KernelProgram.Step] = [
                .init(operation: APUS_MULTIPLY, a: 0, b: 1), .init(operation: APUS_ADD, a: 7, b: 2),
                .init(operation: APUS_MULTIPLY_ADD, a: 4, b: 6, c: 5), .init(operation: APUS_SUBTRACT, a: 0, b: 3),
                .init(operation: APUS_MULTIPLY, a: 10, b: 9), .init(operation: APUS_ROUND_TO_BFLOAT16, a: 9),
            ]
            for image in [0, 8] {
                let writesImage = image == 8
                func results(
                    _ form: apus_program_form
                ) throws -> (form: apus_program_form, workspace: Int, bits: [[UInt32]]) {
                    let program = try KernelProgram(
                        dimensions, inputs: inputs, constants: [0.5], steps: steps,
                        outputs: [(11, APUS_FLOAT32), (12, APUS_FLOAT32)],
                        pooled: writesImage
                            ? [(8, APUS_WRITE_LARGEST), (10, APUS_WRITE_SELECTED), (12, APUS_WRITE_LARGEST)]
                            : [(10, APUS_WRITE_LARGEST)],
                        sums: [(12, shape.channels), (9, 8), (12, 1)],
                        windows: .init(
                            height: Int64(shape.height), width: Int64(shape.width), columns: Int64(shape.columns),
                            channels: Int64(shape.channels), image: Int32(image)), form: form)
                    let arrays = [x] + vectors + [[0.25], upstream, upstream.reversed()]
                    var results = try program.run(arrays, outputCount: writesImage ? 8 : 6)
                    results.append(try overItsInput(program, arrays, outputCount: results.count))
                    return (
                        program.form, program.workspaceByteCount,
                        results.map { $0.map { $0.isNaN ? .max : $0.bitPattern } }
                    )
                }
                let expected = try results(APUS_FORM_INTERPRETED)
                #expect(expected.form == APUS_FORM_INTERPRETED)
                #expect(expected.bits.last == expected.bits[1])
                for wanted in [APUS_FORM_BEST, APUS_FORM_AVX2, APUS_FORM_AVX512] {
                    let (form, workspace, bits) = try results(wanted)
                    #expect(bits == expected.bits, "image \(image), form \(form.rawValue)")
                    // It has no tiles, of which there are three at least: of what is spread twice, and of what is pooled.
                    let tile = 4 * min(shape.height * shape.columns * shape.channels, 2048)
                    #expect(form == APUS_FORM_INTERPRETED || workspace + 3 * tile / 2 < expected.workspace)
                    // Sixteen lanes want multiples of sixteen channels.
                    let given = CompiledPrograms.formGiven(for: wanted)
                    let isNarrow = shape.channels % 16 != 0 && given == APUS_FORM_AVX512
                    #expect(
                        form
                            == (!isNarrow ? given : wanted == APUS_FORM_BEST ? APUS_FORM_AVX2 : APUS_FORM_INTERPRETED))
                }
            }
        }

        /// The second output where it is written over the first input, as plans do it.
        private func overItsInput(
            _ program: KernelProgram, _ inputs: [[Float]], outputCount: Int
        ) throws -> [Float] {
            let arrays = inputs.map { UnsafeMutableBufferPointer.allocateCopy($0) }
            let others = (1..<outputCount).map { _ in UnsafeMutableBufferPointer.allocateCopy(inputs[0]) }
            defer { (arrays + others).forEach { $0.deallocate() } }
            var results = others.map { UnsafeMutableRawPointer($0.baseAddress) }
            results.insert(UnsafeMutableRawPointer(arrays[0].baseAddress), at: 1)
            try program.run(arrays.map { UnsafeRawPointer($0.baseAddress) }, results)
            return Array(arrays[0])
        }

        /// All that a program can read and write beside windows: whole numbers, an array stretched over the batch whose
        /// runs are longer than a band, a single number, a transposed array; two spread inputs; sums of other columns; a
        /// whole number written; the image given, and written over.
        @Test(arguments: [APUS_FORM_BEST, APUS_FORM_INTERPRETED]) func besideAllElse(form: apus_program_form) throws {
            let dimensions = [3, 4, 4, 16], packed = packedStrides(dimensions), count = 768
            let shape = Case(batch: 3, rows: 4, columns: 4, channels: 16)
            let inputs: [KernelProgram.Input] = [
                .init(strides: packed), .init(type: APUS_INT32, strides: packed), .init(strides: [0, 64, 16, 1]),
                .init(strides: [0, 0, 0, 0]), .init(strides: [256, 16, 64, 1]),
                .init(type: APUS_UINT8, strides: [0, 0, 0, 1]), .init(strides: [], isSpread: true),
                .init(strides: [], isSpread: true),
            ]
            // The sum of the first six inputs; times what is spread, and the other that is.
            var steps: [KernelProgram.Step] = (1...5).map {
                .init(operation: APUS_ADD, a: $0 == 1 ? 0 : 6 + $0, b: $0)
            }
            steps += [.init(operation: APUS_MULTIPLY, a: 12, b: 6), .init(operation: APUS_ADD, a: 13, b: 7)]
            let x = (0..<count).map { Float(($0 * 37) % 61) }, whole = (0..<count).map { Int32(($0 * 11) % 7 - 3) }
            let stretched = (0..<256).map { Float($0 % 23) }, bytes = (0..<16).map { UInt8($0 * 3) }
            let spread = [3, 7].map { step in (0..<shape.windowCount).map { Float(($0 * step) % 13 + 1) } }
            let total = (0..<count).map { (place: Int) -> Float in
                let transposed = place / 256 * 256 + place / 64 % 4 * 16 + place / 16 % 4 * 64 + place % 16
                let given = x[place] + Float(whole[place]) + stretched[place % 256]
                return given + 5 + x[transposed] + Float(bytes[place % 16])
            }
            for image in [0, 12] {
                let numbers = image == 0 ? x : total
                var expected = [Float](repeating: 0, count: count), sums = [Float](repeating: 0, count: 48)
                for (window, elements) in shape.windows.enumerated() {
                    let best = elements.dropFirst().reduce(elements[0]) { numbers[$1] > numbers[$0] ? $1 : $0 }
                    expected[best] = total[best] * spread[0][window] + spread[1][window]
                }
                for place in 0..<count { sums[place % 48] += expected[place] }
                let program = try KernelProgram(
                    dimensions, inputs: inputs, steps: steps, outputs: [(14, APUS_FLOAT32), (12, APUS_INT32)],
                    sums: [(14, 48)],
                    windows: .init(height: 2, width: 2, columns: 4, channels: 16, image: Int32(image)), form: form)
                let floats = [x, stretched, [5], x, spread[0], spread[1], sums].map {
                    UnsafeMutableBufferPointer.allocateCopy($0)
                }
                let integers = [whole, whole].map { UnsafeMutableBufferPointer.allocateCopy($0) }
                let small = UnsafeMutableBufferPointer.allocateCopy(bytes)
                defer {
                    floats.forEach { $0.deallocate() }
                    integers.forEach { $0.deallocate() }
                    small.deallocate()
                }
                let arrays = floats.map { UnsafeMutableRawPointer($0.baseAddress) }
                let given = [arrays[0], .init(integers[0].baseAddress), arrays[1], arrays[2], arrays[3]]
                try program.run(
                    (given + [.init(small.baseAddress), arrays[4], arrays[5]]).map { UnsafeRawPointer($0) },
                    [arrays[0], .init(integers[1].baseAddress), arrays[6]])
                // Small whole numbers: exact in any order.
                #expect(Array(floats[0]) == expected && Array(floats[6]) == sums)
                #expect(Array(integers[1]) == total.map { Int32($0) })
            }
        }

        @Test func ofNothing() throws {
            let program = try KernelProgram(
                [0, 2, 2, 16], inputs: [.init(strides: strides), .init(strides: [], isSpread: true)],
                steps: [.init(operation: APUS_ADD, a: 0, b: 0), .init(operation: APUS_ADD, a: 1, b: 1)],
                outputs: [(3, APUS_FLOAT32)], pooled: [(2, APUS_WRITE_LARGEST)], sums: [(3, 16)],
                windows: .init(height: 2, width: 2, columns: 2, channels: 16, image: 2))
            let sums = UnsafeMutableBufferPointer.allocateCopy([Float](repeating: 9, count: 16))
            defer { sums.deallocate() }
            try program.run([nil, nil], [nil, nil, UnsafeMutableRawPointer(sums.baseAddress)])
            #expect(Array(sums) == [Float](repeating: 0, count: 16))
        }

        @Test func whatDoesNotFitIsRefused() throws {
            func make(
                _ dimensions: [Int] = [1, 2, 2, 16], spread: KernelProgram.Input? = nil, value: Int = 3,
                pooling: apus_program_pooling = APUS_WRITE_LARGEST, height: Int64 = 2, width: Int64 = 2,
                columns: Int64 = 2,
                channels: Int64 = 16, image: Int32 = 3
            ) throws {
                let packed = KernelProgram.Input(strides: packedStrides(dimensions))
                _ = try KernelProgram(
                    dimensions, inputs: [packed, spread ?? packed], constants: [1],
                    steps: [.init(operation: APUS_ADD, a: 0, b: 2), .init(operation: APUS_ADD, a: 1, b: 3)],
                    pooled: [(value, pooling)],
                    windows: .init(height: height, width: width, columns: columns, channels: channels, image: image))
            }
            try make()
            try make(pooling: APUS_WRITE_SELECTED)
            let spread = KernelProgram.Input(strides: [], isSpread: true)
            try make(spread: spread, value: 4)
            try make(spread: spread, value: 4, image: 0)
            func isRefused(_ body: () throws -> Void) -> Bool { (try? body()) == nil }
            #expect(isRefused { try make(height: 0) })
            #expect(isRefused { try make(height: 1, width: 1, columns: 3) })
            #expect(isRefused { try make(width: 3) })
            #expect(isRefused { try make(height: -2, width: -2) })
            #expect(isRefused { try make([1, 2, 4, 8], columns: 4, channels: 8) })
            #expect(isRefused { try make([1, 2, 1, 16], width: 1, columns: 1) })
            #expect(isRefused { try make([3, 1, 2, 32], channels: 32) })
            #expect(isRefused { try make([1, 13, 5, 64], height: 13, width: 5, columns: 5, channels: 64) })
            #expect(isRefused { try make(pooling: .init(rawValue: 3)) })
            // The image: an input for a selection, a constant, nothing, and what needs itself.
            #expect(isRefused { try make(pooling: APUS_WRITE_SELECTED, image: 0) })
            #expect(isRefused { try make(spread: spread, value: 4, image: 1) })
            #expect(isRefused { try make(spread: spread, value: 4, image: 2) })
            #expect(isRefused { try make(spread: spread, value: 4, image: 4) })
            #expect(isRefused { try make(spread: spread, value: 4, image: 5) })
            #expect(isRefused { try make(spread: spread, value: 4, image: -1) })
            #expect(isRefused { try make(spread: .init(type: APUS_INT32, strides: [], isSpread: true), value: 4) })
        }
    }
}
