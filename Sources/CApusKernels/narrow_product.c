// Rows are read as they stand, sixteen terms at a time, and so are the columns, which each thread packs for itself:
// vectors of terms are full, where those of a few columns would not be. A sum's lanes are added at the end.
//
// The terms are cut into chunks whose packed columns stay in the first cache, whatever the number of threads is. Of two
// chunks, two threads take one each, with all rows: neither reads what the other needs. The gradient of the same
// layer's kernel (thin_product.c) is cut likewise, so that a thread meets its own part of the kernel and of the rows
// again.
//
// Measured in steps on two cores of Zen 4 with 128 rows, against oneDNN (not on other processors): 784 terms and 10
// columns 11.6 microseconds (15.8), 512 and 10 9.6 (11.4), 512 and 2 5.6 (10.9), 256 and 10 9.6 (24.1).
#include "narrow_product.h"

#include <stdlib.h>

#include "lanes_bytes.h"
#include "lanes_functions.h"
#include "lanes_product.h"
#include "lanes_transpose.h"
#include "status.h"
#include "threads.h"

enum {
    TILE = 4,              // rows, at most
    BLOCK = 8,             // rows that a thread takes at once
    SLICE = 4096,          // rows whose sums are kept
    ROWS_AHEAD = 4,        // that are fetched before they are read, where they are bytes
    CACHE_LINE = 64,
    CHUNK = 6144,          // packed numbers, or a few more: three quarters of the first cache
    MOST_COLUMNS = 12,     // measured before there were chunks: with 12 0.95 of oneDNN's time, with 14 1.09
    MOST_TERMS = 2048,
    TERMS_A_COLUMN = 24,   // at least: lanes are to be added for each
    LEAST_ROWS = 32,       // with fewer, to pack takes longer than to multiply
};

struct apus_narrow_product {
    apus_matmul_description description;
    int64_t rows, chunks;
    int64_t slice;           // rows at most
    int64_t stride;          // from one packed column to the next: whole vectors
    int32_t thread_count;    // at creation
    int64_t workspace_size;  // numbers a thread: the packed columns of a chunk
    float *workspaces;
    float *sums;  // of a slice: a vector for each row of each chunk
};

typedef struct {
    const apus_narrow_product *product;
    const float *left, *right, *bias;
    const apus_byte_rows *rows;  // in place of the left side
    float scale;
    float *output;
    int64_t first_row, last_row;  // of the slice
} job;

/// The first term of a chunk, of which the first ones are the longer ones.
APUS_INLINE int64_t chunk_start(const apus_narrow_product *product, int64_t chunk) {
    int64_t vectors = (product->description.inner + APUS_LANE_COUNT - 1) / APUS_LANE_COUNT;
    int64_t start = (vectors * chunk + product->chunks - 1) / product->chunks * APUS_LANE_COUNT;
    return start < product->description.inner ? start : product->description.inner;
}

/// Sixteen terms, column after column. In the places of columns that are not there stand numbers of the next terms,
/// which are not stored.
APUS_INLINE void pack_terms(apus_lanes square[APUS_LANE_COUNT], float *packed, int64_t columns, int64_t stride) {
    apus_lanes_transpose(square);
    APUS_UNROLLED for (int c = 0; c < MOST_COLUMNS; c++)
        if (c < columns) *(apus_lanes *)(packed + c * stride) = square[c];
}

/// Terms `first..<last`, column after column, filled up to whole vectors with 0.
APUS_INLINE void pack_columns(const job *work, float *packed, int64_t first, int64_t last) {
    const apus_matmul_description *wanted = &work->product->description;
    int64_t terms = wanted->inner, columns = wanted->columns, stride = work->product->stride;
    apus_lanes square[APUS_LANE_COUNT];
    if (wanted->transposes_right) {
        for (int64_t c = 0; c < columns; c++)
            for (int64_t k = first; k < last; k += APUS_LANE_COUNT) {
                apus_load_some(square, work->right + c * terms + k, terms - k);
                *(apus_lanes *)(packed + c * stride + k - first) = *square;
            }
        return;
    }
    int64_t k = first;
    for (; k < last && (terms - k - APUS_LANE_COUNT + 1) * columns >= APUS_LANE_COUNT; k += APUS_LANE_COUNT) {
        APUS_UNROLLED for (int i = 0; i < APUS_LANE_COUNT; i++)
            square[i] = *(const apus_lanes *)(work->right + (k + i) * columns);
        pack_terms(square, packed + k - first, columns, stride);
    }
    for (; k < last; k += APUS_LANE_COUNT) {
        for (int i = 0; i < APUS_LANE_COUNT; i++) {
            square[i] = (apus_lanes){0};
            if (k + i < terms)
                apus_load_some(&square[i], work->right + (k + i) * columns, (terms - k - i) * columns);
        }
        pack_terms(square, packed + k - first, columns, stride);
    }
}

