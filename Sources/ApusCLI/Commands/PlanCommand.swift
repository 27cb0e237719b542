import Apus
import ApusExperiments

/// `apus plan NAME`: what a training step will take, before anything runs.
struct PlanCommand: Command {
    static let steps = Option.flag("steps", help: "Print every step of the plan, and where its values live")

    let syntax = CommandSyntax(
        "plan", summary: "Show what a training step takes, before anything runs", operands: [.workload],
        options: [RunOptions.batchSize, RunOptions.device, RunOptions.threads, RunOptions.precision, steps],
        notes: "Peak memory is what a training step's arrays take, exactly. The process has code, libraries and data\n"
            + "besides; peak_memory_bytes of 'apus bench' counts all of it.")

    func run(_ arguments: Arguments) throws {
        let workload = try Workloads.named(arguments.operands[0])
        let batchSize = arguments[RunOptions.batchSize] ?? workload.defaults.batchSize
        let device = try RunOptions.chosenDevice(arguments)
        let precision = RunOptions.chosenPrecision(arguments) ?? .float32
        RunOptions.announce(precision, on: device)
        let step = try TrainingStep(workload, batchSize: batchSize, device: device, precision: precision)
        if arguments.has(Self.steps) { try Console.line("\(step.plan)\n") }
        try Console.line("A training step of \(workload.name), batch size \(batchSize):")
        try Console.line(PlanReport(step).text)
    }
}

/// The figures of a planned training step.
struct PlanReport {
    /// Memory, part by part, in bytes.
    let memory: [(name: String, byteCount: Int)]
    let operationCount: Int
    let parameterCount: Int
    let trainableCount: Int
    let flopCount: Int
    /// Largest first.
    let largestBuffers: [(name: String, byteCount: Int)]

    var peakByteCount: Int { memory.reduce(0) { $0 + $1.byteCount } }

    init(_ step: TrainingStep) {
        let (plan, model) = (step.plan, step.network.model)
        operationCount = plan.steps.count
        parameterCount = model.parameterCount
        trainableCount = model.parameters.reduce(0) { $0 + $1.elementCount }
        flopCount = plan.flopCount
        let weights = model.variables.reduce(0) { $0 + $1.variable.type.byteCount }
        // What a step holds besides the model's own variables belongs to the optimizer.
        let variables = plan.variableTypes.reduce(0) { $0 + $1.byteCount }
        memory = [
            ("parameters", weights), ("optimizer", variables - weights),
            ("activations and gradients", plan.arenaByteCount),
            ("constants", plan.constants.reduce(0) { $0 + $1.byteCount }),
            ("a batch", plan.inputTypes.reduce(0) { $0 + $1.byteCount }),
            ("kernels' workspace", step.executable.workspaceByteCount),
        ]
        largestBuffers = Self.buffers(plan, model)
    }

    /// The variables of the model and the values of the arena, largest first; values that share a place come once.
    private static func buffers(_ plan: Plan, _ model: Model) -> [(name: String, byteCount: Int)] {
        var buffers = model.variables.map { entry in
            (name: "\(entry.path), \(entry.variable.type)", byteCount: entry.variable.type.byteCount)
        }
        var places: Set<Int> = []
        for step in plan.steps {
            for value in step.outputs {
                guard case .arena(let offset) = plan.values[value].location, places.insert(offset).inserted else {
                    continue
                }
                let type = plan.values[value].type
                let owner = step.origin.isEmpty ? "the training's own" : step.origin
                buffers.append((name: "a value of \(owner), \(type)", byteCount: type.byteCount))
            }
        }
        return buffers.sorted { $0.byteCount > $1.byteCount }
    }

    var text: String {
        var rows = [
            ("operations", operationCount.grouped),
            ("parameters", "\(parameterCount.grouped), of them trainable \(trainableCount.grouped)"),
            ("FLOPs a step", flopCount.grouped),
            ("peak memory", "\(peakByteCount.grouped) bytes"),
        ]
        rows += memory.map { ("  \($0.name)", "\($0.byteCount.grouped) bytes") }
        rows.append(("largest buffers", ""))
        rows += largestBuffers.prefix(5).map { ("  \($0.byteCount.grouped) bytes", $0.name) }
        return Help.table(rows)
    }
}
