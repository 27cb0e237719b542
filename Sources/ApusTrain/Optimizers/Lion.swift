import ApusGraph

/// Steps of one size, in the direction of the sign of a mean gradient.
///
///     w <- w - rate sign(beta1 m + (1 - beta1) g)
///     m <- beta2 m + (1 - beta2) g
///
/// Source: Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2.
public struct Lion: Optimizer, Hashable {
    public var learningRate: Schedule
    public var beta1: Double
    public var beta2: Double
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001. A third to a tenth of Adam's suits.
    ///   - beta1: The mean's part in the step, above 0 and below 1. Default 0.9.
    ///   - beta2: How much of the mean is kept, from 0 up to, not including, 1. Default 0.99.
    ///   - weightDecay: Decoupled, 0 or more. Default 0. Three to ten times Adam's suits.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0,
        clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] { [OptimizerSlot("momentum")] }

    public func checkSettings() throws {
        // With 0 the step is the sign of the gradient alone, and the mean is of no use.
        try requireSetting(name, "beta1", beta1, "above 0 and below 1") { $0 > 0 && $0 < 1 }
        try requireFraction("beta2", beta2)
    }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let mean = step.slots[0]
        let direction = sign(mean * Float(beta1) + step.gradient * Float(1 - beta1))
        return ParameterChange(
            decrease: step.learningRate * direction,
            slots: [mean * Float(beta2) + step.gradient * Float(1 - beta2)])
    }
}

extension Lion {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0,
        clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), beta1: beta1, beta2: beta2, weightDecay: weightDecay,
            clipping: clipping)
    }
}