/// The sums of a row of the slice.
APUS_INLINE float *sums_of(const job *work, int64_t chunk, int64_t row) {
    const apus_narrow_product *product = work->product;
    return product->sums + (chunk * product->slice + row - work->first_row) * APUS_LANE_COUNT;
}

/// Some terms of all rows of the slice.
typedef struct {
    int64_t chunk, first, last;
    const float *packed;
} part;

/// Where a row's numbers begin, or its bytes; `is_bytes` is a constant.
APUS_INLINE const void *row_start(const job *work, const bool is_bytes, int64_t row) {
    int64_t terms = work->product->description.inner;
    return is_bytes ? (const void *)(work->rows->bytes + work->rows->indices[row] * terms)
                    : (const void *)(work->left + row * terms);
}

APUS_INLINE void load_terms(
    const job *work, const bool is_bytes, const void *row, int64_t k, int64_t count, apus_lanes *x) {
    if (is_bytes) apus_load_bytes(x, (const uint8_t *)row + k, work->rows->scale, count);
    else apus_load_some(x, (const float *)row + k, count);
}

/// `rows`, `columns` and `is_bytes` are constants.
APUS_INLINE void multiply_tile(
    const job *work, const int rows, const int columns, const bool is_bytes, const part *part, int64_t row) {
    apus_lanes tile[TILE][MOST_COLUMNS], x[TILE];
    const void *left[TILE];
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        left[r] = row_start(work, is_bytes, row + r);
        APUS_UNROLLED for (int c = 0; c < columns; c++) tile[r][c] = (apus_lanes){0};
    }
    int64_t stride = work->product->stride, k = part->first;
    for (; k + APUS_LANE_COUNT <= part->last; k += APUS_LANE_COUNT) {
        APUS_UNROLLED for (int r = 0; r < rows; r++)
            load_terms(work, is_bytes, left[r], k, APUS_LANE_COUNT, &x[r]);
        APUS_UNROLLED for (int c = 0; c < columns; c++) {
            const apus_lanes *column = (const apus_lanes *)(part->packed + c * stride + k - part->first);
            APUS_UNROLLED for (int r = 0; r < rows; r++) tile[r][c] += x[r] * *column;
        }
    }
    if (k < part->last) {
        APUS_UNROLLED for (int r = 0; r < rows; r++) {
            load_terms(work, is_bytes, left[r], k, part->last - k, &x[r]);
            APUS_UNROLLED for (int c = 0; c < columns; c++)
                tile[r][c] += x[r] * *(const apus_lanes *)(part->packed + c * stride + k - part->first);
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        apus_lanes_sums(tile[r], columns, (apus_lanes *)sums_of(work, part->chunk, row + r));
}

/// Rows `row..<end`. `tile` (of its rows), `columns` and `is_bytes` are constants.
APUS_INLINE void multiply_rows(
    const job *work, const int tile, const int columns, const bool is_bytes, const part *part, int64_t row,
    int64_t end) {
    for (int64_t step; row < end; row += step) {
        step = end - row >= tile ? tile : 1;
        // Rows of a shuffled order lie anywhere.
        if (is_bytes) {
            int64_t next = row + ROWS_AHEAD, last = next + step < work->last_row ? next + step : work->last_row;
            for (; next < last; next++) {
                const uint8_t *start = row_start(work, is_bytes, next);
                for (int64_t k = part->first; k < part->last; k += CACHE_LINE) __builtin_prefetch(start + k);
            }
        }
        if (step == tile) multiply_tile(work, tile, columns, is_bytes, part, row);
        else multiply_tile(work, 1, columns, is_bytes, part, row);
    }
}

/// By columns, of which one more is multiplied where their number is odd: as many rows as registers allow.
APUS_INLINE void multiply_part(const job *work, const bool is_bytes, const part *part, int64_t row, int64_t end) {
    switch ((work->product->description.columns + 1) / 2) {
        case 1: multiply_rows(work, 4, 2, is_bytes, part, row, end); break;
        case 2: multiply_rows(work, 4, 4, is_bytes, part, row, end); break;
        case 3: multiply_rows(work, 4, 6, is_bytes, part, row, end); break;
        case 4: multiply_rows(work, 2, 8, is_bytes, part, row, end); break;
        case 5: multiply_rows(work, 2, 10, is_bytes, part, row, end); break;
        default: multiply_rows(work, 2, 12, is_bytes, part, row, end); break;
    }
}

/// The chunks' sums of rows `begin..<end` of the slice, and what follows them.
APUS_INLINE void finish_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)thread, (void)form;
    const job *work = context;
    const apus_narrow_product *product = work->product;
    const apus_matmul_description *wanted = &product->description;
    apus_lanes bias = {0}, old;
    if (work->bias) apus_load_some(&bias, work->bias, wanted->columns);
    for (int64_t row = work->first_row + begin; row < work->first_row + end; row++) {
        apus_lanes x = *(const apus_lanes *)sums_of(work, 0, row);
        for (int64_t chunk = 1; chunk < product->chunks; chunk++)
            x += *(const apus_lanes *)sums_of(work, chunk, row);
        float *target = work->output + row * wanted->columns;
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
APUS_WIDE_VARIANT(finish_rows)

/// Items are blocks of the slice's rows, chunk after chunk.
APUS_INLINE void run_items(void *context, int64_t begin, int64_t end, int32_t thread, const bool is_bytes) {
    const job *work = context;
    const apus_narrow_product *product = work->product;
    float *packed = product->workspaces + thread * product->workspace_size;
    int64_t blocks = (work->last_row - work->first_row + BLOCK - 1) / BLOCK;
    for (int64_t item = begin, next; item < end; item = next) {
        int64_t chunk = item / blocks, start = chunk * blocks;
        next = end < start + blocks ? end : start + blocks;
        part part = {chunk, chunk_start(product, chunk), chunk_start(product, chunk + 1), packed};
        pack_columns(work, packed, part.first, part.last);
        int64_t row = work->first_row + (item - start) * BLOCK, last = work->first_row + (next - start) * BLOCK;
        if (last > work->last_row) last = work->last_row;
        multiply_part(work, is_bytes, &part, row, last);
        // Without other chunks to wait for.
        if (product->chunks == 1) finish_rows(context, row - work->first_row, last - work->first_row, thread, 0);
    }
}

APUS_INLINE void run_numbers(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)form;
    run_items(context, begin, end, thread, false);
}
APUS_WIDE_VARIANT(run_numbers)

