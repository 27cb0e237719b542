// Only the short side is packed; the long one is read once, and rounded on the way to the sums.
//
// Measured on two cores of Zen 4, vae's products of 2, 128 and 512: 0.4 to 0.7 of the time of pair_product.c's. Few
// terms were tried, too (128 x 2 by 2 x 512): nothing was won.
#include "thin_pairs.h"

#include <stdlib.h>

#include "lanes_product.h"
#include "pairs_packing.h"
#include "pairs_result.h"
#include "status.h"
#include "threads.h"

#if APUS_HAS_VARIANTS

enum {
    SHORT = APUS_PAIRS_TILE_VECTORS,  // the longest short axis
    LONGEST_INNER = 1 << 12,          // terms of what each thread packs for itself
};

struct apus_thin_pairs {
    apus_matmul_description description;
    bool is_swapped;         // where the left side is transposed: whether the rows make the vectors
    int32_t thread_count;    // at creation
    int64_t items, grain;
    int64_t workspace_size;  // pairs a thread
    uint32_t *workspaces;
};

typedef struct {
    const apus_thin_pairs *product;
    const float *left, *right, *bias;
    float scale;
    float *output;
} job;

/// The pair of terms `k` and `k + 1`, `stride` apart; a last one's partner is 0.
APUS_PAIRS_INLINE uint32_t pair_at(const float *numbers, int64_t k, int64_t terms, int64_t stride) {
    float first = numbers[k * stride], second = k + 1 < terms ? numbers[(k + 1) * stride] : 0;
    return (uint32_t)_mm_cvtsi128_si32((__m128i)_mm_cvtneps_pbh(_mm_setr_ps(first, second, 0, 0)));
}

/// Few columns: rows `begin..<end`; `columns` and `activation` are constants.
APUS_PAIRS_INLINE void run_columns(
    const job *work, int64_t begin, int64_t end, uint32_t *own, const int columns, const apus_activation activation) {
    const apus_matmul_description *wanted = &work->product->description;
    const int64_t terms = wanted->inner, pairs = apus_pair_count(terms);
    // Column after column, so that a column's pairs are neighbours as a row's are.
    if (wanted->transposes_right) {
        apus_pack_rows_of_pairs(own, pairs, work->right, terms, columns, terms);
    } else {
        for (int64_t c = 0; c < columns; c++)
            for (int64_t k = 0; k < terms; k += 2) own[c * pairs + k / 2] = pair_at(work->right + c, k, terms, columns);
    }
    __m512 bias = work->bias ? _mm512_maskz_loadu_ps(apus_first_lanes(columns), work->bias) : _mm512_setzero_ps();
    for (int64_t r = begin; r < end; r++) {
        const float *row = work->left + r * terms;
        __m512 sums[SHORT];
        _Pragma("clang loop unroll(full)") for (int c = 0; c < columns; c++) sums[c] = _mm512_setzero_ps();
        for (int64_t k = 0; k < terms; k += 2 * APUS_PAIRS_LANES) {
            __m512i factors = apus_row_pairs(row, k, terms);
            __mmask16 lanes = apus_first_lanes(pairs - k / 2);
            _Pragma("clang loop unroll(full)") for (int c = 0; c < columns; c++)
                sums[c] = _mm512_dpbf16_ps(
                    sums[c], (__m512bh)factors,
                    (__m512bh)_mm512_maskz_loadu_epi32(lanes, own + c * pairs + k / 2));
        }
        __m512 row_sums = _mm512_setzero_ps();
        _Pragma("clang loop unroll(full)") for (int c = 0; c < columns; c++)
            row_sums = _mm512_mask_mov_ps(row_sums, (__mmask16)(1 << c), _mm512_set1_ps(_mm512_reduce_add_ps(sums[c])));
        apus_store_sums(wanted, work->scale, row_sums, bias, work->output + r * columns, columns, activation);
    }
}

