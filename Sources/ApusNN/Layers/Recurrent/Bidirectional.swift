import ApusCore
import ApusGraph

/// A recurrent layer in both directions, each with variables of its own, and their outputs merged.
///
///     Bidirectional(LSTM(128))   // [batch, steps, features] -> [batch, 256]
///
/// The layer as it is given is the part `forward`; the part `backward` reads against its direction. The initial state,
/// if there is one, is that of `forward` followed by that of `backward`, and so is the state that `outputAndState`
/// gives.
///
/// Shapes: input as the layer's; output `[batch, units]`, or `[batch, steps, units]` where sequences are returned, with
/// both outputs of a step side by side; concatenated, units are those of both. A mask holds for both directions, and
/// where sequences are returned, the output is 0 at the steps that it leaves out.
///
/// Applying it throws as the layers do, `ApusError.setting` where only one of them returns sequences, and
/// `ApusError.shape` for an initial state of one direction, or where layers of different sizes are not concatenated.
/// Source: Schuster and Paliwal, Bidirectional recurrent neural networks, 1997.
public struct Bidirectional: RecurrentLayer {
    /// How the two outputs become one.
    public enum Merge: String, Hashable, Sendable, CaseIterable {
        /// One behind the other on the last axis.
        case concatenate
        case sum, multiply, average
    }

    public var name: String?
    /// The part `forward`.
    public var layer: any RecurrentLayer
    /// The part `backward`, which reads against the direction of `layer`, whatever its own is; `nil` for one like
    /// `layer`.
    public var backwardLayer: (any RecurrentLayer)?
    public var merge: Merge

    /// - Parameters:
    ///   - layer: the part `forward`.
    ///   - backwardLayer: the part `backward`; its direction is set to the other one. Default: one like `layer`.
    ///   - merge: how the two outputs become one. Default `.concatenate`.
    ///   - name: default: `bidirectional`, numbered in the order of the model.
    public init(
        _ layer: any RecurrentLayer, backwardLayer: (any RecurrentLayer)? = nil, merge: Merge = .concatenate,
        name: String? = nil
    ) {
        self.layer = layer
        self.backwardLayer = backwardLayer
        self.merge = merge
        self.name = name
    }

    public var returnsSequences: Bool { layer.returnsSequences }
    public var goesBackwards: Bool {
        get { layer.goesBackwards }
        set { layer.goesBackwards = newValue }
    }

    public func build(
        _ sequence: Tensor, initialState: [Tensor], mask: Tensor?, in scope: inout LayerScope
    ) throws -> (output: Tensor, state: [Tensor]) {
        guard initialState.count % 2 == 0 else {
            throw scope.mismatch(
                expected: "an initial state for each direction",
                received: "\(initialState.count) tensor\(initialState.count == 1 ? "" : "s")",
                cure: "give the state of 'forward', then that of 'backward'")
        }
        var opposite = backwardLayer ?? layer
        opposite.goesBackwards = !layer.goesBackwards
        try scope.require(
            opposite.returnsSequences == returnsSequences, "backwardLayer's returnsSequences",
            opposite.returnsSequences, mustBe: "\(returnsSequences), as the other layer's")
        let half = initialState.count / 2
        func run(_ layer: any RecurrentLayer, _ part: String, _ state: ArraySlice<Tensor>) throws -> [Tensor] {
            try scope.part(part, kind: layer.kind, boundary: [sequence] + state + [mask].compactMap { $0 }) { inner in
                let result = try layer.build(sequence, initialState: Array(state), mask: mask, in: &inner)
                return [result.output] + result.state
            }
        }
        let forward = try run(layer, "forward", initialState[..<half])
        let backward = try run(opposite, "backward", initialState[half...])
        var output = merged(forward[0], backward[0])
        if returnsSequences, let mask { output = select(mask.reshaped(to: Shape(mask.shape.sizes + [1])), output, 0) }
        return (output, Array(forward.dropFirst() + backward.dropFirst()))
    }

    private func merged(_ forward: Tensor, _ backward: Tensor) -> Tensor {
        switch merge {
        case .concatenate: ApusGraph.concatenate([forward, backward])
        case .sum: forward + backward
        case .multiply: forward * backward
        case .average: 0.5 * (forward + backward)
        }
    }
}
