import ApusCore
import ApusGraph
import ApusNN

/// What an optimizer remembers between steps. It outlives the graphs that update it.
package struct OptimizerState {
    /// The parameters, in the model's order; those that are frozen too, which may be freed.
    package let parameters: [NamedVariable]
    /// For each parameter the optimizer's slots, in the optimizer's order.
    let slots: [[Variable]]
    let shared: [Variable]
    /// A scalar that the learning rate is multiplied by; 1 at first.
    package let learningRateFactor: Variable
    /// All of the state by name, as in `dense/kernel/momentum`.
    package let variables: [NamedVariable]
}

extension Optimizer {
    /// The updates that take one step down the loss, for a `Function`. The optimizer's state lives in new variables,
    /// which the updates hold.
    ///
    /// - Parameters:
    ///   - loss: A scalar.
    ///   - parameters: What to change. Variables that are not trainable are left alone, and one that comes twice is
    ///     changed once.
    /// - Throws: `ApusError.setting` for settings outside their range, `ApusError.shape` where the loss is no scalar.
    public func updates(minimizing loss: Tensor, over parameters: [Variable]) throws -> [VariableUpdate] {
        let named = parameters.filter(\.isTrainable).map { NamedVariable(path: $0.name, variable: $0) }
        return try updates(minimizing: loss, state: state(for: named))
    }

    /// The state of an optimizer that has taken no step yet.
    /// - Throws: `ApusError.setting` for settings outside their range.
    package func state(for parameters: [NamedVariable]) throws -> OptimizerState {
        try checkAllSettings()
        var seen: Set<ObjectIdentifier> = []
        let parameters = parameters.filter {
            $0.variable.isParameter && seen.insert(ObjectIdentifier($0.variable)).inserted
        }
        let slots = parameters.map { parameter in self.slots.map { $0.variable(shape: parameter.variable.shape) } }
        let shared = sharedSlots.map { $0.variable(shape: .scalar) }
        let factor = Variable("learningRateFactor", value: NDArray(scalar: Float(1)), isTrainable: false)
        let named = zip(parameters, slots).flatMap { parameter, slots in
            slots.map { NamedVariable(path: "\(parameter.path)/\($0.name)", variable: $0) }
        }
        return OptimizerState(
            parameters: parameters, slots: slots, shared: shared, learningRateFactor: factor,
            variables: named + (shared + [factor]).map { NamedVariable(path: $0.name, variable: $0) })
    }

    /// The updates that take one step down the loss, of the parameters that are not frozen now: the last first, each
    /// after its slots, which is the order in which gradients become known.
    /// - Throws: `ApusError.shape` where the loss is no scalar, and whatever error it holds.
    package func updates(minimizing loss: Tensor, state: OptimizerState) throws -> [VariableUpdate] {
        let free = zip(state.parameters.map(\.variable), state.slots).filter { $0.0.isTrainable }
        let found = try gradient(of: loss, withRespectTo: free.map(\.0.tensor))
        var gradients = found
        if let clipping { gradients = clipping.clipped(gradients) }
        let rate = learningRate.tensor * state.learningRateFactor.tensor
        let shared = sharedStep(state.shared.map(\.tensor))
        var updates: [VariableUpdate] = []
        for (index, gradient) in gradients.enumerated().reversed() {
            let (variable, slots) = free[index]
            let change = step(
                ParameterStep(
                    parameter: variable.tensor, gradient: gradient, learningRate: rate, slots: slots.map(\.tensor),
                    shared: shared))
            var own = zip(slots, change.slots).map { VariableUpdate($0, to: $1) }
            own.append(VariableUpdate(variable, to: decayed(variable.tensor, rate) - change.decrease))
            for place in own.indices { own[place].gradient = found[index] }
            updates += own
        }
        return updates + zip(state.shared, shared).map { VariableUpdate($0, to: $1) }
    }

    private func decayed(_ parameter: Tensor, _ rate: Tensor) -> Tensor {
        weightDecay == 0 ? parameter : parameter - parameter * (rate * Float(weightDecay))
    }

    private func checkAllSettings() throws {
        if case .constant(let rate) = learningRate {
            try requireNotNegative("learningRate", rate)
        } else if let problem = learningRate.problemAsRate {
            throw ApusError.setting(
                owner: name, name: "learningRate", value: "\(learningRate)",
                expected: "a schedule that makes sense: \(problem)")
        }
        try requireNotNegative("weightDecay", weightDecay)
        if let clipping { try requirePositive("clipping", clipping.limit) }
        try checkSettings()
    }
}

extension OptimizerSlot {
    fileprivate func variable(shape: Shape) -> Variable {
        Variable(name, value: NDArray(repeating: initialValue, shape: shape), isTrainable: false)
    }
}

extension Schedule {
    /// Why this is no learning rate, in words; `nil` where it is one.
    fileprivate var problemAsRate: String? {
        if let problem { return problem }
        let numbers: [Double] =
            switch self {
            case .constant(let value): [value]
            case .inverseTime(let initial, let decay): [initial, decay]
            case .step(let initial, let factor, _), .exponential(let initial, let factor, _): [initial, factor]
            case .cosine(let peak, _, _, let final): [peak, final]
            case .polynomial(let initial, let final, _, let power): [initial, final, power]
            case .piecewise(_, let values): values
            case .biasCorrection(let decay): [decay]
            }
        return numbers.allSatisfy { $0 >= 0 && $0.isFinite } ? nil : "its numbers must be finite, 0 or more"
    }
}
