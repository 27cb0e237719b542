import ApusGraph

/// Adam with decoupled weight decay: `w <- w - rate weightDecay w` before Adam's step.
///
/// Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2.
public struct AdamW: Optimizer, Hashable {
    /// The step that is taken after the decay.
    public var adam: Adam

    /// - Parameters:
    ///   - learningRate: 0 or more. Default 0.001.
    ///   - weightDecay: 0 or more. Default 0.004.
    ///   - beta1: As in `Adam`, from 0 up to, not including, 1. Default 0.9.
    ///   - beta2: As in `Adam`, from 0 up to, not including, 1. Default 0.999.
    ///   - epsilon: Above 0. Default 1e-7.
    ///   - amsgrad: Whether the largest v so far stands in for v. Default `false`.
    ///   - clipping: Its limit above 0. Default none.
    public init(
        learningRate: Schedule = 0.001, weightDecay: Double = 0.004, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-7, amsgrad: Bool = false, clipping: GradientClipping? = nil
    ) {
        adam = Adam(
            learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, amsgrad: amsgrad,
            weightDecay: weightDecay, clipping: clipping)
    }

    public var learningRate: Schedule { adam.learningRate }
    public var weightDecay: Double { adam.weightDecay }
    public var clipping: GradientClipping? { adam.clipping }
    public var slots: [OptimizerSlot] { adam.slots }
    public func checkSettings() throws { try adam.checkSettings() }
    public func step(_ step: ParameterStep) -> ParameterChange { adam.step(step) }
}

extension AdamW {
    /// As above, with a learning rate that stays the same.
    public init(
        learningRate: some BinaryFloatingPoint, weightDecay: Double = 0.004, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-7, amsgrad: Bool = false, clipping: GradientClipping? = nil
    ) {
        self.init(
            learningRate: .constant(Double(learningRate)), weightDecay: weightDecay, beta1: beta1, beta2: beta2,
            epsilon: epsilon, amsgrad: amsgrad, clipping: clipping)
    }
}
