import ApusCore

/// The first row along the last axis: `[..., C] -> [C]`.
///
/// A point that lies near the others, from which sums of squares are measured without loss of digits. No gradient
/// flows through it.
package struct FirstRow: OperationRule {
    package var name: String { "firstRow" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        guard let last = inputs[0].shape.sizes.last, !inputs[0].shape.sizes.contains(0) else {
            throw mismatch(expected: "at least one element", received: "\(inputs[0])", cure: "give it a last axis")
        }
        return TensorType([last])
    }
    package func specialized(batchSize: Int) -> Operation { .firstRow(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        ReferenceArray(type.shape, Array(inputs[0].values.prefix(type.shape.elementCount)))
    }
}

/// The last-but-one input, which is `scale * (x - mean) * reciprocalDeviation + offset`, with the gradient that counts
/// mean and deviation as functions of `x`; gone after tracing.
///
/// Inputs: `x: [..., C]`; mean, reciprocal deviation, scale and offset, all `[C]`; the normalised values; and a variable
/// that is not frozen where the statistics are those of `x` in training. In inference, and where it is frozen, they
/// are constants.
///
/// Source: Ioffe and Szegedy, Batch Normalization (2015), section 3, with the gradient's sums taken together:
/// `dx = scale r (dy - mean(dy) - (x - mean) r^2 mean(dy (x - mean)))`.
package struct BatchNormalized: OperationRule {
    package var name: String { "batchNormalization" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat([inputs[0]])
        guard let channelCount = inputs[0].shape.sizes.last else {
            throw mismatch(
                expected: "a last axis of channels", received: "a scalar", cure: "give a vector for each sample")
        }
        for input in inputs[1...4] where input != TensorType([channelCount]) {
            throw mismatch(
                expected: "mean, reciprocal deviation, scale and offset of type \(TensorType([channelCount]))",
                received: "\(input)", cure: "give one value for each channel")
        }
        guard inputs[0] == inputs[5] else {
            throw mismatch(
                expected: "normalised values of the input's type \(inputs[0])", received: "\(inputs[5])",
                cure: "make them from the input")
        }
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .batchNormalization(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let inputs = context.inputs
        let (x, mean, reciprocal, scale) = (inputs[0], inputs[1], inputs[2], inputs[3])
        let (dy, statistic) = (context.upstream, inputs[6])
        let axes = Array(0..<x.shape.rank - 1)
        let count = Tensor(.axisSize(AxisSize(axes: axes)), [x])
        let centered = x - mean
        let sum = dy.reduced(.sum, axes).reshaped(to: mean.shape)
        let weightedSum = (dy * centered).reduced(.sum, axes).reshaped(to: mean.shape)
        let none = 0 * mean
        func inTraining(_ value: Tensor) -> Tensor {
            Tensor(.phase(Phase(hasVariable: true)), [value, none, statistic])
        }
        let shift = inTraining(sum / count)
        let slope = inTraining(square(reciprocal) * weightedSum / count)
        return [
            !context.isNeeded[0] ? nil : (dy - shift - centered * slope) * (scale * reciprocal),
            nil, nil,
            !context.isNeeded[3] ? nil : weightedSum * reciprocal,
            !context.isNeeded[4] ? nil : sum,
            nil, nil,
        ]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        preconditionFailure("a normalisation is settled when the graph is traced")
    }
}

/// The first input as it is; when traced for training, the second input, a variable, is set to
/// `momentum * variable + (1 - momentum) * statistic`, where the statistic is the third. Gone after tracing.
///
/// Several updates of one variable follow one another in the graph's order. A frozen variable stays as it is.
package struct RunningAverage: OperationRule {
    /// The part of the old value that stays: 0 to 1.
    package var momentum: Double

    package init(momentum: Double) {
        self.momentum = momentum
    }

    package var name: String { "runningAverage" }
    package var settings: String { "momentum: \(momentum)" }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard inputs[1] == inputs[2], inputs[1].elementType == .float32 else {
            throw mismatch(
                expected: "a statistic of the variable's type \(inputs[1])", received: "\(inputs[2])",
                cure: "reduce it to the variable's shape")
        }
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .runningAverage(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [context.upstream, nil, nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        preconditionFailure("a running average is settled when the graph is traced")
    }
}

extension Tensor {
    /// The same value; whenever a step is run for training, `average` moves towards `statistic`:
    /// `average = momentum * average + (1 - momentum) * statistic`, when the step ends. With momentum 0 it is set.
    ///
    /// It happens in every trace for training that needs this value, in that of a `Function` too.
    /// - Parameters:
    ///   - average: a variable's tensor, as `LayerScope.variable` gives it, not trainable.
    ///   - statistic: of the variable's shape.
    ///   - momentum: 0 to 1.
    public func updating(_ average: Tensor, toward statistic: Tensor, momentum: Double) -> Tensor {
        if node.failure == nil, average.node.failure == nil, average.node.variable == nil {
            return Tensor(
                node: Node(
                    failure: ApusError.setting(
                        owner: "updating(_:toward:momentum:)", name: "average", value: "\(average)",
                        expected: "the tensor of a variable")))
        }
        if !(0...1).contains(momentum) {
            return Tensor(
                node: Node(
                    failure: ApusError.setting(
                        owner: "updating(_:toward:momentum:)", name: "momentum", value: "\(momentum)",
                        expected: "0 to 1")))
        }
        return Tensor(.runningAverage(RunningAverage(momentum: momentum)), [self, average, stopGradient(statistic)])
    }

    /// The first row along the last axis, without its gradient: `[..., C] -> [C]`.
    package var firstRow: Tensor { Tensor(.firstRow(FirstRow()), [self]) }
}

/// What batch normalisation takes from a batch.
public struct BatchStatistics {
    /// `[C]`
    public let mean: Tensor
    /// Of the samples at hand (divided by their number, not one less): `[C]`, never negative.
    public let variance: Tensor

    /// The mean and the variance over all axes of `x: [..., C]` but the last, in one pass over memory: both are
    /// measured from the first row, so that no digits are lost where the mean is large beside the deviation.
    public init(of x: Tensor) {
        let axes = Array(0..<max(x.shape.rank - 1, 0))
        let origin = x.firstRow
        let count = Tensor(.axisSize(AxisSize(axes: axes)), [x])
        let distance = x - origin
        let first = distance.reduced(.sum, axes).reshaped(to: origin.shape) / count
        let second = square(distance).reduced(.sum, axes).reshaped(to: origin.shape) / count
        mean = origin + first
        variance = maximum(second - square(first), .constant(0))
    }
}

extension Tensor {
    /// `scale * (x - mean) / sqrt(variance + epsilon) + offset` with the statistics of the batch itself in training,
    /// and with running ones in inference and where `runningMean` is frozen; for `x: [..., C]`, all others `[C]`.
    package func batchNormalized(
        scale: Tensor, offset: Tensor, batch: BatchStatistics, runningMean: Tensor, runningVariance: Tensor,
        epsilon: Double
    ) -> Tensor {
        func chosen(_ own: Tensor, _ running: Tensor) -> Tensor {
            Tensor(.phase(Phase(hasVariable: true)), [own, running, runningMean])
        }
        let mean = chosen(batch.mean, runningMean)
        let reciprocal = reciprocalSquareRoot(chosen(batch.variance, runningVariance) + .constant(Float(epsilon)))
        let value = (self - mean) * (scale * reciprocal) + offset
        return Tensor(
            .batchNormalization(BatchNormalized()), [self, mean, reciprocal, scale, offset, value, runningMean])
    }
}
