import CApusKernels

/// An element-wise program built from Swift arrays, for tests.
final class KernelProgram {
    struct Input {
        var type = APUS_FLOAT32
        var strides: [Int]
        var isSpread = false
    }
    struct Step {
        var operation: apus_operation
        var a: Int
        var b = 0
        var c = 0
    }

    private var program: OpaquePointer?
    private let count: Int

    init(
        _ dimensions: [Int], inputs: [Input], constants: [Float] = [], steps: [Step],
        outputs: [(value: Int, type: apus_element_type)] = [],
        pooled: [(value: Int, pooling: apus_program_pooling)] = [],
        sums: [(value: Int, columns: Int)] = [], windows: apus_program_windows = .init(),
        form: apus_program_form = APUS_FORM_BEST
    ) throws {
        count = dimensions.reduce(1, *)
        let sums = sums.map { apus_program_sum(value: Int32($0.value), columns: Int64($0.columns)) }
        let inputs = inputs.map {
            apus_program_input(type: $0.type, strides: eightNumbers($0.strides), is_spread: $0.isSpread)
        }
        let steps = steps.map {
            apus_instruction(operation: $0.operation, a: Int32($0.a), b: Int32($0.b), c: Int32($0.c))
        }
        let outputs =
            outputs.map { apus_program_output(value: Int32($0.value), type: $0.type, pooling: APUS_WRITE_ALL) }
            + pooled.map { apus_program_output(value: Int32($0.value), type: APUS_FLOAT32, pooling: $0.pooling) }
        var created: OpaquePointer?
        let status = inputs.withUnsafeBufferPointer { inputs in
            constants.withUnsafeBufferPointer { constants in
                steps.withUnsafeBufferPointer { steps in
                    outputs.withUnsafeBufferPointer { outputs in
                        sums.withUnsafeBufferPointer { sums in
                            var description = apus_program_description(
                                rank: Int32(dimensions.count), dimensions: eightNumbers(dimensions),
                                input_count: Int32(inputs.count), inputs: inputs.baseAddress,
                                constant_count: Int32(constants.count), constants: constants.baseAddress,
                                instruction_count: Int32(steps.count), instructions: steps.baseAddress,
                                output_count: Int32(outputs.count), outputs: outputs.baseAddress,
                                sum_count: Int32(sums.count), sums: sums.baseAddress, windows: windows, form: form)
                            return apus_program_create(&description, &created)
                        }
                    }
                }
            }
        }
        program = created
        try check(status)
    }

    deinit { apus_program_destroy(program) }

    var instructionCount: Int { Int(apus_program_instruction_count(program)) }

    var workspaceByteCount: Int { Int(apus_program_workspace(program)) }

    var form: apus_program_form { apus_program_form_of(program) }

    func run(_ inputs: [UnsafeRawPointer?], _ outputs: [UnsafeMutableRawPointer?]) throws {
        try check(apus_program_run(program, inputs, outputs))
    }

    /// Runs on float32 arrays; all outputs are float32.
    func run(_ inputs: [[Float]], outputCount: Int = 1) throws -> [[Float]] {
        let arrays = inputs.map { UnsafeMutableBufferPointer.allocateCopy($0) }
        let results = (0..<outputCount).map { _ in
            UnsafeMutableBufferPointer.allocateCopy([Float](repeating: -99, count: count))
        }
        defer { (arrays + results).forEach { $0.deallocate() } }
        try run(
            arrays.map { UnsafeRawPointer($0.baseAddress) }, results.map { UnsafeMutableRawPointer($0.baseAddress) })
        return results.map(Array.init)
    }
}

extension UnsafeMutableBufferPointer {
    static func allocateCopy(_ values: [Element]) -> Self {
        let buffer = allocate(capacity: Swift.max(values.count, 1))
        _ = buffer.initialize(from: values)
        return UnsafeMutableBufferPointer(rebasing: buffer[..<values.count])
    }
}

/// `operation` on each element of equally long arrays, which are its operands.
func apply(_ operation: apus_operation, _ operands: [Float]...) throws -> [Float] {
    let program = try KernelProgram(
        [operands[0].count], inputs: operands.map { _ in .init(strides: [1]) },
        steps: [.init(operation: operation, a: 0, b: 1, c: 2)], outputs: [(operands.count, APUS_FLOAT32)])
    return try program.run(operands)[0]
}
