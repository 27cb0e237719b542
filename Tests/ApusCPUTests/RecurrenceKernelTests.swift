import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import CApusKernels
import Foundation
import Testing

/// Sizes beyond those of the operation table: units that fill vectors and panels and those that do not, rows for
/// several blocks and for parts of tiles, more terms than are added in one go.
@Suite struct RecurrenceSizesTests {
    private static let sizes: [(batch: Int, steps: Int, units: Int)] = [
        (5, 3, 17), (13, 2, 33), (195, 2, 5), (3, 2, 130), (1, 1, 16), (2, 3, 64), (100, 1, 1), (7, 4, 48),
    ]

    /// Steep hard sigmoids, which are clipped on both sides.
    private static let cells = [
        RecurrentCell(.simple), RecurrentCell(.simple, activation: .relu), RecurrentCell(.gru),
        RecurrentCell(.gru, gateActivation: .hardSigmoid(slope: 0.75)), RecurrentCell(.lstm),
        RecurrentCell(.lstm, activation: .linear, gateActivation: .hardSigmoid(slope: 0.6)),
    ]

    private static func row(_ rule: Recurrence) -> OperationRow {
        let cases = sizes.map { size in
            let (width, scale) = (rule.cell.gateCount * size.units, 1 / Double(size.units).squareRoot())
            let state = RowInput([size.batch, size.units], .range(-0.9...0.9))
            var inputs = [
                RowInput([size.batch, size.steps, width], .range(-1...1)),
                RowInput([size.units, width], .range(-scale...scale)),
            ]
            if rule.hasRecurrentBias { inputs.append(RowInput([width], .range(-0.2...0.2))) }
            if rule.hasInitialState { inputs += rule.cell.kind == .lstm ? [state, state] : [state] }
            if rule.hasMask { inputs.append(RowInput([size.batch, size.steps], .listed([1, 0, 1, 1, 1]))) }
            return inputs
        }
        return OperationRow(
            OperationKind(.recurrence, rule.cell.kind.rawValue), "\(rule.settings)", cases: cases,
            isDifferentiable: cases[0].map { _ in true }
        ) { Tensor(.recurrence(rule), $0) }
    }

    private static let rows = cells.flatMap { cell in
        [
            row(Recurrence(cell: cell)), row(Recurrence(cell: cell, isReversed: true, result: .lastHidden)),
            row(
                Recurrence(
                    cell: cell, hasRecurrentBias: cell.kind == .gru, hasInitialState: true, hasMask: true,
                    result: cell.kind == .lstm ? .lastCells : .hidden)),
        ]
    }

    @Test(arguments: rows) func agreesWithTheReference(row: OperationRow) {
        #expect(checkExecutor([row], run: runOnCPU) == [])
    }

    /// Gates that are 0 or 1 are clipped ones, whose slope is 0.
    private static let clippedRows = [RecurrentCell.Kind.gru, .lstm].flatMap { kind in
        RecurrenceGradient.Result.allCases.filter { $0 != .initialCells || kind == .lstm }.map { result in
            let cell = RecurrentCell(kind, gateActivation: .hardSigmoid(slope: 0.2))
            let rule = RecurrenceGradient(cell: cell, upstream: .hidden, result: result)
            let cases = [(3, 2, 5), (2, 3, 19)].map { (batch: Int, steps: Int, units: Int) in
                [
                    RowInput([batch, steps, cell.storedCount * units], .listed([0, 0.3, 1, 0.75, 1, 0, 0.5])),
                    RowInput([batch, steps, units], .range(-1...1)),
                    RowInput([units, cell.gateCount * units], .range(-0.6...0.6)),
                    RowInput([batch, steps, units], .range(-1...1)),
                ]
            }
            return OperationRow(
                OperationKind(.recurrenceGradient, kind.rawValue), rule.settings, cases: cases,
                isDifferentiable: cases[0].map { _ in true }
            ) { Tensor(.recurrenceGradient(rule), $0) }
        }
    }

