// Rows are read as they stand, sixteen terms at a time, and so are the columns, which each thread packs for itself:
// vectors of terms are full, where those of a few columns would not be. A sum's lanes are added at the end. Tiles of
// five rows by five columns read ten vectors for 25 multiply-adds.
//
// Measured on two cores of Zen 4 with 128 rows, against oneDNN (not on other processors): 784 terms and 10 columns 12.4
// microseconds (15.3), 512 and 10 8.3 (10.8), 512 and 2 3.8 (10.1), 784 and 12 14.2 (15.0).
#include "narrow_product.h"

#include <stdlib.h>

#include "lanes_bytes.h"
#include "lanes_functions.h"
#include "lanes_product.h"
#include "lanes_transpose.h"
#include "status.h"
#include "threads.h"

enum {
    TILE = 5,             // rows and columns, at most
    MOST_COLUMNS = 12,    // measured: with 12 0.95 of oneDNN's time, with 14 1.09
    MOST_TERMS = 2048,    // what a thread packs stays in the second cache
    TERMS_A_COLUMN = 24,  // at least: lanes are to be added for each
    BYTE_ROWS = 2,        // of a tile, where rows are bytes
    ROWS_AHEAD = 4,       // that are fetched before they are read, likewise
    CACHE_LINE = 64,
    LEAST_ROWS = 32,      // with fewer, to pack takes longer than to multiply
};

struct apus_narrow_product {
    apus_matmul_description description;
    int64_t rows;
    int64_t stride;          // from one packed column to the next: whole vectors
    int32_t thread_count;    // at creation
    int64_t workspace_size;  // numbers a thread: the packed columns
    float *workspaces;
};

typedef struct {
    const apus_narrow_product *product;
    const float *left, *right, *bias;
    const apus_byte_rows *rows;  // in place of the left side
    float scale;
    float *output;
} job;

/// Sixteen terms, column after column. In the places of columns that are not there stand numbers of the next terms,
/// which are not stored.
APUS_INLINE void pack_terms(apus_lanes square[APUS_LANE_COUNT], float *packed, int64_t columns, int64_t stride) {
    apus_lanes_transpose(square);
    APUS_UNROLLED for (int c = 0; c < MOST_COLUMNS; c++)
        if (c < columns) *(apus_lanes *)(packed + c * stride) = square[c];
}

/// Column after column, filled up to whole vectors with 0.
APUS_INLINE void pack_columns(const job *work, float *packed) {
    const apus_matmul_description *wanted = &work->product->description;
    int64_t terms = wanted->inner, columns = wanted->columns, stride = work->product->stride;
    apus_lanes square[APUS_LANE_COUNT];
    if (wanted->transposes_right) {
        for (int64_t c = 0; c < columns; c++)
            for (int64_t k = 0; k < terms; k += APUS_LANE_COUNT) {
                apus_load_some(square, work->right + c * terms + k, terms - k);
                *(apus_lanes *)(packed + c * stride + k) = *square;
            }
        return;
    }
    int64_t k = 0;
    for (; (terms - k - APUS_LANE_COUNT + 1) * columns >= APUS_LANE_COUNT; k += APUS_LANE_COUNT) {
        APUS_UNROLLED for (int i = 0; i < APUS_LANE_COUNT; i++)
            square[i] = *(const apus_lanes *)(work->right + (k + i) * columns);
        pack_terms(square, packed + k, columns, stride);
    }
    for (; k < terms; k += APUS_LANE_COUNT) {
        for (int i = 0; i < APUS_LANE_COUNT; i++) {
            square[i] = (apus_lanes){0};
            if (k + i < terms)
                apus_load_some(&square[i], work->right + (k + i) * columns, (terms - k - i) * columns);
        }
        pack_terms(square, packed + k, columns, stride);
    }
}

/// sums[r * APUS_LANE_COUNT + c] = row r times column c; `rows` and `columns` are constants.
APUS_INLINE void multiply_tile(
    const int rows, const int columns, const float *left, const float *packed, int64_t terms, int64_t stride,
    float *sums) {
    apus_lanes tile[TILE][TILE];
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int c = 0; c < columns; c++) tile[r][c] = (apus_lanes){0};
    int64_t whole = terms / APUS_LANE_COUNT * APUS_LANE_COUNT;
    for (int64_t k = 0; k < whole; k += APUS_LANE_COUNT) {
        APUS_UNROLLED for (int c = 0; c < columns; c++) {
            const apus_lanes *column = (const apus_lanes *)(packed + c * stride + k);
            APUS_UNROLLED for (int r = 0; r < rows; r++)
                tile[r][c] += *(const apus_lanes *)(left + r * terms + k) * *column;
        }
    }
    if (whole < terms) {
        APUS_UNROLLED for (int r = 0; r < rows; r++) {
            apus_lanes row;
            apus_load_some(&row, left + r * terms + whole, terms - whole);
            APUS_UNROLLED for (int c = 0; c < columns; c++)
                tile[r][c] += row * *(const apus_lanes *)(packed + c * stride + whole);
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int c = 0; c < columns; c++) sums[r * APUS_LANE_COUNT + c] = apus_lanes_sum(&tile[r][c]);
}

