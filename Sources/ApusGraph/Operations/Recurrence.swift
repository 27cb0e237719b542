import ApusCore

/// A recurrent cell over all steps of a sequence: states go from step to step, in time or against it.
///
/// Shapes, with `U` units, `T` steps and `G = cell.gateCount`:
/// - projected: `[N, T, G U]`, the inputs times their kernel, with their bias; made beforehand, all steps at once
/// - kernel: `[U, G U]`, the recurrent one; blocks in the order z r n of a GRU, and i f g o of an LSTM
/// - recurrent bias (a GRU's, optional): `[G U]`
/// - initial hidden state, and an LSTM's initial cells (optional, together): `[N, U]`, else 0
/// - mask (optional): `[N, T]`; where it is 0, a step hands the states on as they are
///
/// It has several results, each an operation of its own; a plan computes those of the same inputs together.
package struct Recurrence: OperationRule {
    package enum Result: String, Hashable, Sendable, Codable, CaseIterable {
        /// The hidden state after each step, `[N, T, U]`, beside the step's input also when reversed.
        case hidden
        /// The hidden state after the last step that is taken, `[N, U]`.
        case lastHidden
        /// The hidden state before each step, `[N, T, U]`.
        case previousHidden
        /// The same as it enters the product, `[N, T, U]`.
        case previousFactors
        /// An LSTM's cells after the last step, `[N, U]`.
        case lastCells
        /// An LSTM's cells before each step, `[N, T, U]`.
        case previousCells
        /// What the gradient keeps of each step, `[N, T, cell.storedCount U]`, masked or not.
        case gates

        var needsCells: Bool { self == .lastCells || self == .previousCells }
    }

    package var cell: RecurrentCell
    /// Whether the last step of the sequence is taken first.
    package var isReversed: Bool
    package var hasRecurrentBias: Bool
    package var hasInitialState: Bool
    package var hasMask: Bool
    package var result: Result
    /// Whether hidden states are rounded to bfloat16 where they enter the product; the kernel is given rounded then.
    /// The states themselves are handed on as they are. It is a plan's choice, which no file holds.
    package var roundsFactors = false

    private enum CodingKeys: String, CodingKey {
        case cell, isReversed, hasRecurrentBias, hasInitialState, hasMask, result
    }

    package init(
        cell: RecurrentCell, isReversed: Bool = false, hasRecurrentBias: Bool = false, hasInitialState: Bool = false,
        hasMask: Bool = false, result: Result = .hidden
    ) {
        self.cell = cell
        self.isReversed = isReversed
        self.hasRecurrentBias = hasRecurrentBias
        self.hasInitialState = hasInitialState
        self.hasMask = hasMask
        self.result = result
    }

    package var name: String { "recurrence" }
    package var settings: String {
        [
            cell.description, isReversed ? "reversed" : "", hasMask ? "masked" : "", roundsFactors ? "rounded" : "",
            result.rawValue,
        ]
        .filter { !$0.isEmpty }.joined(separator: ", ")
    }

    /// The inputs by their roles.
    package struct Inputs<Value> {
        package let projected: Value
        package let kernel: Value
        package let recurrentBias: Value?
        package let initialHidden: Value?
        package let initialCells: Value?
        package let mask: Value?
    }

    package var inputCount: Int {
        2 + (hasRecurrentBias ? 1 : 0) + (hasInitialState ? stateCount : 0) + (hasMask ? 1 : 0)
    }

    private var stateCount: Int { cell.kind == .lstm ? 2 : 1 }

    package func roles<Value>(_ inputs: [Value]) -> Inputs<Value> {
        let states = 2 + (hasRecurrentBias ? 1 : 0)
        return Inputs(
            projected: inputs[0], kernel: inputs[1], recurrentBias: hasRecurrentBias ? inputs[2] : nil,
            initialHidden: hasInitialState ? inputs[states] : nil,
            initialCells: hasInitialState && stateCount == 2 ? inputs[states + 1] : nil,
            mask: hasMask ? inputs[inputs.count - 1] : nil)
    }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let roles = roles(inputs)
        let (projected, kernel, count) = (roles.projected.shape, roles.kernel.shape, cell.gateCount)
        guard projected.rank == 3, projected[1] >= 1, kernel.rank == 2, kernel[0] >= 1, kernel[1] == count * kernel[0],
            projected[2] == kernel[1]
        else {
            throw mismatch(
                expected: "projected inputs [batch, steps, \(count) units] and a kernel [units, \(count) units]",
                received: "\(projected) and \(kernel)", cure: "give each gate of each step one number a unit")
        }
        let (batch, steps, units) = (projected[0], projected[1], kernel[0])
        func require(_ type: TensorType?, _ what: String, _ shape: Shape) throws {
            guard let type, type.shape != shape else { return }
            throw mismatch(
                expected: "\(what) \(shape)", received: "\(type.shape)",
                cure: "make it fit projected inputs \(projected)")
        }
        try require(roles.recurrentBias, "a recurrent bias", [count * units])
        try require(roles.initialHidden, "an initial hidden state", [batch, units])
        try require(roles.initialCells, "initial cells", [batch, units])
        try require(roles.mask, "a mask", [batch, steps])
        guard cell.kind == .lstm || !result.needsCells, cell.kind == .gru || !hasRecurrentBias else {
            throw mismatch(
                expected: "cells of an LSTM, and a recurrent bias of a GRU", received: settings,
                cure: "ask for what the cell has")
        }
        switch result {
        case .lastHidden, .lastCells: return TensorType([batch, units])
        case .hidden, .previousHidden, .previousFactors, .previousCells: return TensorType([batch, steps, units])
        case .gates: return TensorType([batch, steps, cell.storedCount * units])
        }
    }

    package func specialized(batchSize: Int) -> Operation { .recurrence(self) }

    /// Whether it is there for the gradient only, which reads it once. (Hidden states are factors of products, too.)
    package var isKeptForGradient: Bool { result == .gates || result == .previousCells }

    /// The same computation's other result.
    package func sibling(_ result: Result) -> Recurrence {
        var sibling = self
        sibling.result = result
        return sibling
    }

    /// One walk back through the steps gives what each step adds to the projected inputs and to the products; the
    /// kernel's gradient then is a single product over all steps.
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        guard RecurrenceGradient.upstreams.contains(result) else {
            return context.gradients(writtenOutAs: unrolled)
        }
        func state(_ result: Result) -> Tensor { Tensor(.recurrence(sibling(result)), context.inputs) }
        let roles = roles(context.inputs)
        let inputs =
            [state(.gates), cell.keptState.map(state), roles.kernel, context.upstream, roles.mask].compactMap { $0 }
        func gradient(_ wanted: RecurrenceGradient.Result) -> Tensor {
            var rule = RecurrenceGradient(
                cell: cell, isReversed: isReversed, hasMask: hasMask, upstream: result, result: wanted)
            rule.roundsFactors = roundsFactors
            return Tensor(.recurrenceGradient(rule), inputs)
        }
        let products = cell.kind == .gru ? gradient(.products) : gradient(.projected)
        let rows = products.shape[0] * products.shape[1]
        func kernelGradient() -> Tensor {
            let (units, width) = (roles.kernel.shape[0], roles.kernel.shape[1])
            return Tensor(
                .matMul(MatMul(isLeftTransposed: true)),
                [
                    state(roundsFactors ? .previousFactors : .previousHidden).reshaped(to: [rows, units]),
                    products.reshaped(to: [rows, width]),
                ])
        }
        var shares: [() -> Tensor?] = [{ gradient(.projected) }, kernelGradient]
        if hasRecurrentBias { shares.append { products.sum(0, 1) } }
        if hasInitialState { shares.append { gradient(.initialHidden) } }
        if hasInitialState, stateCount == 2 { shares.append { gradient(.initialCells) } }
        if hasMask { shares.append { nil } }
        return zip(shares, context.isNeeded).map { share, isNeeded in isNeeded ? share() : nil }
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        typealias Number = ReferenceNumber<Scalar>
        let roles = roles(inputs)
        let (batch, steps, units) = (roles.projected.shape[0], roles.projected.shape[1], roles.kernel.shape[0])
        let width = cell.gateCount * units
        var output = ReferenceArray<Scalar>(type.shape)
        func store(_ values: [Number], at row: Int) {
            for (index, number) in values.enumerated() { output.values[row * values.count + index] = number.value }
        }
        func row(_ array: ReferenceArray<Scalar>?, _ index: Int) -> [Number] {
            (0..<units).map { Number(array?.values[index * units + $0] ?? 0) }
        }
        for sample in 0..<batch {
            var hidden = row(roles.initialHidden, sample)
            var cells = row(roles.initialCells, sample)
            for step in order(of: steps) {
                let place = sample * steps + step
                let factors = hidden.map { roundsFactors ? Number($0.value.roundedToBfloat16) : $0 }
                if result == .previousHidden { store(hidden, at: place) }
                if result == .previousFactors { store(factors, at: place) }
                if result == .previousCells { store(cells, at: place) }
                let products = (0..<width).map { column in
                    Number(
                        (0..<units).reduce(roles.recurrentBias?.values[column] ?? 0) {
                            $0 + factors[$1].value * roles.kernel.values[$1 * width + column]
                        })
                }
                let next = (0..<units).map { unit in
                    cell.forward(
                        projected: (0..<cell.gateCount).map {
                            Number(roles.projected.values[place * width + $0 * units + unit])
                        }, products: (0..<cell.gateCount).map { products[$0 * units + unit] }, hidden: hidden[unit],
                        cells: cells[unit])
                }
                if result == .gates {
                    store((0..<cell.storedCount).flatMap { gate in next.map { $0.gates[gate] } }, at: place)
                }
                if roles.mask?.values[place] != 0 { (hidden, cells) = (next.map(\.hidden), next.map(\.cells)) }
                if result == .hidden { store(hidden, at: place) }
            }
            if result == .lastHidden { store(hidden, at: sample) }
            if result == .lastCells { store(cells, at: sample) }
        }
        return output
    }

    /// The steps in the order in which they are taken.
    func order(of steps: Int) -> [Int] { isReversed ? (0..<steps).reversed() : Array(0..<steps) }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        let (projected, units) = (inputs[0].shape.elementCount, inputs[1].shape[0])
        return flops(2, projected, units) + flops(4, projected)
    }
}
