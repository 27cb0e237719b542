import CApusKernels
import Testing

/// Element-wise programs as machine code, held against the interpreter bit by bit. (All kinds of NaN count as one.)
extension KernelTests {
    @Suite struct CompiledPrograms {
        static let forms = [APUS_FORM_AVX2, APUS_FORM_AVX512]

        /// What a program gets that can be compiled: the form that is wanted where the processor has it, else the
        /// interpreter.
        static func formGiven(for wanted: apus_program_form) -> apus_program_form {
            switch String(cString: apus_instruction_set()) {
            case "AVX-512": wanted == APUS_FORM_BEST ? APUS_FORM_AVX512 : wanted
            case "AVX2" where wanted == APUS_FORM_BEST || wanted == APUS_FORM_AVX2: APUS_FORM_AVX2
            default: APUS_FORM_INTERPRETED
            }
        }

        /// What can be compiled, with the number of operands.
        static let operations: [(operation: apus_operation, operands: Int)] =
            [
                APUS_IDENTITY, APUS_NEGATE, APUS_ABSOLUTE, APUS_SIGN, APUS_EXP, APUS_EXP_MINUS_ONE, APUS_LOG,
                APUS_LOG_ONE_PLUS, APUS_SQUARE_ROOT, APUS_RECIPROCAL_SQUARE_ROOT, APUS_RECIPROCAL, APUS_SQUARE,
                APUS_SIGMOID, APUS_TANH, APUS_ERF, APUS_FLOOR, APUS_RELU, APUS_SOFTPLUS, APUS_IS_FINITE,
                APUS_ROUND_TO_BFLOAT16,
            ].map { ($0, 1) }
            + [
                APUS_ADD, APUS_SUBTRACT, APUS_MULTIPLY, APUS_DIVIDE, APUS_MAXIMUM, APUS_MINIMUM, APUS_GREATER,
                APUS_GREATER_OR_EQUAL, APUS_EQUAL,
            ].map { ($0, 2) } + [(APUS_SELECT, 3), (APUS_MULTIPLY_ADD, 3)]

        static let edges: [Float] = [
            0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNormalMagnitude, 88.75, 89,
            -103.9, -104.6, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0.5, 10, -20, 0.925, 16_777_218,
        ]

        /// Every pair of edges, and ordinary numbers; the count leaves elements beyond the last whole vector.
        @Test(arguments: forms) func everyOperation(form: apus_program_form) throws {
            let a = Self.edges.flatMap { edge in Self.edges.map { _ in edge } } + sampleValues(1003, seed: 1)
            let b = Self.edges.flatMap { _ in Self.edges } + sampleValues(1003, seed: 2)
            let c = Self.edges.flatMap { _ in Self.edges.reversed() } + sampleValues(1003, seed: 3)
            for (operation, _) in Self.operations {
                let results = try [APUS_FORM_INTERPRETED, form].map { form in
                    let program = try KernelProgram(
                        [a.count], inputs: Array(repeating: .init(strides: [1]), count: 3),
                        steps: [.init(operation: operation, a: 0, b: 1, c: 2)], outputs: [(3, APUS_FLOAT32)],
                        form: form)
                    #expect(program.form == Self.formGiven(for: form), "operation \(operation.rawValue)")
                    return try program.run([a, b, c])[0]
                }
                #expect(canonicalBits(results[0]) == canonicalBits(results[1]), "operation \(operation.rawValue)")
            }
        }

