import ApusCore
import ApusGraph
import ApusNN

/// The values of `outputs` on the reference executor.
func evaluate<Scalar: RealScalar>(
    _ outputs: [Tensor], inputs: [(Tensor, [Scalar])] = [], mode: Mode = .inference, batchSize: Int = 1,
    seed: UInt64 = 0
) throws -> [ReferenceArray<Scalar>] {
    let trace = try Trace(inputs: inputs.map(\.0), outputs: outputs, mode: mode, batchSize: batchSize)
    let given = inputs.map { ReferenceArray($0.0.shape.specialized(batchSize: batchSize), $0.1) }
    let variables = trace.variables.map { ReferenceArray<Scalar>($0.value) }
    return ReferenceExecutor<Scalar>(trace.graph)
        .run(inputs: given, variables: variables, context: RunContext(seed: seed)).outputs
}

/// The values of one tensor that depends on one input.
func evaluate<Scalar: RealScalar>(
    _ output: Tensor, at input: Tensor, _ values: [Scalar], mode: Mode = .inference, batchSize: Int = 1,
    seed: UInt64 = 0
) throws -> [Scalar] {
    try evaluate([output], inputs: [(input, values)], mode: mode, batchSize: batchSize, seed: seed)[0].values
}

/// Whether both are as long, and each pair is as near as `tolerance`.
func isClose(_ found: [Double], _ expected: [Double], tolerance: Double = 1e-6) -> Bool {
    found.count == expected.count && zip(found, expected).allSatisfy { ($0 - $1).magnitude <= tolerance }
}

/// What `body` throws, in words; empty where it throws nothing.
func message(of body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch {
        return "\(error)"
    }
}
