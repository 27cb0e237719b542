import ApusCore
import ApusGraph

/// A layer that reads a sequence `[batch, steps, features]` step by step and keeps a state between the steps.
///
///     let last = try LSTM(64)(words)
///     let all = try GRU(32, returnsSequences: true)(words, mask: isWord)
///     let (output, state) = try LSTM(64).outputAndState(of: words, initialState: [hidden, cells])
///
/// The state starts at 0, or with the initial state that it is given: one tensor `[batch, units]` for `SimpleRNN` and
/// `GRU`, two for `LSTM` (hidden state and cells). A mask `[batch, steps]` has 0 for the steps that are padding: there
/// state and output stay as they are (`Bidirectional` has zeros in its output). With `outputAndState` a model can hand
/// its state out and take it in again: give it inputs for the initial state and outputs for the last one.
///
/// Applying it throws `ApusError.setting` for settings out of range and for an activation that a cell does not have;
/// `ApusError.shape` for inputs of another rank, and for an initial state or a mask that does not fit them.
public protocol RecurrentLayer: Layer {
    /// Whether the output has all steps, `[batch, steps, units]`, or only the last one taken, `[batch, units]`.
    var returnsSequences: Bool { get }

    /// Whether the last step of a sequence is taken first. The outputs stay beside their inputs (Keras turns them).
    var goesBackwards: Bool { get set }

    /// The output for `sequence` and the state after the last step, with variables from `scope`.
    func build(
        _ sequence: Tensor, initialState: [Tensor], mask: Tensor?, in scope: inout LayerScope
    ) throws -> (output: Tensor, state: [Tensor])
}

extension RecurrentLayer {
    /// The output for a sequence; further inputs are its initial state.
    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        guard let sequence = inputs.first else {
            throw scope.mismatch(expected: "a sequence", received: "no input", cure: "call the layer with one")
        }
        return try build(sequence, initialState: Array(inputs.dropFirst()), mask: nil, in: &scope).output
    }

    /// Applies the layer to a sequence of which a mask `[batch, steps]` leaves steps out.
    /// - Throws: `ApusError.shape` or `.setting`, with the layer and the source line that applied it.
    public func callAsFunction(
        _ sequence: Tensor, mask: Tensor, fileID: String = #fileID, line: Int = #line
    ) throws -> Tensor {
        try outputAndState(of: sequence, mask: mask, fileID: fileID, line: line).output
    }

    /// Applies the layer to a sequence.
    /// - Parameters:
    ///   - initialState: what the state starts with; by default zeros.
    ///   - mask: `[batch, steps]`, 0 for the steps to be left out; by default none.
    /// - Returns: the output, and the state after the last step: `[batch, units]` each, as `initialState` takes them.
    /// - Throws: `ApusError.shape` or `.setting`, with the layer and the source line that applied it.
    public func outputAndState(
        of sequence: Tensor, initialState: [Tensor] = [], mask: Tensor? = nil, fileID: String = #fileID,
        line: Int = #line
    ) throws -> (output: Tensor, state: [Tensor]) {
        let inputs = [sequence] + initialState + [mask].compactMap { $0 }
        let results = try apply(to: inputs, location: SourceLocation(fileID, line)) { scope in
            let result = try build(sequence, initialState: initialState, mask: mask, in: &scope)
            return [result.output] + result.state
        }
        return (results[0], Array(results.dropFirst()))
    }
}

/// What the cells' variables have in common.
struct RecurrentVariables {
    var units: Int
    var usesBias: Bool
    var dropout: Float
    var kernelInitializer: Initializer
    var recurrentInitializer: Initializer
    var biasInitializer: Initializer
    var kernelRegularizer: (any VariableRegularizer)?
    var recurrentRegularizer: (any VariableRegularizer)?
    var biasRegularizer: (any VariableRegularizer)?
}