        @Test func formsOfPrograms() throws {
            func form(
                _ wanted: apus_program_form, _ operation: apus_operation, count: Int
            ) throws -> apus_program_form {
                try KernelProgram(
                    [count], inputs: [.init(strides: [1])], steps: [.init(operation: operation, a: 0)],
                    outputs: [(1, APUS_FLOAT32)], form: wanted
                ).form
            }
            #expect(try form(APUS_FORM_INTERPRETED, APUS_NEGATE, count: 1000) == APUS_FORM_INTERPRETED)
            // The C library's sine, and too few elements for a unit of 64.
            #expect(try form(APUS_FORM_BEST, APUS_SIN, count: 1000) == APUS_FORM_INTERPRETED)
            #expect(try form(APUS_FORM_BEST, APUS_NEGATE, count: 63) == APUS_FORM_INTERPRETED)
            for wanted in Self.forms + [APUS_FORM_BEST] {
                #expect(try form(wanted, APUS_NEGATE, count: 64) == Self.formGiven(for: wanted))
            }
            #expect(throws: (any Error).self) { try form(apus_program_form(rawValue: 4), APUS_NEGATE, count: 64) }
        }

        /// More values at once than registers: a hundred, all computed before the first two are added.
        @Test(arguments: forms) func moreValuesThanRegisters(form: apus_program_form) throws {
            let x: [Float] = (0..<200).map { Float($0 % 7) }
            var steps = (0..<100).map { KernelProgram.Step(operation: APUS_ADD, a: 0, b: 1 + $0 % 64) }
            steps += (0..<99).map { .init(operation: APUS_ADD, a: $0 == 0 ? 65 : 164 + $0, b: 66 + $0) }
            // Values: x, 64 constants 0...63, then the steps' results from 65 on.
            let program = try KernelProgram(
                [200], inputs: [.init(strides: [1])], constants: (0..<64).map(Float.init), steps: steps,
                outputs: [(263, APUS_FLOAT32)], form: form)
            // 100 x + (0 + ... + 63) + (0 + ... + 35).
            let expected = x.map { 100 * $0 + 2016 + 630 }
            #expect(try program.run([x])[0] == expected)
        }

        /// Random programs: shapes with tails, all ways of reading, conversions, sums, outputs over inputs. Most can be
        /// compiled: those of as many elements as a unit of the arrays' periods has, and of no more primitives than fit.
        @Test(arguments: 0..<24) func randomPrograms(group: Int) throws {
            var compiledCount = 0
            for number in 0..<25 {
                var generator = SmallGenerator(state: UInt64(group * 1000 + number + 1))
                let program = RandomProgram(&generator)
                let (interpreted, _) = try program.run(APUS_FORM_INTERPRETED)
                for form in Self.forms {
                    let (compiled, made) = try program.run(form)
                    if made == form { compiledCount += 1 }
                    for index in interpreted.indices {
                        #expect(
                            interpreted[index] == compiled[index],
                            "program \(number) of \(group), form \(form.rawValue), result \(index): \(program)")
                    }
                }
            }
            let possible = Self.forms.filter { Self.formGiven(for: $0) == $0 }.count * 25
            #expect(compiledCount * 2 > possible || possible == 0, "\(compiledCount) of \(possible) are compiled")
        }
    }
}

private func canonicalBits(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? .max : $0.bitPattern } }

private struct RandomProgram {
    var dimensions: [Int]
    var inputs: [KernelProgram.Input] = []
    var arrays: [[Float]] = []
    var constants: [Float] = []
    var steps: [KernelProgram.Step] = []
    var outputs: [(value: Int, type: apus_element_type)] = []
    var sums: [(value: Int, columns: Int)] = []
    /// The input that an output is written over.
    var overwritten: [Int?] = []

    private static let shapes = [
        [1, 1, 17], [1, 1, 64], [1, 3, 32], [7, 5, 16], [1, 100, 24], [1, 40, 10], [3, 41, 48], [1, 9, 512],
        [1, 5, 784], [1, 3, 1000], [2, 3, 1500], [1, 1, 5000], [1, 700, 32], [13, 10, 250], [1, 5001, 1], [2, 90, 3],
    ]
    private static let frequent = [
        APUS_ADD, APUS_SUBTRACT, APUS_MULTIPLY, APUS_MAXIMUM, APUS_GREATER, APUS_SELECT, APUS_RELU, APUS_NEGATE,
    ]

