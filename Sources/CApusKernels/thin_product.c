// The long one of the two axes makes the vectors: its matrix, stored term after term as both are, is read once and as
// it stands, sixteen numbers at a time, and is multiplied by single numbers of the other. Where the long axis is that
// of the rows, tiles of the output are transposed at the end.
//
// A tile takes as many single numbers as registers allow, ten, by two vectors: what it reads of the matrix, which is in
// the second cache at best, it reads once. Tiles of six by four took twice the time (784 rows, 10 columns, 128 terms).
//
// Measured with 128 terms on two cores: 784 rows and 10 columns in about half of oneDNN's time, 512 and 2 in a quarter,
// 2 and 512 in a half. Without the transposed side, and with a thousand terms, oneDNN is as fast or faster.
#include "thin_product.h"

#include <stdlib.h>

#include "lanes_bytes.h"
#include "lanes_product.h"
#include "lanes_transpose.h"
#include "status.h"
#include "threads.h"

enum {
    VECTORS = 2,                       // of a tile
    WIDTH = VECTORS * APUS_LANE_COUNT,
    MOST_SINGLES = 10,                 // of a tile
    SHORT = 16,                        // the longest short axis
    LONGEST_INNER = 512,               // terms; with more, packing pays
};

struct apus_thin_product {
    apus_matmul_description description;
    bool is_swapped;         // whether the rows make the vectors
    int64_t short_length, long_length;
    int32_t thread_count;    // at creation
    int64_t workspace_size;  // numbers a thread: sums, and the same transposed
    float *workspaces;
};

typedef struct {
    const apus_thin_product *product;
    const float *singles, *vectors;  // the factors: short_length and long_length numbers a term
    const apus_byte_rows *rows;      // in place of the vectors
    float scale;
    float *output;
} job;

/// Up to sixteen sums; `count` is a constant where it is all of them.
APUS_INLINE void finish_some(const job *work, const float *sums, float *target, int64_t count) {
    const apus_matmul_description *wanted = &work->product->description;
    apus_lanes x, old;
    apus_load_some(&x, sums, count);
    if (wanted->has_scale) x *= work->scale;
    if (wanted->accumulates) {
        apus_load_some(&old, target, count);
        x += old;
    }
    apus_store_some(target, &x, count);
}

/// So many sums that stand together in the output, too.
APUS_INLINE void finish(const job *work, const float *sums, float *target, int64_t count) {
    int64_t i = 0;
    for (; i + APUS_LANE_COUNT <= count; i += APUS_LANE_COUNT)
        finish_some(work, sums + i, target + i, APUS_LANE_COUNT);
    if (i < count) finish_some(work, sums + i, target + i, count - i);
}

/// Sums of `first..<first + count` of the long axis, `WIDTH` for each single number.
APUS_INLINE void finish_panel(const job *work, float *sums, int64_t first, int64_t count) {
    const apus_thin_product *product = work->product;
    int64_t length = product->short_length;
    if (!product->is_swapped) {
        for (int64_t r = 0; r < length; r++)
            finish(work, sums + r * WIDTH, work->output + r * product->long_length + first, count);
        return;
    }
    float *transposed = sums + SHORT * WIDTH;
    APUS_UNROLLED for (int v = 0; v < VECTORS; v++) {
        apus_lanes square[APUS_LANE_COUNT];
        APUS_UNROLLED for (int r = 0; r < SHORT; r++)
            square[r] = r < length ? *(const apus_lanes *)(sums + r * WIDTH + v * APUS_LANE_COUNT) : (apus_lanes){0};
        apus_lanes_transpose(square);
        // What follows a row's numbers is overwritten by the next row's.
        APUS_UNROLLED for (int i = 0; i < APUS_LANE_COUNT; i++)
            *(apus_lanes *)(transposed + (v * APUS_LANE_COUNT + i) * length) = square[i];
    }
    finish(work, transposed, work->output + first * length, count * length);
}

/// Numbers `first..<first + WIDTH` of a term, of which `count` are there; `is_bytes` is a constant.
APUS_INLINE void load_term(
    const job *work, const bool is_bytes, int64_t k, int64_t first, int64_t count, apus_lanes x[VECTORS]) {
    int64_t length = work->product->long_length;
    APUS_UNROLLED for (int v = 0; v < VECTORS; v++) {
        int64_t start = first + v * APUS_LANE_COUNT, rest = count - v * APUS_LANE_COUNT;
        if (is_bytes) {
            const uint8_t *row = work->rows->bytes + work->rows->indices[k] * length;
            apus_load_bytes(&x[v], row + start, work->rows->scale, rest);
        } else {
            apus_load_some(&x[v], work->vectors + k * length + start, rest);
        }
    }
}

/// `singles` and `is_bytes` are constants, and so is `count` where it is `WIDTH`.
APUS_INLINE void multiply_tile(
    const job *work, const int singles, const bool is_bytes, int64_t single, float *sums, int64_t first,
    int64_t count) {
    const apus_thin_product *product = work->product;
    apus_lanes tile[MOST_SINGLES][VECTORS], x[VECTORS];
    APUS_UNROLLED for (int r = 0; r < singles; r++)
        APUS_UNROLLED for (int v = 0; v < VECTORS; v++) tile[r][v] = (apus_lanes){0};
    for (int64_t k = 0; k < product->description.inner; k++) {
        load_term(work, is_bytes, k, first, count, x);
        APUS_UNROLLED for (int r = 0; r < singles; r++) {
            float factor = work->singles[k * product->short_length + single + r];
            APUS_UNROLLED for (int v = 0; v < VECTORS; v++) tile[r][v] += factor * x[v];
        }
    }
    APUS_UNROLLED for (int r = 0; r < singles; r++)
        APUS_UNROLLED for (int v = 0; v < VECTORS; v++)
            *(apus_lanes *)(sums + (single + r) * WIDTH + v * APUS_LANE_COUNT) = tile[r][v];
}

