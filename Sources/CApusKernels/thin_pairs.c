// Only the short side is packed; the long one is rounded on the way to the sums, and makes their vectors: as columns of
// the output, few would leave most lanes empty.
//
// Measured on two cores of Zen 4 against pair_product.c: vae's products of 2, 128 and 512 in 0.4 to 0.7 of the time,
// those of 10, 128 and 512 or 784 in about 0.65. Few terms were tried, too (128 x 2 by 2 x 512): nothing was won.
#include "thin_pairs.h"

#include <stdlib.h>

#include "lanes_product.h"
#include "lanes_transpose.h"
#include "pairs_packing.h"
#include "pairs_result.h"
#include "status.h"
#include "threads.h"

#if APUS_HAS_VARIANTS

enum {
    SHORT = 12,               // the longest short axis
    ALWAYS = 4,               // up to so many columns, however few rows and terms there are
    LEAST_ROWS = 32,          // with more columns: with fewer rows, to pack takes longer than to multiply
    TERMS_A_COLUMN = 24,      // and lanes are to be added for each column
    LONGEST_INNER = 1 << 12,  // terms of what each thread packs for itself
    TILE = 5,                 // rows and columns, where columns are few
    SIDE_TILE = 6,            // numbers of the short side, where the left one is transposed
    PANEL = APUS_PAIRS_TILE_VECTORS,  // and vectors of the long one
};

struct apus_thin_pairs {
    apus_matmul_description description;
    bool is_swapped;         // where the left side is transposed: whether the rows make the vectors
    int32_t thread_count;    // at creation
    int64_t items, grain;
    int64_t stride;          // of packed columns: whole vectors of pairs
    int64_t workspace_size;  // pairs a thread
    uint32_t *workspaces;
};

typedef struct {
    const apus_thin_pairs *product;
    const float *left, *right, *bias;
    float scale;
    float *output;
} job;

/// Column after column, so that a column's pairs are neighbours as a row's are, filled up with 0.
APUS_PAIRS_INLINE void pack_columns(const job *work, uint32_t *own) {
    const apus_matmul_description *wanted = &work->product->description;
    const int64_t terms = wanted->inner, columns = wanted->columns, stride = work->product->stride;
    if (wanted->transposes_right) {
        for (int64_t c = 0; c < columns; c++)
            for (int64_t k = 0; k < terms; k += 2 * APUS_PAIRS_LANES)
                _mm512_storeu_si512(own + c * stride + k / 2, apus_row_pairs(work->right + c * terms, k, terms));
        return;
    }
    __mmask16 lanes = apus_first_lanes(columns);
    for (int64_t k = 0; k < terms; k += 2 * APUS_PAIRS_LANES) {
        __m512i pairs[APUS_PAIRS_LANES];
        _Pragma("clang loop unroll(full)") for (int i = 0; i < APUS_PAIRS_LANES; i++) {
            const float *term = work->right + (k + 2 * i) * columns;
            __mmask16 first = k + 2 * i < terms ? lanes : 0, second = k + 2 * i + 1 < terms ? lanes : 0;
            pairs[i] = apus_lane_pairs(
                _mm512_maskz_loadu_ps(first, term), _mm512_maskz_loadu_ps(second, term + columns));
        }
        apus_transpose_pairs(pairs, own + k / 2, stride, columns);
    }
}

/// sums[r * APUS_PAIRS_LANES + c] = row r times column c; `rows` and `columns` are constants.
APUS_PAIRS_INLINE void multiply_tile(
    const int rows, const int columns, const float *left, int64_t terms, const uint32_t *packed, int64_t stride,
    float *sums) {
    __m512 tile[TILE][TILE];
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int c = 0; c < columns; c++) tile[r][c] = _mm512_setzero_ps();
    for (int64_t k = 0; k < terms; k += 2 * APUS_PAIRS_LANES) {
        __m512i factors[TILE];
        _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
            factors[r] = apus_row_pairs(left + r * terms, k, terms);
        _Pragma("clang loop unroll(full)") for (int c = 0; c < columns; c++) {
            __m512bh column = (__m512bh)_mm512_loadu_si512(packed + c * stride + k / 2);
            _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
                tile[r][c] = _mm512_dpbf16_ps(tile[r][c], (__m512bh)factors[r], column);
        }
    }
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int c = 0; c < columns; c++)
            sums[r * APUS_PAIRS_LANES + c] = _mm512_reduce_add_ps(tile[r][c]);
}

