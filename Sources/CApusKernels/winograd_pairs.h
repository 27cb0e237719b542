/// Products of Winograd's filtering by bfloat16 pairs: what is transformed is rounded once more, and sums are float32.
///
/// With the points of winograd_transforms.h the second rounding makes the error of a result about five times that of
/// rounded factors alone: 0.011, with 5 x 5 kernels 0.013, in place of 0.0021 to 0.0024 of the results' root mean
/// square (docs/precision.md).
#ifndef APUS_WINOGRAD_PAIRS_H
#define APUS_WINOGRAD_PAIRS_H

#include "pairs_product.h"
#include "winograd_loops.h"

#if APUS_HAS_VARIANTS

// Pairs of the right side that are fetched ahead of their use.
enum { APUS_WINOGRAD_PAIRS_AHEAD = 16 };

/// output[r, j] (+)= the sum over all pairs of left[r] right[j], for `rows` rows (`APUS_WINOGRAD_PAIRS_GROUP` at most)
/// and one or two vectors of columns; both are constants.
APUS_PAIRS_INLINE void apus_winograd_multiply_pair_tile(
    const int rows, const int vectors, apus_left_pairs left, apus_right_pairs right, float *output,
    int64_t output_stride, bool accumulates) {
    __m512 sums[APUS_WINOGRAD_PAIRS_GROUP][2];
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int v = 0; v < vectors; v++)
            sums[r][v] = accumulates ? _mm512_loadu_ps(output + r * output_stride + v * APUS_PAIRS_LANES)
                                     : _mm512_setzero_ps();
    // Unrolled, the compiler loads the factors of several pairs at once, and has no registers left for the sums.
    _Pragma("clang loop unroll(disable)") for (int64_t k = 0; k < right.pairs; k++) {
        const uint32_t *columns = right.start + k * right.stride;
        __m512i column[2];
        APUS_UNROLLED for (int v = 0; v < vectors; v++) {
            __builtin_prefetch(columns + APUS_WINOGRAD_PAIRS_AHEAD * right.stride + v * APUS_PAIRS_LANES);
            column[v] = _mm512_loadu_si512(columns + v * APUS_PAIRS_LANES);
        }
        APUS_UNROLLED for (int r = 0; r < rows; r++) {
            __m512i factor = _mm512_set1_epi32((int)left.start[r * left.row_stride + k * left.pair_stride]);
            APUS_UNROLLED for (int v = 0; v < vectors; v++)
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], (__m512bh)factor, (__m512bh)column[v]);
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(output + r * output_stride + v * APUS_PAIRS_LANES, sums[r][v]);
}

/// The same for any number of rows, in tiles of `tile` (a constant) and the rest.
APUS_PAIRS_INLINE void apus_winograd_multiply_pair_rows(
    const int tile, const int vectors, int64_t rows, apus_left_pairs left, apus_right_pairs right, float *output,
    int64_t output_stride, bool accumulates) {
    for (int64_t row = 0, step; row < rows; row += step) {
        int64_t rest = rows - row;
        step = rest >= tile ? tile : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
        apus_left_pairs part = {left.start + row * left.row_stride, left.row_stride, left.pair_stride};
        float *target = output + row * output_stride;
        if (step == tile)
            apus_winograd_multiply_pair_tile(tile, vectors, part, right, target, output_stride, accumulates);
        else if (step == 4)
            apus_winograd_multiply_pair_tile(4, vectors, part, right, target, output_stride, accumulates);
        else if (step == 2)
            apus_winograd_multiply_pair_tile(2, vectors, part, right, target, output_stride, accumulates);
        else
            apus_winograd_multiply_pair_tile(1, vectors, part, right, target, output_stride, accumulates);
    }
}

/// The same for one or two vectors of columns, which need not be a constant.
APUS_PAIRS_INLINE void apus_winograd_multiply_pairs(
    const int tile, int64_t vectors, int64_t rows, apus_left_pairs left, apus_right_pairs right, float *output,
    int64_t output_stride, bool accumulates) {
    if (vectors == 2) apus_winograd_multiply_pair_rows(tile, 2, rows, left, right, output, output_stride, accumulates);
    else apus_winograd_multiply_pair_rows(tile, 1, rows, left, right, output, output_stride, accumulates);
}

#endif

#endif
