import ApusCore
import ApusGraph

extension Loss {
    /// Cross-entropy of yes-or-no answers, from probabilities.
    public static let binaryCrossentropy = Loss.binaryCrossentropy()

    /// Cross-entropy of yes-or-no answers: the mean of `-(t log y + (1 - t) log(1 - y))`.
    ///
    /// From probabilities `y` is held within `[1e-7, 1 - 1e-7]`. Where `y` is itself the result of a sigmoid, the loss
    /// is taken from the sigmoid's input x instead, `softplus(x) - t x`, which is exact and does not saturate.
    ///
    /// - Parameters:
    ///   - fromLogits: Whether predictions are logits, not probabilities. Default `false`.
    ///   - labelSmoothing: `s` in `t (1 - s) + s / 2`, from 0 to 1. Default 0.
    public static func binaryCrossentropy(fromLogits: Bool = false, labelSmoothing: Double = 0) -> Loss {
        Loss(.binaryCrossentropy(fromLogits: fromLogits, labelSmoothing: labelSmoothing))
    }

    /// Cross-entropy of one class out of several, from probabilities and one-hot targets.
    public static let categoricalCrossentropy = Loss.categoricalCrossentropy()

    /// Cross-entropy of one class out of several: `-sum_j t_j log y_j` over the last axis.
    ///
    /// From probabilities `y` is first divided by its sum and held within `[1e-7, 1 - 1e-7]`. Where `y` is itself the
    /// result of a softmax, the loss is taken from the softmax's input instead, which is exact and faster.
    ///
    /// - Parameters:
    ///   - fromLogits: Whether predictions are logits, not probabilities. Default `false`.
    ///   - labelSmoothing: `s` in `t (1 - s) + s / classCount`, from 0 to 1. Default 0.
    ///
    /// Shapes: targets and predictions `[batch, ..., classes]`.
    public static func categoricalCrossentropy(fromLogits: Bool = false, labelSmoothing: Double = 0) -> Loss {
        Loss(.categoricalCrossentropy(fromLogits: fromLogits, labelSmoothing: labelSmoothing))
    }

    /// Cross-entropy of one class out of several, from probabilities and labels.
    public static let sparseCategoricalCrossentropy = Loss.sparseCategoricalCrossentropy()

    /// Cross-entropy of one class out of several, for labels in place of one-hot targets: `-log y_t`.
    ///
    /// Probabilities are treated as in `categoricalCrossentropy(fromLogits:labelSmoothing:)`.
    ///
    /// - Parameter fromLogits: Whether predictions are logits, not probabilities. Default `false`.
    ///
    /// Shapes: targets `[batch, ...]` (int32; a last axis of size 1 may follow), predictions `[batch, ..., classes]`.
    public static func sparseCategoricalCrossentropy(fromLogits: Bool = false) -> Loss {
        Loss(.sparseCategoricalCrossentropy(fromLogits: fromLogits))
    }

    func binaryCrossentropy(
        _ targets: Tensor, _ predictions: Tensor, fromLogits: Bool, smoothing: Float
    ) throws -> Tensor {
        var targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalCrossentropy")
        if smoothing > 0 { targets = targets * (1 - smoothing) + 0.5 * smoothing }
        if let logits = fromLogits ? predictions : predictions.inputOfSigmoid {
            return (softplus(logits) - targets * logits).meanPerSample
        }
        try requireProbabilities(predictions, from: "sigmoid")
        let y = clamp(predictions, Self.epsilon...(1 - Self.epsilon))
        return (-(targets * log(y) + (1 - targets) * log(1 - y))).meanPerSample
    }

    func categoricalCrossentropy(
        _ targets: Tensor, _ predictions: Tensor, fromLogits: Bool, smoothing: Float
    ) throws -> Tensor {
        var targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalCrossentropy")
        let classCount = try requireClasses(predictions)
        if smoothing > 0 { targets = targets * (1 - smoothing) + smoothing / Float(classCount) }
        return try crossentropy(targets, predictions, fromLogits: fromLogits)
    }

    func sparseCategoricalCrossentropy(
        _ targets: Tensor, _ predictions: Tensor, fromLogits: Bool
    ) throws -> Tensor {
        let labels = try sparseTargets(
            targets, for: predictions, in: name, denseAlternative: "categoricalCrossentropy")
        let classCount = try requireClasses(predictions)
        return try crossentropy(oneHot(labels, depth: classCount), predictions, fromLogits: fromLogits)
    }

    private func crossentropy(_ targets: Tensor, _ predictions: Tensor, fromLogits: Bool) throws -> Tensor {
        if let logits = fromLogits ? predictions : predictions.inputOfSoftmax {
            return softmaxCrossEntropy(logits: logits, targets: targets).meanPerSample
        }
        try requireProbabilities(predictions, from: "softmax")
        let y = clamp(predictions / predictions.sum(-1, keepsAxes: true), Self.epsilon...(1 - Self.epsilon))
        return (-(targets * log(y)).sum(-1)).meanPerSample
    }

    /// Predictions that a product, a rectifier or a hyperbolic tangent has made are no probabilities, and training on them
    /// goes wrong without a word.
    private func requireProbabilities(_ predictions: Tensor, from activation: String) throws {
        guard let maker = predictions.makerOfNoProbabilities else { return }
        throw ApusError.setting(
            owner: name, name: "what makes the predictions", value: maker,
            expected: "something that gives probabilities: give the last layer activation: .\(activation), or the loss "
                + "fromLogits: true")
    }

    /// The number of classes, which must be 2 at least: with one the loss is 0 whatever the network says.
    private func requireClasses(_ predictions: Tensor) throws -> Int {
        guard predictions.shape.rank >= 2, predictions.shape[-1] >= 2 else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: name, expected: "predictions [batch, ..., classes] of 2 classes or more",
                    received: "\(predictions.shape)",
                    cure: "use binaryCrossentropy, or give the last layer one unit for each class"))
        }
        return predictions.shape[-1]
    }
}

extension Tensor {
    /// The logits of which this is the softmax.
    fileprivate var inputOfSoftmax: Tensor? {
        switch node.operation {
        case .softmax: node.inputs[0]
        case .reshape where node.inputs[0].shape.sizes.last == shape.sizes.last:
            node.inputs[0].inputOfSoftmax?.reshaped(to: shape)
        default: nil
        }
    }

    /// The operation that this comes from, if its results are none that anybody takes for probabilities.
    fileprivate var makerOfNoProbabilities: String? {
        switch node.operation {
        case .matMul: "a product without an activation"
        case .convolution: "a convolution without an activation"
        case .reshape: node.inputs[0].makerOfNoProbabilities
        case .unary(let unary) where [.relu, .tanh, .softplus].contains(unary.function): unary.function.rawValue
        // A bias.
        case .binary(let binary) where binary.function == .add && node.inputs[1].isStretchedVariable:
            node.inputs[0].makerOfNoProbabilities
        default: nil
        }
    }

    private var isStretchedVariable: Bool {
        switch node.operation {
        case .variable: true
        case .broadcast, .reshape: node.inputs[0].isStretchedVariable
        default: false
        }
    }

    /// The logits of which this is the sigmoid.
    fileprivate var inputOfSigmoid: Tensor? {
        switch node.operation {
        case .unary(let unary) where unary.function == .sigmoid: node.inputs[0]
        case .reshape: node.inputs[0].inputOfSigmoid?.reshaped(to: shape)
        default: nil
        }
    }
}
