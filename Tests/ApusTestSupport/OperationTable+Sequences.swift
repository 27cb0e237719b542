import ApusCore
import ApusGraph

extension OperationTable {
    static let sequenceRows = recurrences.map(\.row) + recurrenceGradients.map(\.row)

    /// Batch, steps and units.
    private typealias Sizes = (batch: Int, steps: Int, units: Int)
    private static let sizes: [Sizes] = [(1, 1, 1), (2, 3, 2), (-1, 2, 2), (0, 2, 1), (1, 4, 1)]

    /// Sevenths of steps are masked: the first and the last of a sequence among them.
    private static let maskNumbers: Domain = .listed([0, 1, 1, 1, 0, 1, 1])

    private struct RecurrenceCase: Sendable {
        var rule: Recurrence

        init(
            _ cell: RecurrentCell, _ result: Recurrence.Result, isReversed: Bool = false,
            hasRecurrentBias: Bool = false, hasInitialState: Bool = false, hasMask: Bool = false
        ) {
            rule = Recurrence(
                cell: cell, isReversed: isReversed, hasRecurrentBias: hasRecurrentBias,
                hasInitialState: hasInitialState, hasMask: hasMask, result: result)
        }

        private func inputs(_ sizes: Sizes) -> [RowInput] {
            let width = rule.cell.gateCount * sizes.units
            let state = RowInput([sizes.batch, sizes.units], .range(-0.9...0.9))
            let sequence = RowInput([sizes.batch, sizes.steps, width], .range(-1...1))
            var inputs = [sequence, RowInput([sizes.units, width], .range(-0.6...0.6))]
            if rule.hasRecurrentBias { inputs.append(RowInput([width], .range(-0.2...0.2))) }
            if rule.hasInitialState { inputs += rule.cell.kind == .lstm ? [state, state] : [state] }
            if rule.hasMask { inputs.append(RowInput([sizes.batch, sizes.steps], maskNumbers)) }
            return inputs
        }

        var row: OperationRow {
            let isDifferentiable = inputs(sizes[0]).indices.map { !rule.hasMask || $0 < rule.inputCount - 1 }
            let name = [
                rule.settings, rule.hasRecurrentBias ? "bias" : "", rule.hasInitialState ? "initial state" : "",
                rule.hasMask ? "mask" : "",
            ].filter { !$0.isEmpty }.joined(separator: ", ")
            return OperationRow(
                OperationKind(.recurrence, rule.cell.kind.rawValue), name, cases: sizes.map(inputs),
                isDifferentiable: isDifferentiable
            ) { [rule] in Tensor(.recurrence(rule), $0) }
        }
    }

    /// So steep that sums from -1 to 1 are clipped on both sides, while the other functions stay within their curves.
    private static let hardSigmoid = RecurrenceActivation.hardSigmoid(slope: 0.75)

    private static let recurrences = [
        RecurrenceCase(RecurrentCell(.simple), .hidden),
        RecurrenceCase(
            RecurrentCell(.simple, activation: .sigmoid), .lastHidden, isReversed: true, hasInitialState: true,
            hasMask: true),
        RecurrenceCase(RecurrentCell(.simple, activation: .linear), .gates, hasMask: true),
        RecurrenceCase(RecurrentCell(.gru), .lastHidden),
        RecurrenceCase(
            RecurrentCell(.gru, gateActivation: hardSigmoid), .hidden, isReversed: true, hasRecurrentBias: true,
            hasInitialState: true, hasMask: true),
        RecurrenceCase(RecurrentCell(.gru), .previousHidden, hasRecurrentBias: true, hasInitialState: true),
        RecurrenceCase(RecurrentCell(.gru), .gates, hasRecurrentBias: true),
        RecurrenceCase(RecurrentCell(.gru, gateActivation: hardSigmoid), .gates, hasRecurrentBias: true),
        RecurrenceCase(RecurrentCell(.lstm), .lastHidden),
        RecurrenceCase(RecurrentCell(.lstm), .hidden, isReversed: true, hasInitialState: true, hasMask: true),
        RecurrenceCase(RecurrentCell(.lstm, gateActivation: hardSigmoid), .lastCells, hasInitialState: true),
        RecurrenceCase(RecurrentCell(.lstm), .lastCells, isReversed: true, hasMask: true),
        RecurrenceCase(RecurrentCell(.lstm), .previousCells, hasInitialState: true, hasMask: true),
        RecurrenceCase(RecurrentCell(.lstm, activation: .sigmoid), .gates, isReversed: true),
        RecurrenceCase(RecurrentCell(.lstm, gateActivation: hardSigmoid), .gates, hasMask: true),
        RecurrenceCase(RecurrentCell(.lstm, gateActivation: hardSigmoid), .hidden, isReversed: true, hasMask: true),
    ]

