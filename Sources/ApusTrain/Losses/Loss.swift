import ApusCore
import ApusGraph

/// How far predictions are from targets: one number a sample.
///
/// Every loss is a mean over all axes but the batch's (the entropies and the divergence are sums over the last axis
/// first), as in Keras 3. The loss of a batch is `sum_i w_i l_i / n`: sample weights do not change the divisor.
public struct Loss: Hashable, Sendable, Codable {
    package enum Kind: Hashable, Sendable, Codable {
        case meanSquaredError
        case meanAbsoluteError
        case huber(delta: Double)
        case klDivergence
        case binaryCrossentropy(fromLogits: Bool, labelSmoothing: Double)
        case categoricalCrossentropy(fromLogits: Bool, labelSmoothing: Double)
        case sparseCategoricalCrossentropy(fromLogits: Bool)
    }

    package let kind: Kind

    package init(_ kind: Kind) { self.kind = kind }

    /// Its name in messages and in a run's settings.
    public var name: String {
        switch kind {
        case .meanSquaredError: "meanSquaredError"
        case .meanAbsoluteError: "meanAbsoluteError"
        case .huber: "huber"
        case .klDivergence: "klDivergence"
        case .binaryCrossentropy: "binaryCrossentropy"
        case .categoricalCrossentropy: "categoricalCrossentropy"
        case .sparseCategoricalCrossentropy: "sparseCategoricalCrossentropy"
        }
    }

    /// Probabilities are held within `[epsilon, 1 - epsilon]` before a logarithm is taken.
    package static let epsilon: Float = 1e-7

    /// The loss of each sample.
    ///
    /// - Parameters:
    ///   - targets: `[batch, ...]`, of the predictions' shape; for sparse labels without the last axis.
    ///   - predictions: `[batch, ...]`, float32.
    /// - Returns: `[batch]`.
    /// - Throws: `ApusError.shape` where the two do not fit, `ApusError.setting` for a setting outside its range, and
    ///   where a loss of probabilities is given what cannot be any.
    public func perSample(targets: Tensor, predictions: Tensor) throws -> Tensor {
        try checkSettings()
        switch kind {
        case .meanSquaredError, .meanAbsoluteError, .huber, .klDivergence:
            return try regression(targets: targets, predictions: predictions)
        case .binaryCrossentropy(let fromLogits, let smoothing):
            return try binaryCrossentropy(targets, predictions, fromLogits: fromLogits, smoothing: Float(smoothing))
        case .categoricalCrossentropy(let fromLogits, let smoothing):
            return try categoricalCrossentropy(
                targets, predictions, fromLogits: fromLogits, smoothing: Float(smoothing))
        case .sparseCategoricalCrossentropy(let fromLogits):
            return try sparseCategoricalCrossentropy(targets, predictions, fromLogits: fromLogits)
        }
    }

    /// The loss of a batch: `sum_i w_i l_i / n` over its `n` samples.
    ///
    /// - Parameters:
    ///   - targets: As in `perSample(targets:predictions:)`.
    ///   - predictions: As in `perSample(targets:predictions:)`.
    ///   - weights: `[batch]`; `nil` counts every sample once.
    /// - Returns: A scalar.
    /// - Throws: As `perSample(targets:predictions:)`.
    public func callAsFunction(targets: Tensor, predictions: Tensor, weights: Tensor? = nil) throws -> Tensor {
        let losses = try perSample(targets: targets, predictions: predictions)
        guard let weights else { return try losses.mean().checked() }
        try requireWeights(weights, for: losses, in: name)
        return try (losses * weights).mean().checked()
    }

    private func checkSettings() throws {
        switch kind {
        case .huber(let delta):
            try requireSetting("Huber loss", "delta", delta, "a finite number above 0") { $0 > 0 && $0.isFinite }
        case .binaryCrossentropy(_, let smoothing), .categoricalCrossentropy(_, let smoothing):
            try requireSetting(name, "labelSmoothing", smoothing, "from 0 to 1") { (0...1).contains($0) }
        default: break
        }
    }
}
