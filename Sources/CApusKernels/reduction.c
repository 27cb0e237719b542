// A reduction is cut into blocks that do not depend on the number of threads, and their results are combined in order.
#include <math.h>
#include <stdlib.h>

#include "instruction_set.h"
#include "lanes_product.h"
#include "lanes_transpose.h"
#include "math_functions.h"
#include "reduction_kernels.h"
#include "status.h"
#include "threads.h"

/// Numbers, at most, of a row whose largest is looked for in lanes.
enum { SHORT_ROW = 32 };

struct apus_reduction {
    apus_reduction_kind kind;
    int64_t outer, reduced, inner;
    int64_t blocks;   // along the reduced axis
    int64_t tiles;    // along the inner one
    double *partial;  // [outer, blocks, inner] if there are several blocks
    apus_row_kernel row;
    apus_column_kernel columns;
};

static double combined(apus_reduction_kind kind, double x, double y) {
    switch (kind) {
        case APUS_REDUCE_SUM: return x + y;
        case APUS_REDUCE_MAXIMUM: return y > x || y != y ? y : x;
        default: return y < x || y != y ? y : x;
    }
}

apus_status apus_reduction_create(
    apus_reduction_kind kind, int64_t outer, int64_t reduced, int64_t inner, apus_reduction **result) {
    *result = NULL;
    if (outer < 0 || reduced < 0 || inner < 0 || kind < APUS_REDUCE_SUM || kind > APUS_REDUCE_ARGMAX ||
        (kind == APUS_REDUCE_ARGMAX && (reduced == 0 || reduced > INT32_MAX)))
        return apus_fail("apus_reduction_create", APUS_INVALID_DESCRIPTION);
    apus_reduction *reduction = calloc(1, sizeof *reduction);
    if (!reduction) return apus_fail("apus_reduction_create", APUS_OUT_OF_MEMORY);
    int64_t block = inner == 1 ? APUS_ROW_BLOCK : APUS_COLUMN_BLOCK;
    *reduction = (apus_reduction){
        .kind = kind,
        .outer = outer,
        .reduced = reduced,
        .inner = inner,
        .blocks = (reduced + block - 1) / block,
        .tiles = (inner + APUS_COLUMN_TILE - 1) / APUS_COLUMN_TILE,
        .row = kind == APUS_REDUCE_SUM       ? apus_sum_row
               : kind == APUS_REDUCE_MINIMUM ? apus_minimum_row
                                             : apus_maximum_row,
        .columns = kind == APUS_REDUCE_SUM       ? apus_sum_columns
                   : kind == APUS_REDUCE_MINIMUM ? apus_minimum_columns
                                                 : apus_maximum_columns,
    };
    int64_t partial = outer * reduction->blocks * inner;
    if (kind != APUS_REDUCE_ARGMAX && reduction->blocks > 1 && partial > 0) {
        reduction->partial = malloc((size_t)partial * sizeof(double));
        if (!reduction->partial) {
            free(reduction);
            return apus_fail("apus_reduction_create", APUS_OUT_OF_MEMORY);
        }
    }
    *result = reduction;
    return APUS_SUCCESS;
}

int64_t apus_reduction_workspace(const apus_reduction *reduction) {
    if (!reduction->partial) return 0;
    return reduction->outer * reduction->blocks * reduction->inner * (int64_t)sizeof(double);
}

void apus_reduction_destroy(apus_reduction *reduction) {
    if (!reduction) return;
    free(reduction->partial);
    free(reduction);
}

typedef struct {
    const apus_reduction *reduction;
    const float *input;
    void *output;
} execution;

/// Items are (outer, block).
static void reduce_rows(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_reduction *reduction = work->reduction;
    float *output = work->output;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item / reduction->blocks, first = item % reduction->blocks * APUS_ROW_BLOCK;
        int64_t count = reduction->reduced - first < APUS_ROW_BLOCK ? reduction->reduced - first : APUS_ROW_BLOCK;
        double value = reduction->row(work->input + row * reduction->reduced + first, count);
        if (reduction->partial)
            reduction->partial[item] = value;
        else
            output[item] = (float)value;
    }
}

/// Items are (outer, block, tile).
static void reduce_columns(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_reduction *reduction = work->reduction;
    int64_t inner = reduction->inner, total = reduction->outer * reduction->reduced * inner;
    float *output = work->output;
    for (int64_t item = begin; item < end; item++) {
        int64_t column = item % reduction->tiles * APUS_COLUMN_TILE, block = item / reduction->tiles;
        int64_t outer = block / reduction->blocks, first = block % reduction->blocks * APUS_COLUMN_BLOCK;
        int64_t rows = reduction->reduced - first < APUS_COLUMN_BLOCK ? reduction->reduced - first : APUS_COLUMN_BLOCK;
        int64_t width = inner - column < APUS_COLUMN_TILE ? inner - column : APUS_COLUMN_TILE;
        int64_t offset = (outer * reduction->reduced + first) * inner + column;
        double values[APUS_COLUMN_TILE];
        reduction->columns(work->input + offset, rows, inner, width, total - offset, values);
        for (int64_t j = 0; j < width; j++) {
            if (reduction->partial)
                reduction->partial[block * inner + column + j] = values[j];
            else
                output[outer * inner + column + j] = (float)values[j];
        }
    }
}

/// Items are outputs.
static void combine_blocks(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_reduction *reduction = work->reduction;
    float *output = work->output;
    for (int64_t item = begin; item < end; item++) {
        int64_t outer = item / reduction->inner, column = item % reduction->inner;
        const double *partial = reduction->partial + outer * reduction->blocks * reduction->inner + column;
        double value = partial[0];
        for (int64_t block = 1; block < reduction->blocks; block++)
            value = combined(reduction->kind, value, partial[block * reduction->inner]);
        output[item] = (float)value;
    }
}

