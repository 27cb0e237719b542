import ApusCore
import ApusGraph

/// A computation that is ready to be called: arrays in, arrays out, and variables updated.
///
///     let step = try Function(inputs: [x, y], outputs: [loss],
///                             updates: optimizer.updates(minimizing: loss, over: model.parameters), device: .cpu)
///     let loss = try step(images, labels)[0]
///
/// It is traced and planned once for each batch size that it meets. It belongs to one thread at a time.
public final class Function {
    /// Where it runs.
    public let device: Device
    /// The key of all random numbers.
    public var seed: UInt64
    /// The number of calls so far: schedules and random numbers depend on it.
    public var step = 0

    private let inputs: [Tensor]
    private let outputs: [Tensor]
    private let updates: [VariableUpdate]
    private let mode: Mode
    private let guardedOutput: Int?
    private let origin: (LayerCall) -> String
    private var executables: [Int: any Executable] = [:]

    /// - Parameters:
    ///   - inputs: tensors made by `Tensor.input` or `Tensor.placeholder`, each once; calls give arrays in their order.
    ///   - outputs: what a call returns; all are values from before the updates.
    ///   - updates: new values for variables, set when a call ends; at most one for each variable.
    ///   - mode: by default training where there are updates, else inference.
    ///   - seed: the key of all random numbers.
    /// - Throws: `ApusError.shape` where the tensors do not fit together: an input is missing or named twice, an
    ///   update's type is not its variable's, a variable has two updates; and whatever error a tensor holds.
    public convenience init(
        inputs: [Tensor], outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode? = nil, seed: UInt64 = 0,
        device: Device
    ) throws {
        try self.init(
            inputs: inputs, outputs: outputs, updates: updates, mode: mode, seed: seed, device: device,
            guardedOutput: nil, origin: { $0.name ?? $0.kind })
    }

    /// - Parameters:
    ///   - guardedOutput: the number of a scalar output that stops a call before any update where it is not finite.
    ///   - origin: the name of a layer's application, for errors.
    package init(
        inputs: [Tensor], outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode? = nil, seed: UInt64 = 0,
        device: Device, guardedOutput: Int?, origin: @escaping (LayerCall) -> String
    ) throws {
        for tensor in inputs + outputs + updates.map(\.value) { _ = try tensor.checked() }
        let mode = mode ?? (updates.isEmpty ? .inference : .training)
        // What does not fit together is found here, not at the first call.
        _ = try Trace(inputs: inputs, outputs: outputs, updates: updates, mode: mode, batchSize: 1, origin: origin)
        self.inputs = inputs
        self.outputs = outputs
        self.updates = updates
        self.mode = mode
        self.seed = seed
        self.device = device
        self.guardedOutput = guardedOutput
        self.origin = origin
    }

    /// Runs once on `arrays`, one for each input, all with the same batch size, and counts a step.
    /// - Throws: `ApusError.shape` where an array does not fit its input.
    public func callAsFunction(_ arrays: NDArray...) throws -> [NDArray] { try callAsFunction(arrays) }

    /// As above, with the arrays in a list.
    public func callAsFunction(_ arrays: [NDArray]) throws -> [NDArray] {
        let executable = try executable(batchSize: batchSize(of: arrays))
        try withPointers(to: arrays[...], []) { pointers in
            try pointers.withUnsafeBufferPointer {
                try executable.run(inputs: $0, context: RunContext(seed: seed, step: step))
            }
        }
        step += 1
        return outputs.indices.map { executable.outputArray($0) }
    }

    /// The computation for batches of one size.
    package func executable(batchSize: Int) throws -> any Executable {
        if let executable = executables[batchSize] { return executable }
        let trace = try Trace(
            inputs: inputs, outputs: outputs, updates: updates, mode: mode, batchSize: batchSize, origin: origin)
        let executable = try device.compile(Plan(trace.graph, guardedOutput: guardedOutput), trace.variables)
        executables[batchSize] = executable
        return executable
    }

    private func withPointers(
        to arrays: ArraySlice<NDArray>, _ pointers: [UnsafeRawPointer], _ body: ([UnsafeRawPointer]) throws -> Void
    ) throws {
        guard let first = arrays.first else { return try body(pointers) }
        try first.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("an array without storage") }
            try withPointers(to: arrays.dropFirst(), pointers + [base], body)
        }
    }

    /// The batch size that the arrays agree on; 1 where no input has an open size.
    private func batchSize(of arrays: [NDArray]) throws -> Int {
        func problem(_ expected: String, _ received: String, _ cure: String) -> ApusError {
            .shape(ShapeProblem(operation: "call of a function", expected: expected, received: received, cure: cure))
        }
        guard arrays.count == inputs.count else {
            throw problem("\(inputs.count) arrays", "\(arrays.count)", "give one array for each input, in their order")
        }
        var batchSize: Int?
        for (array, input) in zip(arrays, inputs) {
            for (size, open) in zip(array.shape.sizes, input.shape.sizes) where open < 0 && batchSize == nil {
                batchSize = size / -open
            }
            let settled = input.type.specialized(batchSize: batchSize ?? 1)
            guard array.shape == settled.shape, array.elementType == settled.elementType else {
                throw problem(
                    "\(input.type)", "\(TensorType(array.shape, array.elementType))",
                    "give arrays of the inputs' shapes, all with the same batch size")
            }
        }
        return batchSize ?? 1
    }
}
