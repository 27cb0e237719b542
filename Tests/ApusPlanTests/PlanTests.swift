import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// A dense layer with a sigmoid, a squared loss, and plain gradient descent: small enough to follow by hand.
private struct SmallNetwork {
    let input = Tensor.input([3], name: "x")
    let target = Tensor.input([2], name: "t")
    let kernel = Variable("kernel", shape: [3, 2])
    let bias = Variable("bias", shape: [2])
    let loss: Tensor

    init() {
        let output = sigmoid(matMul(input, kernel.tensor) + bias.tensor)
        loss = square(output - target).mean()
    }

    func trace() throws -> Trace {
        let gradients = try gradient(of: loss, withRespectTo: [kernel.tensor, bias.tensor])
        let updates = zip([kernel, bias], gradients).map { VariableUpdate($0, to: $0.tensor - 0.5 * $1) }
        return try Trace(
            inputs: [input, target], outputs: [loss], updates: updates.reversed(), mode: .training, batchSize: 4)
    }
}

@Suite struct PlanTests {
    // Followed by hand: the product takes in bias and sigmoid; all of the difference, its square and the gradient
    // towards the product have shape [4, 2] and need nothing else, so they are one pass; each variable is updated in
    // place, after the loss is known.
    @Test func planOfASmallNetwork() throws {
        let plan = Plan(try SmallNetwork().trace().graph, guardedOutput: 0)
        #expect(
            plan.steps.map(\.kernel.description) == [
                "matMul+bias+sigmoid",
                "elementwise[subtract+square+multiply+multiply+subtract+multiply+multiply+sum+sum]",
                "elementwise[divide]", "elementwise[multiply+subtract]", "matMul(left transposed)+scale+subtract",
            ])
        let written = plan.steps.flatMap(\.outputs).map { plan.values[$0].location }
        #expect(written.contains(.variable(0)) && written.contains(.variable(1)))
        #expect(plan.steps.allSatisfy { $0.kernel == plan.steps[1].kernel || $0.outputs.count == 1 })
    }

    @Test func everyUpdateComesAfterTheGuard() throws {
        let plan = Plan(try SmallNetwork().trace().graph, guardedOutput: 0)
        let guarded = try #require(plan.guardedStep)
        for (index, step) in plan.steps.enumerated() {
            for output in step.outputs {
                if case .variable = plan.values[output].location { #expect(index > guarded) }
            }
        }
    }

    @Test func everyReaderOfAVariableComesBeforeItsUpdate() throws {
        let plan = Plan(try SmallNetwork().trace().graph)
        for (index, step) in plan.steps.enumerated() {
            for output in step.outputs {
                guard case .variable(let variable) = plan.values[output].location else { continue }
                for reader in plan.steps[(index + 1)...] {
                    #expect(!reader.inputs.contains { plan.values[$0].location == .variable(variable) })
                }
            }
        }
    }

    /// Two variables that take each other's value cannot both be written in place.
    @Test func swappedVariablesAreCopied() throws {
        let (a, b) = (Variable("a", shape: [2]), Variable("b", shape: [2]))
        let trace = try Trace(
            inputs: [], outputs: [], updates: [VariableUpdate(a, to: b.tensor), VariableUpdate(b, to: a.tensor)],
            mode: .training, batchSize: 1)
        // Both old values are put aside before either variable is written.
        let plan = Plan(trace.graph)
        #expect(plan.steps.map(\.kernel) == [.copy, .copy, .copy, .copy])
        for step in plan.steps.prefix(2) {
            guard case .arena = plan.values[step.outputs[0]].location else {
                Issue.record("written too early: \(step)")
                continue
            }
        }
    }

    /// No two values that live at the same time overlap, in the plan of a real step.
    @Test func arenaHoldsLivingValuesApart() throws {
        let plan = Plan(try SmallNetwork().trace().graph, guardedOutput: 0)
        var first: [Int: Int] = [:]
        var last: [Int: Int] = [:]
        for (index, step) in plan.steps.enumerated() {
            for value in step.outputs where first[value] == nil { first[value] = index }
            for value in step.inputs + step.outputs { last[value] = index }
        }
        for output in plan.outputs { last[output] = plan.steps.count }
        func range(_ value: Int) -> Range<Int>? {
            guard case .arena(let offset) = plan.values[value].location else { return nil }
            return offset..<offset + plan.values[value].type.byteCount
        }
        for (a, firstA) in first {
            for (b, firstB) in first where a < b {
                guard let rangeA = range(a), let rangeB = range(b), let lastA = last[a], let lastB = last[b] else {
                    continue
                }
                // The step that reads an input for the last time may write its output there.
                let isTogether = firstA < lastB && firstB < lastA
                #expect(!isTogether || !rangeA.overlaps(rangeB), "values \(a) and \(b) overlap")
            }
        }
        #expect(plan.arenaByteCount < plan.values.reduce(0) { $0 + $1.type.byteCount + 64 })
    }

    /// Forward 2*4*3*2 for the product; the shapes [4, 2] and [3, 2] are 8 and 6 elements; followed by hand.
    @Test func flopCountIsTheSumOfTheSteps() throws {
        let x = Tensor.input([3]), w = Variable("w", shape: [3, 2])
        let trace = try Trace(
            inputs: [x], outputs: [relu(matMul(x, w.tensor))], mode: .inference, batchSize: 4)
        #expect(Plan(trace.graph).flopCount == 2 * 4 * 3 * 2 + 8)
    }
}
