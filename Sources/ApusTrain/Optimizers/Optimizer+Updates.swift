import ApusCore
import ApusGraph

/// An optimizer's updates together with the state that they work on.
package struct OptimizerPlan {
    /// The last parameter first, each after its slots: the order in which gradients become known.
    package let updates: [VariableUpdate]
    /// The state by name, as in `dense/kernel/momentum`.
    package let slots: [(name: String, variable: Variable)]
    /// A scalar that the learning rate is multiplied by; 1 at first.
    package let learningRateFactor: Variable
}

extension Optimizer {
    /// The updates that take one step down the loss, for a `Function`. The optimizer's state lives in new variables,
    /// which the updates hold.
    ///
    /// - Parameters:
    ///   - loss: A scalar.
    ///   - parameters: What to change. Variables that are not trainable are left alone.
    /// - Throws: `ApusError.setting` for settings outside their range, `ApusError.shape` where the loss is no scalar.
    public func updates(minimizing loss: Tensor, over parameters: [Variable]) throws -> [VariableUpdate] {
        try plan(minimizing: loss, over: parameters.map { ($0.name, $0) }).updates
    }

    /// The updates that take one step down the loss, and the optimizer's state by name.
    ///
    /// - Parameters:
    ///   - loss: A scalar.
    ///   - parameters: What to change, by name. Variables that are not trainable are left alone, and one that comes
    ///     twice is changed once.
    /// - Throws: As `updates(minimizing:over:)`.
    package func plan(
        minimizing loss: Tensor, over parameters: [(name: String, variable: Variable)]
    ) throws -> OptimizerPlan {
        try checkAllSettings()
        var seen: Set<ObjectIdentifier> = []
        let parameters = parameters.filter {
            $0.variable.isTrainable && seen.insert(ObjectIdentifier($0.variable)).inserted
        }
        var gradients = try gradient(of: loss, withRespectTo: parameters.map(\.variable.tensor))
        if let clipping { gradients = clipping.clipped(gradients) }

        let factor = Variable("learningRateFactor", value: NDArray(scalar: Float(1)), isTrainable: false)
        let rate = learningRate.tensor * factor.tensor
        let shared = sharedSlots.map { $0.variable(shape: .scalar) }
        let newShared = sharedStep(shared.map(\.tensor))
        var named = zip(sharedSlots, shared).map { (name: $0.name, variable: $1) }
        var updates: [VariableUpdate] = []
        for ((name, variable), gradient) in zip(parameters, gradients).reversed() {
            let slots = self.slots.map { $0.variable(shape: variable.shape) }
            let change = step(
                ParameterStep(
                    parameter: variable.tensor, gradient: gradient, learningRate: rate, slots: slots.map(\.tensor),
                    shared: newShared))
            updates += zip(slots, change.slots).map { VariableUpdate($0, to: $1) }
            updates.append(VariableUpdate(variable, to: decayed(variable.tensor, rate) - change.decrease))
            named += zip(self.slots, slots).map { (name: "\(name)/\($0.name)", variable: $1) }
        }
        updates += zip(shared, newShared).map { VariableUpdate($0, to: $1) }
        return OptimizerPlan(updates: updates, slots: named, learningRateFactor: factor)
    }

    private func decayed(_ parameter: Tensor, _ rate: Tensor) -> Tensor {
        weightDecay == 0 ? parameter : parameter - parameter * (rate * Float(weightDecay))
    }

    private func checkAllSettings() throws {
        if let problem = learningRate.problemAsRate {
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
