import ApusCore
import ApusGraph

/// Runs a traced graph: values for the graph's inputs in, one array for each of its outputs out. The trace also holds
/// the variables that the graph reads.
package typealias GraphRun = (Trace, [NDArray], RunContext) throws -> [NDArray]

/// Holds an executor against the reference in Double by every case of `rows`: the result, and the gradient with respect
/// to each input for a random cotangent. The executor's faults in words; empty where there are none.
/// - Parameter checksGradients: whether gradients are held too, which at infinities depend on the order of a product.
package func checkExecutor(
    _ rows: [OperationRow] = OperationTable.rows, seed: UInt64 = 1, checksGradients: Bool = true, run: GraphRun
) -> [String] {
    rows.flatMap { row in
        row.cases.flatMap { inputs in
            OperationRow.batchSizes(for: inputs).flatMap { batchSize in
                let place = "\(row) of \(inputs.map(\.type.description).joined(separator: ", ")), batch of \(batchSize)"
                do {
                    return try executorFaults(
                        row, inputs, batchSize: batchSize, seed: seed, checksGradients: checksGradients, run: run
                    ).map { "\(place): \($0)" }
                } catch {
                    return ["\(place): \(error)"]
                }
            }
        }
    }
}

private func executorFaults(
    _ row: OperationRow, _ inputs: [RowInput], batchSize: Int, seed: UInt64, checksGradients: Bool, run: GraphRun
) throws -> [String] {
    let differentiated = try DifferentiatedCase(row, inputs)
    let outputs = [differentiated.output] + (checksGradients ? differentiated.gradients : [])
    let trace = try differentiated.trace(outputs, batchSize: batchSize)
    let values = differentiated.values(inputs, batchSize: batchSize, seed: seed)
    let expected = try referenceRun(Double.self)(trace, values, checkedContext)
    let actual = try run(trace, values, checkedContext)
    guard actual.count == expected.count else { return ["\(actual.count) outputs, expected \(expected.count)"] }
    return expected.indices.compactMap { index in
        var tolerance = row.executorTolerance
        tolerance.absolute += 1e-6 * (expected[index].doubles.lazy.map(\.magnitude).filter(\.isFinite).max() ?? 0)
        guard
            case .failed(let reason) = closeness(
                actual[index], to: expected[index], within: tolerance, nanMatchesNaN: true)
        else { return nil }
        return index == 0 ? "result: \(reason)" : "gradient of input \(differentiated.targets[index - 1]): \(reason)"
    }
}

/// The reference executor as a run of a graph, computing in `Scalar`.
package func referenceRun<Scalar: RealScalar>(_: Scalar.Type) -> GraphRun {
    { trace, inputs, context in
        let results = ReferenceExecutor<Scalar>(trace.graph).run(
            inputs: inputs.map { ReferenceArray($0) }, variables: trace.variables.map { ReferenceArray($0.value) },
            context: context
        ).outputs
        return zip(results, trace.graph.outputs).map { $0.array(trace.graph.nodes[$1].type.elementType) }
    }
}
