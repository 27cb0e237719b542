import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Recurrence")
struct RecurrenceTests {
    private func evaluate(_ tensors: [Tensor]) throws -> [[Double]] {
        let trace = try Trace(inputs: [], outputs: tensors, mode: .inference, batchSize: 1)
        return ReferenceExecutor<Double>(trace.graph).run(inputs: [], variables: [], context: RunContext()).outputs
            .map(\.values)
    }

    private func constant(_ numbers: [Float], _ shape: Shape) throws -> Tensor {
        .constant(try NDArray(numbers, shape: shape))
    }

    private func message(_ rule: Recurrence, _ shapes: Shape...) -> String {
        do {
            _ = try Tensor(.recurrence(rule), shapes.map { .placeholder($0) }).checked()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    private let linear = RecurrentCell(.simple, activation: .linear)

    /// h' = x + 2 h over x = 1, 3: 1, 3 + 2.
    @Test func stepsInTime() throws {
        let inputs = [try constant([1, 3], [1, 2, 1]), try constant([2], [1, 1])]
        let results: [Recurrence.Result] = [.hidden, .lastHidden, .previousHidden, .gates]
        let found = try evaluate(results.map { Tensor(.recurrence(Recurrence(cell: linear, result: $0)), inputs) })
        #expect(found == [[1, 5], [5], [0, 1], [1, 5]])
    }

    /// Against time: 3, then 1 + 2 * 3. From 10: 1 + 20, 3 + 42.
    @Test func directionAndInitialState() throws {
        let (x, kernel) = (try constant([1, 3], [1, 2, 1]), try constant([2], [1, 1]))
        func hidden(_ result: Recurrence.Result, isReversed: Bool = false, from state: Float? = nil) throws -> Tensor {
            let rule = Recurrence(
                cell: linear, isReversed: isReversed, hasInitialState: state != nil, result: result)
            return Tensor(.recurrence(rule), [x, kernel] + (try state.map { [try constant([$0], [1, 1])] } ?? []))
        }
        let found = try evaluate([
            hidden(.hidden, isReversed: true), hidden(.lastHidden, isReversed: true), hidden(.hidden, from: 10),
            hidden(.previousHidden, isReversed: true, from: 10),
        ])
        #expect(found == [[7, 3], [7], [21, 45], [23, 10]])
    }

    /// Two samples of x = 1, 3: one without its second step, one without its first.
    @Test func maskedStepsHandStatesOn() throws {
        let inputs = [
            try constant([1, 3, 1, 3], [2, 2, 1]), try constant([2], [1, 1]), try constant([1, 0, 0, 1], [2, 2]),
        ]
        let results: [Recurrence.Result] = [.hidden, .lastHidden, .gates]
        let found = try evaluate(
            results.map { Tensor(.recurrence(Recurrence(cell: linear, hasMask: true, result: $0)), inputs) })
        #expect(found == [[1, 1, 0, 3], [1, 3], [1, 5, 1, 3]])
    }

    /// z = 0.5, r = 2, n = 3 + 2 * 10 = 23 from h = 1: 0.5 * 1 + 0.5 * 23. With a bias of 1: n = 3 + 2 * 11.
    @Test func gatesOfAGRU() throws {
        let cell = RecurrentCell(.gru, activation: .linear, gateActivation: .linear)
        let (x, kernel) = (try constant([0.5, 2, 3], [1, 1, 3]), try constant([0, 0, 10], [1, 3]))
        let (bias, state) = (try constant([0, 0, 1], [3]), try constant([1], [1, 1]))
        func result(_ result: Recurrence.Result, bias: [Tensor]) -> Tensor {
            let rule = Recurrence(cell: cell, hasRecurrentBias: !bias.isEmpty, hasInitialState: true, result: result)
            return Tensor(.recurrence(rule), [x, kernel] + bias + [state])
        }
        #expect(
            try evaluate([result(.hidden, bias: []), result(.gates, bias: []), result(.hidden, bias: [bias])])
                == [[12], [0.5, 2, 23, 10], [13]])
    }

    /// i, f, g, o = 2, 3, 5, 7 from c = 1: c = 3 + 10 = 13, h = 7 * 13 = 91. Then g = 5 + 91: c = 39 + 192, h = 7 c.
    @Test func gatesOfAnLSTM() throws {
        let cell = RecurrentCell(.lstm, activation: .linear, gateActivation: .linear)
        let inputs = [
            try constant([2, 3, 5, 7, 2, 3, 5, 7], [1, 2, 4]), try constant([0, 0, 1, 0], [1, 4]),
            try constant([0], [1, 1]), try constant([1], [1, 1]),
        ]
        let results: [Recurrence.Result] = [.hidden, .lastCells, .previousCells, .gates]
        let found = try evaluate(
            results.map { Tensor(.recurrence(Recurrence(cell: cell, hasInitialState: true, result: $0)), inputs) })
        #expect(found == [[91, 1617], [231], [1, 13], [2, 3, 5, 7, 2, 3, 96, 7]])
    }

    /// 0.2 x + 0.5 within 0 and 1: of 1, 2.5, -2.5, 5.
    @Test func hardSigmoid() throws {
        let cell = RecurrentCell(.simple, activation: .hardSigmoid(slope: 0.2))
        let inputs = [try constant([1, 2.5, -2.5, 5], [4, 1, 1]), try constant([0], [1, 1])]
        let found = try evaluate([Tensor(.recurrence(Recurrence(cell: cell, result: .lastHidden)), inputs)])[0]
        #expect(zip(found, [0.7, 1, 0, 1]).allSatisfy { abs($0 - $1) < 1e-7 })
    }

    /// At the ends of its slope the gradient is 0, in the recurrence's own rule and where it is written out; between
    /// them 1/4.
    @Test func hardSigmoidAtItsCorners() throws {
        let cell = RecurrentCell(.simple, activation: .hardSigmoid(slope: 0.25))
        let inputs = [try constant([-2, 2, 1], [3, 1, 1]), try constant([0], [1, 1])]
        for result in [Recurrence.Result.hidden, .lastHidden, .gates] {
            let value = Tensor(.recurrence(Recurrence(cell: cell, result: result)), inputs)
            #expect(try evaluate(gradient(of: value.sum(), withRespectTo: [inputs[0]])) == [[0, 0, 0.25]])
        }
    }

    /// The rows of the operation table with hard sigmoids have gates on either side of their slope, and within.
    @Test func hardRowsAreClipped() throws {
        let rows = OperationTable.rows.filter {
            $0.kind.description.hasPrefix("recurrence.") && $0.variant.contains("gates hardSigmoid")
                && $0.variant.split(separator: ", ").contains("gates")
        }
        #expect(rows.count == 2)
        for row in rows {
            var numbers = SeededNumbers(seed: 1)
            let inputs = row.cases[1].map { Tensor.constant($0.values(batchSize: 2, from: &numbers)) }
            let gates = try evaluate([row.make(inputs)])[0]
            #expect(gates.contains(0) && gates.contains(1) && gates.contains { $0 > 0 && $0 < 1 }, "\(row)")
        }
    }

    /// h = x2 + 2 (x1 + 2 (x0 + 2 h0)): slopes 4, 2, 1 in x, 8 in h0, and 2 * 2 x0 + x1 in the kernel where h0 is 0.
    @Test func gradientsByHand() throws {
        let (x, kernel) = (try constant([1, 3, 5], [1, 3, 1]), try constant([2], [1, 1]))
        let state = try constant([0], [1, 1])
        let rule = Recurrence(cell: linear, hasInitialState: true, result: .lastHidden)
        let last = Tensor(.recurrence(rule), [x, kernel, state])
        let found = try evaluate(gradient(of: last.sum(), withRespectTo: [x, kernel, state]))
        #expect(found == [[4, 2, 1], [7], [8]])
    }

    /// A mask's 0 lets the gradient pass as it is: h = x2 + 2 x0.
    @Test func gradientsPastMaskedSteps() throws {
        let (x, kernel) = (try constant([1, 3, 5], [1, 3, 1]), try constant([2], [1, 1]))
        let rule = Recurrence(cell: linear, hasMask: true, result: .lastHidden)
        let last = Tensor(.recurrence(rule), [x, kernel, try constant([1, 0, 1], [1, 3])])
        #expect(try evaluate(gradient(of: last.sum(), withRespectTo: [x, kernel])) == [[2, 0, 1], [1]])
    }

    @Test func misfitsAreTold() {
        let plain = Recurrence(cell: RecurrentCell(.lstm))
        #expect(
            message(plain, [-1, 12], [3, 12])
                == "recurrence: expected projected inputs [batch, steps, 4 units] and a kernel [units, 4 units], "
                + "received [batch, 12] and [3, 12]. Cure: give each gate of each step one number a unit.")
        #expect(message(plain, [-1, 5, 8], [3, 12]).contains("received [batch, 5, 8] and [3, 12]"))
        #expect(message(plain, [-1, 0, 12], [3, 12]).contains("received [batch, 0, 12] and [3, 12]"))
        #expect(
            message(Recurrence(cell: RecurrentCell(.lstm), hasMask: true), [-1, 5, 12], [3, 12], [-1, 4])
                == "recurrence: expected a mask [batch, 5], received [batch, 4]. "
                + "Cure: make it fit projected inputs [batch, 5, 12].")
        #expect(
            message(
                Recurrence(cell: RecurrentCell(.lstm), hasInitialState: true), [-1, 5, 12], [3, 12], [-1, 3], [-1, 4]
            ).contains("expected initial cells [batch, 3], received [batch, 4]"))
        #expect(
            message(Recurrence(cell: RecurrentCell(.simple), result: .lastCells), [-1, 5, 3], [3, 3])
                == "recurrence: expected cells of an LSTM, and a recurrent bias of a GRU, "
                + "received simple, tanh, lastCells. Cure: ask for what the cell has.")
    }

    @Test func printedForm() {
        let rule = Recurrence(
            cell: RecurrentCell(.gru, gateActivation: .hardSigmoid(slope: 0.2)), isReversed: true, hasMask: true,
            result: .lastHidden)
        #expect(
            "\(Operation.recurrence(rule))"
                == "recurrence(gru, tanh, gates hardSigmoid 0.2, reversed, masked, lastHidden)")
    }
}
