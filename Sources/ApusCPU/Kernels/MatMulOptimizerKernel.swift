import ApusGraph
import ApusPlan
import CApusKernels

/// An optimizer's step that takes its gradient, a product, tile by tile: see `apus_matmul_update_description`.
final class MatMulOptimizerKernel: CPUKernel {
    private let update: KernelObject
    /// Outlives the update.
    private let engine: KernelObject
    private let left: Int
    private let right: Int
    private let rate: Int
    /// The parameter, the momentum, the velocity if there is one.
    private let old: [Int]
    private let new: [Int]
    private let multipliesPairs: Bool

    init(_ rule: UpdateRule, _ step: Plan.Step, _ engine: KernelObject) throws {
        self.engine = engine
        (left, right, rate) = (step.inputs[0], step.inputs[1], step.inputs[3])
        old = [step.inputs[2]] + step.inputs[4...]
        new = step.outputs
        var description = apus_matmul_update_description()
        let product = MatMul(isLeftTransposed: true).kernelDescription(
            step.inputTypes[0].shape, step.inputTypes[1].shape)
        precondition(product.batch == 1, "\(product.batch) products for one parameter")
        (description.rows, description.columns) = (product.rows, product.columns)
        description.inner = product.inner
        description.multiplies_pairs = apus_engine_has_pair_products(engine.pointer)
        multipliesPairs = description.multiplies_pairs
        switch rule {
        case .nesterov(let decay):
            description.rule = APUS_UPDATE_NESTEROV
            description.decay = decay
        case .adam(let momentumShare, let velocityShare, let epsilon):
            description.rule = APUS_UPDATE_ADAM
            description.momentum_share = momentumShare
            description.velocity_share = velocityShare
            description.epsilon = epsilon
        }
        update = try KernelObject("apus_matmul_update_create", destroy: apus_matmul_update_destroy) {
            apus_matmul_update_create(engine.pointer, &description, &$0)
        }
    }

    var implementation: String? {
        multipliesPairs
            ? "tiles:avx512_bf16" : "tiles:" + String(cString: apus_instruction_set()).lowercased().filter { $0 != "-" }
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        var arrays = apus_update_arrays()
        arrays.parameter = UnsafePointer(memory.floats(old[0]))
        arrays.momentum = UnsafePointer(memory.floats(old[1]))
        arrays.new_parameter = memory.floats(new[0])
        arrays.new_momentum = memory.floats(new[1])
        if old.count > 2 {
            arrays.velocity = UnsafePointer(memory.floats(old[2]))
            arrays.new_velocity = memory.floats(new[2])
        }
        arrays.rate = memory.floats(rate)[0]
        apus_matmul_update_run(update.pointer, memory.floats(left), memory.floats(right), &arrays)
    }
}