extension LayerScope {
    /// The recurrence of `cell`: checks, variables, one product for the inputs of all steps, and the steps.
    mutating func recurrence(
        _ cell: RecurrentCell, _ settings: RecurrentVariables, of sequence: Tensor, initialState: [Tensor],
        mask: Tensor?, isReversed: Bool, returnsSequences: Bool
    ) throws -> (output: Tensor, state: [Tensor]) {
        let units = settings.units
        try require(units > 0, "units", units, mustBe: "1 or more")
        try require(units <= Shape.largestCount / cell.gateCount, "units", units, mustBe: "at most 2^40 for all gates")
        let shape = sequence.shape
        guard shape.rank == 3, shape[1] > 0, shape[2] > 0 else {
            throw mismatch(
                expected: "[batch, steps, features]", received: "\(shape)",
                cure: "put the steps on the second axis and their features on the last")
        }
        let (batch, steps, features, width) = (shape[0], shape[1], shape[2], cell.gateCount * units)
        try check(initialState, of: cell, shape: [batch, units])
        if let mask, mask.shape != [batch, steps] {
            throw mismatch(
                expected: "a mask \(Shape([batch, steps]))", received: "\(mask.shape)",
                cure: "give each step of each sample a 0 or a 1")
        }
        let kernel = try variable(
            "kernel", shape: [features, width], initializer: settings.kernelInitializer,
            regularizer: settings.kernelRegularizer)
        let recurrentKernel = try variable(
            "recurrentKernel", shape: [units, width], initializer: settings.recurrentInitializer,
            regularizer: settings.recurrentRegularizer)
        // One decision for all steps of a sample.
        let read = try dropped(
            sequence, rate: settings.dropout, name: "dropout", decisions: [batch, 1, features], in: self)
        var projected = matMul(read.reshaped(to: [batch * steps, features]), kernel)
        var inputs = [recurrentKernel]
        if settings.usesBias {
            func bias(_ name: String) throws -> Tensor {
                try variable(
                    name, shape: [width], initializer: settings.biasInitializer, regularizer: settings.biasRegularizer)
            }
            projected = try projected + bias("bias")
            if cell.kind == .gru { inputs.append(try bias("recurrentBias")) }
        }
        inputs = [projected.reshaped(to: [batch, steps, width])] + inputs + initialState + [mask].compactMap { $0 }
        let rule = Recurrence(
            cell: cell, isReversed: isReversed, hasRecurrentBias: cell.kind == .gru && settings.usesBias,
            hasInitialState: !initialState.isEmpty, hasMask: mask != nil)
        func result(_ wanted: Recurrence.Result) -> Tensor { Tensor(.recurrence(rule.sibling(wanted)), inputs) }
        let last = result(.lastHidden)
        return (returnsSequences ? result(.hidden) : last, cell.kind == .lstm ? [last, result(.lastCells)] : [last])
    }

    private func check(_ initialState: [Tensor], of cell: RecurrentCell, shape: Shape) throws {
        let count = cell.kind == .lstm ? 2 : 1
        guard initialState.isEmpty || initialState.count == count else {
            throw mismatch(
                expected: "an initial state of \(count) tensor\(count == 1 ? "" : "s")",
                received: "\(initialState.count)",
                cure: cell.kind == .lstm ? "give the hidden state and the cells" : "give the hidden state alone")
        }
        for state in initialState where state.shape != shape {
            throw mismatch(
                expected: "an initial state \(shape)", received: "\(state.shape)",
                cure: "give each unit of each sample one number")
        }
    }

    /// The cell's own form of an activation function.
    func cellActivation(_ function: ActivationFunction, _ name: String) throws -> RecurrenceActivation {
        try require(function, words: name == "gateActivation" ? "gate activation" : name)
        switch function {
        case .linear: return .linear
        case .relu: return .relu
        case .sigmoid: return .sigmoid
        case .tanh: return .tanh
        case .hardSigmoid(let slope): return .hardSigmoid(slope: slope)
        default:
            throw ApusError.setting(
                owner: layer, name: name, value: "\(function)",
                expected: "linear, relu, sigmoid, hardSigmoid or tanh")
        }
    }
}
