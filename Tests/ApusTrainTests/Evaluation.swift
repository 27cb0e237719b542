import ApusCore
import ApusGraph
import Testing

/// The values of tensors on the reference executor in Double. `inputs` gives each input's numbers.
func evaluate(
    _ outputs: [Tensor], _ inputs: [(Tensor, [Double])], batchSize: Int, context: RunContext = RunContext()
) throws -> [[Double]] {
    let trace = try Trace(
        inputs: inputs.map(\.0), outputs: outputs, mode: .training, batchSize: batchSize)
    let values = inputs.map { ReferenceArray<Double>($0.0.shape.specialized(batchSize: batchSize), $0.1) }
    let variables = trace.variables.map { ReferenceArray<Double>($0.value) }
    return ReferenceExecutor<Double>(trace.graph).run(inputs: values, variables: variables, context: context)
        .outputs.map(\.values)
}

func evaluate(_ output: Tensor, _ inputs: [(Tensor, [Double])], batchSize: Int) throws -> [Double] {
    try evaluate([output], inputs, batchSize: batchSize)[0]
}

/// Whether two lists agree in length and, element by element, within `tolerance` of the larger of 1 and their size.
func isClose(_ received: [Double], _ expected: [Double], tolerance: Double = 1e-6) -> Bool {
    guard received.count == expected.count, tolerance > 0 else { return false }
    return zip(received, expected).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($0), abs($1)) }
}

/// The error text that `body` throws.
func errorText(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Suite struct EvaluationTests {
    @Test func closenessFailsOnWrongValueWrongLengthNaNAndNegativeTolerance() {
        #expect(isClose([1, 2], [1, 2 + 1e-7]))
        #expect(!isClose([1, 2], [1, 2.1]))
        #expect(!isClose([1, 2], [1]))
        #expect(!isClose([1], [.nan]))
        #expect(!isClose([.nan], [.nan]))
        #expect(!isClose([1], [1], tolerance: -1))
    }
}
