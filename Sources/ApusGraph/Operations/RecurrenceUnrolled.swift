import ApusCore

// Recurrences written out step by step in other operations: where their gradients of higher order come from.

extension Recurrence {
    func unrolled(_ inputs: [Tensor]) -> Tensor {
        let roles = roles(inputs)
        let (batch, steps, units) = (roles.projected.shape[0], roles.projected.shape[1], roles.kernel.shape[0])
        let zeros = Tensor.constant(0).broadcast(to: [batch, units])
        var hidden = roles.initialHidden ?? zeros
        var cells = roles.initialCells ?? zeros
        var collected = [Tensor](repeating: zeros, count: steps)
        for step in order(of: steps) {
            let factors = roundsFactors ? roundedToBfloat16(hidden) : hidden
            var products = matMul(factors, roles.kernel)
            if let bias = roles.recurrentBias { products = products + bias }
            let next = cell.forward(
                projected: roles.projected.step(step).blocks(cell.gateCount),
                products: products.blocks(cell.gateCount), hidden: hidden, cells: cells)
            let (hiddenBefore, cellsBefore) = (hidden, cells)
            hidden = roles.mask.masking(step, next.hidden, else: hidden)
            cells = roles.mask.masking(step, next.cells, else: cells)
            switch result {
            case .hidden, .lastHidden, .lastCells: collected[step] = hidden
            case .previousHidden: collected[step] = hiddenBefore
            case .previousFactors: collected[step] = factors
            case .previousCells: collected[step] = cellsBefore
            case .gates: collected[step] = concatenate(next.gates)
            }
        }
        switch result {
        case .lastHidden: return hidden
        case .lastCells: return cells
        default: return stacked(collected)
        }
    }
}

extension RecurrenceGradient {
    func unrolled(_ inputs: [Tensor]) -> Tensor {
        let roles = roles(inputs)
        let (batch, steps, units) = (roles.gates.shape[0], roles.gates.shape[1], roles.kernel.shape[0])
        let zeros = Tensor.constant(0).broadcast(to: [batch, units])
        var hidden = upstream == .lastHidden ? roles.upstream : zeros
        var cells = upstream == .lastCells ? roles.upstream : zeros
        var collected = [Tensor](repeating: zeros, count: steps)
        func factor(_ x: Tensor) -> Tensor { roundsFactors ? roundedToBfloat16(x) : x }
        for step in walk(of: steps) {
            if upstream == .hidden { hidden = hidden + roles.upstream.step(step) }
            let back = cell.backward(
                gates: roles.gates.step(step).blocks(cell.storedCount), previous: roles.previous?.step(step) ?? zeros,
                hidden: hidden, cells: cells)
            let products = factor(concatenate(back.products))
            let change = result == .projected ? factor(concatenate(back.projected)) : products
            collected[step] = roles.mask.masking(step, change, else: .constant(0))
            let through = Tensor(.matMul(MatMul(isRightTransposed: true)), [products, roles.kernel])
            hidden = roles.mask.masking(step, back.hidden.map { $0 + through } ?? through, else: hidden)
            cells = roles.mask.masking(step, back.cells, else: cells)
        }
        switch result {
        case .initialHidden: return hidden
        case .initialCells: return cells
        case .projected, .products: return stacked(collected)
        }
    }
}

extension Tensor {
    /// Of `[N, T, n]` the step `index`, `[N, n]`.
    fileprivate func step(_ index: Int) -> Tensor {
        slice(index..<index + 1, axis: 1).reshaped(to: [shape[0], shape[2]])
    }

    /// Of `[N, count n]` its `count` blocks, `[N, n]` each.
    fileprivate func blocks(_ count: Int) -> [Tensor] {
        let size = shape[1] / count
        return (0..<count).map { slice($0 * size..<($0 + 1) * size, axis: 1) }
    }
}

extension Tensor? {
    /// `value` where the mask `[N, T]` has no 0 at `step`, else `kept`; both `[N, n]`.
    fileprivate func masking(_ step: Int, _ value: Tensor, else kept: Tensor) -> Tensor {
        self.map { select($0.slice(step..<step + 1, axis: 1), value, kept) } ?? value
    }
}

/// `[N, n]` for each step as `[N, T, n]`.
private func stacked(_ steps: [Tensor]) -> Tensor {
    concatenate(steps.map { $0.reshaped(to: [$0.shape[0], 1, $0.shape[1]]) }, axis: 1)
}