/// A tile's rows, or one row; `columns` is a constant.
APUS_INLINE void multiply_rows(
    int64_t rows, const int columns, const float *left, const float *packed, int64_t terms, int64_t stride,
    float *sums) {
    if (rows == TILE) multiply_tile(TILE, columns, left, packed, terms, stride, sums);
    else multiply_tile(1, columns, left, packed, terms, stride, sums);
}

/// All columns of some rows: groups as equal as can be.
APUS_INLINE void multiply_columns(const job *work, const float *packed, int64_t row, int64_t rows, float *sums) {
    int64_t columns = work->product->description.columns, terms = work->product->description.inner;
    int64_t stride = work->product->stride, groups = (columns + TILE - 1) / TILE;
    const float *left = work->left + row * terms;
    for (int64_t group = 0; group < groups; group++) {
        int64_t first = columns * group / groups, count = columns * (group + 1) / groups - first;
        const float *part = packed + first * stride;
        switch (count) {
            case 1: multiply_rows(rows, 1, left, part, terms, stride, sums + first); break;
            case 2: multiply_rows(rows, 2, left, part, terms, stride, sums + first); break;
            case 3: multiply_rows(rows, 3, left, part, terms, stride, sums + first); break;
            case 4: multiply_rows(rows, 4, left, part, terms, stride, sums + first); break;
            default: multiply_rows(rows, TILE, left, part, terms, stride, sums + first); break;
        }
    }
}

/// What follows the sums of some rows.
APUS_INLINE void finish_rows(const job *work, const float *sums, int64_t row, int64_t rows) {
    const apus_matmul_description *wanted = &work->product->description;
    apus_lanes bias = {0}, old;
    if (work->bias) apus_load_some(&bias, work->bias, wanted->columns);
    for (int64_t r = 0; r < rows; r++) {
        float *target = work->output + (row + r) * wanted->columns;
        apus_lanes x = *(const apus_lanes *)(sums + r * APUS_LANE_COUNT);
        if (wanted->has_scale) x *= work->scale;
        x += bias;
        if (wanted->accumulates) {
            apus_load_some(&old, target, wanted->columns);
            x += old;
        }
        apus_lanes_activate(&x, wanted->activation, wanted->activation_alpha);
        apus_store_some(target, &x, wanted->columns);
    }
}

/// Rows `begin..<end`.
APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)form;
    const job *work = context;
    const apus_narrow_product *product = work->product;
    const apus_matmul_description *wanted = &product->description;
    float *packed = product->workspaces + thread * product->workspace_size;
    pack_columns(work, packed);
    for (int64_t row = begin, step; row < end; row += step) {
        float sums[TILE * APUS_LANE_COUNT] = {0};
        step = end - row >= TILE ? TILE : 1;
        multiply_columns(work, packed, row, step, sums);
        finish_rows(work, sums, row, step);
    }
}
APUS_WIDE_VARIANT(run_rows)

/// As `multiply_tile`, with all columns, so that each byte is converted once.
APUS_INLINE void multiply_byte_tile(
    const int rows, const int columns, const uint8_t *left[BYTE_ROWS], float scale, const float *packed, int64_t terms,
    int64_t stride, float *sums) {
    apus_lanes tile[BYTE_ROWS][MOST_COLUMNS], x[BYTE_ROWS];
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int c = 0; c < columns; c++) tile[r][c] = (apus_lanes){0};
    int64_t whole = terms / APUS_LANE_COUNT * APUS_LANE_COUNT;
    for (int64_t k = 0; k < whole; k += APUS_LANE_COUNT) {
        APUS_UNROLLED for (int r = 0; r < rows; r++) apus_load_bytes(&x[r], left[r] + k, scale, APUS_LANE_COUNT);
        APUS_UNROLLED for (int c = 0; c < columns; c++) {
            const apus_lanes *column = (const apus_lanes *)(packed + c * stride + k);
            APUS_UNROLLED for (int r = 0; r < rows; r++) tile[r][c] += x[r] * *column;
        }
    }
    if (whole < terms) {
        APUS_UNROLLED for (int r = 0; r < rows; r++) {
            apus_load_bytes(&x[r], left[r] + whole, scale, terms - whole);
            APUS_UNROLLED for (int c = 0; c < columns; c++)
                tile[r][c] += x[r] * *(const apus_lanes *)(packed + c * stride + whole);
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int c = 0; c < columns; c++) sums[r * APUS_LANE_COUNT + c] = apus_lanes_sum(&tile[r][c]);
}

