/// Elementary functions without branches, tables or calls, so that a loop over them becomes vector code.
///
/// The polynomials are least-maximum fits made for these intervals; a few units in the last place at most.
/// Source of the reductions: Muller, Elementary Functions, chapters 11 (range reduction) and 6 (polynomials).
#ifndef APUS_MATH_FUNCTIONS_H
#define APUS_MATH_FUNCTIONS_H

#include <math.h>
#include <stdint.h>

#define APUS_INLINE static inline __attribute__((always_inline))

APUS_INLINE uint32_t apus_bits(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

APUS_INLINE float apus_float(uint32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/// The nearest number whose last 16 bits are 0, that is a bfloat16 one; of two equally near ones the even one. What
/// rounds up from the largest becomes infinite by itself. NaN stays as it is, since its last bits may be all that makes
/// it NaN.
APUS_INLINE float apus_round_to_bfloat16(float x) {
    uint32_t bits = apus_bits(x);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    return x != x ? x : apus_float(bits);
}

/// Adding this rounds a float below 2^22 to an integer, which is then in the sum's low bits.
#define APUS_ROUNDER 12582912.0f

/// x = n ln 2 + r with |r| <= ln 2 / 2; returns r. `n` is exact for |x| < 2^20.
APUS_INLINE float apus_reduce_exp(float x, float *n, uint32_t *n_bits) {
    float shifted = x * 1.44269504f + APUS_ROUNDER;
    *n_bits = apus_bits(shifted) - apus_bits(APUS_ROUNDER);
    *n = shifted - APUS_ROUNDER;
    // ln 2 in two parts, the first of few bits: n times it is exact.
    return (x - *n * 0.693359375f) + *n * 2.12194440e-4f;
}

/// exp(r) - 1 for |r| <= ln 2 / 2.
APUS_INLINE float apus_exp_minus_one_near_zero(float r) {
    float p = 1.991852478e-4f;
    p = p * r + 1.394617721e-3f;
    p = p * r + 8.333263919e-3f;
    p = p * r + 4.166626930e-2f;
    p = p * r + 1.666666716e-1f;
    p = p * r + 0.5f;
    return p * (r * r) + r;
}

/// exp(x), also where the result is infinite or subnormal.
APUS_INLINE float apus_exp(float x) {
    float limited = x < -104.5f ? -104.5f : x;
    limited = limited > 89.0f ? 89.0f : limited;
    float n;
    uint32_t bits;
    float r = apus_reduce_exp(limited, &n, &bits);
    // 2^n in two factors, since n is in -151...128. NaN makes meaningless bits, but its y stays NaN.
    uint32_t half = (uint32_t)((int32_t)bits >> 1), rest = bits - half;
    float y = apus_exp_minus_one_near_zero(r) + 1.0f;
    return y * apus_float((half + 127) << 23) * apus_float((rest + 127) << 23);
}

/// exp(x) - 1 without cancellation near 0.
APUS_INLINE float apus_expm1(float x) {
    float limited = x < -20.0f ? -20.0f : x;
    limited = limited > 89.0f ? 89.0f : limited;
    float n;
    uint32_t bits;
    float p = apus_exp_minus_one_near_zero(apus_reduce_exp(limited, &n, &bits));
    float half_scale = apus_float((bits + 126) << 23);  // 2^(n - 1), which is finite where 2^n is not
    float y = (p * half_scale + (half_scale - 0.5f)) * 2.0f;
    y = bits == 0 ? p : y;  // the smallest numbers would drown in 1
    return x == 0.0f ? x : y;  // keeps -0
}

/// log(x): -infinity for 0, NaN below.
APUS_INLINE float apus_log(float x) {
    int is_subnormal = x < 1.17549435e-38f;
    float scaled = is_subnormal ? x * 8388608.0f : x;
    float offset = is_subnormal ? -23.0f : 0.0f;
    uint32_t bits = apus_bits(scaled) - 0x3f3504f3u;  // sqrt(1/2)
    float n = (float)((int32_t)bits >> 23) + offset;
    float f = apus_float((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = 6.746638566e-2f;
    p = p * f - 1.167565137e-1f;
    p = p * f + 1.188816279e-1f;
    p = p * f - 1.240558922e-1f;
    p = p * f + 1.421955228e-1f;
    p = p * f - 1.666799635e-1f;
    p = p * f + 2.000211924e-1f;
    p = p * f - 2.500000894e-1f;
    p = p * f + 3.333331347e-1f;
    float square = f * f;
    float tail = p * f * square - n * 2.12194440e-4f;
    tail = tail - 0.5f * square;
    float y = (f + tail) + n * 0.693359375f;
    y = x == INFINITY ? x : y;
    y = x == 0.0f ? -INFINITY : y;
    return x >= 0.0f ? y : NAN;
}

/// log(1 + x) without cancellation near 0.
APUS_INLINE float apus_log1p(float x) {
    float u = 1.0f + x;
    // u is 1 + x rounded; log(1 + x) = log(u) + log(1 + d / u) with d what the rounding took.
    float d = x - (u - 1.0f);
    float y = apus_log(u) + d / u;
    y = u == 1.0f ? x : y;
    y = u == 0.0f ? -INFINITY : y;
    return x == INFINITY ? x : y;
}

APUS_INLINE float apus_sigmoid(float x) {
    float e = apus_exp(-__builtin_fabsf(x));
    float y = 1.0f / (1.0f + e);
    return x >= 0.0f ? y : e * y;
}

APUS_INLINE float apus_tanh(float x) {
    float magnitude = __builtin_fabsf(x);
    magnitude = magnitude > 10.0f ? 10.0f : magnitude;
    float e = apus_expm1(2.0f * magnitude);
    float y = e / (e + 2.0f);
    return apus_float(apus_bits(y) | (apus_bits(x) & 0x80000000u));
}

APUS_INLINE float apus_softplus(float x) {
    float positive = x < 0.0f ? 0.0f : x;
    return positive + apus_log1p(apus_exp(-__builtin_fabsf(x)));
}

/// erf(x): x times a polynomial of x^2 below 0.925, else 1 - exp(-polynomial of |x|).
APUS_INLINE float apus_erf(float x) {
    float t = __builtin_fabsf(x), s = x * x;
    float p = 8.185093611e-5f;
    p = p * s - 8.097703685e-4f;
    p = p * s + 5.196952261e-3f;
    p = p * s - 2.685770579e-2f;
    p = p * s + 1.128366366e-1f;
    p = p * s - 3.761263192e-1f;
    p = p * s + 1.283791661e-1f;
    float small = p * x + x;

    float limited = t > 4.0f ? 4.0f : t;
    float g = 2.090946691e-5f;
    g = g * limited - 4.323020403e-4f;
    g = g * limited + 4.160522483e-3f;
    g = g * limited - 2.509148605e-2f;
    g = g * limited + 1.082366034e-1f;
    g = g * limited + 6.333866715e-1f;
    g = g * limited + 1.129495144f;
    g = g * limited - 1.705508184e-4f;
    float large = 1.0f - apus_exp(-g);
    large = apus_float(apus_bits(large) | (apus_bits(x) & 0x80000000u));
    return t < 0.925f ? small : large;
}

/// sin(x + quarter_turns pi / 2) for |x| <= APUS_TRIGONOMETRIC_LIMIT, the reduction in double.
#define APUS_TRIGONOMETRIC_LIMIT 1.0e6f
APUS_INLINE float apus_sine(float x, uint64_t quarter_turns) {
    const double rounder = 6755399441055744.0;  // 2^52 + 2^51
    double shifted = (double)x * 0.63661977236758134308 + rounder;
    double n = shifted - rounder;
    uint64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    bits += quarter_turns;
    // pi / 2, its upper 33 bits first: n times them is exact.
    double r = ((double)x - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;
    double s = r * r;
    double sine = 2.7182372518985476e-06;
    sine = sine * s - 0.00019839327133562524;
    sine = sine * s + 0.008333329362269304;
    sine = sine * s - 0.16666666641426398;
    sine = sine * s * r + r;
    double cosine = -2.720954469774275e-07;
    cosine = cosine * s + 2.479951172439494e-05;
    cosine = cosine * s - 0.0013888883722465643;
    cosine = cosine * s + 0.04166666662247517;
    cosine = cosine * s * s - 0.5 * s + 1.0;
    double y = (bits & 1) ? cosine : sine;
    return (float)((bits & 2) ? -y : y);
}

#endif
