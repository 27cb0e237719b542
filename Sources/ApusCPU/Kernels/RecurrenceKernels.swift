import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A recurrence with those of its results that are wanted: see `apus_recurrence_description`.
final class RecurrenceKernel: CPUKernel {
    private let recurrence: KernelObject
    private let roles: Recurrence.Inputs<Int>
    /// Where each result goes.
    private let outputs: [Recurrence.Result: Int]

    /// - Parameter rules: one for each of the step's outputs, all of them results of one recurrence.
    init(_ rules: [Recurrence], _ step: Plan.Step) throws {
        roles = rules[0].roles(step.inputs)
        outputs = Dictionary(uniqueKeysWithValues: zip(rules.map(\.result), step.outputs))
        let types = rules[0].roles(step.inputTypes)
        var description = apus_recurrence_description(
            rules[0].cell, batch: types.projected.shape[0], steps: types.projected.shape[1],
            units: types.kernel.shape[0], isReversed: rules[0].isReversed)
        recurrence = try KernelObject("apus_recurrence_create", destroy: apus_recurrence_destroy) {
            apus_recurrence_create(&description, &$0)
        }
    }

    var workspaceByteCount: Int { Int(apus_recurrence_workspace(recurrence.pointer)) }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        func input(_ value: Int?) -> UnsafePointer<Float>? { value.map { UnsafePointer(memory.floats($0)) } }
        func output(_ result: Recurrence.Result) -> UnsafeMutablePointer<Float>? {
            outputs[result].map { memory.floats($0) }
        }
        var arrays = apus_recurrence_arrays(
            projected: memory.floats(roles.projected), kernel: memory.floats(roles.kernel),
            recurrent_bias: input(roles.recurrentBias), initial_hidden: input(roles.initialHidden),
            initial_cells: input(roles.initialCells), mask: input(roles.mask), hidden: output(.hidden),
            last_hidden: output(.lastHidden), previous_hidden: output(.previousHidden), last_cells: output(.lastCells),
            previous_cells: output(.previousCells), gates: output(.gates))
        apus_recurrence_run(recurrence.pointer, &arrays)
    }
}

/// A recurrence's gradient with those of its results that are wanted.
final class RecurrenceGradientKernel: CPUKernel {
    private let gradient: KernelObject
    private let roles: RecurrenceGradient.Inputs<Int>
    private let upstream: Recurrence.Result
    private let outputs: [RecurrenceGradient.Result: Int]

    /// - Parameter rules: one for each of the step's outputs, all of them results of one walk back.
    init(_ rules: [RecurrenceGradient], _ step: Plan.Step) throws {
        roles = rules[0].roles(step.inputs)
        upstream = rules[0].upstream
        outputs = Dictionary(uniqueKeysWithValues: zip(rules.map(\.result), step.outputs))
        let types = rules[0].roles(step.inputTypes)
        var description = apus_recurrence_description(
            rules[0].cell, batch: types.gates.shape[0], steps: types.gates.shape[1], units: types.kernel.shape[0],
            isReversed: rules[0].isReversed)
        gradient = try KernelObject("apus_recurrence_gradient_create", destroy: apus_recurrence_gradient_destroy) {
            apus_recurrence_gradient_create(&description, &$0)
        }
    }

    var workspaceByteCount: Int { Int(apus_recurrence_gradient_workspace(gradient.pointer)) }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        func output(_ result: RecurrenceGradient.Result) -> UnsafeMutablePointer<Float>? {
            outputs[result].map { memory.floats($0) }
        }
        func given(_ result: Recurrence.Result) -> UnsafePointer<Float>? {
            upstream == result ? UnsafePointer(memory.floats(roles.upstream)) : nil
        }
        var arrays = apus_recurrence_gradient_arrays(
            gates: memory.floats(roles.gates), previous: roles.previous.map { UnsafePointer(memory.floats($0)) },
            kernel: memory.floats(roles.kernel), mask: roles.mask.map { UnsafePointer(memory.floats($0)) },
            hidden: given(.hidden), last_hidden: given(.lastHidden), last_cells: given(.lastCells),
            projected: output(.projected), products: output(.products), initial_hidden: output(.initialHidden),
            initial_cells: output(.initialCells))
        apus_recurrence_gradient_run(gradient.pointer, &arrays)
    }
}

extension apus_recurrence_description {
    fileprivate init(_ cell: RecurrentCell, batch: Int, steps: Int, units: Int, isReversed: Bool) {
        self.init()
        self.cell =
            switch cell.kind {
            case .simple: APUS_CELL_SIMPLE
            case .gru: APUS_CELL_GRU
            case .lstm: APUS_CELL_LSTM
            }
        (self.batch, self.steps, self.units) = (Int64(batch), Int64(steps), Int64(units))
        (activation, slope) = cell.activation.kernelActivation
        (gate_activation, gate_slope) = cell.gateActivation.kernelActivation
        is_reversed = isReversed
    }
}

extension RecurrenceActivation {
    fileprivate var kernelActivation: (apus_cell_activation, slope: Float) {
        switch self {
        case .linear: (APUS_CELL_LINEAR, 0)
        case .relu: (APUS_CELL_RELU, 0)
        case .sigmoid: (APUS_CELL_SIGMOID, 0)
        case .tanh: (APUS_CELL_TANH, 0)
        case .hardSigmoid(let slope): (APUS_CELL_HARD_SIGMOID, slope)
        }
    }
}
