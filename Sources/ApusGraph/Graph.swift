import ApusCore

/// A traced computation with settled shapes: nodes in an order in which they can run, each with its inputs as indices
/// of earlier nodes.
package struct Graph: Hashable, Sendable {
    package struct Node: Hashable, Sendable {
        package var operation: Operation
        package var inputs: [Int]
        package var type: TensorType
        /// The layer that it comes from, as in `encoder/dense2`; empty outside layers.
        package var origin: String

        package init(_ operation: Operation, _ inputs: [Int], _ type: TensorType, origin: String = "") {
            self.operation = operation
            self.inputs = inputs
            self.type = type
            self.origin = origin
        }
    }

    /// A new value for a variable, set when a run ends.
    package struct Update: Hashable, Sendable {
        /// The variable, by its place in `variables`.
        package var variable: Int
        /// The node that gives the value.
        package var value: Int

        package init(variable: Int, value: Int) {
            self.variable = variable
            self.value = value
        }
    }

    package var nodes: [Node]
    /// The nodes that the caller gives values for, in the caller's order.
    package var inputs: [Int]
    /// The nodes that read the variables; a run is given the variables in this order.
    package var variables: [Int]
    package var outputs: [Int]
    package var updates: [Update]

    package init(nodes: [Node], inputs: [Int], variables: [Int], outputs: [Int], updates: [Update] = []) {
        self.nodes = nodes
        self.inputs = inputs
        self.variables = variables
        self.outputs = outputs
        self.updates = updates
    }

    /// Every node that is read after the run.
    package var roots: [Int] { outputs + updates.map(\.value) }

    /// Additions, multiplications and function values of one run.
    package var flopCount: Int {
        nodes.reduce(0) { sum, node in
            sum + node.operation.rule.flopCount(inputs: node.inputs.map { nodes[$0].type }, output: node.type)
        }
    }
}

/// The stable printed form: one line a node.
///
///     %3 = matMul(right transposed) %0, %2 : float32[128, 512]  // dense2
extension Graph: CustomStringConvertible {
    package var description: String {
        var lines = nodes.enumerated().map { index, node in
            let inputs = node.inputs.map { " %\($0)" }.joined(separator: ",")
            let origin = node.origin.isEmpty ? "" : "  // \(node.origin)"
            return "%\(index) = \(node.operation)\(inputs) : \(node.type)\(origin)"
        }
        lines += updates.map { "%\(variables[$0.variable]) <- %\($0.value)" }
        lines.append("return " + outputs.map { "%\($0)" }.joined(separator: ", "))
        return lines.joined(separator: "\n")
    }
}
