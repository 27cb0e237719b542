import ApusCore
import ApusGraph

/// A computation that is ready to be called: arrays in, arrays out, and variables updated.
///
///     let step = try Function(inputs: [x, y], outputs: [loss],
///                             updates: optimizer.updates(minimizing: loss, over: model.parameters), device: .cpu)
///     let loss = try step(images, labels)[0]
///
/// With `guarding: loss`, a call whose loss is not finite throws before any variable has changed. Layers must have been
/// put into a `Model` first, which gives their variables their first values.
///
/// It is traced and planned once for each batch size that it meets. It belongs to one thread at a time.
public final class Function {
    /// Where it runs.
    public let device: Device
    /// How its products are computed: as it was asked for, but float32 in place of float32Fast where that is faster.
    public let precision: Precision
    /// The key of all random numbers.
    public var seed: UInt64
    /// The number of calls so far: schedules and random numbers depend on it.
    public var step = 0

    private let inputs: [Tensor]
    /// What a run computes: what a call returns, and the guarded tensor.
    private let outputs: [Tensor]
    private let returnedCount: Int
    private let updates: [VariableUpdate]
    private let mode: Mode
    let guardedOutput: Int?
    private let origin: (LayerCall) -> String
    /// What a variable is called in messages.
    let variableName: (Variable) -> String
    /// The variables that were frozen when the function was made: its updates are those of the others.
    private let frozen: Set<ObjectIdentifier>
    private var executables: [Int: any Executable] = [:]
    /// The variables that runs change, and single numbers that they only read; known with the first executable.
    package private(set) var changedVariables: [Variable] = []
    package private(set) var constantNumbers: [Variable] = []

    /// - Parameters:
    ///   - inputs: tensors made by `Tensor.input` or `Tensor.placeholder`, each once; calls give arrays in their order.
    ///   - outputs: what a call returns; all are values from before the updates.
    ///   - updates: new values for variables, set when a call ends; at most one for each variable.
    ///   - mode: by default training where there are updates, else inference.
    ///   - seed: the key of all random numbers.
    ///   - precision: how products are computed. Default float32.
    ///   - guarding: a scalar (the loss, say) that stops a call where it is not finite, with every variable as it was.
    ///     It need not be one of the outputs. Default: nothing is looked at.
    /// - Throws: `ApusError.shape` where the tensors do not fit together: an input is missing or named twice, an
    ///   update's type is not its variable's, a variable has two updates, the guarded tensor is no scalar that is
    ///   computed; and whatever error a tensor holds.
    public convenience init(
        inputs: [Tensor], outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode? = nil, seed: UInt64 = 0,
        device: Device, precision: Precision = .float32, guarding: Tensor? = nil
    ) throws {
        if let guarding { try Self.checkGuard(guarding) }
        let place = guarding.map { outputs.firstIndex(of: $0) ?? outputs.count }
        let isHidden = place == outputs.count
        try self.init(
            inputs: inputs, outputs: outputs + (isHidden ? [guarding].compactMap { $0 } : []), updates: updates,
            mode: mode, seed: seed, device: device, precision: precision, guardedOutput: place,
            returnedCount: outputs.count,
            origin: { $0.name ?? $0.kind })
    }

    /// A guard is looked at when the step that computes it has run; there must be one.
    private static func checkGuard(_ tensor: Tensor) throws {
        func problem(_ expected: String, _ received: String, _ cure: String) -> ApusError {
            .shape(
                ShapeProblem(operation: "guarding of a function", expected: expected, received: received, cure: cure))
        }
        guard try tensor.checked().type == TensorType(.scalar) else {
            throw problem("\(TensorType(.scalar))", "\(tensor.type)", "take the sum or the mean")
        }
        var source = tensor
        while case .reshape = source.node.operation { source = source.node.inputs[0] }
        switch source.node.operation {
        case .input, .variable, .constant:
            throw problem("a tensor that the function computes", "\(source)", "name the loss")
        default: break
        }
    }

    /// - Parameters:
    ///   - guardedOutput: the number of a scalar output that stops a call before any update where it is not finite.
    ///   - returnedCount: how many of the outputs a call returns; `nil` for all.
    ///   - origin: the name of a layer's application, for errors.
    ///   - variableName: a variable's name, for errors.
    package init(
        inputs: [Tensor], outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode? = nil, seed: UInt64 = 0,
        device: Device, precision: Precision = .float32, guardedOutput: Int?, returnedCount: Int? = nil,
        origin: @escaping (LayerCall) -> String,
        variableName: @escaping (Variable) -> String = { $0.name }
    ) throws {
        for tensor in inputs + outputs + updates.map(\.value) { _ = try tensor.checked() }
        let mode = mode ?? (updates.isEmpty ? .inference : .training)
        // What does not fit together is found here, not at the first call.
        let trace = try Trace(
            inputs: inputs, outputs: outputs, updates: updates, mode: mode, batchSize: 1, origin: origin)
        frozen = Set(trace.variables.filter(\.isFrozen).map { ObjectIdentifier($0) })
        self.inputs = inputs
        self.outputs = outputs
        self.returnedCount = returnedCount ?? outputs.count
        self.updates = updates
        self.mode = mode
        self.seed = seed
        self.device = device
        self.precision = precision == .float32Fast && !device.hasFastBfloat16 ? .float32 : precision
        self.guardedOutput = guardedOutput
        self.origin = origin
        self.variableName = variableName
    }

    /// Runs once on `arrays`, one for each input, all with the same batch size, and counts a step.
    /// - Throws: `ApusError.shape` where an array does not fit its input, the arrays differ in their batch size, or
    ///   there is no sample; `ApusError.uninitialized` where a variable has no values yet; `ApusError.notFinite` where
    ///   the guarded tensor is not finite (no variable has changed then, and the call does not count as a step).
    public func callAsFunction(_ arrays: NDArray...) throws -> [NDArray] { try callAsFunction(arrays) }

