import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// An element-wise program with its sums, in one pass over memory.
final class ElementwiseKernel: CPUKernel {
    private let program: KernelObject
    private let inputs: [Int]
    /// The program's outputs, then its sums.
    private let outputs: [Int]
    private let inputAddresses: UnsafeMutablePointer<UnsafeRawPointer?>
    private let outputAddresses: UnsafeMutablePointer<UnsafeMutableRawPointer?>

    init(_ program: ElementwiseProgram, _ step: Plan.Step) throws {
        (inputs, outputs) = (step.inputs, step.outputs)
        let domain = StridedDomain(sizes: program.domain.sizes, strides: program.inputs.map(\.strides)).collapsed()
        var description = apus_program_description()
        description.rank = Int32(domain.sizes.count)
        try copyAxes(domain.sizes, &description.dimensions)
        let inputs = try zip(program.inputs, domain.strides).map { input, strides in
            var result = apus_program_input()
            result.type = input.elementType.kernelType
            result.is_spread = input.isSpread
            try copyAxes(strides, &result.strides)
            return result
        }
        let outputs = program.outputs.map {
            apus_program_output(
                value: Int32($0.value), type: $0.elementType.kernelType, pooling: $0.part.kernelPooling)
        }
        if let windows = program.windows { description.windows = windows.kernelWindows }
        let sums = program.sums.map { apus_program_sum(value: Int32($0.value), columns: Int64($0.columnCount)) }
        let instructions = program.instructions.map(\.kernelInstruction)
        self.program = try KernelObject("apus_program_create", destroy: apus_program_destroy) { made in
            inputs.withUnsafeBufferPointer { inputs in
                program.constants.withUnsafeBufferPointer { constants in
                    instructions.withUnsafeBufferPointer { instructions in
                        outputs.withUnsafeBufferPointer { outputs in
                            sums.withUnsafeBufferPointer { sums in
                                description.input_count = Int32(inputs.count)
                                description.inputs = inputs.baseAddress
                                description.constant_count = Int32(constants.count)
                                description.constants = constants.baseAddress
                                description.instruction_count = Int32(instructions.count)
                                description.instructions = instructions.baseAddress
                                description.output_count = Int32(outputs.count)
                                description.outputs = outputs.baseAddress
                                description.sum_count = Int32(sums.count)
                                description.sums = sums.baseAddress
                                return apus_program_create(&description, &made)
                            }
                        }
                    }
                }
            }
        }
        inputAddresses = .allocate(capacity: max(step.inputs.count, 1))
        inputAddresses.initialize(repeating: nil, count: max(step.inputs.count, 1))
        outputAddresses = .allocate(capacity: max(step.outputs.count, 1))
        outputAddresses.initialize(repeating: nil, count: max(step.outputs.count, 1))
    }

    deinit {
        inputAddresses.deallocate()
        outputAddresses.deallocate()
    }

    var workspaceByteCount: Int { Int(apus_program_workspace(program.pointer)) }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        for index in inputs.indices { inputAddresses[index] = UnsafeRawPointer(memory.addresses[inputs[index]]) }
        for index in outputs.indices { outputAddresses[index] = memory.addresses[outputs[index]] }
        try check(apus_program_run(program.pointer, inputAddresses, outputAddresses), "apus_program_run")
    }
}

extension ElementType {
    fileprivate var kernelType: apus_element_type {
        switch self {
        case .float32: APUS_FLOAT32
        case .int32: APUS_INT32
        case .uint8: APUS_UINT8
        case .float64: preconditionFailure("graphs hold no float64")
        }
    }
}

extension ElementwiseProgram.Output.Part {
    fileprivate var kernelPooling: apus_program_pooling {
        switch self {
        case .all: APUS_WRITE_ALL
        case .largest: APUS_WRITE_LARGEST
        case .selected: APUS_WRITE_SELECTED
        }
    }
}

extension ElementwiseProgram.Windows {
    fileprivate var kernelWindows: apus_program_windows {
        apus_program_windows(
            height: Int64(height), width: Int64(width), columns: Int64(columns), channels: Int64(channels),
            image: Int32(image ?? 0))
    }
}

extension ElementwiseProgram.Instruction {
    fileprivate var kernelInstruction: apus_instruction {
        switch self {
        case .copy(let a): apus_instruction(operation: APUS_IDENTITY, a: Int32(a), b: 0, c: 0)
        case .unary(let function, let a):
            apus_instruction(operation: function.kernelOperation, a: Int32(a), b: 0, c: 0)
        case .binary(let function, let a, let b):
            apus_instruction(operation: function.kernelOperation, a: Int32(a), b: Int32(b), c: 0)
        case .select(let a, let b, let c):
            apus_instruction(operation: APUS_SELECT, a: Int32(a), b: Int32(b), c: Int32(c))
        }
    }
}

extension Unary.Function {
    fileprivate var kernelOperation: apus_operation {
        switch self {
        case .negate: APUS_NEGATE
        case .absolute: APUS_ABSOLUTE
        case .sign: APUS_SIGN
        case .floor: APUS_FLOOR
        case .square: APUS_SQUARE
        case .reciprocal: APUS_RECIPROCAL
        case .squareRoot: APUS_SQUARE_ROOT
        case .reciprocalSquareRoot: APUS_RECIPROCAL_SQUARE_ROOT
        case .exp: APUS_EXP
        case .expMinusOne: APUS_EXP_MINUS_ONE
        case .log: APUS_LOG
        case .logOnePlus: APUS_LOG_ONE_PLUS
        case .sin: APUS_SIN
        case .cos: APUS_COS
        case .erf: APUS_ERF
        case .tanh: APUS_TANH
        case .sigmoid: APUS_SIGMOID
        case .relu: APUS_RELU
        case .softplus: APUS_SOFTPLUS
        case .roundToBfloat16: APUS_ROUND_TO_BFLOAT16
        }
    }
}

extension Binary.Function {
    fileprivate var kernelOperation: apus_operation {
        switch self {
        case .add: APUS_ADD
        case .subtract: APUS_SUBTRACT
        case .multiply: APUS_MULTIPLY
        case .divide: APUS_DIVIDE
        case .maximum: APUS_MAXIMUM
        case .minimum: APUS_MINIMUM
        case .power: APUS_POWER
        case .greater: APUS_GREATER
        case .greaterOrEqual: APUS_GREATER_OR_EQUAL
        case .equal: APUS_EQUAL
        }
    }
}
