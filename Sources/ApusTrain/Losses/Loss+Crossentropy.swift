import ApusCore
import ApusGraph

extension Loss {
    /// Cross-entropy of yes-or-no answers, from probabilities.
    public static let binaryCrossentropy = Loss.binaryCrossentropy()

    /// Cross-entropy of yes-or-no answers: the mean of `-(t log y + (1 - t) log(1 - y))`.
    ///
    /// From probabilities `y` is held within `[1e-7, 1 - 1e-7]`. Where `y` is itself the result of a sigmoid, the loss
    /// is taken from the sigmoid's input x instead, `softplus(x) - t x`, which is exact and does not saturate. A network
    /// that ends with a layer's product, a rectifier or a hyperbolic tangent is refused.
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
    /// result of a softmax, the loss is taken from the softmax's input instead, which is exact and faster. A network that
    /// ends with a layer's product, a rectifier or a hyperbolic tangent is refused.
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
        try requireProbabilities(predictions, from: "sigmoid", or: ", or the loss fromLogits: true")
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
        try requireProbabilities(predictions, from: "softmax", or: ", or the loss fromLogits: true")
        let y = clamp(predictions / predictions.sum(-1, keepsAxes: true), Self.epsilon...(1 - Self.epsilon))
        return (-(targets * log(y)).sum(-1)).meanPerSample
    }

    /// Predictions that come from a layer's product, a normalization, a rectifier or a hyperbolic tangent are no
    /// probabilities, and training on them would go wrong without a word.
    func requireProbabilities(_ predictions: Tensor, from activation: String, or cure: String = "") throws {
        guard let maker = predictions.makerOfNoProbabilities else { return }
        throw ApusError.setting(
            owner: name, name: "what makes the predictions", value: maker,
            expected: "something that gives probabilities: give the last layer activation: .\(activation)\(cure); "
                + "where they are some, say so with clamp(_, 0...1)")
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

    /// The operation that this comes from, if nobody takes its results for probabilities. A product of probabilities may
    /// give some, such as a mixture or noisy labels: only those of layers' inputs and weights count.
    fileprivate var makerOfNoProbabilities: String? {
        let inputs = node.inputs
        switch node.operation {
        case .matMul where inputs[1].isVariable && !inputs[0].isProbabilities: return "a product without an activation"
        case .convolution where inputs[1].isVariable && !inputs[0].isProbabilities:
            return "a convolution without an activation"
        case .unary(let unary) where [.relu, .tanh].contains(unary.function): return unary.function.rawValue
        case .batchNormalization: return "a batch normalization"
        // ELU, leaky ReLU and the like hand their input on where it is positive, GELU and SiLU times a factor. (Squares
        // may be probabilities, once they are divided by their sum.)
        case .select where inputs.dropFirst().contains { $0.makerOfNoProbabilities != nil }:
            return "an activation without a bound"
        case .binary(let binary)
        where binary.function == .multiply && inputs.filter({ $0.makerOfNoProbabilities != nil }).count == 1:
            return "an activation without a bound"
        // A bias.
        case .binary(let binary) where binary.function == .add && inputs[1].isVariable:
            return inputs[0].makerOfNoProbabilities
        case .binary(let binary)
        where binary.function == .add && inputs.allSatisfy { $0.makerOfNoProbabilities != nil }:
            return "a sum without an activation"
        // Of a mean, the division.
        case .binary(let binary) where binary.function == .divide && inputs[1].isAxisSize:
            return inputs[0].makerOfNoProbabilities
        case .averagePool, .reduction, .reshape, .runningAverage: return inputs[0].makerOfNoProbabilities
        default: return nil
        }
    }

    private var isVariable: Bool {
        switch node.operation {
        case .variable: true
        case .broadcast, .reshape: node.inputs[0].isVariable
        default: false
        }
    }

    private var isAxisSize: Bool {
        switch node.operation {
        case .axisSize: true
        case .broadcast: node.inputs[0].isAxisSize
        default: false
        }
    }

    private var isProbabilities: Bool { inputOfSoftmax != nil || inputOfSigmoid != nil }

    /// The logits of which this is the sigmoid.
    fileprivate var inputOfSigmoid: Tensor? {
        switch node.operation {
        case .unary(let unary) where unary.function == .sigmoid: node.inputs[0]
        case .reshape: node.inputs[0].inputOfSigmoid?.reshaped(to: shape)
        default: nil
        }
    }
}
