import ApusGraph

/// Gradient descent, with momentum where asked for.
///
///     w <- w - rate g                                                  (momentum 0)
///     m <- momentum m - rate g,   w <- w + m                           (plain momentum)
///     m <- momentum m - rate g,   w <- w + momentum m - rate g         (Nesterov)
///
/// Source: Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep learning,
/// 2013.
public struct SGD: Optimizer, Hashable {
    public var learningRate: Schedule
    public var momentum: Double
    public var nesterov: Bool
    public var weightDecay: Double
    public var clipping: GradientClipping?

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.01.
    ///   - momentum: From 0 up to, not including, 1. Default 0.
    ///   - nesterov: Whether the step looks ahead; without momentum it makes no difference. Default `false`.
    ///   - weightDecay: Decoupled, 0 or more. Default 0.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.01, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0,
        clipping: GradientClipping? = nil
    ) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weightDecay = weightDecay
        self.clipping = clipping
    }

    public var slots: [OptimizerSlot] { momentum == 0 ? [] : [OptimizerSlot("momentum")] }

    public func checkSettings() throws { try requireFraction("momentum", momentum) }

    public func step(_ step: ParameterStep) -> ParameterChange {
        let plain = step.gradient * step.learningRate
        guard momentum != 0 else { return ParameterChange(decrease: plain) }
        let velocity = step.slots[0] * Float(momentum) - plain
        return ParameterChange(
            decrease: nesterov ? plain - velocity * Float(momentum) : -velocity, slots: [velocity])
    }
}

extension SGD {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0,
        clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), momentum: momentum, nesterov: nesterov,
            weightDecay: weightDecay, clipping: clipping)
    }
}
