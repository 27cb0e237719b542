/// Elementary functions of sixteen numbers at once, for loops that keep their vectors in registers: shorter forms of
/// those in math_functions.h, whose reductions they share. Their polynomials are least-maximum fits as well, with
/// relative errors of 3e-9 (sigmoid) and 1.6e-8 (tanh); the results are right to 3e-7 of themselves. They divide: that
/// has a unit of its own, which works while others multiply.
#ifndef APUS_LANES_FUNCTIONS_H
#define APUS_LANES_FUNCTIONS_H

#include "apus_kernels.h"
#include "lanes.h"
#include "math_functions.h"

// Vectors are handed on by address: by value they would need one convention for all instruction sets.

/// As `apus_round_to_bfloat16`.
APUS_INLINE void apus_lanes_round_to_bfloat16(apus_lanes *x) {
    apus_lane_masks bits = (apus_lane_masks)*x;
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & (int32_t)0xffff0000;
    *x = APUS_BLEND(*x != *x, *x, (apus_lanes)bits);
}

/// Adding this rounds a number to an integer n, and the sum's last nine bits are n + 127: shifted up they are 2^n, for
/// n in -126...127.
#define APUS_EXPONENT_ROUNDER (APUS_ROUNDER + 127.0f)
#define APUS_POWER_OF_TWO(shifted) ((apus_lanes)((apus_lane_masks)(shifted) << 23))

/// 1 / (1 + exp(-x)); beyond 87 in magnitude as at 87.
APUS_INLINE void apus_lanes_sigmoid(apus_lanes *x) {
    apus_lanes limited = APUS_BLEND(*x < -87.0f, (apus_lanes){0} - 87.0f, *x);
    limited = APUS_BLEND(limited > 87.0f, (apus_lanes){0} + 87.0f, limited);
    // -x = n ln 2 - s with |s| <= ln 2 / 2.
    apus_lanes shifted = APUS_EXPONENT_ROUNDER - limited * 1.44269504f, n = shifted - APUS_EXPONENT_ROUNDER;
    apus_lanes s = (limited + n * 0.693359375f) - n * 2.12194440e-4f;
    apus_lanes p = s * 1.382063376e-3f - 8.368673734e-3f;
    p = p * s + 4.166826606e-2f;
    p = p * s - 1.666652113e-1f;
    p = p * s + 4.999999404e-1f;
    p = p * s - 1.0f;
    p = p * s + 1.0f;
    *x = 1.0f / (p * APUS_POWER_OF_TWO(shifted) + 1.0f);
}

/// h / (h + 1) with h = (exp(2 x) - 1) / 2; beyond 10 in magnitude as at 10. Of -x it may differ from that of x in the
/// last digit, not in the sign alone, and of -0 it is 0.
APUS_INLINE void apus_lanes_tanh(apus_lanes *x) {
    apus_lanes limited = APUS_BLEND(*x < -10.0f, (apus_lanes){0} - 10.0f, *x);
    limited = APUS_BLEND(limited > 10.0f, (apus_lanes){0} + 10.0f, limited);
    // 2 x = n ln 2 + 2 s with |s| <= ln 2 / 4.
    apus_lanes shifted = limited * 2.88539008f + APUS_EXPONENT_ROUNDER, n = shifted - APUS_EXPONENT_ROUNDER;
    apus_lanes s = (limited - n * 0.3466796875f) + n * 1.06097220e-4f;
    apus_lanes p = s * 4.438610002e-2f + 1.338601857e-1f;
    p = p * s + 3.333394825e-1f;
    p = p * s + 6.666618586e-1f;
    p = p * s + 9.999999404e-1f;
    p = p * (s * s) + s;
    apus_lanes scale = APUS_POWER_OF_TWO(shifted), h = p * scale + (scale * 0.5f - 0.5f);
    *x = h / (h + 1.0f);
}

/// Activations up to tanh.
APUS_INLINE void apus_lanes_activate(apus_lanes *x, apus_activation activation, float alpha) {
    switch (activation) {
        // Zero times infinity would be no number, and times what is below zero it would be -0.
        case APUS_ACTIVATION_RELU:
            *x = alpha == 0.0f ? APUS_BLEND(*x <= 0.0f, (apus_lanes){0}, *x) : APUS_BLEND(*x < 0.0f, alpha * *x, *x);
            break;
        case APUS_ACTIVATION_SIGMOID: apus_lanes_sigmoid(x); break;
        case APUS_ACTIVATION_TANH: apus_lanes_tanh(x); break;
        default: break;
    }
}

#endif