/// A tile's rows, or one row; `columns` is a constant.
APUS_PAIRS_INLINE void multiply_rows(
    int64_t rows, const int columns, const float *left, int64_t terms, const uint32_t *packed, int64_t stride,
    float *sums) {
    if (rows == TILE) multiply_tile(TILE, columns, left, terms, packed, stride, sums);
    else multiply_tile(1, columns, left, terms, packed, stride, sums);
}

/// Few columns: rows `begin..<end`. The columns are cut into groups as equal as can be.
APUS_PAIRS_INLINE void run_columns(const job *work, int64_t begin, int64_t end, uint32_t *own) {
    const apus_matmul_description *wanted = &work->product->description;
    const int64_t terms = wanted->inner, columns = wanted->columns, stride = work->product->stride;
    const int64_t groups = (columns + TILE - 1) / TILE;
    pack_columns(work, own);
    __m512 bias = work->bias ? _mm512_maskz_loadu_ps(apus_first_lanes(columns), work->bias) : _mm512_setzero_ps();
    for (int64_t row = begin, step; row < end; row += step) {
        float sums[TILE * APUS_PAIRS_LANES] = {0};
        const float *left = work->left + row * terms;
        step = end - row >= TILE ? TILE : 1;
        for (int64_t group = 0; group < groups; group++) {
            int64_t first = columns * group / groups;
            const uint32_t *part = own + first * stride;
            switch (columns * (group + 1) / groups - first) {
                case 1: multiply_rows(step, 1, left, terms, part, stride, sums + first); break;
                case 2: multiply_rows(step, 2, left, terms, part, stride, sums + first); break;
                case 3: multiply_rows(step, 3, left, terms, part, stride, sums + first); break;
                case 4: multiply_rows(step, 4, left, terms, part, stride, sums + first); break;
                default: multiply_rows(step, TILE, left, terms, part, stride, sums + first); break;
            }
        }
        for (int64_t r = 0; r < step; r++)
            apus_store_sums(
                wanted, work->scale, _mm512_loadu_ps(sums + r * APUS_PAIRS_LANES), bias,
                work->output + (row + r) * columns, columns, wanted->activation);
    }
}

/// A transposed left side: `rows` numbers of the short axis from `row` on, and `vectors` of the long one from number
/// `first` on, both constants; tile[row, i] = their sums.
APUS_PAIRS_INLINE void multiply_side(
    const job *work, const uint32_t *own, int64_t row, const int rows, int64_t first, const int vectors,
    float *tile) {
    const apus_thin_pairs *product = work->product;
    const int64_t terms = product->description.inner;
    const int64_t numbers = product->is_swapped ? product->description.rows : product->description.columns;
    const int64_t length = product->is_swapped ? product->description.columns : product->description.rows;
    const float *long_side = (product->is_swapped ? work->left : work->right) + first;
    __mmask16 last = apus_first_lanes(numbers - first - (vectors - 1) * APUS_PAIRS_LANES);
    __m512 sums[SIDE_TILE][PANEL];
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_setzero_ps();
    for (int64_t k = 0; k < terms; k += 2) {
        __m512bh factors[PANEL];
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
            const float *term = long_side + k * numbers + v * APUS_PAIRS_LANES;
            __mmask16 lanes = v == vectors - 1 ? last : 0xffff, others = k + 1 < terms ? lanes : 0;
            factors[v] = (__m512bh)apus_lane_pairs(
                _mm512_maskz_loadu_ps(lanes, term), _mm512_maskz_loadu_ps(others, term + numbers));
        }
        _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
            __m512bh single = (__m512bh)_mm512_set1_epi32((int)own[k / 2 * length + row + r]);
            _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], single, factors[v]);
        }
    }
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(tile + ((row + r) * PANEL + v) * APUS_PAIRS_LANES, sums[r][v]);
}

/// All of the short axis, in tiles as equal as can be; `vectors` is a constant.
APUS_PAIRS_INLINE void multiply_panel(
    const job *work, const uint32_t *own, int64_t length, int64_t first, const int vectors, float *tile) {
    int64_t tiles = (length + SIDE_TILE - 1) / SIDE_TILE;
    for (int64_t index = 0; index < tiles; index++) {
        int64_t row = length * index / tiles;
        switch (length * (index + 1) / tiles - row) {
            case 1: multiply_side(work, own, row, 1, first, vectors, tile); break;
            case 2: multiply_side(work, own, row, 2, first, vectors, tile); break;
            case 3: multiply_side(work, own, row, 3, first, vectors, tile); break;
            case 4: multiply_side(work, own, row, 4, first, vectors, tile); break;
            case 5: multiply_side(work, own, row, 5, first, vectors, tile); break;
            default: multiply_side(work, own, row, SIDE_TILE, first, vectors, tile); break;
        }
    }
}

