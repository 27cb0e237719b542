/// How exactly matrix products, convolutions and recurrent layers are computed, forward and backward.
///
/// With `bfloat16`, both factors are rounded to bfloat16 (8 significant bits, to the nearest, ties to even), and all
/// else is float32:
///
///     y[i, j] = sum over k of round(a[i, k]) * round(b[k, j]),   |round(a) - a| <= 2^-8 |a|
///
/// The products of rounded numbers are exact in float32, and so the sums are as good as float32's. By that the result
/// differs from the unrounded one by at most `2^-7 (1 + 2^-9) sum |a[i, k] b[k, j]|`. Weights and the optimizer's state
/// stay float32, and so do biases, activation functions, normalisation with its statistics, losses and metrics, and what
/// a recurrent layer hands on from step to step.
public enum Precision: String, Hashable, Sendable, Codable, CaseIterable {
    /// Nothing is rounded but by float32's own arithmetic: the default.
    case float32
    /// Factors of products are rounded to bfloat16, sums are float32: what others call mixed precision.
    case bfloat16
}
