import ApusCore
import ApusGraph

extension Function {
    /// Runs every operation on `arrays` by itself and looks at all that comes of it: the guarded value, and the new
    /// values of the variables. It takes far longer than a call, needs memory for all values, and changes nothing.
    ///
    /// A call itself looks at the guarded value only. Where gradients may overflow although the loss does not, check
    /// now and then.
    /// - Throws: `ApusError.notFinite` with a report where one of them is not finite; else as a call.
    public func check(_ arrays: NDArray...) throws { try check(arrays) }

    /// As above, with the arrays in a list.
    public func check(_ arrays: [NDArray]) throws {
        if let problem = try problem(in: arrays, quantity: "guarded value") { throw ApusError.notFinite(problem) }
    }

    /// What `check` throws; `nil` where all is finite.
    func problem(in arrays: [NDArray], quantity: String) throws -> NotFiniteProblem? {
        let batchSize = try batchSize(of: arrays)
        let context = RunContext(seed: seed, step: step)
        return try withPointers(to: arrays) { pointers in
            guard let finding = try finding(pointers, batchSize: batchSize, context: context) else { return nil }
            var problem = NotFiniteProblem(
                quantity: finding.quantity ?? quantity, step: step + 1, origin: finding.origin, report: finding.report)
            if let input = finding.input {
                let sample = finding.report.batchIndex.map { ", sample \($0)" } ?? ""
                problem.origin = "input \(input), '\(inputNames[input])'\(sample)"
            }
            problem.failedStep = FailedStep(
                seed: seed, batch: zip(inputNames, arrays).map { NamedArray($0, $1) }.withUniqueNames,
                sampleIndices: [],
                variables: try variableValues(batchSize: batchSize))
            return problem
        }
    }

    /// Takes the step again for a batch, operation by operation, with nothing changed.
    /// - Returns: `nil` where the guarded output and all updates are finite.
    package func checkedStep(
        _ inputs: UnsafeBufferPointer<UnsafeRawPointer>, batchSize: Int, context: RunContext
    ) throws -> (quantity: String?, origin: String, input: Int?, report: NotFiniteReport)? {
        try finding(inputs, batchSize: batchSize, context: context)
            .map { ($0.quantity, $0.origin, $0.input, $0.report) }
    }

    /// The values of all variables that a step reads or changes, by their names.
    package func variableValues(batchSize: Int) throws -> [NamedArray] {
        try trace(batchSize: batchSize).variables.map { NamedArray(variableName($0), $0.value) }.withUniqueNames
    }

    private func finding(
        _ inputs: UnsafeBufferPointer<UnsafeRawPointer>, batchSize: Int, context: RunContext
    ) throws -> CheckedRun.Finding? {
        try CheckedRun(
            trace(batchSize: batchSize), precision: precision, batchSize: batchSize, variableName: variableName
        )
        .finding(device, inputs: inputs, context: context, guardedOutput: guardedOutput)
    }
}

extension [NamedArray] {
    /// The same, with numbers after names that were there before.
    package var withUniqueNames: [NamedArray] {
        var taken: Set<String> = []
        return map { entry in
            var (name, number) = (entry.name, 1)
            while !taken.insert(name).inserted {
                number += 1
                name = "\(entry.name)-\(number)"
            }
            return NamedArray(name, entry.value)
        }
    }
}
