import ApusCore
import ApusGraph

/// A figure that is watched but not minimised.
///
/// Each batch gives a few sums; added up over batches (in Double) they give the figure for all samples, whatever the
/// sizes of the batches. Sample weights count only for a metric that asks for them: `.accuracy.weighted`.
public struct Metric: Hashable, Sendable, Codable {
    package enum Kind: Hashable, Sendable, Codable {
        case accuracy
        case categoricalAccuracy
        case sparseCategoricalAccuracy
        case binaryAccuracy(threshold: Double)
        case topK(Int)
        case precision(threshold: Double)
        case recall(threshold: Double)
        case meanSquaredError
        case meanAbsoluteError
        case rootMeanSquaredError
    }

    package let kind: Kind
    package let isWeighted: Bool

    package init(_ kind: Kind, isWeighted: Bool = false) {
        self.kind = kind
        self.isWeighted = isWeighted
    }

    /// The same metric with every sample counted by its weight.
    public var weighted: Metric { Metric(kind, isWeighted: true) }

    /// Its name in logs, as Keras spells it.
    public var name: String {
        let plain =
            switch kind {
            case .accuracy: "accuracy"
            case .categoricalAccuracy: "categorical_accuracy"
            case .sparseCategoricalAccuracy: "sparse_categorical_accuracy"
            case .binaryAccuracy: "binary_accuracy"
            case .topK(let k): "top_\(k)_accuracy"
            case .precision: "precision"
            case .recall: "recall"
            case .meanSquaredError: "mean_squared_error"
            case .meanAbsoluteError: "mean_absolute_error"
            case .rootMeanSquaredError: "root_mean_squared_error"
            }
        return isWeighted ? "weighted_\(plain)" : plain
    }

    /// Whether a higher figure is a better one.
    public var isBetterWhenHigher: Bool {
        switch kind {
        case .meanSquaredError, .meanAbsoluteError, .rootMeanSquaredError: false
        default: true
        }
    }

    /// The number of sums that a batch gives.
    package static let sumCount = 2

    /// What a batch adds to the sums.
    ///
    /// - Parameters:
    ///   - targets: As the metric's kind asks.
    ///   - predictions: `[batch, ...]`, float32.
    ///   - weights: `[batch]`, used by weighted metrics only; `nil` counts every sample once.
    /// - Returns: Two scalars: what is divided, and what it is divided by.
    /// - Throws: `ApusError.shape` where the shapes do not fit, `ApusError.setting` for a setting outside its range.
    package func sums(targets: Tensor, predictions: Tensor, weights: Tensor?) throws -> [Tensor] {
        try check(predictions: predictions.checked().shape)
        let weights = isWeighted ? weights : nil
        let sums =
            switch kind {
            case .accuracy, .categoricalAccuracy, .sparseCategoricalAccuracy, .binaryAccuracy, .topK:
                try ratio(of: matches(targets: targets, predictions: predictions), weights: weights)
            case .precision(let threshold), .recall(let threshold):
                try detectionSums(targets, predictions, threshold: threshold, weights: weights)
            case .meanSquaredError, .meanAbsoluteError, .rootMeanSquaredError:
                try ratio(of: errors(targets: targets, predictions: predictions), weights: weights)
            }
        return try sums.map { try $0.checked() }
    }

    /// - Throws: `ApusError.setting` for a setting that makes no sense for predictions of this shape.
    func check(predictions: Shape) throws {
        switch kind {
        case .topK(let k):
            try requireSetting("topK", "k", k, "1 or more") { $0 >= 1 }
            // Predictions that are no scores for classes are reported with the targets.
            guard predictions.rank >= 2, predictions[-1] > 1 else { return }
            try requireSetting("topK", "k", k, "at most the number of classes, \(predictions[-1])") {
                $0 <= predictions[-1]
            }
        case .binaryAccuracy(let threshold), .precision(let threshold), .recall(let threshold):
            try requireSetting(name, "threshold", threshold, "a number") { !$0.isNaN }
        default: break
        }
    }

    /// The figure for sums over all batches; 0 where nothing was counted.
    package func value(ofSums sums: [Double]) -> Double {
        let ratio = sums[1] == 0 ? 0 : sums[0] / sums[1]
        return kind == .rootMeanSquaredError ? ratio.squareRoot() : ratio
    }

    /// The weighted sum of `values` `[batch]`, and the sum of the weights.
    private func ratio(of values: Tensor, weights: Tensor?) throws -> [Tensor] {
        guard let weights else { return [values.sum(), (0 * values + 1).sum()] }
        try requireWeights(weights, for: values, in: name)
        return [(values * weights).sum(), weights.sum()]
    }
}