/// A transposed left side: vectors `begin..<end` of the long axis.
APUS_PAIRS_INLINE void run_side(const job *work, int64_t begin, int64_t end, uint32_t *own) {
    const apus_thin_pairs *product = work->product;
    const apus_matmul_description *wanted = &product->description;
    const int64_t terms = wanted->inner, numbers = product->is_swapped ? wanted->rows : wanted->columns;
    const int64_t length = product->is_swapped ? wanted->columns : wanted->rows;
    const float *singles = product->is_swapped ? work->right : work->left;
    const __m512 none = _mm512_setzero_ps();
    const __mmask16 all = apus_first_lanes(length);
    for (int64_t k = 0; k < terms; k += 2) {
        const float *term = singles + k * length;
        _mm512_mask_storeu_epi32(
            own + k / 2 * length, all,
            apus_lane_pairs(
                _mm512_maskz_loadu_ps(all, term), _mm512_maskz_loadu_ps(k + 1 < terms ? all : 0, term + length)));
    }
    for (int64_t vector = begin, step; vector < end; vector += step) {
        float tile[SHORT * PANEL * APUS_PAIRS_LANES];
        step = end - vector >= PANEL ? PANEL : 1;
        if (step == PANEL) multiply_panel(work, own, length, vector * APUS_PAIRS_LANES, PANEL, tile);
        else multiply_panel(work, own, length, vector * APUS_PAIRS_LANES, 1, tile);
        for (int64_t v = 0; v < step; v++) {
            int64_t first = (vector + v) * APUS_PAIRS_LANES, count = numbers - first;
            const float *sums = tile + v * APUS_PAIRS_LANES;
            const int64_t stride = PANEL * APUS_PAIRS_LANES;
            if (!product->is_swapped) {
                for (int64_t s = 0; s < length; s++)
                    apus_store_sums(
                        wanted, work->scale, _mm512_loadu_ps(sums + s * stride), none,
                        work->output + s * numbers + first, count, APUS_ACTIVATION_NONE);
                continue;
            }
            apus_lanes square[APUS_PAIRS_LANES];
            _Pragma("clang loop unroll(full)") for (int s = 0; s < APUS_PAIRS_LANES; s++)
                square[s] = s < length ? (apus_lanes)_mm512_loadu_ps(sums + s * stride) : (apus_lanes)none;
            apus_lanes_transpose(square);
            _Pragma("clang loop unroll(full)") for (int i = 0; i < APUS_PAIRS_LANES; i++)
                if (i < count)
                    apus_store_sums(
                        wanted, work->scale, (__m512)square[i], none, work->output + (first + i) * length, length,
                        APUS_ACTIVATION_NONE);
        }
    }
}

APUS_PAIRS_TARGET static void run_items(void *context, int64_t begin, int64_t end, int32_t thread) {
    unsigned mode = apus_begin_flushing();
    const job *work = context;
    const apus_thin_pairs *product = work->product;
    uint32_t *own = product->workspaces + thread * product->workspace_size;
    if (product->description.transposes_left) run_side(work, begin, end, own);
    else run_columns(work, begin, end, own);
    apus_end_flushing(mode);
}

bool apus_thin_pairs_are_faster(const apus_matmul_description *wanted) {
    if (!apus_pairs_know(wanted->activation) || !apus_has_bfloat16_pairs()) return false;
    if (wanted->batch != 1 || wanted->rows < 1 || wanted->columns < 1) return false;
    if (wanted->inner < 1 || wanted->inner > LONGEST_INNER) return false;
    if (!wanted->transposes_left)
        return wanted->columns <= ALWAYS ||
               (wanted->columns <= SHORT && wanted->rows >= LEAST_ROWS &&
                wanted->inner >= TERMS_A_COLUMN * wanted->columns);
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
    product->stride = apus_rounded_up(apus_pair_count(wanted->inner), APUS_PAIRS_LANES);
    product->workspace_size = product->stride * SHORT;
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
