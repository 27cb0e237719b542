import ApusCore

/// Runs a graph in plain loops, operation by operation: slow, readable, and what right means.
package struct ReferenceExecutor<Scalar: RealScalar> {
    package let graph: Graph

    package init(_ graph: Graph) { self.graph = graph }

    /// The value of every node.
    package func values(
        inputs: [ReferenceArray<Scalar>], variables: [ReferenceArray<Scalar>], context: RunContext = RunContext()
    ) -> [ReferenceArray<Scalar>] {
        precondition(inputs.count == graph.inputs.count && variables.count == graph.variables.count)
        let given = Dictionary(
            zip(graph.inputs + graph.variables, inputs + variables), uniquingKeysWith: { first, _ in first })
        var values: [ReferenceArray<Scalar>] = []
        for (index, node) in graph.nodes.enumerated() {
            if let value = given[index] {
                precondition(value.shape == node.type.shape, "%\(index) is \(node.type), given \(value.shape)")
                values.append(value)
            } else {
                values.append(
                    node.operation.rule.evaluate(node.inputs.map { values[$0] }, type: node.type, context: context))
            }
        }
        return values
    }

    /// The outputs, and the new values of the variables that are updated.
    package func run(
        inputs: [ReferenceArray<Scalar>], variables: [ReferenceArray<Scalar>], context: RunContext = RunContext()
    ) -> (outputs: [ReferenceArray<Scalar>], updated: [ReferenceArray<Scalar>]) {
        let values = values(inputs: inputs, variables: variables, context: context)
        return (graph.outputs.map { values[$0] }, graph.updates.map { values[$0.value] })
    }
}
