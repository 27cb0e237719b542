import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// Results of one recurrence are computed in one step.
@Suite struct SharedComputationTests {
    private let x = Tensor.placeholder([2, 3, 8], name: "x")
    private let kernel = Variable("kernel", shape: [2, 8])

    private func result(_ result: Recurrence.Result, isReversed: Bool = false) -> Tensor {
        Tensor(
            .recurrence(Recurrence(cell: RecurrentCell(.lstm), isReversed: isReversed, result: result)),
            [x, kernel.tensor])
    }

    private func plan(_ outputs: [Tensor], updates: [VariableUpdate] = []) throws -> Plan {
        Plan(try Trace(inputs: [x], outputs: outputs, updates: updates, mode: .training, batchSize: 1).graph)
    }

    private func kernels(_ outputs: [Tensor]) throws -> [String] {
        try plan(outputs).steps.map(\.kernel.description)
    }

    @Test func resultsOnTheSameInputsShareAStep() throws {
        #expect(
            try kernels([result(.hidden), result(.lastCells)])
                == ["recurrence(lstm, tanh, gates sigmoid, hidden)+lastCells"])
        #expect(try kernels([result(.lastHidden)]) == ["recurrence(lstm, tanh, gates sigmoid, lastHidden)"])
        #expect(try kernels([result(.hidden), result(.hidden, isReversed: true)]).count == 2)
    }

    /// The forward pass keeps what the gradient needs, and the gradient is one walk back that sums the
    /// kernel's gradient as it goes.
    @Test func trainingRunsTheStepsOnce() throws {
        let loss = result(.lastHidden).sum()
        let slopes = try gradient(of: loss, withRespectTo: [x, kernel.tensor])
        #expect(
            try kernels(slopes).filter { !$0.hasPrefix("sum") && !$0.hasPrefix("broadcast") } == [
                "recurrence(lstm, tanh, gates sigmoid, gates)+previousCells+previousHidden",
                "recurrenceGradient(lstm, tanh, gates sigmoid, of lastHidden, projected)+product",
            ])
    }

    /// The gates take the place of the projected inputs, unless somebody reads these later.
    @Test func gatesAreWrittenOverTheirInputs() throws {
        let projected = 2 * x
        func result(_ result: Recurrence.Result) -> Tensor {
            Tensor(.recurrence(Recurrence(cell: RecurrentCell(.lstm), result: result)), [projected, kernel.tensor])
        }
        func sharesMemory(_ outputs: [Tensor]) throws -> Bool {
            let plan = try plan(outputs)
            guard let step = plan.steps.first(where: { $0.kernel.description.hasPrefix("recurrence(") }) else {
                return false
            }
            let place = plan.values[step.inputs[0]].location
            return step.outputs.contains { plan.values[$0].location == place }
        }
        #expect(try sharesMemory([result(.lastHidden), result(.gates)]))
        #expect(try !sharesMemory([result(.lastHidden), result(.hidden)]))
        #expect(try !sharesMemory([result(.gates), projected]))
        #expect(try !sharesMemory([projected * result(.gates).sum()]))
    }

    /// The arithmetic of a shared step counts once.
    @Test func flopCount() throws {
        let one = try plan([result(.hidden)]).flopCount
        #expect(try plan([result(.hidden), result(.lastHidden), result(.gates)]).flopCount == one)
    }

    /// A step that reads a variable does not write over it, whatever it gives.
    @Test func variablesAreNotOverwrittenInPlace() throws {
        let state = Variable("state", shape: [2, 2])
        let rule = Recurrence(cell: RecurrentCell(.simple), hasInitialState: true, result: .lastHidden)
        let inputs: [Tensor] = [.placeholder([2, 3, 2]), .placeholder([2, 2])]
        let next = Tensor(.recurrence(rule), inputs + [state.tensor])
        let trace = try Trace(
            inputs: inputs, outputs: [], updates: [VariableUpdate(state, to: next)], mode: .training, batchSize: 1)
        #expect(Plan(trace.graph).steps.map(\.kernel.description).last == "copy")
    }
}
