/// How exactly matrix products, convolutions and recurrent layers are computed, forward and backward. All else is
/// float32 in any case: weights and the optimizer's state, biases, activation functions, normalisation with its
/// statistics, losses and metrics, and what a recurrent layer hands on from step to step.
///
/// With r(x) the bfloat16 number nearest to x (8 significant bits; of two equally near ones the even one), the product of
/// a and b is
///
///     float32       sum over k of a[i, k] b[k, j]
///     bfloat16      sum over k of r(a[i, k]) r(b[k, j])
///     float32Fast   sum over k of r(a) r(b) + r(a) r(b - r(b)) + r(a - r(a)) r(b)
///
/// Products of rounded numbers are exact in float32, and sums are as good as float32's. What rounding does by itself,
/// against the sum S of all |a[i, k] b[k, j]|:
///
///     bfloat16      at most 2^-7 (1 + 2^-9) S = 7.9e-3 S
///     float32Fast   at most 3.1 * 2^-16 S = 4.7e-5 S
///
/// One exception: where processors multiply bfloat16 pairs fast, 3 x 3 and 5 x 5 convolutions round once more, and are off
/// by about 0.011 and 0.013 of their results' root mean square (docs/precision.md).
///
/// Sources: D. Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training, arXiv:1905.12322; for the three products,
/// G. Henry, P. Tang, A. Heinecke, Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
/// Computations, arXiv:1904.06376.
public enum Precision: String, Hashable, Sendable, Codable, CaseIterable {
    /// Nothing is rounded but by float32's own arithmetic: the default.
    case float32
    /// Factors are rounded, sums are float32: what others call mixed precision. Faster where the processor has AMX,
    /// or AMD's AVX-512 of Zen 4 and later.
    case bfloat16
    /// Three products of rounded numbers for one of float32: for processors with AMX, where they are faster (see
    /// `Device.hasFastBfloat16`). Elsewhere, and in recurrent layers, it is float32. A factor from 2^128 - 2^119 on, the
    /// last 0.2 % of float32's range, has no rounded number: its products are NaN.
    case float32Fast = "float32-fast"
}