APUS_INLINE void run_bytes(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)form;
    run_items(context, begin, end, thread, true);
}
APUS_WIDE_VARIANT(run_bytes)

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
    int64_t vectors = (wanted->inner + APUS_LANE_COUNT - 1) / APUS_LANE_COUNT;
    int64_t columns = apus_rounded_up(wanted->columns, 2);
    product->description = *wanted;
    product->rows = rows;
    product->slice = rows < SLICE ? rows : SLICE;
    product->chunks = (vectors * APUS_LANE_COUNT * columns + CHUNK - 1) / CHUNK;
    product->stride = (vectors + product->chunks - 1) / product->chunks * APUS_LANE_COUNT;
    product->thread_count = apus_thread_count();
    product->workspace_size = product->stride * columns;
    int64_t packed = product->thread_count * product->workspace_size, size = apus_narrow_product_workspace(product);
    product->workspaces = aligned_alloc(64, (size_t)size);
    if (!product->workspaces) {
        free(product);
        return apus_fail("apus_narrow_product_create", APUS_OUT_OF_MEMORY);
    }
    // Of an odd number of columns, the one after the last is multiplied as well.
    memset(product->workspaces, 0, (size_t)size);
    product->sums = product->workspaces + packed;
    *result = product;
    return APUS_SUCCESS;
}

static void run(apus_narrow_product *product, apus_range_body body, job *work) {
    if (!product->description.has_bias) work->bias = NULL;
    int64_t effort = BLOCK * product->stride / APUS_LANE_COUNT * product->description.columns;
    for (work->first_row = 0; work->first_row < product->rows; work->first_row = work->last_row) {
        int64_t rest = product->rows - work->first_row, rows = rest < product->slice ? rest : product->slice;
        work->last_row = work->first_row + rows;
        apus_parallel_limited(
            (rows + BLOCK - 1) / BLOCK * product->chunks, 1 + APUS_GRAIN / 4 / effort, product->thread_count, body,
            work);
        if (product->chunks > 1)
            apus_parallel_limited(
                rows, APUS_GRAIN / APUS_LANE_COUNT, product->thread_count, finish_rows_wide, work);
    }
}

void apus_narrow_product_run(
    apus_narrow_product *product, const float *left, const float *right, const float *bias, float scale,
    float *output) {
    run(product, run_numbers_wide, &(job){product, left, right, bias, NULL, scale, output, 0, 0});
}

void apus_narrow_product_run_byte_rows(
    apus_narrow_product *product, const apus_byte_rows *left, const float *right, const float *bias, float scale,
    float *output) {
    run(product, run_bytes_wide, &(job){product, NULL, right, bias, left, scale, output, 0, 0});
}

void apus_narrow_product_destroy(apus_narrow_product *product) {
    if (!product) return;
    free(product->workspaces);
    free(product);
}

int64_t apus_narrow_product_workspace(const apus_narrow_product *product) {
    int64_t packed = product->thread_count * product->workspace_size;
    return (packed + product->chunks * product->slice * APUS_LANE_COUNT) * (int64_t)sizeof *product->workspaces;
}
