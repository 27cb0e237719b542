import ApusCore

/// A value inside a graph: its shape and element type are known, its numbers are not.
///
/// Tensors are made by layers, functions and operators; nothing is computed until a `Model` or a `Function` runs.
/// Operations on tensors that do not fit give a tensor that holds the error, which the next layer, model or function
/// that uses it throws.
public struct Tensor {
    package let node: Node

    /// Its sizes; the batch axis is open (-1). Of a tensor that holds an error: no axes.
    public var shape: Shape { node.type.shape }
    /// float32 or int32 for whatever is computed; inputs and constants may be of any type.
    public var elementType: ElementType { node.type.elementType }
    package var type: TensorType { node.type }

    /// A place for a batch of samples of `shape` each (without the batch axis, which is added in front). Holds an error
    /// where a size is negative, or a sample has more than 2^40 elements.
    public static func input(_ shape: Shape, _ elementType: ElementType = .float32, name: String = "input") -> Tensor {
        guard !shape.isSymbolic else {
            return Tensor(
                node: Node(
                    failure: ApusError.shape(
                        ShapeProblem(
                            operation: "input '\(name)'", expected: "the shape of one sample",
                            received: "\(shape.sizes)", cure: "leave out the batch axis, which is added in front"))))
        }
        return .placeholder(Shape([-1] + shape.sizes), elementType, name: name)
    }

    /// A place for an array of just this shape, no batch axis added. Holds an error for more than 2^40 elements.
    public static func placeholder(
        _ shape: Shape, _ elementType: ElementType = .float32, name: String = "input"
    ) -> Tensor {
        guard let count = Shape.product(of: shape.sizes), count.magnitude <= Shape.largestCount else {
            return Tensor(
                node: Node(
                    failure: ApusError.shape(
                        ShapeProblem(
                            operation: "input '\(name)'", expected: "at most 2^40 elements", received: "\(shape)",
                            cure: "check the sizes"))))
        }
        let type = TensorType(shape, elementType)
        return Tensor(node: Node(operation: .input(InputSlot(name: name, type: type)), inputs: [], type: type))
    }

    /// A fixed array.
    public static func constant(_ value: NDArray) -> Tensor {
        let type = TensorType(value.shape, value.elementType)
        return Tensor(node: Node(operation: .constant(Constant(value: value)), inputs: [], type: type))
    }

    /// A fixed number, without axes.
    public static func constant(_ value: Float) -> Tensor { .constant(NDArray(scalar: value)) }

    /// The same tensor, or the error that it holds.
    package func checked() throws -> Tensor {
        if let failure = node.failure { throw failure }
        return self
    }

    /// The tensor of `operation` on `inputs`, or of the first error among them.
    package init(_ operation: Operation, _ inputs: [Tensor]) {
        if let failure = inputs.lazy.compactMap(\.node.failure).first {
            node = Node(failure: failure)
            return
        }
        do {
            let type = try operation.rule.resultType(of: inputs.map(\.type))
            guard Shape.isPossible(type.shape.sizes) else {
                throw operation.rule.mismatch(
                    expected: "at most 2^40 elements", received: "\(type)", cure: "check the sizes")
            }
            node = Node(operation: operation, inputs: inputs, type: type)
        } catch {
            node = Node(failure: error)
        }
    }

    package init(node: Node) { self.node = node }
}

extension Tensor: Hashable {
    /// The very same value in the graph.
    public static func == (left: Tensor, right: Tensor) -> Bool { left.node === right.node }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(node)) }
}

extension Tensor: CustomStringConvertible {
    public var description: String {
        node.failure.map { "Tensor(\($0))" } ?? "Tensor(\(node.operation.rule.name), \(node.type))"
    }
}

/// One operation applied to its inputs; a tensor is the name for its result.
package final class Node {
    package let operation: Operation
    package private(set) var inputs: [Tensor]
    package let type: TensorType
    /// The variable that is read, for `Operation.variable`.
    package let variable: Variable?
    /// Why there is no such value.
    package let failure: ApusError?
    /// The application of a layer that this belongs to, set when the layer has returned.
    package var layerCall: LayerCall?

    package init(
        operation: Operation, inputs: [Tensor], type: TensorType, variable: Variable? = nil, layerCall: LayerCall? = nil
    ) {
        self.operation = operation
        self.inputs = inputs
        self.type = type
        self.variable = variable
        self.layerCall = layerCall
        failure = nil
    }

    package init(failure: any Error) {
        operation = .constant(Constant(value: NDArray(scalar: Float.nan)))
        inputs = []
        type = TensorType(.scalar)
        variable = nil
        self.failure =
            failure as? ApusError
            ?? .library(name: "Apus", call: "building a graph", status: String(describing: failure))
    }

    /// Takes apart what nobody else holds, one node after the other: graphs can be deep, stacks are not.
    deinit {
        var stack = inputs.map(\.node)
        inputs = []
        while var node = stack.popLast() {
            guard isKnownUniquelyReferenced(&node) else { continue }
            stack += node.inputs.map(\.node)
            node.inputs = []
        }
    }
}

/// One application of a layer or a model: what it was, and where it stands among the others.
package final class LayerCall {
    /// The type of layer, as in `Dense`.
    package let kind: String
    /// The name that it was given; `nil` leaves naming to the model.
    package let name: String?
    /// The layer's or model's application that this one is part of; set when that one has returned.
    package var parent: LayerCall?
    /// What it created, in order.
    package let variables: [Variable]
    /// What a model keeps about being applied.
    package var application: AnyObject?

    package init(kind: String, name: String?, parent: LayerCall? = nil, variables: [Variable] = []) {
        self.kind = kind
        self.name = name
        self.parent = parent
        self.variables = variables
    }
}

/// The nodes that `roots` need, inputs before their users. Written without recursion: graphs can be deep.
package func topologicalOrder(of roots: [Tensor]) -> [Node] {
    var order: [Node] = []
    var seen: Set<ObjectIdentifier> = []
    for root in roots where !seen.contains(ObjectIdentifier(root.node)) {
        seen.insert(ObjectIdentifier(root.node))
        var stack: [(node: Node, nextInput: Int)] = [(root.node, 0)]
        while let (node, next) = stack.last {
            if next == node.inputs.count {
                order.append(node)
                stack.removeLast()
            } else {
                stack[stack.count - 1].nextInput += 1
                let input = node.inputs[next].node
                if seen.insert(ObjectIdentifier(input)).inserted { stack.append((input, 0)) }
            }
        }
    }
    return order
}
