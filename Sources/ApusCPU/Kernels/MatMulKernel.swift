import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A product with what follows it: see `apus_matmul_description`.
final class MatMulKernel: CPUKernel {
    private let product: KernelObject
    /// Outlives the product.
    private let engine: KernelObject
    private let left: Int
    private let right: Int
    private let bias: Int?
    private let output: Int

    init(
        _ product: MatMul, hasBias: Bool, activation: Unary.Function?, _ step: Plan.Step, _ engine: KernelObject
    ) throws {
        (left, right, output) = (step.inputs[0], step.inputs[1], step.outputs[0])
        bias = hasBias ? step.inputs[2] : nil
        self.engine = engine
        var description = product.kernelDescription(step.inputTypes[0].shape, step.inputTypes[1].shape)
        description.has_bias = hasBias
        description.activation = productActivation(activation)
        self.product = try KernelObject("apus_matmul_create", destroy: apus_matmul_destroy) {
            apus_matmul_create(engine.pointer, &description, &$0)
        }
    }

    var implementation: String? { String(cString: apus_matmul_implementation(product.pointer)) }
    var workspaceByteCount: Int { Int(apus_matmul_workspace(product.pointer)) }

    func readsByteRows(ofOperand index: Int) -> Bool { index == 0 && product.multipliesByteRows }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        try product.multiply(memory, left, right, bias: bias, scale: 1, output: output)
    }
}

/// Of an `apus_matmul`.
extension KernelObject {
    /// Whether its left side can be rows of bytes.
    var multipliesByteRows: Bool { apus_matmul_reads_byte_rows(pointer) }

    func multiply(_ memory: CPUMemory, _ left: Int, _ right: Int, bias: Int?, scale: Float, output: Int) throws {
        let bias = bias.map { UnsafePointer(memory.floats($0)) }
        guard let rows = memory.byteRows[left] else {
            return try check(
                apus_matmul_run(
                    pointer, memory.floats(left), memory.floats(right), bias, scale, memory.floats(output)),
                "apus_matmul_run")
        }
        var left = apus_byte_rows(bytes: rows.bytes, indices: rows.indices, scale: rows.scale)
        try check(
            apus_matmul_run_byte_rows(pointer, &left, memory.floats(right), bias, scale, memory.floats(output)),
            "apus_matmul_run_byte_rows")
    }
}

extension MatMul {
    /// The product of two operands of these shapes, with nothing after it.
    func kernelDescription(_ left: Shape, _ right: Shape) -> apus_matmul_description {
        var description = apus_matmul_description()
        description.batch = Int64(left.sizes.dropLast(2).reduce(1, *))
        description.rows = Int64(isLeftTransposed ? left[-1] : left[-2])
        description.inner = Int64(isLeftTransposed ? left[-2] : left[-1])
        description.columns = Int64(isRightTransposed ? right[-2] : right[-1])
        description.left_batch_stride = description.rows * description.inner
        description.right_batch_stride = description.columns * description.inner
        description.transposes_left = isLeftTransposed
        description.transposes_right = isRightTransposed
        return description
    }
}
