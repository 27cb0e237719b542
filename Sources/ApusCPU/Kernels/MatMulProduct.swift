import ApusCore
import ApusGraph
import CApusKernels

/// A product with what follows it, ready to run: see `apus_matmul_description`.
struct MatMulProduct {
    private let object: KernelObject
    /// Outlives the product.
    private let engine: KernelObject

    init(_ description: apus_matmul_description, _ engine: KernelObject) throws {
        self.engine = engine
        var description = description
        object = try KernelObject("apus_matmul_create", destroy: apus_matmul_destroy) {
            apus_matmul_create(engine.pointer, &description, &$0)
        }
    }

    var implementation: String { String(cString: apus_matmul_implementation(object.pointer)) }
    var workspaceByteCount: Int { Int(apus_matmul_workspace(object.pointer)) }

    /// Whether the left side can be rows of bytes.
    var readsByteRows: Bool { apus_matmul_reads_byte_rows(object.pointer) }

    /// - Parameters: values by their numbers in the plan; `scale` counts where the description has one.
    func run(_ memory: CPUMemory, left: Int, right: Int, bias: Int?, scale: Float = 1, output: Int) throws {
        let (right, output) = (memory.floats(right), memory.floats(output))
        let bias = bias.map { UnsafePointer(memory.floats($0)) }
        if let rows = memory.byteRows[left] {
            var rows = apus_byte_rows(bytes: rows.bytes, indices: rows.indices, scale: rows.scale)
            try check(
                apus_matmul_run_byte_rows(object.pointer, &rows, right, bias, scale, output),
                "apus_matmul_run_byte_rows")
        } else {
            try check(
                apus_matmul_run(object.pointer, memory.floats(left), right, bias, scale, output), "apus_matmul_run")
        }
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