/// The first index of the largest number, or of a NaN, in each of up to sixteen rows of `SHORT_ROW` numbers at most: a
/// row is a lane, so that no branch depends on the numbers. `length` numbers may be read.
APUS_VARIANTS(
    static, void, find_short_row_maxima, (const float *x, int64_t rows, int64_t count, int64_t length, int32_t *output),
    (x, rows, count, length, output)) {
    apus_lanes largest = {0}, square[APUS_LANE_COUNT];
    apus_lane_masks index = {0};
    for (int64_t first = 0; first < count; first += APUS_LANE_COUNT) {
        for (int64_t r = 0; r < APUS_LANE_COUNT; r++) {
            square[r] = (apus_lanes){0};
            if (r < rows) apus_load_some(&square[r], x + r * count + first, length - r * count - first);
        }
        apus_lanes_transpose(square);
        if (first == 0) largest = square[0];
        for (int64_t i = first == 0; i < APUS_LANE_COUNT && first + i < count; i++) {
            apus_lanes now = square[i];
            apus_lane_masks is_larger = (now > largest) | ((now != now) & (largest == largest));
            largest = APUS_BLEND(is_larger, now, largest);
            index = (is_larger & (int32_t)(first + i)) | (~is_larger & index);
        }
    }
    for (int64_t r = 0; r < rows; r++) output[r] = index[r];
}

/// The first index of the largest number, or of a NaN, among neighbours. Items are rows.
static void find_row_maxima(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    int64_t count = work->reduction->reduced;
    int32_t *output = work->output;
    if (count <= SHORT_ROW) {
        for (int64_t row = begin, rows; row < end; row += rows) {
            rows = end - row < APUS_LANE_COUNT ? end - row : APUS_LANE_COUNT;
            find_short_row_maxima(work->input + row * count, rows, count, (end - row) * count, output + row);
        }
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        const float *x = work->input + row * count;
        double largest = -INFINITY;
        for (int64_t first = 0; first < count; first += APUS_ROW_BLOCK)
            largest = combined(
                APUS_REDUCE_MAXIMUM, largest,
                apus_maximum_row(x + first, count - first < APUS_ROW_BLOCK ? count - first : APUS_ROW_BLOCK));
        int64_t index = 0;
        while (!((double)x[index] == largest || x[index] != x[index])) index++;
        output[row] = (int32_t)index;
    }
}

/// The same down the columns. Items are (outer, tile).
static void find_column_maxima(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_reduction *reduction = work->reduction;
    int64_t inner = reduction->inner;
    int32_t *output = work->output;
    for (int64_t item = begin; item < end; item++) {
        int64_t outer = item / reduction->tiles, column = item % reduction->tiles * APUS_COLUMN_TILE;
        int64_t width = inner - column < APUS_COLUMN_TILE ? inner - column : APUS_COLUMN_TILE;
        const float *x = work->input + outer * reduction->reduced * inner + column;
        float largest[APUS_COLUMN_TILE];
        int32_t *index = output + outer * inner + column;
        for (int64_t j = 0; j < width; j++) {
            largest[j] = x[j];
            index[j] = 0;
        }
        for (int64_t i = 1; i < reduction->reduced; i++) {
            const float *row = x + i * inner;
            for (int64_t j = 0; j < width; j++) {
                bool is_larger = row[j] > largest[j] || (row[j] != row[j] && largest[j] == largest[j]);
                largest[j] = is_larger ? row[j] : largest[j];
                index[j] = is_larger ? (int32_t)i : index[j];
            }
        }
    }
}

apus_status apus_reduction_run(apus_reduction *reduction, const float *input, void *output) {
    execution work = {reduction, input, output};
    int64_t outer = reduction->outer, reduced = reduction->reduced, inner = reduction->inner;
    if (outer == 0 || inner == 0) return APUS_SUCCESS;
    if (reduced == 0) {
        float value = reduction->kind == APUS_REDUCE_SUM       ? 0.0f
                      : reduction->kind == APUS_REDUCE_MAXIMUM ? -INFINITY
                                                               : INFINITY;
        for (int64_t index = 0; index < outer * inner; index++) ((float *)output)[index] = value;
        return APUS_SUCCESS;
    }
    if (reduction->kind == APUS_REDUCE_ARGMAX) {
        if (inner == 1)
            apus_parallel(outer, APUS_GRAIN / (reduced + 16) + 1, find_row_maxima, &work);
        else
            apus_parallel(
                outer * reduction->tiles, APUS_GRAIN / (reduced * APUS_COLUMN_TILE) + 1, find_column_maxima, &work);
        return APUS_SUCCESS;
    }
    if (inner == 1) {
        int64_t block = reduced < APUS_ROW_BLOCK ? reduced : APUS_ROW_BLOCK;
        apus_parallel(outer * reduction->blocks, APUS_GRAIN / (block + 16) + 1, reduce_rows, &work);
    } else {
        int64_t rows = reduced < APUS_COLUMN_BLOCK ? reduced : APUS_COLUMN_BLOCK;
        int64_t width = inner < APUS_COLUMN_TILE ? inner : APUS_COLUMN_TILE;
        apus_parallel(
            outer * reduction->blocks * reduction->tiles, APUS_GRAIN / (rows * width) + 1, reduce_columns, &work);
    }
    if (reduction->partial)
        apus_parallel(outer * inner, APUS_GRAIN / reduction->blocks + 1, combine_blocks, &work);
    return APUS_SUCCESS;
}
