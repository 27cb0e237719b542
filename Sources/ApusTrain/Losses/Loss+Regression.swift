import ApusCore
import ApusGraph

extension Loss {
    /// `mean (t - y)^2`. Targets and predictions of one shape.
    public static let meanSquaredError = Loss(.meanSquaredError)

    /// `mean |t - y|`. Targets and predictions of one shape.
    public static let meanAbsoluteError = Loss(.meanAbsoluteError)

    /// Huber's loss with `delta` 1.
    public static let huber = Loss.huber(delta: 1)

    /// The mean of `e^2 / 2` where `|e| <= delta`, else `delta |e| - delta^2 / 2`, with `e = y - t`.
    ///
    /// - Parameter delta: Where the square passes into a line; above 0. Default 1.
    ///
    /// Source: Huber, Robust estimation of a location parameter, 1964.
    public static func huber(delta: Double = 1) -> Loss { Loss(.huber(delta: delta)) }

    /// `sum_j t_j log(t_j / y_j)` over the last axis, both first held within `[1e-7, 1]`. A network that ends with a
    /// layer's product, a normalization, or an activation without a bound or below 0 is refused: those give no
    /// probabilities.
    ///
    /// Source: Kullback and Leibler, On information and sufficiency, 1951.
    public static let klDivergence = Loss(.klDivergence)

    func regression(targets: Tensor, predictions: Tensor) throws -> Tensor {
        let targets = try elementwiseTargets(
            targets, for: predictions, in: name, sparseAlternative: "sparseCategoricalCrossentropy")
        let error = predictions - targets
        switch kind {
        case .meanAbsoluteError: return abs(error).meanPerSample
        case .huber(let delta):
            let (distance, delta) = (abs(error), Float(delta))
            return select(
                distance .<= Tensor.constant(delta), 0.5 * square(error), delta * distance - 0.5 * delta * delta
            )
            .meanPerSample
        case .klDivergence:
            try requireProbabilities(predictions, from: "softmax")
            let (t, y) = (clamp(targets, Self.epsilon...1), clamp(predictions, Self.epsilon...1))
            let terms = t * log(t / y)
            return terms.shape.rank > 1 ? terms.sum(-1).meanPerSample : terms
        default: return square(error).meanPerSample
        }
    }
}
