import Apus
import ApusPlan
import Testing

/// Which part of a training step each step of a plan belongs to, to which layer, and what it moves.
@Suite struct PlanAccountingTests {
    /// The plan of the training step in docs/architecture.md, line by line.
    private func plan(_ optimizer: any Optimizer) throws -> Plan {
        let x = Tensor.input([2], name: "x")
        let target = Tensor.input([3], name: "target")
        let model = try Model(inputs: [x], outputs: [Dense(3, activation: .sigmoid, name: "answer")(x)])
        let loss = try Loss.meanSquaredError(targets: target, predictions: model.outputs[0])
        let updates = try optimizer.updates(minimizing: loss, over: model.parameters)
        return try Plan(
            Trace(inputs: [x, target], outputs: [loss], updates: updates, mode: .training, batchSize: 4).graph,
            guardedOutput: 0)
    }

    /// Steps 0 to 4 lead to the loss, step 5 makes the rate, step 6 the bias's next value, step 7 takes the kernel's
    /// gradient from it.
    @Test func partsOfAStepOfDescent() throws {
        let plan = try plan(SGD(learningRate: 0.5))
        #expect(
            plan.parts == [
                .forward, .forward, .forward, .forward, .forward, .update, .update, .backward,
            ])
    }

    /// Steps 2 and 6 belong to no layer, but read only what the layer's own step 1 computed; steps 3 to 5 do not.
    @Test func layersOfAStepOfDescent() throws {
        #expect(
            try plan(SGD(learningRate: 0.5)).layers == [
                "answer", "answer", "answer", "", "", "", "answer", "answer",
            ])
    }

    /// With float32 numbers of 4 bytes: step 0 reads 4 x 2, 2 x 3 and 3 and writes 4 x 3 of them; step 4 reads and
    /// writes one.
    @Test func bytesOfAStep() throws {
        let plan = try plan(SGD(learningRate: 0.5))
        #expect(plan.byteCount(of: plan.steps[0]) == 4 * (8 + 6 + 3 + 12))
        #expect(plan.byteCount(of: plan.steps[4]) == 4 * (1 + 1))
        // The variable is read and written.
        #expect(plan.byteCount(of: plan.steps[7]) == 4 * (8 + 12 + 6 + 1 + 6))
    }

    /// Adam's correction of its averages and its passes over them are updates; the kernel's gradient is not.
    @Test func adamIsUpdate() throws {
        let plan = try plan(Adam(learningRate: 0.001))
        for (step, part) in zip(plan.steps, plan.parts) {
            let writesVariable = step.outputs.contains {
                if case .variable = plan.values[$0].location { true } else { false }
            }
            if writesVariable { #expect(part == .update, "\(step)") }
            if case .operation(.matMul) = step.kernel { #expect(part == .backward) }
            if case .operation(.stepValue) = step.kernel { #expect(part == .update) }
        }
        #expect(plan.parts.contains(.backward))
    }

    /// Only the rows that are taken are read: 2 of 100, of 3 numbers each, and 2 indices.
    @Test func aGatherReadsWhatItGives() throws {
        let indices = Tensor.input([], .int32, name: "indices")
        let table = Tensor.constant(NDArray(zeros: [100, 3]))
        let plan = try Plan(
            Trace(inputs: [indices], outputs: [gather(table, at: indices)], mode: .inference, batchSize: 2).graph)
        #expect(plan.steps.count == 1)
        #expect(plan.byteCount(of: plan.steps[0]) == 4 * (6 + 6))
    }
}
