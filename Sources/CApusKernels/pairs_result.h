/// What follows a matrix product of bfloat16 pairs.
#ifndef APUS_PAIRS_RESULT_H
#define APUS_PAIRS_RESULT_H

#include "apus_kernels.h"
#include "lanes_functions.h"
#include "pairs_product.h"

/// Whether the loops know the function after the product: those that plans ask for.
static inline bool apus_pairs_know(apus_activation activation) {
    return activation == APUS_ACTIVATION_NONE || activation == APUS_ACTIVATION_RELU ||
           activation == APUS_ACTIVATION_SIGMOID || activation == APUS_ACTIVATION_TANH;
}

#if APUS_HAS_VARIANTS

/// Stores the first `count` of sixteen neighbouring sums; `activation` is a constant.
APUS_PAIRS_INLINE void apus_store_sums(
    const apus_matmul_description *wanted, float scale, __m512 sums, __m512 bias, float *target, int64_t count,
    const apus_activation activation) {
    __mmask16 lanes = apus_first_lanes(count);
    apus_lanes x = (apus_lanes)sums;
    if (wanted->has_scale) x *= scale;
    x += (apus_lanes)bias;
    if (wanted->accumulates) x += (apus_lanes)_mm512_maskz_loadu_ps(lanes, target);
    apus_lanes_activate(&x, activation, wanted->activation_alpha);
    _mm512_mask_storeu_ps(target, lanes, (__m512)x);
}

#endif

#endif