/// A transposed left side: vectors `begin..<end` of the long axis; `length` of the short one is a constant.
APUS_PAIRS_INLINE void run_side(const job *work, int64_t begin, int64_t end, uint32_t *own, const int length) {
    const apus_thin_pairs *product = work->product;
    const apus_matmul_description *wanted = &product->description;
    const int64_t terms = wanted->inner, numbers = product->is_swapped ? wanted->rows : wanted->columns;
    const float *singles = product->is_swapped ? work->right : work->left;
    const float *vectors = product->is_swapped ? work->left : work->right;
    const __m512 none = _mm512_setzero_ps();
    for (int64_t k = 0; k < terms; k += 2)
        for (int s = 0; s < length; s++) own[k / 2 * length + s] = pair_at(singles + s, k, terms, length);
    for (int64_t j = begin * APUS_PAIRS_LANES; j < end * APUS_PAIRS_LANES; j += APUS_PAIRS_LANES) {
        int64_t count = numbers - j;
        __mmask16 lanes = apus_first_lanes(count);
        __m512 sums[SHORT];
        _Pragma("clang loop unroll(full)") for (int s = 0; s < length; s++) sums[s] = none;
        for (int64_t k = 0; k < terms; k += 2) {
            const float *term = vectors + k * numbers + j;
            __m512i factors = apus_lane_pairs(
                _mm512_maskz_loadu_ps(lanes, term),
                _mm512_maskz_loadu_ps(k + 1 < terms ? lanes : 0, term + numbers));
            _Pragma("clang loop unroll(full)") for (int s = 0; s < length; s++)
                sums[s] = _mm512_dpbf16_ps(
                    sums[s], (__m512bh)_mm512_set1_epi32((int)own[k / 2 * length + s]), (__m512bh)factors);
        }
        if (product->is_swapped) {
            // The rows' results are neighbours.
            float all[SHORT * APUS_PAIRS_LANES];
            _Pragma("clang loop unroll(full)") for (int s = 0; s < length; s++)
                for (int i = 0; i < APUS_PAIRS_LANES; i++) all[i * length + s] = sums[s][i];
            int64_t whole = (count < APUS_PAIRS_LANES ? count : APUS_PAIRS_LANES) * length;
            for (int64_t i = 0; i < whole; i += APUS_PAIRS_LANES)
                apus_store_sums(
                    wanted, work->scale, _mm512_loadu_ps(all + i), none, work->output + j * length + i, whole - i,
                    APUS_ACTIVATION_NONE);
        } else {
            _Pragma("clang loop unroll(full)") for (int s = 0; s < length; s++)
                apus_store_sums(
                    wanted, work->scale, sums[s], none, work->output + s * numbers + j, count, APUS_ACTIVATION_NONE);
        }
    }
}

// The short axis' length is a constant, as a panel's vectors are.

APUS_PAIRS_INLINE void run_rows(
    const job *work, int64_t begin, int64_t end, uint32_t *own, const apus_activation activation) {
    APUS_PAIRS_FOR_VECTORS(
        work->product->description.columns, run_columns(work, begin, end, own, vectors, activation))
}

APUS_PAIRS_TARGET static void run_items(void *context, int64_t begin, int64_t end, int32_t thread) {
    unsigned mode = apus_begin_flushing();
    const job *work = context;
    const apus_thin_pairs *product = work->product;
    uint32_t *own = product->workspaces + thread * product->workspace_size;
    if (product->description.transposes_left) {
        int64_t short_length = product->is_swapped ? product->description.columns : product->description.rows;
        APUS_PAIRS_FOR_VECTORS(short_length, run_side(work, begin, end, own, vectors))
    } else {
        switch (product->description.activation) {
            case APUS_ACTIVATION_SIGMOID: run_rows(work, begin, end, own, APUS_ACTIVATION_SIGMOID); break;
            case APUS_ACTIVATION_TANH: run_rows(work, begin, end, own, APUS_ACTIVATION_TANH); break;
            case APUS_ACTIVATION_RELU: run_rows(work, begin, end, own, APUS_ACTIVATION_RELU); break;
            default: run_rows(work, begin, end, own, APUS_ACTIVATION_NONE);
        }
    }
    apus_end_flushing(mode);
}

