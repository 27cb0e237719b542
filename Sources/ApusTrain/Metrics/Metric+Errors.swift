import ApusGraph

extension Metric {
    /// `mean (t - y)^2` over samples and elements.
    public static let meanSquaredError = Metric(.meanSquaredError)

    /// `mean |t - y|` over samples and elements.
    public static let meanAbsoluteError = Metric(.meanAbsoluteError)

    /// `sqrt(mean (t - y)^2)` over samples and elements.
    public static let rootMeanSquaredError = Metric(.rootMeanSquaredError)

    /// The error of each sample, `[batch]`.
    func errors(targets: Tensor, predictions: Tensor) throws -> Tensor {
        let targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalAccuracy")
        let difference = targets - predictions
        return (kind == .meanAbsoluteError ? abs(difference) : square(difference)).meanPerSample
    }
}
