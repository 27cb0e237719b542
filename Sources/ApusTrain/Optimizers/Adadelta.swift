import ApusGraph

/// Gradient descent with steps in units of the parameter: the root mean square of past changes over that of gradients.
///
///     a <- rho a + (1 - rho) g^2
///     d  = g sqrt(c + epsilon) / sqrt(a + epsilon)
///     c <- rho c + (1 - rho) d^2
///     w <- w - rate d
///
/// Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012, algorithm 1.
public struct Adadelta: Optimizer, Hashable {
    public var learningRate: Schedule
    public var rho: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001, as in Keras; the paper has 1.
    ///   - rho: How much of the running means is kept, from 0 up to, not including, 1. Default 0.95.
    ///   - epsilon: Above 0. Default 1e-7.
    ///   - weightDecay: Decoupled, 0 or more. Default 0.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, rho: Double = 0.95, epsilon: Double = 1e-7, weightDecay: Double = 0,
        clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.rho = rho
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] { [OptimizerSlot("accumulated_grad"), OptimizerSlot("accumulated_delta_var")] }

    public func checkSettings() throws {
        try requireFraction("rho", rho)
        try requirePositive("epsilon", epsilon)
    }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let (kept, added, epsilon) = (Float(rho), Float(1 - rho), Float(epsilon))
        let gradients = kept * step.slots[0] + added * square(step.gradient)
        let change = sqrt(step.slots[1] + epsilon) * step.gradient / sqrt(gradients + epsilon)
        let changes = kept * step.slots[1] + added * square(change)
        return ParameterChange(decrease: step.learningRate * change, slots: [gradients, changes])
    }
}

extension Adadelta {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, rho: Double = 0.95, epsilon: Double = 1e-7, weightDecay: Double = 0,
        clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), rho: rho, epsilon: epsilon, weightDecay: weightDecay,
            clipping: clipping)
    }
}
