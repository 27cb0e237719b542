import ApusGraph

/// Adam with Nesterov's look ahead and a momentum that warms up.
///
///     u_t  = beta1 (1 - 0.96^t / 2),   U_t = u_1 ... u_t,   t = 1, 2, ...
///     m   <- m + (1 - beta1) (g - m)
///     v   <- v + (1 - beta2) (g^2 - v)
///     m'   = u_(t+1) m / (1 - U_t u_(t+1)) + (1 - u_t) g / (1 - U_t)
///     w   <- w - rate m' / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Source: Dozat, Incorporating Nesterov Momentum into Adam, 2015 (with Keras' schedule for u).
public struct Nadam: Optimizer, Hashable {
    public var learningRate: Schedule
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001.
    ///   - beta1: How much of the mean gradient is kept, from 0 up to, not including, 1. Default 0.9.
    ///   - beta2: How much of the mean square is kept, from 0 up to, not including, 1. Default 0.999.
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

    public var slots: [OptimizerSlot] { [OptimizerSlot("momentum"), OptimizerSlot("velocity")] }
    public var sharedSlots: [OptimizerSlot] { [OptimizerSlot("momentum_product", initialValue: 1)] }

    public func checkSettings() throws {
        try requireFraction("beta1", beta1)
        try requireFraction("beta2", beta2)
        try requirePositive("epsilon", epsilon)
    }

    public func sharedStep(_ shared: [Tensor]) -> [Tensor] { [shared[0] * warmMomentum(ahead: 0)] }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let (now, next, product) = (warmMomentum(ahead: 0), warmMomentum(ahead: 1), step.shared[0])
        let momentum = step.slots[0] + (step.gradient - step.slots[0]) * Float(1 - beta1)
        let velocity = step.slots[1] + (square(step.gradient) - step.slots[1]) * Float(1 - beta2)
        let ahead = momentum * (next / (1 - product * next)) + step.gradient * ((1 - now) / (1 - product))
        let root = sqrt(velocity / Schedule.biasCorrection(decay: beta2).tensor)
        return ParameterChange(
            decrease: ahead * step.learningRate / (root + Float(epsilon)), slots: [momentum, velocity])
    }

    /// u at this step (`ahead` 0) or the next (1). Steps are counted from 0 in a schedule, from 1 in the formula.
    private func warmMomentum(ahead: Int) -> Tensor {
        let start = ahead == 0 ? 0.96 : 0.96 * 0.96
        return Float(beta1) * (1 - 0.5 * Schedule.exponential(initial: start, factor: 0.96, every: 1).tensor)
    }
}

extension Nadam {
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
