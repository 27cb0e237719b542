import ApusCore

/// The gradient of `sum(upstream * recurrence)` with respect to what enters the steps: a walk back through them.
///
/// Inputs, of the same recurrence:
/// - gates: `[N, T, cell.storedCount U]`
/// - previous (but for a simple cell): the state of `cell.keptState` before each step, `[N, T, U]`
/// - kernel: `[U, G U]`
/// - upstream: as the recurrence's result, `[N, T, U]` or `[N, U]`
/// - mask, if there is one: `[N, T]`
package struct RecurrenceGradient: OperationRule {
    package enum Result: String, Hashable, Sendable, Codable, CaseIterable {
        /// With respect to the projected inputs, `[N, T, G U]`.
        case projected
        /// With respect to the products of hidden states and kernel, `[N, T, G U]`. A GRU's alone are others than the
        /// projected inputs'.
        case products
        /// With respect to the states before the first step, `[N, U]`.
        case initialHidden
        case initialCells
    }

    package var cell: RecurrentCell
    package var isReversed: Bool
    package var hasMask: Bool
    /// The result of the recurrence that is differentiated, one of `upstreams`.
    package var upstream: Recurrence.Result
    package var result: Result
    /// Whether the gradients with respect to projected inputs and products are rounded to bfloat16: they are factors of
    /// the products that follow. The kernel is given rounded then. It is a plan's choice, which no file holds.
    package var roundsFactors = false

    private enum CodingKeys: String, CodingKey { case cell, isReversed, hasMask, upstream, result }

    package init(
        cell: RecurrentCell, isReversed: Bool = false, hasMask: Bool = false, upstream: Recurrence.Result,
        result: Result
    ) {
        self.cell = cell
        self.isReversed = isReversed
        self.hasMask = hasMask
        self.upstream = upstream
        self.result = result
    }

    package static let upstreams: Set<Recurrence.Result> = [.hidden, .lastHidden, .lastCells]

    package var name: String { "recurrenceGradient" }
    package var settings: String {
        [
            cell.description, isReversed ? "reversed" : "", hasMask ? "masked" : "", roundsFactors ? "rounded" : "",
            "of \(upstream.rawValue)", result.rawValue,
        ]
        .filter { !$0.isEmpty }.joined(separator: ", ")
    }

    /// The inputs by their roles.
    package struct Inputs<Value> {
        package let gates: Value
        package let previous: Value?
        package let kernel: Value
        package let upstream: Value
        package let mask: Value?
    }

    package var inputCount: Int { 3 + (cell.keptState == nil ? 0 : 1) + (hasMask ? 1 : 0) }

    package func roles<Value>(_ inputs: [Value]) -> Inputs<Value> {
        let kernel = cell.keptState == nil ? 1 : 2
        return Inputs(
            gates: inputs[0], previous: kernel == 2 ? inputs[1] : nil, kernel: inputs[kernel],
            upstream: inputs[kernel + 1], mask: hasMask ? inputs[kernel + 2] : nil)
    }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let roles = roles(inputs)
        let (gates, kernel) = (roles.gates.shape, roles.kernel.shape)
        guard gates.rank == 3, gates[1] >= 1, kernel.rank == 2, kernel[0] >= 1,
            kernel[1] == cell.gateCount * kernel[0], gates[2] == cell.storedCount * kernel[0]
        else {
            throw mismatch(
                expected: "gates [batch, steps, \(cell.storedCount) units] "
                    + "and a kernel [units, \(cell.gateCount) units]",
                received: "\(gates) and \(kernel)", cure: "give what the recurrence gave")
        }
        let (batch, steps, units) = (gates[0], gates[1], kernel[0])
        let upstreamShape: Shape = upstream == .hidden ? [batch, steps, units] : [batch, units]
        guard roles.previous.map({ $0.shape == [batch, steps, units] }) ?? true, roles.upstream.shape == upstreamShape,
            roles.mask.map({ $0.shape == [batch, steps] }) ?? true, Self.upstreams.contains(upstream),
            cell.kind == .lstm || (upstream != .lastCells && result != .initialCells)
        else {
            throw mismatch(
                expected: "states, upstream and mask that fit gates \(gates)",
                received: inputs.dropFirst().map { "\($0.shape)" }.joined(separator: ", "),
                cure: "give what the recurrence gave")
        }
        switch result {
        case .projected, .products: return TensorType([batch, steps, cell.gateCount * units])
        case .initialHidden, .initialCells: return TensorType([batch, units])
        }
    }

    package func specialized(batchSize: Int) -> Operation { .recurrenceGradient(self) }

    /// The same computation's other result.
    package func sibling(_ result: Result) -> RecurrenceGradient {
        var sibling = self
        sibling.result = result
        return sibling
    }

    /// Second derivatives are rare: they take the long way through single operations.
    package func gradients(_ context: GradientContext) -> [Tensor?] { context.gradients(writtenOutAs: unrolled) }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        typealias Number = ReferenceNumber<Scalar>
        let roles = roles(inputs)
        let (batch, steps, units) = (roles.gates.shape[0], roles.gates.shape[1], roles.kernel.shape[0])
        let (width, stored) = (cell.gateCount * units, cell.storedCount * units)
        var output = ReferenceArray<Scalar>(type.shape)
        func store(_ values: [Scalar], at row: Int) {
            output.values.replaceSubrange(row * values.count..<(row + 1) * values.count, with: values)
        }
        func factor(_ number: Number) -> Scalar { roundsFactors ? number.value.roundedToBfloat16 : number.value }
        for sample in 0..<batch {
            var hidden = [Scalar](repeating: 0, count: units)
            var cells = hidden
            for (number, step) in walk(of: steps).enumerated() {
                let place = sample * steps + step
                for unit in 0..<units {
                    switch upstream {
                    case .hidden: hidden[unit] += roles.upstream.values[place * units + unit]
                    case .lastCells where number == 0: cells[unit] += roles.upstream.values[sample * units + unit]
                    case _ where number == 0: hidden[unit] += roles.upstream.values[sample * units + unit]
                    default: break
                    }
                }
                if roles.mask?.values[place] == 0 { continue }
                let back = (0..<units).map { unit in
                    cell.backward(
                        gates: (0..<cell.storedCount).map {
                            Number(roles.gates.values[place * stored + $0 * units + unit])
                        }, previous: Number(roles.previous?.values[place * units + unit] ?? 0),
                        hidden: Number(hidden[unit]), cells: Number(cells[unit]))
                }
                let products = (0..<cell.gateCount).flatMap { gate in back.map { factor($0.products[gate]) } }
                if result == .products { store(products, at: place) }
                if result == .projected {
                    store((0..<cell.gateCount).flatMap { gate in back.map { factor($0.projected[gate]) } }, at: place)
                }
                cells = back.map(\.cells.value)
                hidden = (0..<units).map { unit in
                    (0..<width).reduce(back[unit].hidden?.value ?? 0) {
                        $0 + products[$1] * roles.kernel.values[unit * width + $1]
                    }
                }
            }
            if result == .initialHidden { store(hidden, at: sample) }
            if result == .initialCells { store(cells, at: sample) }
        }
        return output
    }

    /// The steps in the order of the walk, the last one taken first.
    func walk(of steps: Int) -> [Int] { isReversed ? Array(0..<steps) : (0..<steps).reversed() }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        let (gates, units) = (inputs[0].shape.elementCount, roles(inputs).kernel.shape[0])
        return flops(2, gates, units) + flops(4, gates)
    }
}
