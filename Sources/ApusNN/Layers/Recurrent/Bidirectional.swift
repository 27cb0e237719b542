import ApusGraph

/// A recurrent layer in both directions, each with variables of its own, and their outputs merged.
///
///     Bidirectional(LSTM(128))   // [batch, steps, features] -> [batch, 256]
///
/// The layer as it is given is the part `forward`; the part `backward` reads against its direction. Their outputs of a
/// step stand side by side when sequences are returned. The initial state, if there is one, is that of `forward`
/// followed by that of `backward`, and so is the state that `outputAndState` gives; a mask holds for both.
/// Source: Schuster and Paliwal, Bidirectional recurrent neural networks, 1997.
public struct Bidirectional: RecurrentLayer {
    /// How the two outputs become one.
    public enum Merge: String, Hashable, Sendable, CaseIterable {
        /// One behind the other on the last axis.
        case concatenate
        case sum, multiply, average
    }

    public var name: String?
    public var layer: any RecurrentLayer
    public var merge: Merge

    public init(_ layer: any RecurrentLayer, merge: Merge = .concatenate, name: String? = nil) {
        self.layer = layer
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
                expected: "an initial state for each direction", received: "\(initialState.count) tensors",
                cure: "give the state of 'forward', then that of 'backward'")
        }
        var opposite = layer
        opposite.goesBackwards.toggle()
        let half = initialState.count / 2
        func run(_ layer: any RecurrentLayer, _ part: String, _ state: ArraySlice<Tensor>) throws -> [Tensor] {
            try scope.part(part, kind: layer.kind, boundary: [sequence] + state + [mask].compactMap { $0 }) { inner in
                let result = try layer.build(sequence, initialState: Array(state), mask: mask, in: &inner)
                return [result.output] + result.state
            }
        }
        let forward = try run(layer, "forward", initialState[..<half])
        let backward = try run(opposite, "backward", initialState[half...])
        return (merged(forward[0], backward[0]), Array(forward.dropFirst() + backward.dropFirst()))
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