    /// As above, with the arrays in a list.
    public func callAsFunction(_ arrays: [NDArray]) throws -> [NDArray] {
        let executable = try executable(batchSize: batchSize(of: arrays))
        do {
            try withPointers(to: arrays) {
                try executable.run(inputs: $0, context: RunContext(seed: seed, step: step))
            }
        } catch ApusError.notFinite(let problem) {
            let name = "guarded value"
            throw ApusError.notFinite(
                try self.problem(in: arrays, quantity: name) ?? NotFiniteProblem(quantity: name, step: problem.step))
        }
        step += 1
        return (0..<returnedCount).map { executable.outputArray($0) }
    }

    /// The names of the inputs, in their order.
    package var inputNames: [String] { inputs.map(\.inputName) }

    /// The computation for batches of one size.
    package func executable(batchSize: Int) throws -> any Executable {
        if let executable = executables[batchSize] { return executable }
        let trace = try trace(batchSize: batchSize)
        try checkInitialized(trace)
        let plan = Plan(
            trace.graph, precision: precision, hasFastBfloat16: device.hasFastBfloat16,
            roundsFactors: device.roundsFactors, guardedOutput: guardedOutput)
        guard plan.arenaByteCount <= MemoryLimit.byteCount else {
            throw ApusError.setting(
                owner: "A function with a batch of \(batchSize)", name: "its memory",
                value: "\(plan.arenaByteCount) bytes", expected: "at most \(MemoryLimit.byteCount) on this machine")
        }
        let executable = try device.compile(plan, trace.variables)
        executables[batchSize] = executable
        let changed = Set(trace.graph.updates.map(\.variable))
        let (others, own) = (trace.variables.indices.filter { !changed.contains($0) }, changed.sorted())
        changedVariables = own.map { trace.variables[$0] }
        constantNumbers = others.map { trace.variables[$0] }.filter { $0.elementCount == 1 }
        return executable
    }

    /// The graph for batches of one size.
    func trace(batchSize: Int) throws -> Trace {
        try Trace(
            inputs: inputs, outputs: outputs, updates: updates, mode: mode, batchSize: batchSize, frozen: frozen,
            origin: origin)
    }

    /// A layer that is part of no model would run with zeros.
    private func checkInitialized(_ trace: Trace) throws {
        guard let place = trace.variables.firstIndex(where: { !$0.isInitialized }) else { return }
        let reader = trace.graph.nodes.first { $0.inputs.contains(trace.graph.variables[place]) && !$0.origin.isEmpty }
        throw ApusError.uninitialized(variable: trace.variables[place].name, layer: reader?.origin)
    }

    /// Calls `body` with where the arrays are.
    func withPointers<Result>(
        to arrays: [NDArray], _ body: (UnsafeBufferPointer<UnsafeRawPointer>) throws -> Result
    ) throws -> Result {
        var pointers: [UnsafeRawPointer] = []
        func collect(_ rest: ArraySlice<NDArray>) throws -> Result {
            guard let first = rest.first else { return try pointers.withUnsafeBufferPointer(body) }
            return try first.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { preconditionFailure("an array without storage") }
                pointers.append(base)
                return try collect(rest.dropFirst())
            }
        }
        return try collect(arrays[...])
    }

    /// The batch size that the arrays agree on; 1 where no input has an open size.
    func batchSize(of arrays: [NDArray]) throws -> Int {
        func problem(_ expected: String, _ received: String, _ cure: String) -> ApusError {
            .shape(ShapeProblem(operation: "call of a function", expected: expected, received: received, cure: cure))
        }
        guard arrays.count == inputs.count else {
            throw problem("\(inputs.count) arrays", "\(arrays.count)", "give one array for each input, in their order")
        }
        var known: (batchSize: Int, index: Int)?
        for (index, (array, input)) in zip(arrays, inputs).enumerated() {
            let (place, given) = ("input \(index), '\(input.inputName)'", TensorType(array.shape, array.elementType))
            let own = Self.batchSize(of: array.shape, for: input.shape)
            guard let own, input.type.specialized(batchSize: own) == given else {
                throw problem("\(input.type) for \(place)", "\(given)", Self.cure(for: array, at: input))
            }
            guard input.shape.isSymbolic else { continue }
            guard own > 0 else {
                throw problem(
                    "1 sample or more for \(place)", "\(given)", "leave the call out where there are no samples")
            }
            if let known, known.batchSize != own {
                throw problem(
                    "\(input.type.specialized(batchSize: known.batchSize)) for \(place), as input \(known.index) has "
                        + "a batch of \(known.batchSize)", "\(given)", "give all arrays the same batch size")
            }
            known = known ?? (own, index)
        }
        return known?.batchSize ?? 1
    }

    /// The batch size for which `open` is `shape`; any where `open` has no open size, `nil` where there is none.
    private static func batchSize(of shape: Shape, for open: Shape) -> Int? {
        guard shape.rank == open.rank else { return nil }
        guard let axis = open.sizes.firstIndex(where: { $0 < 0 }) else { return 1 }
        return shape[axis] % open[axis] == 0 ? shape[axis] / -open[axis] : nil
    }

    private static func cure(for array: NDArray, at input: Tensor) -> String {
        if array.elementType != input.elementType { return "convert the values with converted(to:)" }
        if input.shape.sizes.first == -1, array.shape.sizes == Array(input.shape.sizes.dropFirst()) {
            return "add the batch axis: reshaped(to: \([1] + array.shape.sizes))"
        }
        return "give arrays of the inputs' shapes"
    }
}
