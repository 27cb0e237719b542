import ApusCore
import ApusGraph

/// Runs a traced graph several times over; the outputs of each time, for the graph's outputs.
package typealias RepeatedRun = (Trace, [NDArray], RunContext) throws -> [[NDArray]]

/// Holds the repetitions of every case of `row` against the first, bit for bit: result and gradients. What differs, in
/// words; empty where nothing does.
/// - Parameter elementCount: the size of the first input where the batch size is open, about: large enough, and the
///   work is shared among threads. `nil` for the row's own batch sizes.
package func repetitionFaults(of row: OperationRow, elementCount: Int? = nil, run: RepeatedRun) -> [String] {
    row.cases.flatMap { inputs in
        batchSizes(for: inputs, elementCount: elementCount).flatMap { batchSize -> [String] in
            let place = "\(row) of \(inputs.map(\.type.description).joined(separator: ", ")), batch of \(batchSize)"
            do {
                let differentiated = try DifferentiatedCase(row, inputs)
                let trace = try differentiated.trace(
                    [differentiated.output] + differentiated.gradients, batchSize: batchSize)
                let values = differentiated.values(inputs, batchSize: batchSize, seed: 1)
                let results = try run(trace, values, checkedContext)
                guard let first = results.first, results.count > 1 else { return ["\(place): not repeated"] }
                return results.indices.dropFirst().filter { results[$0] != first }.map { number in
                    let outputs = first.indices.filter { results[number][$0] != first[$0] }
                    return "\(place): repetition \(number) differs in output \(outputs)"
                }
            } catch {
                return ["\(place): \(error)"]
            }
        }
    }
}

private func batchSizes(for inputs: [RowInput], elementCount: Int?) -> [Int] {
    let own = OperationRow.batchSizes(for: inputs)
    guard let elementCount, own.count > 1 else { return own }
    let single = inputs.map { $0.type.shape.specialized(batchSize: 1).elementCount }.max() ?? 1
    return [max(own.last ?? 1, elementCount / max(single, 1))]
}