/// `rows` is a constant. Of an odd number of columns, what stands after the last is multiplied as well.
APUS_INLINE void multiply_byte_rows(
    const job *work, const int rows, const uint8_t *left[BYTE_ROWS], const float *packed, float *sums) {
    int64_t terms = work->product->description.inner, stride = work->product->stride;
    float scale = work->rows->scale;
    switch ((work->product->description.columns + 1) / 2) {
        case 1: multiply_byte_tile(rows, 2, left, scale, packed, terms, stride, sums); break;
        case 2: multiply_byte_tile(rows, 4, left, scale, packed, terms, stride, sums); break;
        case 3: multiply_byte_tile(rows, 6, left, scale, packed, terms, stride, sums); break;
        case 4: multiply_byte_tile(rows, 8, left, scale, packed, terms, stride, sums); break;
        case 5: multiply_byte_tile(rows, 10, left, scale, packed, terms, stride, sums); break;
        default: multiply_byte_tile(rows, 12, left, scale, packed, terms, stride, sums); break;
    }
}

/// As `run_rows`, the left side being rows of bytes. Rows of a shuffled order lie anywhere: they are fetched ahead.
APUS_INLINE void run_byte_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)form;
    const job *work = context;
    const apus_narrow_product *product = work->product;
    const apus_byte_rows *rows = work->rows;
    int64_t terms = product->description.inner;
    float *packed = product->workspaces + thread * product->workspace_size;
    pack_columns(work, packed);
    for (int64_t row = begin, step; row < end; row += step) {
        float sums[BYTE_ROWS * APUS_LANE_COUNT] = {0};
        const uint8_t *left[BYTE_ROWS];
        step = end - row >= BYTE_ROWS ? BYTE_ROWS : 1;
        for (int64_t r = 0; r < step; r++) {
            left[r] = rows->bytes + rows->indices[row + r] * terms;
            if (row + r + ROWS_AHEAD >= end) continue;
            const uint8_t *next = rows->bytes + rows->indices[row + r + ROWS_AHEAD] * terms;
            for (int64_t k = 0; k < terms; k += CACHE_LINE) __builtin_prefetch(next + k);
        }
        if (step == BYTE_ROWS) multiply_byte_rows(work, BYTE_ROWS, left, packed, sums);
        else multiply_byte_rows(work, 1, left, packed, sums);
        finish_rows(work, sums, row, step);
    }
}
APUS_WIDE_VARIANT(run_byte_rows)

bool apus_narrow_product_is_faster(const apus_matmul_description *wanted, int64_t rows) {
    return !wanted->transposes_left && wanted->columns <= MOST_COLUMNS && rows >= LEAST_ROWS &&
           wanted->inner >= TERMS_A_COLUMN * wanted->columns && wanted->inner <= MOST_TERMS &&
           wanted->activation <= APUS_ACTIVATION_TANH && apus_instruction_level() == APUS_LEVEL_AVX512;
}

apus_status apus_narrow_product_create(
    const apus_matmul_description *wanted, int64_t rows, apus_narrow_product **result) {
    *result = NULL;
    apus_narrow_product *product = calloc(1, sizeof *product);
    if (!product) return apus_fail("apus_narrow_product_create", APUS_OUT_OF_MEMORY);
    product->description = *wanted;
    product->rows = rows;
    product->stride = apus_rounded_up(wanted->inner, APUS_LANE_COUNT);
    product->thread_count = apus_thread_count();
    product->workspace_size = product->stride * apus_rounded_up(wanted->columns, 2);
    product->workspaces = aligned_alloc(64, (size_t)apus_narrow_product_workspace(product));
    if (!product->workspaces) {
        free(product);
        return apus_fail("apus_narrow_product_create", APUS_OUT_OF_MEMORY);
    }
    memset(product->workspaces, 0, (size_t)apus_narrow_product_workspace(product));
    *result = product;
    return APUS_SUCCESS;
}

static void run(apus_narrow_product *product, apus_range_body body, job *work) {
    int64_t effort = product->stride / APUS_LANE_COUNT * product->description.columns;
    if (!product->description.has_bias) work->bias = NULL;
    apus_parallel_limited(product->rows, 1 + APUS_GRAIN / 4 / effort, product->thread_count, body, work);
}

void apus_narrow_product_run(
    apus_narrow_product *product, const float *left, const float *right, const float *bias, float scale,
    float *output) {
    run(product, run_rows_wide, &(job){product, left, right, bias, NULL, scale, output});
}

void apus_narrow_product_run_byte_rows(
    apus_narrow_product *product, const apus_byte_rows *left, const float *right, const float *bias, float scale,
    float *output) {
    run(product, run_byte_rows_wide, &(job){product, NULL, right, bias, left, scale, output});
}

void apus_narrow_product_destroy(apus_narrow_product *product) {
    if (!product) return;
    free(product->workspaces);
    free(product);
}

int64_t apus_narrow_product_workspace(const apus_narrow_product *product) {
    return product->thread_count * product->workspace_size * (int64_t)sizeof *product->workspaces;
}