    @Test(arguments: clippedRows) func clippedGatesPassNoGradient(row: OperationRow) {
        #expect(checkExecutor([row], run: runOnCPU) == [])
    }
}

/// Recurrences that project their inputs and sum their kernels' gradients as they go, against the same graph in the
/// reference.
@Suite struct ProjectedRecurrenceTests {
    private static let sizes: [(batch: Int, steps: Int, features: Int, units: Int)] = [
        (16, 3, 5, 17), (19, 2, 1, 33), (200, 2, 40, 5), (17, 1, 16, 16), (33, 3, 7, 64), (130, 2, 3, 1),
    ]

    /// - Parameters:
    ///   - needsInputGradient: then the gradient of the projected inputs is written out as well.
    ///   - needsKernelGradients: without them nothing is summed, and gates are kept in their shape.
    private static func row(
        _ rule: Recurrence, hasBias: Bool = true, needsInputGradient: Bool = false, needsKernelGradients: Bool = true
    ) -> OperationRow {
        let cases = sizes.map { size in
            let (width, scale) = (rule.cell.gateCount * size.units, 1 / Double(size.units).squareRoot())
            let state = RowInput([size.batch, size.units], .range(-0.9...0.9))
            var inputs = [
                RowInput([size.batch, size.steps, size.features], .range(-1...1)),
                RowInput([size.features, width], .range(-1...1)), RowInput([width], .range(-1...1)),
                RowInput([size.units, width], .range(-scale...scale)),
            ]
            if rule.hasRecurrentBias { inputs.append(RowInput([width], .range(-0.2...0.2))) }
            if rule.hasInitialState { inputs += rule.cell.kind == .lstm ? [state, state] : [state] }
            if rule.hasMask { inputs.append(RowInput([size.batch, size.steps], .listed([1, 0, 1, 1, 1]))) }
            return inputs
        }
        let isDifferentiable = cases[0].indices.map {
            $0 == 0 ? needsInputGradient : needsKernelGradients && ($0 != 2 || hasBias)
        }
        return OperationRow(
            OperationKind(.recurrence, rule.cell.kind.rawValue),
            "projected, \(rule.settings)\(hasBias ? "" : ", no bias")", cases: cases,
            isDifferentiable: isDifferentiable
        ) { inputs in
            let (sequence, kernel) = (inputs[0].shape, inputs[1])
            let rows = inputs[0].reshaped(to: [sequence[0] * sequence[1], sequence[2]])
            var projected = matMul(rows, kernel)
            if hasBias { projected = projected + inputs[2] }
            return Tensor(
                .recurrence(rule),
                [projected.reshaped(to: [sequence[0], sequence[1], kernel.shape[1]])] + inputs.dropFirst(3))
        }
    }

    private static let rows = [
        row(Recurrence(cell: RecurrentCell(.lstm), result: .lastHidden)),
        row(Recurrence(cell: RecurrentCell(.lstm), isReversed: true), hasBias: false, needsInputGradient: true),
        row(
            Recurrence(
                cell: RecurrentCell(.lstm, gateActivation: .hardSigmoid(slope: 0.75)), hasInitialState: true,
                hasMask: true, result: .lastCells)),
        row(Recurrence(cell: RecurrentCell(.lstm)), needsInputGradient: true, needsKernelGradients: false),
        row(Recurrence(cell: RecurrentCell(.gru), hasRecurrentBias: true)),
        row(Recurrence(cell: RecurrentCell(.gru), isReversed: true, result: .lastHidden), hasBias: false),
        row(
            Recurrence(
                cell: RecurrentCell(.gru, activation: .relu), hasRecurrentBias: true, hasInitialState: true,
                hasMask: true), needsInputGradient: true),
        row(Recurrence(cell: RecurrentCell(.simple), result: .lastHidden)),
        row(Recurrence(cell: RecurrentCell(.simple, activation: .relu), hasInitialState: true, hasMask: true)),
    ]

