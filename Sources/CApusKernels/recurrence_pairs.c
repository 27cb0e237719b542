#include "recurrence_pairs.h"

#include <stddef.h>

#include "apus_kernels.h"
#include "pairs_packing.h"

#if APUS_HAS_VARIANTS

#define UNROLLED _Pragma("clang loop unroll(full)")

APUS_PAIRS_INLINE __m512 load_first(int64_t count, const float *from) {
    return _mm512_maskz_loadu_ps(apus_first_lanes(count), from);
}

APUS_PAIRS_TARGET static void pack_neighbours(
    uint32_t *to, int64_t to_stride, const float *from, int64_t stride, int64_t rows, int64_t count) {
    apus_pack_rows_of_pairs(to, to_stride, from, stride, rows, count);
}

APUS_PAIRS_TARGET static void pack_lanes(
    uint32_t *to, int64_t to_stride, const float *from, int64_t stride, int64_t rows, int64_t count) {
    for (int64_t r = 0; r < rows; r += 2)
        for (int64_t j = 0; j < count; j += APUS_PAIRS_LANES) {
            const float *start = from + r * stride + j;
            __m512 first = load_first(count - j, start);
            __m512 second = r + 1 < rows ? load_first(count - j, start + stride) : _mm512_setzero_ps();
            _mm512_mask_storeu_epi32(
                to + r / 2 * to_stride + j, apus_first_lanes(count - j), apus_lane_pairs(first, second));
        }
}

APUS_PAIRS_TARGET static void pack_both(
    uint32_t *neighbours, int64_t neighbours_stride, uint32_t *lanes, int64_t lanes_stride, const float *from,
    int64_t stride, int64_t rows, int64_t count) {
    __mmask16 numbers = apus_first_lanes(count);
    __mmask8 pairs = (__mmask8)apus_first_lanes(apus_pair_count(count));
    for (int64_t r = 0; r < rows; r += 2, neighbours += 2 * neighbours_stride, lanes += lanes_stride) {
        __m512 first = _mm512_maskz_loadu_ps(numbers, from + r * stride), second = _mm512_setzero_ps();
        if (r + 1 < rows) second = _mm512_maskz_loadu_ps(numbers, from + (r + 1) * stride);
        __m512i both = apus_neighbour_pairs(first, second);
        _mm512_mask_storeu_epi32(lanes, numbers, apus_lane_pairs(first, second));
        _mm256_mask_storeu_epi32(neighbours, pairs, _mm512_castsi512_si256(both));
        if (r + 1 < rows)
            _mm256_mask_storeu_epi32(neighbours + neighbours_stride, pairs, _mm512_extracti64x4_epi64(both, 1));
    }
}

APUS_PAIRS_TARGET static void pack_transposed(
    uint32_t *to, int64_t to_stride, const float *from, int64_t stride, int64_t rows, int64_t count) {
    apus_pack_sixteen_columns(to, to_stride, from, stride, rows, count);
}

/// `rows` rows from `row` on; it and `vectors`, of each part, are constants.
APUS_PAIRS_INLINE void multiply_tile(
    const int rows, const int vectors, const apus_recurrence_product *product, int64_t row) {
    const float *first = product->first + row * product->first_stride;
    float *output = product->output + row * product->output_stride;
    __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS];
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < APUS_PAIRS_TILE_VECTORS; v++)
            sums[r][v] = _mm512_loadu_ps(first + r * product->first_stride + v * APUS_PAIRS_LANES);
    UNROLLED for (int part = 0; part < 2; part++) {
        const apus_pair_terms *terms = &product->parts[part];
        apus_left_pairs left = {terms->left + row * terms->left_row, terms->left_row, terms->left_pair};
        apus_right_pairs right = {terms->right, terms->right_stride, terms->pairs};
        apus_multiply_pairs(rows, vectors, left, right, sums, true);
        // The last of three changes its place between the parts, and back.
        UNROLLED for (int r = 0; vectors < APUS_PAIRS_TILE_VECTORS && r < rows; r++) {
            __m512 swap = sums[r][vectors];
            sums[r][vectors] = sums[r][vectors - 1];
            sums[r][vectors - 1] = swap;
        }
    }
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < APUS_PAIRS_TILE_VECTORS; v++)
            _mm512_storeu_ps(output + r * product->output_stride + v * APUS_PAIRS_LANES, sums[r][v]);
}

APUS_PAIRS_INLINE void multiply_rows(const int vectors, const apus_recurrence_product *product) {
    for (int64_t row = 0, step; row < product->rows; row += step) {
        int64_t rest = product->rows - row;
        step = rest >= APUS_PAIRS_TILE_ROWS ? APUS_PAIRS_TILE_ROWS : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
        if (step == APUS_PAIRS_TILE_ROWS)
            multiply_tile(APUS_PAIRS_TILE_ROWS, vectors, product, row);
        else if (step == 4)
            multiply_tile(4, vectors, product, row);
        else if (step == 2)
            multiply_tile(2, vectors, product, row);
        else
            multiply_tile(1, vectors, product, row);
    }
}

APUS_PAIRS_TARGET static void multiply(const apus_recurrence_product *product) {
    if (product->is_split)
        multiply_rows(APUS_PAIRS_TILE_VECTORS - 1, product);
    else
        multiply_rows(APUS_PAIRS_TILE_VECTORS, product);
}

const apus_pair_loops *apus_find_pair_loops(void) {
    static const apus_pair_loops loops = {pack_neighbours, pack_lanes, pack_both, pack_transposed, multiply};
    return apus_has_bfloat16_pairs() ? &loops : NULL;
}

#else

const apus_pair_loops *apus_find_pair_loops(void) { return NULL; }

#endif
