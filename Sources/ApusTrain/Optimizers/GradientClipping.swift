import ApusGraph

/// What is done to gradients that are too large. Those that are not finite, or whose norm is not, are not hidden: the
/// step makes something else than finite numbers of them, and the training stops.
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
        case .value: return gradients.map { clamp($0, -limit...limit) + nothing($0) }
        case .norm: return gradients.map { $0 * scale(forSquaredNorm: square($0).sum()) }
        case .globalNorm:
            guard var sum = gradients.first.map({ square($0).sum() }) else { return gradients }
            for gradient in gradients.dropFirst() { sum = sum + square(gradient).sum() }
            let scale = scale(forSquaredNorm: sum)
            return gradients.map { $0 * scale }
        }
    }

    private func scale(forSquaredNorm squaredNorm: Tensor) -> Tensor {
        let (norm, limit) = (sqrt(squaredNorm), Float(limit))
        return limit / maximum(norm, .constant(limit)) + nothing(norm)
    }

    /// 0 where `x` is finite, else NaN.
    private func nothing(_ x: Tensor) -> Tensor { x - x }
}