bool apus_thin_pairs_are_faster(const apus_matmul_description *wanted) {
    if (!apus_pairs_know(wanted->activation) || !apus_has_bfloat16_pairs()) return false;
    if (wanted->batch != 1 || wanted->rows < 1 || wanted->columns < 1) return false;
    if (wanted->inner < 1 || wanted->inner > LONGEST_INNER) return false;
    if (!wanted->transposes_left) return wanted->columns <= SHORT;
    bool is_plain = !wanted->has_bias && wanted->activation == APUS_ACTIVATION_NONE;
    return !wanted->transposes_right && is_plain && (wanted->rows <= SHORT || wanted->columns <= SHORT);
}

apus_status apus_thin_pairs_create(const apus_matmul_description *wanted, apus_thin_pairs **result) {
    *result = NULL;
    if (!apus_thin_pairs_are_faster(wanted)) return apus_fail("apus_thin_pairs_create", APUS_UNSUPPORTED);
    apus_thin_pairs *product = calloc(1, sizeof *product);
    if (!product) return apus_fail("apus_thin_pairs_create", APUS_OUT_OF_MEMORY);
    product->description = *wanted;
    product->thread_count = apus_thread_count();
    product->is_swapped = wanted->transposes_left && wanted->rows > SHORT;
    int64_t effort;  // vectors that are read an item: a row, or a vector of the long axis
    if (wanted->transposes_left) {
        int64_t numbers = product->is_swapped ? wanted->rows : wanted->columns;
        product->items = (numbers + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES;
        effort = wanted->inner;
    } else {
        product->items = wanted->rows;
        effort = (wanted->inner + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES;
    }
    product->workspace_size = apus_rounded_up(apus_pair_count(wanted->inner) * SHORT, APUS_PAIRS_LANES);
    product->grain = 1 + APUS_GRAIN / 16 / (effort + 1);
    product->workspaces = aligned_alloc(64, (size_t)apus_thin_pairs_workspace(product));
    if (!product->workspaces) {
        free(product);
        return apus_fail("apus_thin_pairs_create", APUS_OUT_OF_MEMORY);
    }
    *result = product;
    return APUS_SUCCESS;
}

void apus_thin_pairs_run(
    apus_thin_pairs *product, const float *left, const float *right, const float *bias, float scale, float *output) {
    job work = {product, left, right, product->description.has_bias ? bias : NULL, scale, output};
    apus_parallel_limited(product->items, product->grain, product->thread_count, run_items, &work);
}

void apus_thin_pairs_destroy(apus_thin_pairs *product) {
    if (!product) return;
    free(product->workspaces);
    free(product);
}

int64_t apus_thin_pairs_workspace(const apus_thin_pairs *product) {
    return product->thread_count * product->workspace_size * (int64_t)sizeof *product->workspaces;
}

#else

bool apus_thin_pairs_are_faster(const apus_matmul_description *wanted) {
    (void)wanted;
    return false;
}

apus_status apus_thin_pairs_create(const apus_matmul_description *wanted, apus_thin_pairs **result) {
    (void)wanted;
    *result = NULL;
    return apus_fail("apus_thin_pairs_create", APUS_UNSUPPORTED);
}

void apus_thin_pairs_run(
    apus_thin_pairs *product, const float *left, const float *right, const float *bias, float scale, float *output) {
    (void)product, (void)left, (void)right, (void)bias, (void)scale, (void)output;
}

void apus_thin_pairs_destroy(apus_thin_pairs *product) { (void)product; }

int64_t apus_thin_pairs_workspace(const apus_thin_pairs *product) {
    (void)product;
    return 0;
}

#endif