    init(_ generator: inout SmallGenerator) {
        func below(_ bound: Int) -> Int { Int(generator.next() % UInt64(bound)) }
        func number() -> Float {
            let edges = KernelTests.CompiledPrograms.edges
            return below(5) == 0 ? edges[below(edges.count)] : Float(below(20_001)) / 1000 - 10
        }
        let shape = Self.shapes[below(Self.shapes.count)]
        dimensions = shape
        let count = shape.reduce(1, *)
        for _ in 0..<(1 + below(6)) {
            let packed = [shape[1] * shape[2], shape[2], 1]
            // Packed twice, a row, a single element, a number for each row, transposed.
            let strides = [
                packed, packed, [0, 0, 1], [0, 0, 0], [shape[1] * shape[2], shape[2], 0],
                [count / shape[0], 1, shape[1]],
            ][below(6)]
            inputs.append(
                .init(
                    type: [APUS_FLOAT32, APUS_FLOAT32, APUS_FLOAT32, APUS_INT32, APUS_UINT8][below(5)], strides: strides
                ))
            arrays.append((0..<count).map { _ in number() })
        }
        constants = (0..<below(4)).map { _ in number() }
        let given = inputs.count + constants.count
        let stepCount = 1 + below(below(5) == 0 ? 200 : 20)
        for index in 0..<stepCount {
            let known = given + index
            /// Mostly what was computed last, so that chains grow long.
            func operand() -> Int { below(3) == 0 ? below(known) : known - 1 - below(min(known, 6)) }
            let all = KernelTests.CompiledPrograms.operations
            let operation = below(2) == 0 ? Self.frequent[below(8)] : all[below(all.count)].operation
            steps.append(.init(operation: operation, a: operand(), b: operand(), c: operand()))
        }
        let last = given + stepCount - 1
        for index in 0..<(1 + below(3)) {
            let type = below(6) == 0 ? APUS_INT32 : APUS_FLOAT32
            outputs.append((index == 0 ? last : below(last + 1), type))
            let input = below(inputs.count)
            let isAllowed =
                below(3) == 0 && type == APUS_FLOAT32 && inputs[input].type == APUS_FLOAT32
                && inputs[input].strides == [shape[1] * shape[2], shape[2], 1] && !overwritten.contains(input)
            overwritten.append(isAllowed ? input : nil)
        }
        for _ in 0..<below(3) { sums.append((below(last + 1), [1, shape[2], shape[1] * shape[2]][below(3)])) }
    }

    /// The bits of outputs and sums, and the form that the program got.
    func run(_ form: apus_program_form) throws -> (results: [[UInt32]], form: apus_program_form) {
        let program = try KernelProgram(
            dimensions, inputs: inputs, constants: constants, steps: steps, outputs: outputs, sums: sums, form: form)
        let count = dimensions.reduce(1, *)
        let sources = zip(inputs, arrays).map { input, values in
            // The bits of whole numbers, where the array holds such; of bytes any four make a float32.
            UnsafeMutableBufferPointer.allocateCopy(
                input.type == APUS_INT32 ? values.map { Float(bitPattern: UInt32($0.bitPattern % 100)) } : values)
        }
        let results = outputs.map { _ in count } + sums.map(\.columns)
        let targets = results.map { UnsafeMutableBufferPointer.allocateCopy([Float](repeating: -99, count: $0)) }
        defer { (sources + targets).forEach { $0.deallocate() } }
        let places = targets.indices.map { index in
            index < overwritten.count ? overwritten[index].map { sources[$0] } ?? targets[index] : targets[index]
        }
        try program.run(
            sources.map { UnsafeRawPointer($0.baseAddress) }, places.map { UnsafeMutableRawPointer($0.baseAddress) })
        let bits = places.enumerated().map { index, place in
            let isWhole = index < outputs.count && outputs[index].type == APUS_INT32
            return isWhole ? place.map(\.bitPattern) : canonicalBits(Array(place))
        }
        return (bits, program.form)
    }
}
