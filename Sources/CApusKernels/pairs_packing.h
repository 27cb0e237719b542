/// The sides of a product as bfloat16 pairs, in the order in which tiles read them. An odd last term is paired with 0,
/// and columns are filled up to whole vectors with 0.
#ifndef APUS_PAIRS_PACKING_H
#define APUS_PAIRS_PACKING_H

#include "pairs_product.h"

#if APUS_HAS_VARIANTS

/// pairs[k * width + j] = terms 2 k and 2 k + 1 of column j, where matrix[k * stride + j] is term k of column j.
/// `width` is a multiple of `APUS_PAIRS_LANES`, and `columns` of them are read.
APUS_PAIRS_INLINE void apus_pack_terms(
    uint32_t *pairs, int64_t width, const float *matrix, int64_t stride, int64_t terms, int64_t columns) {
    for (int64_t k = 0; k < terms; k += 2) {
        const float *first = matrix + k * stride;
        for (int64_t j = 0; j < width; j += APUS_PAIRS_LANES) {
            __mmask16 lanes = apus_first_lanes(columns - j), others = k + 1 < terms ? lanes : 0;
            __m512i pair = apus_lane_pairs(
                _mm512_maskz_loadu_ps(lanes, first + j), _mm512_maskz_loadu_ps(others, first + stride + j));
            _mm512_storeu_si512(pairs + k / 2 * width + j, pair);
        }
    }
}

/// Thirty-two terms of a row from `term` on, as pairs of neighbours.
APUS_PAIRS_INLINE __m512i apus_row_pairs(const float *row, int64_t term, int64_t terms) {
    return apus_neighbour_pairs(
        _mm512_maskz_loadu_ps(apus_first_lanes(terms - term), row + term),
        _mm512_maskz_loadu_ps(apus_first_lanes(terms - term - APUS_PAIRS_LANES), row + term + APUS_PAIRS_LANES));
}

/// pairs[r * stride of pairs + k] = terms 2 k and 2 k + 1 of row r, where matrix[r * stride + k] is term k of row r.
APUS_PAIRS_INLINE void apus_pack_rows_of_pairs(
    uint32_t *pairs, int64_t pair_stride, const float *matrix, int64_t stride, int64_t rows, int64_t terms) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t k = 0; k < terms; k += 2 * APUS_PAIRS_LANES) {
            __mmask16 lanes = apus_first_lanes(apus_pair_count(terms) - k / 2);
            _mm512_mask_storeu_epi32(
                pairs + r * pair_stride + k / 2, lanes, apus_row_pairs(matrix + r * stride, k, terms));
        }
    }
}

/// pairs[k * pair_stride + j] = terms 2 k and 2 k + 1 of column j, where matrix[j * stride + k] is term k of column j,
/// for `columns`, sixteen at most; 0 for the columns from there to the sixteenth.
APUS_PAIRS_INLINE void apus_pack_sixteen_columns(
    uint32_t *pairs, int64_t pair_stride, const float *matrix, int64_t stride, int64_t columns, int64_t terms) {
    for (int64_t k = 0; k < terms; k += 2 * APUS_PAIRS_LANES) {
        __m512i rows[APUS_PAIRS_LANES];
        _Pragma("clang loop unroll(full)") for (int r = 0; r < APUS_PAIRS_LANES; r++)
            rows[r] = r < columns ? apus_row_pairs(matrix + r * stride, k, terms) : _mm512_setzero_si512();
        apus_transpose_pairs(rows, pairs + k / 2 * pair_stride, pair_stride, apus_pair_count(terms) - k / 2);
    }
}

/// As `apus_pack_terms`, where matrix[j * stride + k] is term k of column j.
APUS_PAIRS_INLINE void apus_pack_columns_of_pairs(
    uint32_t *pairs, int64_t width, const float *matrix, int64_t stride, int64_t terms, int64_t columns) {
    for (int64_t j = 0; j < width; j += APUS_PAIRS_LANES)
        apus_pack_sixteen_columns(pairs + j, width, matrix + j * stride, stride, columns - j, terms);
}

#endif

#endif
