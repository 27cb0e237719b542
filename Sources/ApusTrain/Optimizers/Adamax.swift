import ApusGraph

/// Adam with the largest recent gradient in place of the root mean square.
///
///     m <- m + (1 - beta1) (g - m)
///     u <- max(beta2 u, |g|)
///     w <- w - rate m / ((1 - beta1^t) (u + epsilon)),   t = 1, 2, ...
///
/// Source: Kingma and Ba, Adam, 2015, algorithm 2 (epsilon is Keras').
public struct Adamax: Optimizer, Hashable {
    public var learningRate: Schedule
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001.
    ///   - beta1: How much of the mean gradient is kept, from 0 up to, not including, 1. Default 0.9.
    ///   - beta2: How fast the largest gradient is forgotten, from 0 up to, not including, 1. Default 0.999.
    ///   - epsilon: Above 0. Default 1e-7.
    ///   - weightDecay: Decoupled, 0 or more. Default 0.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
        weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] { [OptimizerSlot("momentum"), OptimizerSlot("norm")] }

    public func checkSettings() throws {
        try requireFraction("beta1", beta1)
        try requireFraction("beta2", beta2)
        try requirePositive("epsilon", epsilon)
    }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let rate = step.learningRate / Schedule.biasCorrection(decay: beta1).tensor
        let momentum = step.slots[0] + (step.gradient - step.slots[0]) * Float(1 - beta1)
        let norm = maximum(Float(beta2) * step.slots[1], abs(step.gradient))
        return ParameterChange(decrease: rate * momentum / (norm + Float(epsilon)), slots: [momentum, norm])
    }
}

extension Adamax {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
        weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), beta1: beta1, beta2: beta2, epsilon: epsilon,
            weightDecay: weightDecay, clipping: clipping)
    }
}
