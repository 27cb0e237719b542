import ApusCore
import ApusGraph

/// The values of `outputs` by the reference executor in Double, each row-major.
/// - Parameter inputs: the inputs that the outputs depend on, each with its values.
package func evaluate(
    _ outputs: [Tensor], given inputs: [(tensor: Tensor, values: [Double])] = [], mode: Mode = .training,
    batchSize: Int = 1, context: RunContext = RunContext()
) throws -> [[Double]] {
    let trace = try Trace(inputs: inputs.map(\.tensor), outputs: outputs, mode: mode, batchSize: batchSize)
    let values = try inputs.map { ReferenceArray<Double>(try array($0.values, $0.tensor, batchSize: batchSize)) }
    return ReferenceExecutor(trace.graph).run(
        inputs: values, variables: trace.variables.map { ReferenceArray($0.value) }, context: context
    ).outputs.map(\.values)
}

/// The values of one tensor, row-major.
package func evaluate(
    _ output: Tensor, given inputs: [(tensor: Tensor, values: [Double])] = [], mode: Mode = .training,
    batchSize: Int = 1, context: RunContext = RunContext()
) throws -> [Double] {
    try evaluate([output], given: inputs, mode: mode, batchSize: batchSize, context: context)[0]
}

private func array(_ values: [Double], _ tensor: Tensor, batchSize: Int) throws -> NDArray {
    try NDArray(values, shape: tensor.shape.specialized(batchSize: batchSize))
}

extension Tensor {
    /// A fixed vector.
    package static func vector(_ values: Float...) -> Tensor { .constant(NDArray(values)) }

    /// A fixed matrix of rows of one length.
    package static func matrix(_ rows: [Float]...) throws -> Tensor {
        .constant(try NDArray(rows.flatMap(\.self), shape: [rows.count, rows.first?.count ?? 0]))
    }

    /// The text of the error that this tensor holds; `nil` for a tensor without one.
    package var failureText: String? { node.failure?.description }
}
