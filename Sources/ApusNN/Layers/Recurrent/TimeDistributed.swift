import ApusCore
import ApusGraph

/// A layer or a model applied to each step of a sequence, with the same variables: `[batch, steps, ...]` is given to it
/// as `[batch * steps, ...]`, and its output gets the two axes back.
///
///     TimeDistributed(Dense(10))
///     let seen = try TimeDistributed(network)(frames)        // [batch, steps, 64, 64, 3] -> [batch, steps, 128]
///     let read = try TimeDistributed(LSTM(64))(sentences, mask: isWord)
///
/// All steps are one batch for it: `BatchNormalization` takes its statistics from all of them together and updates its
/// running ones once. `Dropout` draws for each step by itself.
///
/// Shapes: every input `[batch, steps, ...]` with one batch and as many steps; the output `[batch, steps, ...]`.
///
/// Applying it throws `ApusError.shape` where an input has no steps or other ones than the first, and where the layer
/// does not keep its first axis; and whatever the layer throws.
public struct TimeDistributed: Layer {
    public var name: String?
    /// What is applied; of a model, a layer that applies it.
    public var layer: any Layer

    /// - Parameters:
    ///   - layer: what is applied to each step.
    ///   - name: default: `timeDistributed`, numbered in the order of the model.
    public init(_ layer: any Layer, name: String? = nil) {
        self.layer = layer
        self.name = name
    }

    /// Steps of a model with one output. It keeps its variables, so that it may stand elsewhere too, and this layer may
    /// be applied several times; a layer that holds a model belongs to the thread that the model belongs to.
    /// - Parameters:
    ///   - model: what is applied to each step.
    ///   - name: default: `timeDistributed`, numbered in the order of the model.
    public init(_ model: Model, name: String? = nil) {
        self.init(AppliedModel(model: model), name: name)
    }

    /// Applies the layer with a mask for the one inside, a `RecurrentLayer`, a `MultiHeadAttention` or another
    /// `TimeDistributed`.
    /// - Parameters:
    ///   - mask: `[batch, steps, ...]`, which is handed on as `[batch * steps, ...]`.
    /// - Throws: `ApusError.shape` or `.setting`, with the layer and the source line that applied it.
    public func callAsFunction(
        _ sequence: Tensor, mask: Tensor, fileID: String = #fileID, line: Int = #line
    ) throws -> Tensor {
        try apply(to: [sequence, mask], location: SourceLocation(fileID, line)) { scope in
            [try build([sequence], mask: mask, in: &scope)]
        }[0]
    }

    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try build(inputs, mask: nil, in: &scope)
    }

    fileprivate func build(_ inputs: [Tensor], mask: Tensor?, in scope: inout LayerScope) throws -> Tensor {
        guard let first = inputs.first else {
            throw scope.mismatch(expected: "a sequence", received: "no input", cure: "call the layer with one")
        }
        let (sizes, layer) = (first.shape.sizes, layer)
        guard sizes.count >= 3, sizes[1] > 0 else {
            throw scope.mismatch(
                expected: "[batch, steps, ...] with something for each step", received: "\(first.shape)",
                cure: "put the steps on the second axis; leave out TimeDistributed where there are none")
        }
        let expected = "\(Shape(Array(sizes.prefix(2))))".dropLast() + ", ...] for all that has steps"
        /// The steps of all samples as a batch.
        func rows(_ tensor: Tensor) throws -> Tensor {
            let own = tensor.shape.sizes
            guard own.count >= 3, own[0] == sizes[0], own[1] == sizes[1] else {
                throw scope.mismatch(
                    expected: String(expected), received: "\(tensor.shape)",
                    cure: "give each step of each sample its part")
            }
            return tensor.reshaped(to: Shape([own[0] * own[1]] + own.dropFirst(2)))
        }
        let parts = try inputs.map(rows)
        let shown = try mask.map(rows)
        let output: Tensor
        if let model = (layer as? AppliedModel)?.model {
            output = try applied(model, to: parts + [shown].compactMap { $0 })
        } else {
            let part = layer.name ?? lowerCamelCase(layer.kind)
            output = try scope.part(part, kind: layer.kind, boundary: parts + [shown].compactMap { $0 }) { inner in
                guard let shown else { return [try layer.build(parts, in: &inner)] }
                return [try layer.masked(parts, by: shown, in: &inner)]
            }[0]
        }
        let count = sizes[0] * sizes[1]
        guard output.shape.sizes.first == count else {
            throw scope.mismatch(
                expected: "a layer that keeps its first axis, \(Shape([count]))", received: "\(output.shape)",
                cure: "apply such a layer by itself")
        }
        return output.reshaped(to: Shape(Array(sizes.prefix(2)) + output.shape.sizes.dropFirst()))
    }

    /// The model's only output. The source line in an error is that of this layer.
    private func applied(_ model: Model, to inputs: [Tensor]) throws -> Tensor {
        guard model.outputs.count == 1 else {
            throw ApusError.shape(
                ShapeProblem(
                    layer: model.name, operation: "outputs", expected: "1", received: "\(model.outputs.count)",
                    cure: "make a model of the output that is wanted"))
        }
        do {
            return try model.apply(to: inputs, location: SourceLocation(#fileID, #line))[0]
        } catch ApusError.shape(var problem) {
            problem.location = nil
            throw ApusError.shape(problem)
        }
    }
}

extension Layer {
    /// The result with a mask, where the layer takes one.
    fileprivate func masked(_ inputs: [Tensor], by mask: Tensor, in scope: inout LayerScope) throws -> Tensor {
        switch self {
        case let layer as any RecurrentLayer:
            return try layer.build(inputs[0], initialState: [], mask: mask, in: &scope).output
        case let layer as MultiHeadAttention:
            return try layer.build([inputs[0], inputs[0], inputs[0], mask], in: &scope)
        case let layer as TimeDistributed:
            return try layer.build(inputs, mask: mask, in: &scope)
        default:
            throw scope.mismatch(
                expected: "no mask for a layer that takes none", received: "\(mask.shape)",
                cure: "leave it out; RecurrentLayer, MultiHeadAttention and TimeDistributed take one")
        }
    }
}

/// A model as a layer. It is not sent between threads by itself: whoever sends it sends the model, which belongs to one
/// thread at a time.
private struct AppliedModel: Layer, @unchecked Sendable {
    let model: Model

    var name: String? { model.givenName }

    func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        try model.apply(to: inputs, location: SourceLocation(#fileID, #line))[0]
    }
}
