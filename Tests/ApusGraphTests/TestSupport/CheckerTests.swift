import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

/// Checkers are no use unless they fail on what is wrong.
@Suite("Checkers find faults")
struct CheckerTests {
    /// A row of one vector; the gradient that the rules give is the one of `make` with stopped gradients left out.
    private func row(
        _ domain: Domain = .range(0.5...2), isDifferentiable: Bool = true,
        _ make: @escaping @Sendable (Tensor) -> Tensor
    ) -> OperationRow {
        OperationRow(
            OperationKind(.unary, "square"), cases: [[RowInput([3], domain)]], isDifferentiable: [isDifferentiable]
        ) { make($0[0]) }
    }

    @Test func rightGradientPasses() {
        #expect(gradientFaults(of: row { square($0) }) == [])
    }

    /// x * stopGradient(x) has half of the gradient of x^2.
    @Test func wronglyScaledGradientIsFound() {
        let faults = gradientFaults(of: row { $0 * stopGradient($0) })
        #expect(faults.count == 2)
        #expect(faults.first?.hasPrefix("unary.square of float32[3], batch of 1: input 0: number 0 is ") == true)
        #expect(faults.last?.hasPrefix("unary.square of float32[3], batch of 1: input 0, along a direction: ") == true)
    }

    @Test func slightlyWrongGradientIsFound() {
        #expect(!gradientFaults(of: row { $0 + stopGradient(1e-5 * $0) }).isEmpty)
    }

    @Test func missingGradientIsFound() {
        #expect(!gradientFaults(of: row { stopGradient(square($0)) }).isEmpty)
    }

    @Test func gradientWhereNoneIsDueIsFound() {
        #expect(
            gradientFaults(of: row(isDifferentiable: false) { square($0) })
                == ["unary.square of float32[3], batch of 1: input 0: a gradient where none is due"])
    }

    /// The gradient of sqrt(x^2) at 0 is 0 / 0.
    @Test func nanInGradientIsFound() {
        #expect(!gradientFaults(of: row(.just(0)) { sqrt(square($0)) }).isEmpty)
    }

    @Test func negativeToleranceIsFound() {
        var strict = row { square($0) }
        strict.tolerance = Tolerance(absolute: -1, relative: 1)
        #expect(gradientFaults(of: strict).count == 2)
    }

    @Test func thrownErrorIsFound() {
        #expect(
            gradientFaults(of: row { $0 + .placeholder([2]) })
                == [
                    "unary.square of float32[3], batch of 1: add: expected two inputs of one shape, "
                        + "received [3] and [2]. Cure: reshape or broadcast one of them."
                ])
    }

    // MARK: Executors

    private let squares = OperationRow(
        OperationKind(.unary, "square"), cases: [[RowInput([3], .range(0.5...2))]], isDifferentiable: [true]
    ) { square($0[0]) }

    /// What is found in an executor that is right but for `change` to its outputs.
    private func faults(_ change: @escaping ([NDArray]) -> [NDArray]) -> [String] {
        checkExecutor([squares]) { trace, inputs, context in
            change(try referenceRun(Float.self)(trace, inputs, context))
        }
    }

    private func scaled(_ array: NDArray, by factor: Float) -> NDArray {
        NDArray(shape: array.shape) { (values: UnsafeMutableBufferPointer<Float>) in
            for (index, value) in array.floats.enumerated() { values[index] = value * factor }
        }
    }

    @Test func rightExecutorPasses() {
        #expect(faults { $0 } == [])
    }

    @Test func wrongResultIsFound() {
        let found = faults { [scaled($0[0], by: 1.0001), $0[1]] }
        #expect(found.count == 1)
        #expect(found.first?.contains(": result: number 0 is ") == true)
    }

    @Test func wrongGradientIsFound() {
        let found = faults { [$0[0], scaled($0[1], by: -1)] }
        #expect(found.count == 1)
        #expect(found.first?.contains(": gradient of input 0: number 0 is ") == true)
    }

    @Test func missingOutputIsFound() {
        #expect(faults { [$0[0]] } == ["unary.square of float32[3], batch of 1: 1 outputs, expected 2"])
    }

    @Test func wrongShapeIsFound() {
        #expect(
            faults { [NDArray(zeros: [2]), $0[1]] }
                == ["unary.square of float32[3], batch of 1: result: shape [2], expected [3]"])
    }

    @Test func wrongElementTypeIsFound() {
        #expect(
            faults { [$0[0].converted(to: .int32), $0[1]] }
                == ["unary.square of float32[3], batch of 1: result: int32 elements, expected float32"])
    }

    @Test func nanIsFound() {
        #expect(!faults { [scaled($0[0], by: .nan), $0[1]] }.isEmpty)
    }

    @Test func negativeExecutorToleranceIsFound() {
        var row = squares
        row.executorTolerance = Tolerance(absolute: 1, relative: -1)
        #expect(checkExecutor([row], run: referenceRun(Float.self)).count == 2)
    }

    @Test func throwingExecutorIsFound() {
        let found = checkExecutor([squares]) { _, _, _ in
            throw ApusError.usage(problem: "No such device.", cure: "Use the CPU.")
        }
        #expect(found == ["unary.square of float32[3], batch of 1: No such device. Use the CPU."])
    }

    /// An executor that leaves out the step or the seed draws other numbers.
    @Test func ignoredContextIsFound() {
        let found = checkExecutor(OperationTable.rows(for: OperationKind(.random, "uniform"))) { trace, inputs, _ in
            try referenceRun(Float.self)(trace, inputs, RunContext())
        }
        #expect(!found.isEmpty)
    }

    /// An executor whose relu loses NaN is right but for its limits.
    @Test func lostNaNIsFoundAtLimitsOnly() {
        let run: GraphRun = { trace, inputs, context in
            let isRelu = trace.graph.nodes.contains { $0.operation == .unary(Unary(.relu)) }
            return try referenceRun(Float.self)(trace, inputs, context).map { array in
                NDArray(shape: array.shape) { (values: UnsafeMutableBufferPointer<Float>) in
                    for (index, value) in array.floats.enumerated() {
                        values[index] = isRelu && value.isNaN ? 0 : value
                    }
                }
            }
        }
        let relu = OperationKind(.unary, "relu")
        #expect(checkExecutor(OperationTable.rows(for: relu), run: run) == [])
        let limits = OperationTable.limitRows.filter { $0.kind == relu }
        #expect(checkExecutor(limits, checksGradients: false, run: run).count == 1)
    }

    /// An executor that takes a sine for a hyperbolic tangent.
    @Test func brokenOperationIsFoundByItsRowsOnly() {
        let run: GraphRun = { trace, inputs, context in
            var broken = trace
            for (index, node) in trace.graph.nodes.enumerated() {
                if case .unary(let unary) = node.operation, unary.function == .tanh {
                    broken.graph.nodes[index].operation = .unary(Unary(.sin))
                }
            }
            return try referenceRun(Float.self)(broken, inputs, context)
        }
        #expect(!checkExecutor(OperationTable.rows(for: OperationKind(.unary, "tanh")), run: run).isEmpty)
        // Recurrences have gradients that are written out with it.
        let others = OperationTable.rows.filter {
            $0.kind.function != "tanh" && $0.kind.family != .recurrence && $0.kind.family != .recurrenceGradient
        }
        #expect(checkExecutor(others, run: run) == [])
    }
}
