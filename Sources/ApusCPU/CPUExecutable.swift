import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A plan on the processor: one kernel a step, all made beforehand.
package final class CPUExecutable: Executable {
    package let plan: Plan
    let memory: CPUMemory
    let kernels: [any CPUKernel]
    private let engine: KernelObject
    private let readsByteRows: [Bool]

    init(_ plan: Plan, variables: [Variable]) throws {
        self.plan = plan
        memory = try CPUMemory(plan, variables: variables)
        let engine = try KernelObject("apus_engine_create", destroy: apus_engine_destroy) { apus_engine_create(&$0) }
        if plan.precision != .float32, apus_has_bfloat16_tiles() { apus_engine_set_rounded_factors(engine.pointer) }
        if plan.roundsFactors { apus_engine_set_pair_products(engine.pointer) }
        self.engine = engine
        let kernels = try plan.steps.map { try makeKernel($0, plan, engine) }
        self.kernels = kernels
        readsByteRows = plan.inputTypes.indices.map { readsAll(plan, kernels, input: $0) }
    }

    /// How many kernels of each name and implementation it has, as in `MatMul brg:avx512_core`.
    package var kernelCounts: [String: Int] {
        kernels.reduce(into: [:]) { counts, kernel in
            let implementation = kernel.implementation.map { " \($0)" } ?? ""
            counts[kernel.name + implementation, default: 0] += 1
        }
    }

    package func kernelName(ofStep index: Int) -> String { kernels[index].name }

    package func implementation(ofStep index: Int) -> String? { kernels[index].implementation }

    package var workspaceByteCount: Int {
        kernels.reduce(Int(apus_engine_workspace(engine.pointer))) { $0 + $1.workspaceByteCount }
    }

    package func readsByteRows(ofInput index: Int) -> Bool { readsByteRows[index] }

    package func run(
        inputs: UnsafeBufferPointer<UnsafeRawPointer>, byteRows: UnsafeBufferPointer<ByteRows?>, context: RunContext
    ) throws {
        precondition(inputs.count == plan.inputTypes.count, "\(inputs.count) inputs for \(plan.inputTypes.count)")
        memory.bind(inputs, byteRows)
        let guardedStep = plan.guardedStep ?? -1
        for index in kernels.indices {
            try kernels[index].run(memory, context)
            if index == guardedStep { try checkGuardedValue(context) }
        }
    }

    package func output(_ index: Int) -> UnsafeRawPointer { UnsafeRawPointer(memory.addresses[plan.outputs[index]]) }

    package func run(
        inputs: UnsafeBufferPointer<UnsafeRawPointer>, context: RunContext,
        afterEach body: (Int, (Int) -> UnsafeRawPointer) throws -> Void
    ) throws {
        precondition(inputs.count == plan.inputTypes.count, "\(inputs.count) inputs for \(plan.inputTypes.count)")
        memory.bind(inputs, UnsafeBufferPointer(start: nil, count: 0))
        for index in kernels.indices {
            try kernels[index].run(memory, context)
            try body(index) { UnsafeRawPointer(memory.addresses[$0]) }
        }
    }

    /// No variable has changed so far.
    private func checkGuardedValue(_ context: RunContext) throws {
        guard let value = plan.guardedValue, !memory.floats(value)[0].isFinite else { return }
        throw ApusError.notFinite(quantity: "loss", step: context.step + 1)
    }
}

/// One step of a plan, ready to run.
protocol CPUKernel: AnyObject {
    /// What it is counted as; by default its type's.
    var name: String { get }
    /// What computes a product or a convolution, as oneDNN calls its ways, or one of ours; `nil` for all else.
    var implementation: String? { get }
    var workspaceByteCount: Int { get }
    /// Whether it reads the step's input of that number as rows of bytes too.
    func readsByteRows(ofOperand index: Int) -> Bool
    func run(_ memory: CPUMemory, _ context: RunContext) throws
}

extension CPUKernel {
    var name: String {
        let type = "\(type(of: self))"
        return type.hasSuffix("Kernel") ? String(type.dropLast("Kernel".count)) : type
    }

    var implementation: String? { nil }
    var workspaceByteCount: Int { 0 }
    func readsByteRows(ofOperand index: Int) -> Bool { false }
}

