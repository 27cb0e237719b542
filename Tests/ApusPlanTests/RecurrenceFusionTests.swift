import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// A recurrence does the products before and after it as it goes.
@Suite struct RecurrenceFusionTests {
    private let rule = Recurrence(cell: RecurrentCell(.lstm), result: .lastHidden)
    private let kernel = Variable("kernel", shape: [5, 8])
    private let bias = Variable("bias", shape: [8])
    private let recurrentKernel = Variable("recurrentKernel", shape: [2, 8])

    private func sequence(_ batch: Int) -> Tensor { .placeholder([batch, 3, 5], name: "sequence") }

    private func projected(_ sequence: Tensor, _ kernel: Tensor) -> Tensor {
        let (batch, steps, features) = (sequence.shape[0], sequence.shape[1], sequence.shape[2])
        let product = matMul(sequence.reshaped(to: [batch * steps, features]), kernel) + bias.tensor
        return product.reshaped(to: [batch, steps, kernel.shape[1]])
    }

    private func last(_ projected: Tensor) -> Tensor { Tensor(.recurrence(rule), [projected, recurrentKernel.tensor]) }

    private func steps(_ inputs: [Tensor], _ outputs: [Tensor]) throws -> [Plan.Step] {
        Plan(try Trace(inputs: inputs, outputs: outputs, updates: [], mode: .training, batchSize: 1).graph).steps
    }

    private func kernels(_ inputs: [Tensor], _ outputs: [Tensor]) throws -> [String] {
        try steps(inputs, outputs).map(\.kernel.description)
    }

    private let name = "recurrence(lstm, tanh, gates sigmoid, lastHidden)"

    @Test func theProjectionIsTakenIn() throws {
        let x = sequence(16)
        #expect(try kernels([x], [last(projected(x, kernel.tensor))]) == ["matMul+bias+\(name)"])
    }

    /// With few rows, one large product is faster.
    @Test func smallBatchesKeepTheirProduct() throws {
        let x = sequence(15)
        #expect(try kernels([x], [last(projected(x, kernel.tensor))]) == ["matMul+bias", name])
    }

    /// A kernel that does not stay in the cache is multiplied by all rows at once: 17,000 * 8 numbers are above 2^17.
    @Test func largeKernelsKeepTheirProduct() throws {
        let (x, wide) = (Tensor.placeholder([16, 3, 17_000]), Variable("wide", shape: [17_000, 8]))
        #expect(try kernels([x], [last(projected(x, wide.tensor))]) == ["matMul+bias", name])
    }

    @Test func projectedInputsThatSomebodyReadsAreWritten() throws {
        let x = sequence(16)
        let projected = projected(x, kernel.tensor)
        let others = [projected, projected.reshaped(to: [48, 8]), 2 * projected]
        for other in others {
            #expect(try kernels([x], [last(projected), other]).contains(name))
        }
    }

