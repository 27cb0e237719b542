import ApusGraph

/// Gradient descent with each element's step divided by a running root mean square of its gradient.
///
///     v <- rho v + (1 - rho) g^2
///     a <- rho a + (1 - rho) g                                         (centered)
///     d  = rate g / sqrt(v + epsilon)        or, centered, rate g / sqrt(max(v - a^2, 0) + epsilon)
///     w <- w - d                             or, with momentum, m <- momentum m + d,   w <- w - m
///
/// Source: Tieleman and Hinton, Lecture 6.5, Neural Networks for Machine Learning, 2012.
public struct RMSprop: Optimizer, Hashable {
    public var learningRate: Schedule
    public var rho: Double
    public var momentum: Double
    public var epsilon: Double
    public var centered: Bool
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001.
    ///   - rho: How much of the running means is kept, from 0 up to, not including, 1. Default 0.9.
    ///   - momentum: From 0 up to, not including, 1. Default 0.
    ///   - epsilon: Above 0. Default 1e-7.
    ///   - centered: Whether the mean gradient is taken off, which makes v a variance. Default `false`.
    ///   - weightDecay: Decoupled, 0 or more. Default 0.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, rho: Double = 0.9, momentum: Double = 0, epsilon: Double = 1e-7,
        centered: Bool = false, weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] {
        [OptimizerSlot("velocity")] + (momentum > 0 ? [OptimizerSlot("momentum")] : [])
            + (centered ? [OptimizerSlot("average_gradient")] : [])
    }

    public func checkSettings() throws {
        try requireFraction("rho", rho)
        try requireFraction("momentum", momentum)
        try requirePositive("epsilon", epsilon)
    }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let gradient = step.gradient
        let (kept, added) = (Float(rho), Float(1 - rho))
        let velocity = kept * step.slots[0] + added * square(gradient)
        var (slots, squares) = ([velocity], velocity)
        var average: [Tensor] = []
        if centered, let before = step.slots.last {
            let mean = kept * before + added * gradient
            average = [mean]
            // A variance, but rounding can bring the difference below 0.
            squares = maximum(velocity - square(mean), 0)
        }
        var decrease = step.learningRate * gradient / sqrt(squares + Float(epsilon))
        if momentum > 0 {
            decrease = Float(momentum) * step.slots[1] + decrease
            slots.append(decrease)
        }
        return ParameterChange(decrease: decrease, slots: slots + average)
    }
}

extension RMSprop {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, rho: Double = 0.9, momentum: Double = 0, epsilon: Double = 1e-7,
        centered: Bool = false, weightDecay: Double = 0, clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), rho: rho, momentum: momentum, epsilon: epsilon,
            centered: centered, weightDecay: weightDecay, clipping: clipping)
    }
}
