import ApusCore
import ApusGraph

/// Batch normalisation over all axes but the last: `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`.
///
/// In training mean and variance are those of the batch (the variance divided by the number of values), and the running
/// averages move towards them: `average = momentum * average + (1 - momentum) * statistic`. Inference uses the running
/// averages, and so does training while the model is frozen (`Model.isTrainable`).
///
/// Shapes: input and output `[batch, ..., channels]`; gamma, beta, `movingMean`, `movingVariance` `[channels]`. gamma
/// and the variance start at 1, the others at 0; the moving ones are not trainable.
///
/// Applying it throws `ApusError.setting` for settings out of range, `ApusError.shape` where there are no channels
/// behind the batch.
/// Source: Ioffe and Szegedy, Batch Normalization (2015), algorithms 1 and 2.
public struct BatchNormalization: UnaryLayer {
    public var name: String?
    /// The part of a running average that a step keeps, 0 to 1.
    public var momentum: Double
    /// Added to the variance, 0 or more.
    public var epsilon: Double
    /// Whether there is a `beta` to add.
    public var usesCenter: Bool
    /// Whether there is a `gamma` to multiply by.
    public var usesScale: Bool
    public var gammaInitializer: Initializer
    public var betaInitializer: Initializer
    public var gammaRegularizer: (any VariableRegularizer)?
    public var betaRegularizer: (any VariableRegularizer)?

    /// - Parameters:
    ///   - momentum: 0 to 1, default 0.99. (PyTorch's momentum is 1 less this.)
    ///   - epsilon: 0 or more, default 0.001.
    ///   - usesCenter: whether there is a `beta` to add. Default `true`.
    ///   - usesScale: whether there is a `gamma` to multiply by; a rectifier and a linear layer after it can do the
    ///     scaling. Default `true`.
    ///   - gammaInitializer: gamma's first values. Default `.ones`.
    ///   - betaInitializer: beta's first values. Default `.zeros`.
    ///   - gammaRegularizer: what gamma adds to the loss. Default nothing.
    ///   - betaRegularizer: what beta adds to the loss. Default nothing.
    ///   - name: default: `batchNormalization`, numbered in the order of the model.
    public init(
        momentum: Double = 0.99, epsilon: Double = 0.001, usesCenter: Bool = true, usesScale: Bool = true,
        gammaInitializer: Initializer = .ones, betaInitializer: Initializer = .zeros,
        gammaRegularizer: (any VariableRegularizer)? = nil, betaRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.momentum = momentum
        self.epsilon = epsilon
        self.usesCenter = usesCenter
        self.usesScale = usesScale
        self.gammaInitializer = gammaInitializer
        self.betaInitializer = betaInitializer
        self.gammaRegularizer = gammaRegularizer
        self.betaRegularizer = betaRegularizer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require((0...1).contains(momentum), "momentum", momentum, mustBe: "0 to 1")
        try scope.require(epsilon >= 0 && epsilon.isFinite, "epsilon", epsilon, mustBe: "0 or more")
        guard input.shape.rank >= 2, input.shape[-1] > 0 else {
            throw scope.mismatch(
                expected: "[batch, ..., channels]", received: "\(input.shape)",
                cure: "put the channels on the last axis, behind the batch")
        }
        let shape: Shape = [input.shape[-1]]
        let gamma =
            usesScale
            ? try scope.variable("gamma", shape: shape, initializer: gammaInitializer, regularizer: gammaRegularizer)
            : Tensor.constant(1).broadcast(to: shape)
        let beta =
            usesCenter
            ? try scope.variable("beta", shape: shape, initializer: betaInitializer, regularizer: betaRegularizer)
            : Tensor.constant(0).broadcast(to: shape)
        let mean = try scope.variable("movingMean", shape: shape, initializer: Initializer.zeros, isTrainable: false)
        let variance = try scope.variable(
            "movingVariance", shape: shape, initializer: Initializer.ones, isTrainable: false)
        let batch = BatchStatistics(of: input)
        return input.batchNormalized(
            scale: gamma, offset: beta, batch: batch, runningMean: mean, runningVariance: variance, epsilon: epsilon
        )
        .updating(mean, toward: batch.mean, momentum: momentum)
        .updating(variance, toward: batch.variance, momentum: momentum)
    }
}