/// Whether all kernels that read an input can read it as rows of bytes, a row for each sample.
private func readsAll(_ plan: Plan, _ kernels: [any CPUKernel], input: Int) -> Bool {
    let type = plan.inputTypes[input]
    guard let sampleCount = type.shape.sizes.first, sampleCount > 0 else { return false }
    let rows = Shape([sampleCount, type.shape.elementCount / sampleCount])
    // An input that is an output is copied by a step.
    guard let value = plan.values.firstIndex(where: { $0.location == .input(input) }) else { return false }
    return zip(plan.steps, kernels).allSatisfy { step, kernel in
        step.inputs.indices.allSatisfy { place in
            step.inputs[place] != value
                || kernel.readsByteRows(ofOperand: place) && step.inputTypes[place].shape == rows
        }
    }
}

/// The kernel for a step. Exhaustive: an operation without an answer here does not compile.
private func makeKernel(_ step: Plan.Step, _ plan: Plan, _ engine: KernelObject) throws -> any CPUKernel {
    switch step.kernel {
    case .elementwise(let program): return try ElementwiseKernel(program, step)
    case .matMulUpdate(let product, let hasScale):
        return try MatMulUpdateKernel(product, hasScale: hasScale, step, engine)
    case .matMulOptimizer(let rule): return try MatMulOptimizerKernel(rule, step, engine)
    case .matMul(let product, let hasBias, let activation):
        return try MatMulKernel(product, hasBias: hasBias, activation: activation, step, engine)
    case .convolution(let convolution, let hasBias, let activation):
        return try ConvolutionKernel(
            APUS_CONVOLUTION_FORWARD, convolution.motion, groups: convolution.groups, hasBias: hasBias,
            activation: activation, output: convolution.resultType(of: Array(step.inputTypes.prefix(2))), step, engine)
    case .projectedRecurrence(let rules, let stepCount, let hasBias, let keepsByStep):
        return try RecurrenceKernel(
            rules, projection: .init(stepCount: stepCount, hasBias: hasBias), keepsByStep: keepsByStep, step,
            engine)
    case .recurrenceGradient(let rule, let results, let sums, let isKeptByStep):
        return try RecurrenceGradientKernel(rule, results, sums: sums, isKeptByStep: isKeptByStep, step, engine)
    case .copy:
        let type = step.inputTypes[0]
        return try CopyKernel(
            [CopyPart(step.inputs[0], from: [1], to: [1], over: [type.shape.elementCount])], type, step)
    case .operation(let operation): return try makeKernel(operation, step, plan, engine)
    case .shared(let operations): return try makeSharedKernel(operations, step, engine)
    }
}

