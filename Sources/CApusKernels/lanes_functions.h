/// Elementary functions of sixteen numbers at once, for loops that keep their vectors in registers. The reductions and
/// polynomials are those of math_functions.h.
#ifndef APUS_LANES_FUNCTIONS_H
#define APUS_LANES_FUNCTIONS_H

#include "lanes.h"
#include "math_functions.h"

// Vectors are handed on by address: by value they would need one convention for all instruction sets.

/// As `apus_round_to_bfloat16`.
APUS_INLINE void apus_lanes_round_to_bfloat16(apus_lanes *x) {
    apus_lane_masks bits = (apus_lane_masks)*x;
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & (int32_t)0xffff0000;
    *x = APUS_BLEND(*x != *x, *x, (apus_lanes)bits);
}

/// x = n ln 2 + r with |r| <= ln 2 / 2; gives exp(r) - 1, and 2^n for n in -126...127.
APUS_INLINE void apus_lanes_exp_parts(const apus_lanes *x, apus_lanes *minus_one, apus_lanes *scale) {
    apus_lanes shifted = *x * 1.44269504f + APUS_ROUNDER;
    apus_lanes n = shifted - APUS_ROUNDER;
    apus_lanes r = (*x - n * 0.693359375f) + n * 2.12194440e-4f;
    apus_lanes p = r * 1.991852478e-4f + 1.394617721e-3f;
    p = p * r + 8.333263919e-3f;
    p = p * r + 4.166626930e-2f;
    p = p * r + 1.666666716e-1f;
    p = p * r + 0.5f;
    *minus_one = p * (r * r) + r;
    // The rounder's own bits are shifted out.
    *scale = (apus_lanes)(((apus_lane_masks)shifted << 23) + (127 << 23));
}

/// 1 / x for 1 <= x < 2^126: a first guess from the bits, made better by two steps of third order. Fewer cycles than a
/// division.
APUS_INLINE void apus_lanes_reciprocal(const apus_lanes *x, apus_lanes *result) {
    apus_lanes y = (apus_lanes)(0x7ef311c7 - (apus_lane_masks)*x);
    apus_lanes error = 1.0f - *x * y;
    y = y * (error * error + error) + y;
    error = 1.0f - *x * y;
    *result = y * (error * error + error) + y;
}

/// 1 / (1 + exp(-x)); beyond 87 in magnitude as at 87.
APUS_INLINE void apus_lanes_sigmoid(apus_lanes *x) {
    apus_lanes limited = -*x, minus_one, scale;
    limited = APUS_BLEND(limited < -87.0f, (apus_lanes){0} - 87.0f, limited);
    limited = APUS_BLEND(limited > 87.0f, (apus_lanes){0} + 87.0f, limited);
    apus_lanes_exp_parts(&limited, &minus_one, &scale);
    apus_lanes sum = minus_one * scale + (scale + 1.0f);
    apus_lanes_reciprocal(&sum, x);
}

/// (exp(2 |x|) - 1) / (exp(2 |x|) + 1) with the sign of x.
APUS_INLINE void apus_lanes_tanh(apus_lanes *x) {
    apus_lane_masks bits = (apus_lane_masks)*x;
    apus_lanes magnitude = (apus_lanes)(bits & 0x7fffffff), minus_one, scale, reciprocal;
    magnitude = APUS_BLEND(magnitude > 10.0f, (apus_lanes){0} + 10.0f, magnitude) * 2.0f;
    apus_lanes_exp_parts(&magnitude, &minus_one, &scale);
    apus_lanes e = minus_one * scale + (scale - 1.0f), sum = e + 2.0f;
    apus_lanes_reciprocal(&sum, &reciprocal);
    apus_lanes y = e * reciprocal;
    *x = (apus_lanes)((apus_lane_masks)y | (bits & (int32_t)0x80000000));
}

#endif
