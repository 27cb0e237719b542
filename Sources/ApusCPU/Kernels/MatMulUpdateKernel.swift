import ApusGraph
import ApusPlan
import CApusKernels

/// A product taken from a variable, in one pass over the variable.
final class MatMulUpdateKernel: CPUKernel {
    private let product: MatMulProduct
    private let left: Int
    private let right: Int
    private let variable: Int
    private let scale: Int?
    private let output: Int
    private let byteCount: Int

    init(_ product: MatMul, hasScale: Bool, _ step: Plan.Step, _ engine: KernelObject) throws {
        (left, right, variable, output) = (step.inputs[0], step.inputs[1], step.inputs[2], step.outputs[0])
        scale = hasScale ? step.inputs[3] : nil
        byteCount = step.inputTypes[2].byteCount
        var description = product.kernelDescription(step.inputTypes[0].shape, step.inputTypes[1].shape)
        description.accumulates = true
        description.has_scale = true
        self.product = try MatMulProduct(description, engine)
    }

    var implementation: String? { product.implementation }
    var workspaceByteCount: Int { product.workspaceByteCount }

    func readsByteRows(ofOperand index: Int) -> Bool { index == 0 && product.readsByteRows }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        let target = memory.addresses[output]
        if target != memory.addresses[variable] {
            target.copyMemory(from: memory.addresses[variable], byteCount: byteCount)
        }
        let factor = scale.map { memory.floats($0)[0] } ?? 1
        try product.run(memory, left: left, right: right, bias: nil, scale: -factor, output: output)
    }
}