    private struct RecurrenceGradientCase: Sendable {
        var rule: RecurrenceGradient

        init(
            _ cell: RecurrentCell, of upstream: Recurrence.Result, _ result: RecurrenceGradient.Result,
            isReversed: Bool = false, hasMask: Bool = false
        ) {
            rule = RecurrenceGradient(
                cell: cell, isReversed: isReversed, hasMask: hasMask, upstream: upstream, result: result)
        }

        /// Some are beyond the range of a gate: there the slope is 0, as it is at the ends, where it has a step.
        private static let hardNumbers: Domain = .listed([0.3, -0.25, 0.8, 1.25, 0.6])

        private var isHard: Bool {
            if case .hardSigmoid = rule.cell.gateActivation { true } else { false }
        }

        private func inputs(_ sizes: Sizes) -> [RowInput] {
            let sequence: Shape = [sizes.batch, sizes.steps, sizes.units]
            let state: Shape = [sizes.batch, sizes.units]
            let stored: Shape = [sizes.batch, sizes.steps, rule.cell.storedCount * sizes.units]
            var inputs = [RowInput(stored, isHard ? Self.hardNumbers : .range(0.2...0.8))]
            if rule.cell.keptState != nil { inputs.append(RowInput(sequence, .range(-1...1))) }
            inputs.append(RowInput([sizes.units, rule.cell.gateCount * sizes.units], .range(-0.6...0.6)))
            inputs.append(RowInput(rule.upstream == .hidden ? sequence : state, .range(-1...1)))
            if rule.hasMask { inputs.append(RowInput([sizes.batch, sizes.steps], maskNumbers)) }
            return inputs
        }

        var row: OperationRow {
            let isDifferentiable = inputs(sizes[0]).indices.map { !rule.hasMask || $0 < rule.inputCount - 1 }
            return OperationRow(
                OperationKind(.recurrenceGradient, rule.cell.kind.rawValue),
                rule.settings + (rule.hasMask ? ", mask" : ""), cases: sizes.map(inputs),
                isDifferentiable: isDifferentiable
            ) { [rule] in Tensor(.recurrenceGradient(rule), $0) }
        }
    }

    private static let recurrenceGradients = [
        RecurrenceGradientCase(RecurrentCell(.simple), of: .hidden, .projected),
        RecurrenceGradientCase(
            RecurrentCell(.simple, activation: .sigmoid), of: .lastHidden, .initialHidden, isReversed: true,
            hasMask: true),
        RecurrenceGradientCase(RecurrentCell(.gru), of: .lastHidden, .projected),
        RecurrenceGradientCase(RecurrentCell(.gru), of: .hidden, .products, isReversed: true, hasMask: true),
        RecurrenceGradientCase(
            RecurrentCell(.gru, gateActivation: hardSigmoid), of: .hidden, .initialHidden, hasMask: true),
        RecurrenceGradientCase(RecurrentCell(.lstm), of: .lastHidden, .projected),
        RecurrenceGradientCase(RecurrentCell(.lstm), of: .lastCells, .projected, isReversed: true, hasMask: true),
        RecurrenceGradientCase(
            RecurrentCell(.lstm, gateActivation: hardSigmoid), of: .hidden, .initialHidden, hasMask: true),
        RecurrenceGradientCase(RecurrentCell(.lstm, activation: .linear), of: .hidden, .initialCells, isReversed: true),
    ]
}
