// The long one of the two axes makes the vectors: its matrix, stored term after term as both are, is read once and as
// it stands, sixteen numbers at a time, and is multiplied by single numbers of the other. Where the long axis is that
// of the rows, tiles of the output are transposed at the end.
//
// Measured with 128 terms on two cores: 784 rows and 10 columns in about half of oneDNN's time, 512 and 2 in a quarter,
// 2 and 512 in a half. Without the transposed side, and with a thousand terms, oneDNN is as fast or faster.
#include "thin_product.h"

#include <stdlib.h>

#include "lanes_product.h"
#include "panels.h"
#include "status.h"
#include "threads.h"

enum {
    PANEL_WIDTH = APUS_PANEL_VECTORS * APUS_LANE_COUNT,
    TILE = 6,              // rows
    SHORT = 16,            // the longest short axis
    LONGEST_INNER = 512,   // terms; with more, packing pays
};

struct apus_thin_product {
    apus_matmul_description description;
    bool is_swapped;         // whether the rows make the vectors
    int64_t short_length, long_length;
    int32_t thread_count;    // at creation
    int64_t workspace_size;  // numbers a thread: sums, the same transposed, and packed terms
    float *workspaces;
};

typedef struct {
    const apus_thin_product *product;
    const float *singles, *vectors;  // the factors: short_length and long_length numbers a term
    float scale;
    float *output;
} job;

/// So many sums that stand together in the output, too.
APUS_INLINE void finish(const job *work, const float *sums, float *target, int64_t count) {
    const apus_matmul_description *wanted = &work->product->description;
    for (int64_t i = 0; i < count; i += APUS_LANE_COUNT) {
        apus_lanes x, old;
        apus_load_some(&x, sums + i, count - i);
        if (wanted->has_scale) x *= work->scale;
        if (wanted->accumulates) {
            apus_load_some(&old, target + i, count - i);
            x += old;
        }
        apus_store_some(target + i, &x, count - i);
    }
}

/// `vectors` is a constant; `first..<first + count` of the long axis.
APUS_INLINE void run_panel(
    const job *work, const int vectors, const float *right, int64_t stride, float *sums, int64_t first, int64_t count) {
    const apus_thin_product *product = work->product;
    const int width = vectors * APUS_LANE_COUNT;
    int64_t length = product->short_length;
    for (int64_t row = 0, step; row < length; row += step) {
        apus_left left = {work->singles + row, 1, length};
        apus_right columns = {right, stride, product->description.inner, false};
        int64_t rest = length - row;
        step = rest >= TILE ? TILE : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
        float *own = sums + row * width;
        if (step == TILE) apus_multiply_tile(TILE, vectors, 0, left, 0, columns, own, width, false);
        else if (step == 4) apus_multiply_tile(4, vectors, 0, left, 0, columns, own, width, false);
        else if (step == 2) apus_multiply_tile(2, vectors, 0, left, 0, columns, own, width, false);
        else apus_multiply_tile(1, vectors, 0, left, 0, columns, own, width, false);
    }
    if (product->is_swapped) {
        float *transposed = sums + SHORT * PANEL_WIDTH;
        for (int64_t j = 0; j < count; j++)
            for (int64_t r = 0; r < length; r++) transposed[j * length + r] = sums[r * width + j];
        finish(work, transposed, work->output + first * length, count * length);
    } else {
        for (int64_t r = 0; r < length; r++)
            finish(work, sums + r * width, work->output + r * product->long_length + first, count);
    }
}

/// Vectors `begin..<end` of the long axis.
APUS_INLINE void run_vectors(void *context, int64_t begin, int64_t end, int32_t thread, const int tile) {
    (void)tile;
    const job *work = context;
    const apus_thin_product *product = work->product;
    int64_t inner = product->description.inner, length = product->long_length;
    float *sums = product->workspaces + thread * product->workspace_size, *packed = sums + 2 * SHORT * PANEL_WIDTH;
    int64_t panels = (end - begin + APUS_PANEL_VECTORS - 1) / APUS_PANEL_VECTORS;
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t start = begin + (end - begin) * panel / panels, last = begin + (end - begin) * (panel + 1) / panels;
        int64_t first = start * APUS_LANE_COUNT, width = (last - start) * APUS_LANE_COUNT, stride = length;
        int64_t count = length - first < width ? length - first : width;
        const float *right = work->vectors + first;
        if (count < width) {
            apus_pack_rows(packed, width, right, length, inner, count);
            right = packed;
            stride = width;
        }
        if (last - start == 4) run_panel(work, 4, right, stride, sums, first, count);
        else if (last - start == 3) run_panel(work, 3, right, stride, sums, first, count);
        else if (last - start == 2) run_panel(work, 2, right, stride, sums, first, count);
        else run_panel(work, 1, right, stride, sums, first, count);
    }
}
APUS_WIDE_VARIANT(run_vectors)

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
    product->workspace_size = PANEL_WIDTH * (2 * SHORT + wanted->inner);
    product->workspaces = aligned_alloc(64, (size_t)apus_thin_product_workspace(product));
    if (!product->workspaces) {
        free(product);
        return apus_fail("apus_thin_product_create", APUS_OUT_OF_MEMORY);
    }
    *result = product;
    return APUS_SUCCESS;
}

void apus_thin_product_run(
    apus_thin_product *product, const float *left, const float *right, float scale, float *output) {
    bool is_swapped = product->is_swapped;
    job work = {product, is_swapped ? right : left, is_swapped ? left : right, scale, output};
    int64_t vectors = (product->long_length + APUS_LANE_COUNT - 1) / APUS_LANE_COUNT;
    int64_t effort = product->short_length * (product->description.inner + APUS_LANE_COUNT);
    apus_parallel_limited(vectors, 1 + APUS_GRAIN / 4 / effort, product->thread_count, run_vectors_wide, &work);
}

void apus_thin_product_destroy(apus_thin_product *product) {
    if (!product) return;
    free(product->workspaces);
    free(product);
}

int64_t apus_thin_product_workspace(const apus_thin_product *product) {
    return product->thread_count * product->workspace_size * (int64_t)sizeof *product->workspaces;
}
