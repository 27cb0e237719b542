import ApusCore
import ApusGraph

/// One case of a row as tensors: its inputs, its result, a random cotangent, and the gradient that belongs to it.
struct DifferentiatedCase {
    let inputs: [Tensor]
    let output: Tensor
    /// The loss's gradient with respect to the result, given as one more input.
    let cotangent: Tensor
    /// `sum(output * cotangent)`.
    let loss: Tensor
    /// The inputs that can have a gradient: those of float32.
    let targets: [Int]
    let gradients: [Tensor]

    init(_ row: OperationRow, _ inputs: [RowInput]) throws {
        self.inputs = inputs.map(\.tensor)
        output = try row.make(self.inputs).checked()
        cotangent = .placeholder(output.shape, name: "cotangent")
        loss = ((output.elementType == .float32 ? output : output.cast(to: .float32)) * cotangent).sum()
        targets = inputs.indices.filter { inputs[$0].type.elementType == .float32 }
        let tensors = self.inputs
        gradients = try gradient(of: loss, withRespectTo: targets.map { tensors[$0] })
    }

    /// The graph of `outputs` for a batch.
    func trace(_ outputs: [Tensor], batchSize: Int) throws -> Trace {
        try Trace(inputs: inputs + [cotangent], outputs: outputs, mode: .training, batchSize: batchSize)
    }

    /// Numbers for the inputs, and last the cotangent: magnitudes around 1, never 1 throughout.
    func values(_ inputs: [RowInput], batchSize: Int, seed: UInt64) -> [NDArray] {
        var numbers = SeededNumbers(seed: seed)
        let values = inputs.map { $0.values(batchSize: batchSize, from: &numbers) }
        return values + [RowInput(output.shape, .signed(0.5...1.5)).values(batchSize: batchSize, from: &numbers)]
    }
}

/// The run that rows are checked in: later than the first step, so that schedules matter.
let checkedContext = RunContext(seed: 7, step: 3)

/// Holds the gradient rule of every case of `row` against central differences in Double, element by element and
/// along a random direction, with random cotangents. The rule's faults in words; empty where there are none.
package func gradientFaults(of row: OperationRow, seed: UInt64 = 1) -> [String] {
    row.cases.flatMap { inputs in
        OperationRow.batchSizes(for: inputs).flatMap { batchSize in
            let place = "\(row) of \(inputs.map(\.type.description).joined(separator: ", ")), batch of \(batchSize)"
            do {
                return try gradientFaults(of: row, inputs, batchSize: batchSize, seed: seed).map { "\(place): \($0)" }
            } catch {
                return ["\(place): \(error)"]
            }
        }
    }
}

private func gradientFaults(
    of row: OperationRow, _ inputs: [RowInput], batchSize: Int, seed: UInt64
) throws -> [String] {
    let differentiated = try DifferentiatedCase(row, inputs)
    let backward = try differentiated.trace(differentiated.gradients, batchSize: batchSize)
    let loss = row.differentiatedAs.map { ($0(differentiated.inputs) * differentiated.cotangent).sum() }
    let forward = try differentiated.trace([loss ?? differentiated.loss], batchSize: batchSize)
    let values = differentiated.values(inputs, batchSize: batchSize, seed: seed).map { ReferenceArray<Double>($0) }
    func run(_ trace: Trace, _ values: [ReferenceArray<Double>]) -> [ReferenceArray<Double>] {
        ReferenceExecutor(trace.graph).run(
            inputs: values, variables: trace.variables.map { ReferenceArray($0.value) }, context: checkedContext
        ).outputs
    }

    let gradients = run(backward, values)
    var faults: [String] = []
    var numbers = SeededNumbers(seed: seed, stream: 1)
    for (input, gradient) in zip(differentiated.targets, gradients) {
        guard row.isDifferentiable[input] else {
            if gradient.values.contains(where: { $0 != 0 }) {
                faults.append("input \(input): a gradient where none is due")
            }
            continue
        }
        /// The loss's slope along `direction`.
        func slope(_ direction: [Double]) -> Double {
            var (above, below) = (values, values)
            for index in direction.indices {
                above[input].values[index] += row.step * direction[index]
                below[input].values[index] -= row.step * direction[index]
            }
            return (run(forward, above)[0].values[0] - run(forward, below)[0].values[0]) / (2 * row.step)
        }
        let count = gradient.values.count
        let slopes = (0..<count).map { element in slope((0..<count).map { $0 == element ? 1 : 0 }) }
        if case .failed(let reason) = closeness(gradient.values, to: slopes, within: row.tolerance) {
            faults.append("input \(input): \(reason)")
        }
        let direction = numbers.uniform(-1...1, count: count)
        let product = zip(gradient.values, direction).reduce(0) { $0 + $1.0 * $1.1 }
        // Errors of single elements add up.
        var tolerance = row.tolerance
        tolerance.absolute *= Double(max(count, 1))
        if case .failed(let reason) = closeness(product, to: slope(direction), within: tolerance) {
            faults.append("input \(input), along a direction: \(reason)")
        }
    }
    return faults
}