    @Test(arguments: rows) func agreesWithTheReference(row: OperationRow) {
        #expect(checkExecutor([row], run: runOnCPU) == [])
    }
}

extension KernelTests {
    @Suite struct RecurrenceKernelTests {
        private let batch = 11
        private let steps = 3
        private let units = 20

        private func description(_ cell: apus_cell) -> apus_recurrence_description {
            var description = apus_recurrence_description()
            description.cell = cell
            (description.batch, description.steps, description.units) = (Int64(batch), Int64(steps), Int64(units))
            (description.activation, description.gate_activation) = (APUS_CELL_TANH, APUS_CELL_SIGMOID)
            return description
        }

        /// One step of a simple cell without a kernel: its activation, of all of `x`.
        private func activated(_ x: [Float], _ activation: apus_cell_activation) throws -> [Float] {
            var description = apus_recurrence_description()
            (description.cell, description.activation) = (APUS_CELL_SIMPLE, activation)
            (description.batch, description.steps, description.units) = (1, 1, Int64(x.count))
            var recurrence: OpaquePointer?
            try check(apus_recurrence_create(&description, &recurrence))
            defer { apus_recurrence_destroy(recurrence) }
            let kernel = [Float](repeating: 0, count: x.count * x.count)
            var result = [Float](repeating: .nan, count: x.count)
            x.withUnsafeBufferPointer { x in
                kernel.withUnsafeBufferPointer { kernel in
                    result.withUnsafeMutableBufferPointer { result in
                        var arrays = apus_recurrence_arrays()
                        arrays.projected = x.baseAddress
                        arrays.kernel = kernel.baseAddress
                        arrays.last_hidden = result.baseAddress
                        apus_recurrence_run(recurrence, &arrays)
                    }
                }
            }
            return result
        }

        /// Against Double, from the smallest normal numbers to where the results do not change any more; on both sides of
        /// each change of the power of two that is taken out, k ln 2 / 2 with odd k (and / 4 for tanh).
        @Test func sigmoidAndTanhAreRight() throws {
            var x =
                (1...250).map { Float($0) * 0.034 } + (1...60).map { Float.leastNormalMagnitude * exp2(Float(2 * $0)) }
            for k in stride(from: 1, to: 40, by: 2) {
                let half = Float(k) * 0.34657359, quarter = half / 2
                x += [half.nextDown, half.nextUp, quarter.nextDown, quarter.nextUp]
            }
            x += x.map { -$0 }
            let sigmoid = try activated(x, APUS_CELL_SIGMOID), tanh = try activated(x, APUS_CELL_TANH)
            #expect(relativeError(sigmoid, x.map { 1 / (1 + exp(-Double($0))) }, floor: 0) <= 3e-7)
            #expect(relativeError(tanh, x.map { Foundation.tanh(Double($0)) }, floor: 0) <= 3e-7)
        }

