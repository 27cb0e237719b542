import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A product taken from a variable, in one pass over the variable: see `apus_matmul_subtract`.
final class MatMulUpdateKernel: CPUKernel {
    private let description: apus_matmul_description
    private let left: Int
    private let right: Int
    private let variable: Int
    private let scale: Int?
    private let output: Int
    private let byteCount: Int

    init(_ product: MatMul, hasScale: Bool, _ step: Plan.Step) {
        (left, right, variable, output) = (step.inputs[0], step.inputs[1], step.inputs[2], step.outputs[0])
        scale = hasScale ? step.inputs[3] : nil
        byteCount = step.inputTypes[2].byteCount
        description = product.kernelDescription(step.inputTypes[0].shape, step.inputTypes[1].shape)
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        let target = memory.addresses[output]
        if target != memory.addresses[variable] {
            target.copyMemory(from: memory.addresses[variable], byteCount: byteCount)
        }
        var description = description
        try check(
            apus_matmul_subtract(
                &description, memory.floats(left), memory.floats(right), scale.map { memory.floats($0)[0] } ?? 1,
                memory.floats(output)), "apus_matmul_subtract")
    }
}
