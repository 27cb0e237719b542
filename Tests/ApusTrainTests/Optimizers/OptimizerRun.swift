import ApusCore
import ApusGraph
import ApusTrain

/// Parameters under an optimizer on the reference executor in Double, with the loss `sum a/2 (w - b)^2` of each: its
/// gradient is `a (w - b)`.
struct OptimizerRun {
    struct Problem {
        var start: [Double]
        var curvature: [Double]
        var goal: [Double]

        func gradient(_ values: [Double]) -> [Double] {
            values.indices.map { curvature[$0] * (values[$0] - goal[$0]) }
        }
    }

    static let problem = Problem(start: [1, -2, 0.5], curvature: [1, 0.5, 4], goal: [0.25, 1, -1])

    /// The parameters after each of `count` steps.
    static func series(
        _ optimizer: any Optimizer, _ problems: [Problem] = [problem], count: Int
    ) throws -> [[[Double]]] {
        let variables = problems.enumerated().map { index, problem in
            Variable("w\(index)", value: NDArray(problem.start.map { Float($0) }))
        }
        var loss = Tensor.constant(0)
        for (variable, problem) in zip(variables, problems) {
            let a = Tensor.constant(NDArray(problem.curvature.map { Float($0) }))
            let b = Tensor.constant(NDArray(problem.goal.map { Float($0) }))
            loss = loss + (0.5 * a * square(variable.tensor - b)).sum()
        }
        let trace = try Trace(
            inputs: [], outputs: [loss], updates: optimizer.updates(minimizing: loss, over: variables), mode: .training,
            batchSize: 1)
        let executor = ReferenceExecutor<Double>(trace.graph)
        var state = trace.variables.map { ReferenceArray<Double>($0.value) }
        let places = variables.map { variable in trace.variables.firstIndex { $0 === variable } ?? -1 }
        return (0..<count).map { step in
            let updated = executor.run(inputs: [], variables: state, context: RunContext(step: step)).updated
            for (update, value) in zip(trace.graph.updates, updated) { state[update.variable] = value }
            return places.map { state[$0].values }
        }
    }

    /// The same by a rule for one element: `rule(step from 1, w, g, state)` gives the new w; state starts as given.
    static func series(
        elements problem: Problem = problem, state: [Double], count: Int,
        rule: (Int, Double, Double, inout [Double]) -> Double
    ) -> [[Double]] {
        var values = problem.start
        var states = [[Double]](repeating: state, count: values.count)
        return (1...count).map { step in
            let gradient = problem.gradient(values)
            for index in values.indices { values[index] = rule(step, values[index], gradient[index], &states[index]) }
            return values
        }
    }
}