        /// exp(-87) = 1.6458115e-38.
        @Test func sigmoidAndTanhAtTheirEnds() throws {
            let x: [Float] = [0, -0, .infinity, -.infinity, 87.5, -87.5, 1e30, -1e30, 10.5, -10.5, .nan]
            let sigmoid = try activated(x, APUS_CELL_SIGMOID), tanh = try activated(x, APUS_CELL_TANH)
            #expect(Array(sigmoid[..<3]) == [0.5, 0.5, 1])
            #expect([sigmoid[4], sigmoid[6]] == [1, 1])
            for place in [3, 5, 7] { #expect(abs(sigmoid[place] / 1.6458115e-38 - 1) < 1e-6) }
            #expect(Array(tanh[..<10]) == [0, 0, 1, -1, 1, -1, 1, -1, 1, -1])
            #expect(sigmoid[10].isNaN && tanh[10].isNaN)
        }

        /// The last hidden states and the gradient of the projected inputs, one after the other.
        /// - Parameter inPlace: whether the gates are written over the projected inputs, and the gradient over them.
        private func run(_ cell: apus_cell, inPlace: Bool = false) throws -> [Float] {
            let gates = cell == APUS_CELL_LSTM ? 4 : cell == APUS_CELL_GRU ? 3 : 1
            let count = batch * steps * units
            var description = description(cell)
            var recurrence: OpaquePointer?
            try check(apus_recurrence_create(&description, &recurrence))
            defer { apus_recurrence_destroy(recurrence) }
            var gradient: OpaquePointer?
            try check(apus_recurrence_gradient_create(&description, nil, 0, &gradient))
            defer { apus_recurrence_gradient_destroy(gradient) }

            let projected = FloatMemory(sampleValues(count * gates, seed: 1))
            let kernel = FloatMemory(sampleValues(units * units * gates, seed: 2, scale: 0.2))
            let upstream = FloatMemory(sampleValues(count, seed: 3))
            let kept = inPlace ? projected : FloatMemory(count: count * 4)
            let slopes = inPlace ? projected : FloatMemory(count: count * gates)
            let (previous, cells) = (FloatMemory(count: count), FloatMemory(count: count))
            let last = FloatMemory(count: batch * units)

            var arrays = apus_recurrence_arrays()
            (arrays.projected, arrays.kernel) = (projected.values, kernel.values)
            (arrays.last_hidden, arrays.previous_hidden, arrays.gates) = (last.start, previous.start, kept.start)
            if cell == APUS_CELL_LSTM { arrays.previous_cells = cells.start }
            apus_recurrence_run(recurrence, &arrays)

            var back = apus_recurrence_gradient_arrays()
            (back.gates, back.kernel) = (kept.values, kernel.values)
            back.previous = cell == APUS_CELL_LSTM ? cells.values : previous.values
            (back.hidden, back.projected) = (upstream.values, slopes.start)
            apus_recurrence_gradient_run(gradient, &back)
            return last.numbers + slopes.numbers
        }

        @Test(arguments: [0, 1, 2]) func threadsDoNotChangeTheNumbers(_ cell: Int32) throws {
            let results = try withThreadCounts { try run(apus_cell(rawValue: cell)) }
            #expect(bits(results.one) == bits(results.two))
            #expect(results.one.first { !$0.isFinite } == nil)
        }

        @Test func gatesAndGradientsMayTakeThePlaceOfWhatTheyAreMadeFrom() throws {
            for cell in [APUS_CELL_SIMPLE, APUS_CELL_LSTM] {
                #expect(try bits(run(cell, inPlace: true)) == bits(run(cell)))
            }
        }

        @Test func senselessDescriptionsAreRefused() {
            let changes: [(inout apus_recurrence_description) -> Void] = [
                { $0.units = 0 }, { $0.steps = 0 }, { $0.batch = -1 }, { $0.features = -1 },
            ]
            for change in changes {
                var description = description(APUS_CELL_LSTM)
                change(&description)
                var made: OpaquePointer?
                #expect(apus_recurrence_create(&description, &made) == Int32(APUS_INVALID_DESCRIPTION))
                #expect(made == nil)
                #expect(apus_recurrence_gradient_create(&description, nil, 0, &made) == Int32(APUS_INVALID_DESCRIPTION))
                #expect(made == nil)
            }
            var (sound, made) = (description(APUS_CELL_LSTM), OpaquePointer?.none)
            let tooMany = [apus_recurrence_sum](
                repeating: apus_recurrence_sum(), count: Int(APUS_RECURRENCE_SUMS) + 1)
            for sums in [tooMany, [apus_recurrence_sum(width: -1, is_of_products: false)]] {
                let status = apus_recurrence_gradient_create(&sound, sums, Int32(sums.count), &made)
                #expect(status == Int32(APUS_INVALID_DESCRIPTION))
                #expect(made == nil)
            }
        }
    }
}
