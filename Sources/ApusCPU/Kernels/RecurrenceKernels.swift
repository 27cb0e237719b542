import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A recurrence with those of its results that are wanted: see `apus_recurrence_description`.
final class RecurrenceKernel: CPUKernel {
    /// What comes in place of the projected inputs: rows, kernel, and a bias if there is one.
    struct Projection {
        let stepCount: Int
        let hasBias: Bool
        var inputCount: Int { hasBias ? 3 : 2 }
    }

    private let recurrence: KernelObject
    private let projection: Projection?
    private let inputs: [Int]
    private let roles: Recurrence.Inputs<Int>
    /// Where each result goes.
    private let outputs: [Recurrence.Result: Int]

    /// - Parameter rules: one for each of the step's outputs, all of them results of one recurrence.
    init(
        _ rules: [Recurrence], projection: Projection?, keepsByStep: Bool, _ step: Plan.Step, _ engine: KernelObject
    ) throws {
        self.projection = projection
        inputs = step.inputs
        // The last of a projection's inputs takes the place of the projected ones, which are not there.
        let first = projection.map { $0.inputCount - 1 } ?? 0
        roles = rules[0].roles(Array(step.inputs[first...]))
        outputs = Dictionary(uniqueKeysWithValues: zip(rules.map(\.result), step.outputs))
        let (rows, kernel) = (step.inputTypes[0].shape, rules[0].roles(Array(step.inputTypes[first...])).kernel.shape)
        let stepCount = projection?.stepCount ?? rows[1]
        var description = apus_recurrence_description(
            rules[0].cell, batch: projection == nil ? rows[0] : rows[0] / stepCount, steps: stepCount,
            units: kernel[0], isReversed: rules[0].isReversed)
        if projection != nil { description.features = Int64(rows[1]) }
        description.setFactors(areRounded: rules[0].roundsFactors, engine)
        description.keeps_by_step = keepsByStep
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
        var arrays = apus_recurrence_arrays()
        if let projection {
            arrays.inputs = input(inputs[0])
            arrays.input_kernel = input(inputs[1])
            arrays.bias = input(projection.hasBias ? inputs[2] : nil)
        } else {
            arrays.projected = input(roles.projected)
        }
        arrays.kernel = input(roles.kernel)
        arrays.recurrent_bias = input(roles.recurrentBias)
        arrays.initial_hidden = input(roles.initialHidden)
        arrays.initial_cells = input(roles.initialCells)
        arrays.mask = input(roles.mask)
        arrays.hidden = output(.hidden)
        arrays.last_hidden = output(.lastHidden)
        arrays.previous_hidden = output(.previousHidden)
        arrays.previous_factors = output(.previousFactors)
        arrays.last_cells = output(.lastCells)
        arrays.previous_cells = output(.previousCells)
        arrays.gates = output(.gates)
        apus_recurrence_run(recurrence.pointer, &arrays)
    }
}

/// A recurrence's gradient with those of its results that are wanted, and sums over its rows and steps.
final class RecurrenceGradientKernel: CPUKernel {
    private let gradient: KernelObject
    private let roles: RecurrenceGradient.Inputs<Int>
    private let upstream: Recurrence.Result
    private let outputs: [RecurrenceGradient.Result: Int]
    /// Of each sum the factors, if it has any, and where it goes.
    private let sums: [(factors: Int?, result: Int)]

    /// - Parameters:
    ///   - results: one for each of the step's first outputs.
    ///   - sums: one for each of the others; their factors are the step's last inputs.
    init(
        _ rule: RecurrenceGradient, _ results: [RecurrenceGradient.Result], sums: [Plan.RecurrenceSum],
        isKeptByStep: Bool, _ step: Plan.Step, _ engine: KernelObject
    ) throws {
        roles = rule.roles(step.inputs)
        upstream = rule.upstream
        outputs = Dictionary(uniqueKeysWithValues: zip(results, step.outputs))
        let types = rule.roles(step.inputTypes)
        var description = apus_recurrence_description(
            rule.cell, batch: types.gates.shape[0], steps: types.gates.shape[1], units: types.kernel.shape[0],
            isReversed: rule.isReversed)
        description.setFactors(areRounded: rule.roundsFactors, engine)
        description.keeps_by_step = isKeptByStep
        var factor = rule.inputCount
        var described: [apus_recurrence_sum] = []
        self.sums = zip(sums, step.outputs.dropFirst(results.count)).map { sum, result in
            let width = sum.hasFactors ? step.inputTypes[factor].shape[1] : 0
            described.append(apus_recurrence_sum(width: Int64(width), is_of_products: sum.of == .products))
            defer { factor += sum.hasFactors ? 1 : 0 }
            return (sum.hasFactors ? step.inputs[factor] : nil, result)
        }
        gradient = try KernelObject("apus_recurrence_gradient_create", destroy: apus_recurrence_gradient_destroy) {
            apus_recurrence_gradient_create(&description, described, Int32(described.count), &$0)
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
        var arrays = apus_recurrence_gradient_arrays()
        arrays.gates = UnsafePointer(memory.floats(roles.gates))
        arrays.previous = roles.previous.map { UnsafePointer(memory.floats($0)) }
        arrays.kernel = UnsafePointer(memory.floats(roles.kernel))
        arrays.mask = roles.mask.map { UnsafePointer(memory.floats($0)) }
        arrays.hidden = given(.hidden)
        arrays.last_hidden = given(.lastHidden)
        arrays.last_cells = given(.lastCells)
        arrays.projected = output(.projected)
        arrays.products = output(.products)
        arrays.initial_hidden = output(.initialHidden)
        arrays.initial_cells = output(.initialCells)
        withUnsafeMutablePointer(to: &arrays) { pointer in
            for (place, sum) in sums.enumerated() {
                apus_recurrence_set_sum(
                    pointer, Int32(place), sum.factors.map { UnsafePointer(memory.floats($0)) },
                    memory.floats(sum.result))
            }
        }
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

    fileprivate mutating func setFactors(areRounded: Bool, _ engine: KernelObject) {
        rounds_factors = areRounded
        multiplies_pairs = areRounded && apus_engine_has_pair_products(engine.pointer)
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
