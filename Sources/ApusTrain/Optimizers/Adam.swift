import ApusGraph

/// Running means of the gradient and of its square, corrected for their start at zero.
///
///     m <- m + (1 - beta1) (g - m)
///     v <- v + (1 - beta2) (g^2 - v)
///     w <- w - rate sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon),   t = 1, 2, ...
///
/// With `amsgrad` the largest v so far stands in v's place in the last line.
///
/// Sources: Kingma and Ba, Adam, 2015 (the form before section 2.1, where epsilon is not corrected); Reddi, Kale and
/// Kumar, On the Convergence of Adam and Beyond, 2018.
public struct Adam: Optimizer, Hashable {
    public var learningRate: Schedule
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var amsgrad: Bool
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001.
    ///   - beta1: How much of the mean gradient is kept, from 0 up to, not including, 1. Default 0.9.
    ///   - beta2: How much of the mean square is kept, from 0 up to, not including, 1. Default 0.999.
    ///   - epsilon: Above 0. Default 1e-7.
    ///   - amsgrad: Whether the largest v so far stands in for v. Default `false`.
    ///   - weightDecay: Decoupled, 0 or more. Default 0.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
        amsgrad: Bool = false, weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] {
        [OptimizerSlot("momentum"), OptimizerSlot("velocity")] + (amsgrad ? [OptimizerSlot("velocity_hat")] : [])
    }

    public func checkSettings() throws {
        try requireFraction("beta1", beta1)
        try requireFraction("beta2", beta2)
        try requirePositive("epsilon", epsilon)
    }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let rate =
            step.learningRate * sqrt(Schedule.biasCorrection(decay: beta2).tensor)
            / Schedule.biasCorrection(decay: beta1).tensor
        let (momentum, velocity) = (step.slots[0], step.slots[1])
        let newMomentum = momentum + (step.gradient - momentum) * Float(1 - beta1)
        let newVelocity = velocity + (square(step.gradient) - velocity) * Float(1 - beta2)
        let largest = amsgrad ? [maximum(step.slots[2], newVelocity)] : []
        let root = sqrt(largest.first ?? newVelocity)
        return ParameterChange(
            decrease: newMomentum * rate / (root + Float(epsilon)), slots: [newMomentum, newVelocity] + largest)
    }
}

extension Adam {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
        amsgrad: Bool = false, weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), beta1: beta1, beta2: beta2, epsilon: epsilon,
            amsgrad: amsgrad, weightDecay: weightDecay, clipping: clipping)
    }
}