/// All single numbers.
APUS_INLINE void multiply_panel(const job *work, const bool is_bytes, float *sums, int64_t first, int64_t count) {
    for (int64_t single = 0, step; single < work->product->short_length; single += step) {
        int64_t rest = work->product->short_length - single;
        step = rest >= MOST_SINGLES ? MOST_SINGLES : rest >= 6 ? 6 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
        if (step == MOST_SINGLES) multiply_tile(work, MOST_SINGLES, is_bytes, single, sums, first, count);
        else if (step == 6) multiply_tile(work, 6, is_bytes, single, sums, first, count);
        else if (step == 4) multiply_tile(work, 4, is_bytes, single, sums, first, count);
        else if (step == 2) multiply_tile(work, 2, is_bytes, single, sums, first, count);
        else multiply_tile(work, 1, is_bytes, single, sums, first, count);
    }
    finish_panel(work, sums, first, count);
}

/// Vectors `begin..<end` of the long axis.
APUS_INLINE void run_vectors(void *context, int64_t begin, int64_t end, int32_t thread, const bool is_bytes) {
    const job *work = context;
    const apus_thin_product *product = work->product;
    float *sums = product->workspaces + thread * product->workspace_size;
    int64_t first = begin * APUS_LANE_COUNT, last = end * APUS_LANE_COUNT;
    if (last > product->long_length) last = product->long_length;
    for (; first + WIDTH <= last; first += WIDTH) multiply_panel(work, is_bytes, sums, first, WIDTH);
    if (first < last) multiply_panel(work, is_bytes, sums, first, last - first);
}

APUS_INLINE void run_numbers(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)form;
    run_vectors(context, begin, end, thread, false);
}
APUS_WIDE_VARIANT(run_numbers)

APUS_INLINE void run_bytes(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    (void)form;
    run_vectors(context, begin, end, thread, true);
}
APUS_WIDE_VARIANT(run_bytes)

bool apus_thin_product_is_faster(const apus_matmul_description *wanted, int64_t rows) {
    return wanted->transposes_left && !wanted->transposes_right && !wanted->has_bias &&
           wanted->activation == APUS_ACTIVATION_NONE && (rows <= SHORT || wanted->columns <= SHORT) &&
           wanted->inner <= LONGEST_INNER && apus_instruction_level() == APUS_LEVEL_AVX512;
}

apus_status apus_thin_product_create(
    const apus_matmul_description *wanted, int64_t rows, apus_thin_product **result) {
    *result = NULL;
    apus_thin_product *product = calloc(1, sizeof *product);
    if (!product) return apus_fail("apus_thin_product_create", APUS_OUT_OF_MEMORY);
    product->description = *wanted;
    product->is_swapped = rows > wanted->columns;
    product->short_length = product->is_swapped ? wanted->columns : rows;
    product->long_length = product->is_swapped ? rows : wanted->columns;
    product->thread_count = apus_thread_count();
    // The last row that is transposed is followed by what is no row's.
    product->workspace_size = 2 * SHORT * WIDTH + APUS_LANE_COUNT;
    product->workspaces = aligned_alloc(64, (size_t)apus_thin_product_workspace(product));
    if (!product->workspaces) {
        free(product);
        return apus_fail("apus_thin_product_create", APUS_OUT_OF_MEMORY);
    }
    *result = product;
    return APUS_SUCCESS;
}

static void run(apus_thin_product *product, apus_range_body body, job *work) {
    int64_t vectors = (product->long_length + APUS_LANE_COUNT - 1) / APUS_LANE_COUNT;
    int64_t effort = product->short_length * (product->description.inner + APUS_LANE_COUNT);
    apus_parallel_limited(vectors, 1 + APUS_GRAIN / 4 / effort, product->thread_count, body, work);
}

void apus_thin_product_run(
    apus_thin_product *product, const float *left, const float *right, float scale, float *output) {
    bool is_swapped = product->is_swapped;
    const float *singles = is_swapped ? right : left, *vectors = is_swapped ? left : right;
    run(product, run_numbers_wide, &(job){product, singles, vectors, NULL, scale, output});
}

bool apus_thin_product_reads_byte_rows(const apus_thin_product *product) { return product->is_swapped; }

void apus_thin_product_run_byte_rows(
    apus_thin_product *product, const apus_byte_rows *left, const float *right, float scale, float *output) {
    run(product, run_bytes_wide, &(job){product, right, NULL, left, scale, output});
}

void apus_thin_product_destroy(apus_thin_product *product) {
    if (!product) return;
    free(product->workspaces);
    free(product);
}

int64_t apus_thin_product_workspace(const apus_thin_product *product) {
    return product->thread_count * product->workspace_size * (int64_t)sizeof *product->workspaces;
}
