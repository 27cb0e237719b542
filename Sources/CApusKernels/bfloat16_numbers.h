/// Arrays of bfloat16 numbers.
#ifndef APUS_BFLOAT16_NUMBERS_H
#define APUS_BFLOAT16_NUMBERS_H

#include "pairs_product.h"

/// to[i] = from[i], rounded to the nearest, of two equally near ones to the even one, on at most `threads` threads; for
/// processors with bfloat16 pairs alone.
void apus_write_bfloat16(uint16_t *to, const float *from, int64_t count, int32_t threads);

#if APUS_HAS_VARIANTS

/// The same on this thread.
APUS_PAIRS_INLINE void apus_write_numbers(uint16_t *to, const float *from, int64_t count) {
    enum { BLOCK = 2 * APUS_PAIRS_LANES };
    int64_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK) {
        __m512 low = _mm512_loadu_ps(from + i), high = _mm512_loadu_ps(from + i + APUS_PAIRS_LANES);
        _mm512_storeu_si512(to + i, apus_neighbour_pairs(low, high));
    }
    int64_t rest = count - i;
    if (rest == 0) return;
    __m512 low = _mm512_maskz_loadu_ps(apus_first_lanes(rest), from + i);
    __m512 high = _mm512_setzero_ps();
    if (rest > APUS_PAIRS_LANES)
        high = _mm512_maskz_loadu_ps(apus_first_lanes(rest - APUS_PAIRS_LANES), from + i + APUS_PAIRS_LANES);
    _mm512_mask_storeu_epi16(to + i, (__mmask32)((1ull << rest) - 1), apus_neighbour_pairs(low, high));
}

#endif

#endif
