// The long one of the two axes makes the vectors: its matrix, stored term after term as both are, is read once and as
// it stands, sixteen numbers at a time, and is multiplied by single numbers of the other. Where the long axis is that
// of the rows, tiles of the output are transposed at the end.
//
// A tile takes as many single numbers as registers allow, ten, by two vectors: what it reads of the matrix, which is in
// the second cache at best, it reads once. Tiles of six by four took twice the time (784 rows, 10 columns, 128 terms).
//
// Measured in steps on two cores of Zen 4 with 128 terms, against oneDNN: 784 rows and 10 columns 10.4 microseconds
// (23.3), 512 and 10 7.7 (15.9), 512 and 2 2.8 (16.1), 256 and 10 5.4 (17.0). Without the transposed side, and with a
// thousand terms, oneDNN is as fast or faster.
#include "thin_product.h"

#include <stdlib.h>

#include "lanes_bytes.h"
#include "lanes_product.h"
#include "lanes_transpose.h"
#include "status.h"
#include "threads.h"

enum {
    // A tile has ten single numbers by two vectors, or four by four.
    MOST_SINGLES = 10,
    FEW_VECTORS = 2,
    FEW_SINGLES = 4,
    MOST_VECTORS = 4,
    WIDTH = MOST_VECTORS * APUS_LANE_COUNT,
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

/// The sums of `vectors` vectors, a constant, for each single number. They begin with number `start` of the long axis,
/// and from `first` on they are to be stored.
APUS_INLINE void finish_panel(const job *work, const int vectors, float *sums, int64_t start, int64_t first) {
    const apus_thin_product *product = work->product;
    int64_t length = product->short_length, end = start + vectors * APUS_LANE_COUNT;
    if (end > product->long_length) end = product->long_length;
    if (!product->is_swapped) {
        for (int64_t r = 0; r < length; r++)
            finish(
                work, sums + r * WIDTH + first - start, work->output + r * product->long_length + first, end - first);
        return;
    }
    float *transposed = sums + SHORT * WIDTH;
    APUS_UNROLLED for (int v = 0; v < vectors; v++) {
        apus_lanes square[APUS_LANE_COUNT];
        APUS_UNROLLED for (int r = 0; r < SHORT; r++)
            square[r] = r < length ? *(const apus_lanes *)(sums + r * WIDTH + v * APUS_LANE_COUNT) : (apus_lanes){0};
        apus_lanes_transpose(square);
        // What follows a row's numbers is overwritten by the next row's.
        APUS_UNROLLED for (int i = 0; i < APUS_LANE_COUNT; i++)
            *(apus_lanes *)(transposed + (v * APUS_LANE_COUNT + i) * length) = square[i];
    }
    finish(work, transposed + (first - start) * length, work->output + first * length, (end - first) * length);
}

/// Numbers of a term from `start` on, of which `count` are there; `is_bytes` is a constant.
APUS_INLINE void load_term(
    const job *work, const int vectors, const bool is_bytes, int64_t k, int64_t start, int64_t count, apus_lanes *x) {
    int64_t length = work->product->long_length;
    const uint8_t *row = is_bytes ? work->rows->bytes + work->rows->indices[k] * length : NULL;
    APUS_UNROLLED for (int v = 0; v < vectors; v++) {
        int64_t place = start + v * APUS_LANE_COUNT, rest = count - v * APUS_LANE_COUNT;
        if (is_bytes) apus_load_bytes(&x[v], row + place, work->rows->scale, rest);
        else apus_load_some(&x[v], work->vectors + k * length + place, rest);
    }
}

/// `singles`, `vectors` and `is_bytes` are constants, and so is `count` where it is whole vectors.
APUS_INLINE void multiply_tile(
    const job *work, const int singles, const int vectors, const bool is_bytes, int64_t single, float *sums,
    int64_t start, int64_t count) {
    const apus_thin_product *product = work->product;
    apus_lanes tile[MOST_SINGLES][MOST_VECTORS], x[MOST_VECTORS];
    APUS_UNROLLED for (int r = 0; r < singles; r++)
        APUS_UNROLLED for (int v = 0; v < vectors; v++) tile[r][v] = (apus_lanes){0};
    for (int64_t k = 0; k < product->description.inner; k++) {
        load_term(work, vectors, is_bytes, k, start, count, x);
        APUS_UNROLLED for (int r = 0; r < singles; r++) {
            float factor = work->singles[k * product->short_length + single + r];
            APUS_UNROLLED for (int v = 0; v < vectors; v++) tile[r][v] += factor * x[v];
        }
    }
    APUS_UNROLLED for (int r = 0; r < singles; r++)
        APUS_UNROLLED for (int v = 0; v < vectors; v++)
            *(apus_lanes *)(sums + (single + r) * WIDTH + v * APUS_LANE_COUNT) = tile[r][v];
}

/// All single numbers, then what follows the sums.
APUS_INLINE void multiply_panel(
    const job *work, const int vectors, const bool is_bytes, float *sums, int64_t start, int64_t count,
    int64_t first) {
    for (int64_t single = 0, step; single < work->product->short_length; single += step) {
        int64_t rest = work->product->short_length - single;
        bool are_many = vectors < MOST_VECTORS && rest >= MOST_SINGLES;
        step = are_many ? MOST_SINGLES : rest >= FEW_SINGLES ? FEW_SINGLES : rest >= 2 ? 2 : 1;
        if (are_many) multiply_tile(work, MOST_SINGLES, vectors, is_bytes, single, sums, start, count);
        else if (step == FEW_SINGLES) multiply_tile(work, FEW_SINGLES, vectors, is_bytes, single, sums, start, count);
        else if (step == 2) multiply_tile(work, 2, vectors, is_bytes, single, sums, start, count);
        else multiply_tile(work, 1, vectors, is_bytes, single, sums, start, count);
    }
    finish_panel(work, vectors, sums, start, first);
}

/// Panels of `vectors`, a constant, as far as they are full. Returns where the rest begins.
APUS_INLINE int64_t multiply_panels(
    const job *work, const int vectors, const bool is_bytes, float *sums, int64_t first, int64_t last) {
    const int width = vectors * APUS_LANE_COUNT;
    for (; first + width <= last; first += width)
        multiply_panel(work, vectors, is_bytes, sums, first, width, first);
    return first;
}

/// Vectors `begin..<end` of the long axis.
APUS_INLINE void run_vectors(void *context, int64_t begin, int64_t end, int32_t thread, const bool is_bytes) {
    const job *work = context;
    const apus_thin_product *product = work->product;
    float *sums = product->workspaces + thread * product->workspace_size;
    int64_t length = product->long_length, first = begin * APUS_LANE_COUNT, last = end * APUS_LANE_COUNT;
    if (last > length) last = length;
    if (product->short_length <= FEW_SINGLES)
        first = multiply_panels(work, MOST_VECTORS, is_bytes, sums, first, last);
    first = multiply_panels(work, FEW_VECTORS, is_bytes, sums, first, last);
    for (; first < last; first += APUS_LANE_COUNT) {
        // What does not fill a vector is filled up with numbers from before it.
        int64_t start = first + APUS_LANE_COUNT <= length ? first : length - APUS_LANE_COUNT;
        if (start < 0) multiply_panel(work, 1, is_bytes, sums, first, length, first);
        else multiply_panel(work, 1, is_bytes, sums, start, APUS_LANE_COUNT, first);
    }
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
    product->workspace_size = 2 * SHORT * WIDTH;
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
