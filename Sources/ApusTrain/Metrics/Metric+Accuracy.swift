import ApusCore
import ApusGraph

extension Metric {
    /// The part of the samples that are classified right. The kind follows from the shapes: one prediction a sample is
    /// taken as binary, targets without the classes' axis as labels, all others as one-hot.
    public static let accuracy = Metric(.accuracy)

    /// How often the largest prediction stands at the place of the largest target: `[batch, ..., classes]` both.
    public static let categoricalAccuracy = Metric(.categoricalAccuracy)

    /// How often the largest prediction stands at the label's place: labels `[batch, ...]`.
    public static let sparseCategoricalAccuracy = Metric(.sparseCategoricalAccuracy)

    /// `binaryAccuracy(threshold:)` with the threshold 0.5.
    public static let binaryAccuracy = Metric.binaryAccuracy()

    /// How often a prediction is on its target's side of the threshold; targets are 0 or 1.
    /// - Parameter threshold: A prediction above it means 1. Default 0.5.
    public static func binaryAccuracy(threshold: Double = 0.5) -> Metric {
        Metric(.binaryAccuracy(threshold: threshold))
    }

    /// How often the right class is among the `k` with the largest predictions: fewer than `k` classes score higher.
    /// Targets are labels or one-hot.
    /// - Parameter k: From 1 to the number of classes. Default 5.
    public static func topK(_ k: Int = 5) -> Metric { Metric(.topK(k)) }

    /// The share of right answers of each sample, `[batch]`.
    func matches(targets: Tensor, predictions: Tensor) throws -> Tensor {
        switch kind {
        case .binaryAccuracy(let threshold): try binaryMatches(targets, predictions, threshold: threshold)
        case .categoricalAccuracy: try denseMatches(targets, predictions)
        case .sparseCategoricalAccuracy: try sparseMatches(targets, predictions)
        case .topK(let k): try topMatches(targets, predictions, k: k)
        default:
            if predictions.shape.rank < 2 || predictions.shape[-1] == 1 {
                try binaryMatches(targets, predictions, threshold: 0.5)
            } else if Self.areLabels(targets, for: predictions) {
                try sparseMatches(targets, predictions)
            } else {
                try denseMatches(targets, predictions)
            }
        }
    }

    private static func areLabels(_ targets: Tensor, for predictions: Tensor) -> Bool {
        targets.shape.rank < predictions.shape.rank || (targets.shape[-1] == 1 && predictions.shape[-1] > 1)
    }

    private func binaryMatches(_ targets: Tensor, _ predictions: Tensor, threshold: Double) throws -> Tensor {
        let targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalAccuracy")
        return (targets .== (predictions .> Tensor.constant(Float(threshold)))).meanPerSample
    }

    private func denseMatches(_ targets: Tensor, _ predictions: Tensor) throws -> Tensor {
        let targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalAccuracy")
        return (targets.argMax().cast(to: .float32) .== predictions.argMax().cast(to: .float32)).meanPerSample
    }

    private func sparseMatches(_ targets: Tensor, _ predictions: Tensor) throws -> Tensor {
        let labels = try sparseTargets(targets, for: predictions, in: name, denseAlternative: "categoricalAccuracy")
        return (labels.cast(to: .float32) .== predictions.argMax().cast(to: .float32)).meanPerSample
    }

    private func topMatches(_ targets: Tensor, _ predictions: Tensor, k: Int) throws -> Tensor {
        let labels =
            Self.areLabels(targets, for: predictions)
            ? try sparseTargets(targets, for: predictions, in: name, denseAlternative: "one-hot targets")
            : try elementwiseTargets(targets, for: predictions, in: name, sparseAlternative: "labels").argMax()
        let isRight = oneHot(labels, depth: predictions.shape[-1])
        let score = (isRight * predictions).sum(-1, keepsAxes: true)
        let larger = (predictions .> score).sum(-1)
        // A score that is no number equals nothing, not even itself: it is never among the best.
        return ((larger .< Tensor.constant(Float(k))) * (score .== score).reshaped(to: larger.shape)).meanPerSample
    }
}
