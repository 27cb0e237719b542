import ApusGraph

/// What is done to gradients that are too large.
///
/// Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013 (norms).
public enum GradientClipping: Hashable, Sendable, Codable {
    /// Every element is held within `-limit...limit`.
    case value(Double)
    /// Each parameter's gradient g is scaled so that its norm is at most `limit`: `g * limit / max(|g|, limit)`.
    case norm(Double)
    /// All gradients are scaled together so that the norm of all of them is at most `limit`.
    case globalNorm(Double)

    /// The limit, above 0.
    public var limit: Double {
        switch self {
        case .value(let limit), .norm(let limit), .globalNorm(let limit): limit
        }
    }

    func clipped(_ gradients: [Tensor]) -> [Tensor] {
        let limit = Float(limit)
        switch self {
        case .value: return gradients.map { clamp($0, -limit...limit) }
        case .norm:
            return gradients.map { $0 * (limit / maximum(sqrt(square($0).sum()), .constant(limit))) }
        case .globalNorm:
            guard var sum = gradients.first.map({ square($0).sum() }) else { return gradients }
            for gradient in gradients.dropFirst() { sum = sum + square(gradient).sum() }
            let scale = limit / maximum(sqrt(sum), .constant(limit))
            return gradients.map { $0 * scale }
        }
    }
}