private func makeKernel(
    _ operation: Operation, _ step: Plan.Step, _ plan: Plan, _ engine: KernelObject
) throws -> any CPUKernel {
    let type = plan.values[step.outputs[0]].type
    func inputType(_ index: Int) -> TensorType { step.inputTypes[index] }
    switch operation {
    case .matMul(let product):
        return try MatMulKernel(product, hasBias: false, activation: nil, step, engine)
    case .reduction(let reduction): return try ReductionKernel(reduction, inputType(0).shape, step)
    case .argMax: return try ArgMaxKernel(inputType(0).shape, step)
    case .softmax: return SoftmaxKernel(.softmax, inputType(0).shape, step)
    case .logSoftmax: return SoftmaxKernel(.logSoftmax, inputType(0).shape, step)
    case .softmaxCrossEntropy: return SoftmaxKernel(.crossEntropy, inputType(0).shape, step)
    case .random(let random): return RandomKernel(random, step)
    case .stepValue(let value): return StepValueKernel(value.schedule, step)
    case .oneHot(let oneHot): return OneHotKernel(depth: oneHot.depth, count: inputType(0).shape.elementCount, step)
    case .gather:
        return GatherKernel(isScatter: false, table: inputType(0).shape, count: inputType(1).shape.elementCount, step)
    case .scatterAdd(let sum):
        return GatherKernel(
            isScatter: true, table: [sum.length, inputType(0).shape[-1]], count: inputType(1).shape.elementCount, step)
    case .convolution(let convolution):
        return try ConvolutionKernel(
            APUS_CONVOLUTION_FORWARD, convolution.motion, groups: convolution.groups,
            output: convolution.resultType(of: step.inputTypes), step, engine)
    case .convolutionInputGradient(let gradient):
        return try ConvolutionKernel(
            APUS_CONVOLUTION_IMAGE_GRADIENT, gradient.motion, groups: gradient.groups,
            output: gradient.resultType(of: step.inputTypes), step, engine)
    case .convolutionKernelGradient(let gradient):
        return try ConvolutionKernel(
            APUS_CONVOLUTION_KERNEL_GRADIENT, gradient.motion, groups: gradient.groups,
            output: gradient.resultType(of: step.inputTypes), step, engine)
    case .maxPool(let pool):
        return try PoolingKernel(
            APUS_POOLING_MAXIMUM, pool.window, image: inputType(0).shape,
            pooled: pool.resultType(of: step.inputTypes).shape, step)
    case .maxPoolSelection(let selection):
        return try PoolingKernel(
            APUS_POOLING_SELECTION, selection.window, image: inputType(0).shape,
            pooled: selection.resultType(of: step.inputTypes).shape, step)
    case .maxPoolGradient(let gradient):
        return try PoolingKernel(
            APUS_POOLING_MAXIMUM_GRADIENT, gradient.window, image: inputType(0).shape, pooled: inputType(1).shape, step)
    case .averagePool(let pool):
        return try PoolingKernel(
            APUS_POOLING_AVERAGE, pool.window, image: inputType(0).shape,
            pooled: pool.resultType(of: step.inputTypes).shape, step)
    case .averagePoolGradient(let gradient):
        return try PoolingKernel(
            APUS_POOLING_AVERAGE_GRADIENT, gradient.window, image: gradient.resultType(of: step.inputTypes).shape,
            pooled: inputType(0).shape, step)
    case .firstRow:
        let row = CopyPart(step.inputs[0], from: [1], to: [1], over: [type.shape.elementCount])
        return try CopyKernel([row], type, step)
    case .recurrence, .recurrenceGradient: return try makeSharedKernel([operation], step, engine)
    case .broadcast(let broadcast):
        let strides = Broadcast.strides(of: inputType(0).shape, over: broadcast.shape)
        return try CopyKernel(
            [CopyPart(step.inputs[0], from: strides, to: broadcast.shape.strides, over: broadcast.shape.sizes)], type,
            step)
    case .transpose(let transpose):
        let source = inputType(0).shape
        let result = Shape(transpose.permutation.map { source[$0] })
        let strides = transpose.permutation.map { source.strides[$0] }
        return try CopyKernel(
            [CopyPart(step.inputs[0], from: strides, to: result.strides, over: result.sizes)], type, step)
    case .slice(let slice):
        let source = inputType(0).shape
        var result = source
        result[slice.axis] = slice.count
        let part = CopyPart(
            step.inputs[0], from: source.strides, to: result.strides, over: result.sizes,
            sourceOffset: slice.start * source.strides[slice.axis])
        return try CopyKernel([part], type, step)
    case .pad(let pad):
        let source = inputType(0).shape
        var result = source
        result[pad.axis] += pad.before + pad.after
        let part = CopyPart(
            step.inputs[0], from: source.strides, to: result.strides, over: source.sizes,
            targetOffset: pad.before * result.strides[pad.axis])
        return try CopyKernel([part], type, step, clearsFirst: true)
    case .concatenate(let concatenate):
        let shapes = step.inputs.indices.map { inputType($0).shape }
        var result = shapes[0]
        result[concatenate.axis] = shapes.reduce(0) { $0 + $1[concatenate.axis] }
        var start = 0
        let parts = zip(step.inputs, shapes).map { input, shape in
            defer { start += shape[concatenate.axis] * result.strides[concatenate.axis] }
            return CopyPart(input, from: shape.strides, to: result.strides, over: shape.sizes, targetOffset: start)
        }
        return try CopyKernel(parts, type, step)
    case .input, .variable, .constant, .reshape, .unary, .binary, .select, .cast, .axisSize, .phase, .stopGradient,
        .batchNormalization, .runningAverage:
        preconditionFailure("\(operation) is never a step by itself")
    }
}

/// The kernel for operations that share a pass; see `Operation.sharing`.
private func makeSharedKernel(
    _ operations: [Operation], _ step: Plan.Step, _ engine: KernelObject
) throws -> any CPUKernel {
    switch operations.first {
    case .recurrence:
        let rules = operations.compactMap { if case .recurrence(let rule) = $0 { rule } else { nil } }
        return try RecurrenceKernel(rules, projection: nil, keepsByStep: false, step, engine)
    case .recurrenceGradient:
        let rules = operations.compactMap { if case .recurrenceGradient(let rule) = $0 { rule } else { nil } }
        return try RecurrenceGradientKernel(rules[0], rules.map(\.result), sums: [], isKeptByStep: false, step, engine)
    default: preconditionFailure("\(operations) share no pass")
    }
}
