import ApusGraph

/// Gradient descent with each element's step divided by the root of the sum of its squared gradients.
///
///     a <- a + g^2,   w <- w - rate g / sqrt(a + epsilon)
///
/// Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods, 2011.
public struct Adagrad: Optimizer, Hashable {
    public var learningRate: Schedule
    public var initialAccumulator: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001.
    ///   - initialAccumulator: What a starts from, 0 or more. Default 0.1.
    ///   - epsilon: Above 0. Default 1e-7.
    ///   - weightDecay: Decoupled, 0 or more. Default 0.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, initialAccumulator: Double = 0.1, epsilon: Double = 1e-7,
        weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.initialAccumulator = initialAccumulator
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] { [OptimizerSlot("accumulator", initialValue: Float(initialAccumulator))] }

    public func checkSettings() throws {
        try requireNotNegative("initialAccumulator", initialAccumulator)
        try requirePositive("epsilon", epsilon)
    }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let accumulator = step.slots[0] + square(step.gradient)
        return ParameterChange(
            decrease: step.learningRate * step.gradient / sqrt(accumulator + Float(epsilon)), slots: [accumulator])
    }
}

extension Adagrad {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, initialAccumulator: Double = 0.1, epsilon: Double = 1e-7,
        weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), initialAccumulator: initialAccumulator, epsilon: epsilon,
            weightDecay: weightDecay, clipping: clipping)
    }
}
