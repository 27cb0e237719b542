import ApusGraph
import ApusPlan
import CApusKernels

/// A product, its bias and its activation.
final class MatMulKernel: CPUKernel {
    private let product: MatMulProduct
    private let left: Int
    private let right: Int
    private let bias: Int?
    private let output: Int

    init(
        _ product: MatMul, hasBias: Bool, activation: Unary.Function?, _ step: Plan.Step, _ engine: KernelObject
    ) throws {
        (left, right, output) = (step.inputs[0], step.inputs[1], step.outputs[0])
        bias = hasBias ? step.inputs[2] : nil
        var description = product.kernelDescription(step.inputTypes[0].shape, step.inputTypes[1].shape)
        description.has_bias = hasBias
        description.activation = productActivation(activation)
        self.product = try MatMulProduct(description, engine)
    }

    var implementation: String? { product.implementation }
    var workspaceByteCount: Int { product.workspaceByteCount }

    func readsByteRows(ofOperand index: Int) -> Bool { index == 0 && product.readsByteRows }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        try product.run(memory, left: left, right: right, bias: bias, output: output)
    }
}
