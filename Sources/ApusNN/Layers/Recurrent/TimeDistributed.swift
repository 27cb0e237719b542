import ApusCore
import ApusGraph

/// A layer applied to each step of a sequence, with the same variables: `[batch, steps, ...]` is given to it as
/// `[batch * steps, ...]`, and its output gets the two axes back.
///
///     TimeDistributed(Dense(10))
public struct TimeDistributed: UnaryLayer {
    public var name: String?
    public var layer: any Layer

    public init(_ layer: any Layer, name: String? = nil) {
        self.layer = layer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        let sizes = input.shape.sizes
        guard sizes.count >= 3, sizes[1] > 0 else {
            throw scope.mismatch(
                expected: "[batch, steps, ...] with something for each step", received: "\(input.shape)",
                cure: "put the steps on the second axis; leave out TimeDistributed where there are none")
        }
        let rows = input.reshaped(to: Shape([sizes[0] * sizes[1]] + sizes.dropFirst(2)))
        let part = layer.name ?? lowerCamelCase(layer.kind)
        let output = try scope.part(part, kind: layer.kind, boundary: [rows]) { [try layer.build([rows], in: &$0)] }[0]
        guard output.shape.sizes.first == sizes[0] * sizes[1] else {
            throw scope.mismatch(
                expected: "a layer that keeps its first axis, \(rows.shape)", received: "\(output.shape)",
                cure: "apply such a layer by itself")
        }
        return output.reshaped(to: Shape(Array(sizes.prefix(2)) + output.shape.sizes.dropFirst()))
    }
}