    /// Both kernels' gradients and the bias's are sums that the walk back takes; nobody stores its slopes.
    @Test func gradientsOfKernelsAndBiasAreSums() throws {
        let x = sequence(16)
        let parameters = [kernel.tensor, bias.tensor, recurrentKernel.tensor]
        let loss = last(projected(x, kernel.tensor)).sum()
        let step = try #require(
            steps([x], gradient(of: loss, withRespectTo: parameters)).first {
                $0.kernel.description.hasPrefix("recurrenceGradient")
            })
        guard case .recurrenceGradient(_, let results, let sums, _) = step.kernel else {
            Issue.record("\(step.kernel)")
            return
        }
        #expect(results == [])
        #expect(sums.map(\.hasFactors).filter { $0 }.count == 2 && sums.count == 3)
        #expect(step.outputs.count == 3)
        // The walk: 2 * 16 * 3 * 8 * 2 for its products and 4 * 16 * 3 * 8 for the gates. The sums, each with 48 rows:
        // 2 * 48 * 5 * 8, 2 * 48 * 2 * 8, and 48 * 8 for the bias.
        #expect(step.flopCount == 1536 + 1536 + 3840 + 1536 + 384)
    }

    /// The inputs' gradient needs the slopes: they are written too.
    @Test func slopesThatSomebodyReadsAreWritten() throws {
        let x = sequence(16)
        let loss = last(projected(x, kernel.tensor)).sum()
        let kernels = try kernels([x], gradient(of: loss, withRespectTo: [x, kernel.tensor]))
        #expect(
            kernels.contains("recurrenceGradient(lstm, tanh, gates sigmoid, of lastHidden, projected)+product+byStep"))
        #expect(kernels.contains("matMul(right transposed)"))
    }

    /// For each recurrence and gradient that does products as it goes.
    private func keepsByStep(_ inputs: [Tensor], _ outputs: [Tensor]) throws -> [Bool] {
        try steps(inputs, outputs).compactMap { step in
            switch step.kernel {
            case .projectedRecurrence(_, _, _, let keepsByStep): keepsByStep
            case .recurrenceGradient(_, _, _, let isKeptByStep): isKeptByStep
            default: nil
            }
        }
    }

    /// The recurrence and its gradient agree on the order of what lies between them.
    @Test func whatOnlyTheGradientReadsIsKeptByStep() throws {
        let x = sequence(16)
        let result = last(projected(x, kernel.tensor))
        let parameters = [kernel.tensor, recurrentKernel.tensor]
        #expect(try keepsByStep([x], gradient(of: result.sum(), withRespectTo: parameters)) == [true, true])
        #expect(try keepsByStep([x], gradient(of: result.sum(), withRespectTo: parameters + [x])) == [true, true])
        // Without a gradient nothing is kept.
        #expect(try keepsByStep([x], [result]) == [false])
    }

    /// Gates and cells that somebody else reads are as their shapes say.
    @Test(arguments: [Recurrence.Result.gates, .previousCells])
    func whatOthersReadIsKeptInItsShape(kept: Recurrence.Result) throws {
        let x = sequence(16)
        let inputs = projected(x, kernel.tensor)
        let gradients = try gradient(of: last(inputs).sum(), withRespectTo: [kernel.tensor, recurrentKernel.tensor])
        let state = Tensor(.recurrence(rule.sibling(kept)), [inputs, recurrentKernel.tensor])
        for other in [state, 2 * state, state.reshaped(to: [state.shape.elementCount])] {
            #expect(try keepsByStep([x], gradients + [other]) == [false, false])
        }
    }

    /// Of a GRU the gates alone: its hidden states are factors, too. And a simple cell's.
    @Test(arguments: [RecurrentCell.Kind.gru, .simple]) func gatesOfOtherCellsAreKeptByStep(
        kind: RecurrentCell.Kind
    ) throws {
        let cell = RecurrentCell(kind), x = sequence(16)
        let (own, recurrent) = (
            Variable("own", shape: [5, 2 * cell.gateCount]), Variable("r", shape: [2, 2 * cell.gateCount])
        )
        let product = matMul(x.reshaped(to: [48, 5]), own.tensor).reshaped(to: [16, 3, 2 * cell.gateCount])
        let states = Tensor(.recurrence(Recurrence(cell: cell)), [product, recurrent.tensor])
        let gradients = try gradient(of: states.sum(), withRespectTo: [own.tensor, recurrent.tensor])
        #expect(try keepsByStep([x], gradients) == [true, true])
    }

    /// What takes the place of cells must be those that the same recurrence keeps.
    @Test func gradientsOfMixedStatesReadThemInTheirShapes() throws {
        let x = sequence(16), upstream = Tensor.placeholder([16, 2], name: "upstream")
        let inputs = [projected(x, kernel.tensor), recurrentKernel.tensor]
        func state(_ result: Recurrence.Result) -> Tensor { Tensor(.recurrence(rule.sibling(result)), inputs) }
        let factors = state(.previousHidden).reshaped(to: [48, 2])
        func sum(_ previous: Recurrence.Result) -> Tensor {
            let slopes = Tensor(
                .recurrenceGradient(RecurrenceGradient(cell: rule.cell, upstream: .lastHidden, result: .products)),
                [state(.gates), state(previous), recurrentKernel.tensor, upstream])
            return Tensor(.matMul(MatMul(isLeftTransposed: true)), [factors, slopes.reshaped(to: [48, 8])])
        }
        #expect(try keepsByStep([x, upstream], [sum(.previousCells)]) == [true, true])
        #expect(try keepsByStep([x, upstream], [sum(.previousHidden)]) == [false, false])
    }

    /// A gradient without sums reads gates of the usual order.
    @Test func gradientsWithoutSumsReadGatesInTheirShape() throws {
        let x = sequence(16)
        let result = last(projected(x, kernel.tensor))
        #expect(try keepsByStep([x], gradient(of: result.sum(), withRespectTo: [x])) == [false])
    }

    /// A GRU's products have slopes of their own.
    @Test func eachSumIsOfItsSlopes() throws {
        let gru = Recurrence(cell: RecurrentCell(.gru), hasRecurrentBias: true)
        let variables = [[5, 6], [6], [2, 6], [6]].map { Variable("v", shape: Shape($0)).tensor }
        let x = sequence(16)
        let product = matMul(x.reshaped(to: [48, 5]), variables[0]) + variables[1]
        let output = Tensor(.recurrence(gru), [product.reshaped(to: [16, 3, 6]), variables[2], variables[3]])
        let step = try #require(
            steps([x], gradient(of: output.sum(), withRespectTo: variables)).first {
                $0.kernel.description.hasPrefix("recurrenceGradient")
            })
        guard case .recurrenceGradient(_, let results, let sums, _) = step.kernel else {
            Issue.record("\(step.kernel)")
            return
        }
        #expect(results == [])
        #expect(
            Set(sums) == [
                .init(of: .projected, hasFactors: true), .init(of: .projected, hasFactors: false),
                .init(of: .products, hasFactors: true), .init(of: .products, hasFactors: false),
            ])
    }

    /// Factors that are made of the gradient cannot be summed with it.
    @Test func factorsMadeOfTheGradientAreMultipliedAfterwards() throws {
        let x = sequence(16)
        let first = projected(x, kernel.tensor)
        let slopes = try gradient(of: last(first).sum(), withRespectTo: [first])[0].reshaped(to: [48, 8])
        let square = Tensor(.matMul(MatMul(isLeftTransposed: true)), [slopes * 2, slopes])
        #expect(try kernels([x], [square]).last == "matMul(left transposed)")
    }
}
