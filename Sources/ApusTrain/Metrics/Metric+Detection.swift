import ApusGraph

extension Metric {
    /// `precision(threshold:)` with the threshold 0.5.
    public static let precision = Metric.precision()

    /// Of all that is said to be true, the part that is: `tp / (tp + fp)`; 0 where nothing is said to be true.
    ///
    /// Every element of a prediction is an answer of its own; a target other than 0 is true.
    /// - Parameter threshold: A prediction above it means true. Default 0.5.
    public static func precision(threshold: Double = 0.5) -> Metric { Metric(.precision(threshold: threshold)) }

    /// `recall(threshold:)` with the threshold 0.5.
    public static let recall = Metric.recall()

    /// Of all that is true, the part that is found: `tp / (tp + fn)`; 0 where nothing is true.
    ///
    /// Every element of a prediction is an answer of its own; a target other than 0 is true.
    /// - Parameter threshold: A prediction above it means true. Default 0.5.
    public static func recall(threshold: Double = 0.5) -> Metric { Metric(.recall(threshold: threshold)) }

    /// True positives, and the number of answers (precision) or of targets (recall) that are positive.
    func detectionSums(
        _ targets: Tensor, _ predictions: Tensor, threshold: Double, weights: Tensor?
    ) throws -> [Tensor] {
        let targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalAccuracy")
        let isTrue = 1 - (targets .== 0)
        let isFound = predictions .> Tensor.constant(Float(threshold))
        var divisor = isFound
        if case .recall = kind { divisor = isTrue }
        let counts = [isTrue * isFound, divisor].map { $0.sumPerSample }
        guard let weights else { return counts.map { $0.sum() } }
        try requireWeights(weights, for: counts[0], in: name)
        return counts.map { ($0 * weights).sum() }
    }
}

extension Tensor {
    /// The sum over all axes but the first: `[batch, ...] -> [batch]`.
    fileprivate var sumPerSample: Tensor {
        if node.failure != nil || shape.rank == 1 { return self }
        return reshaped(to: [shape[0], shape.sizes.dropFirst().reduce(1, *)]).sum(1)
    }
}
