/// What the two directions of a recurrence share: packed kernels, their product with rows, activation functions.
///
/// A kernel is packed into panels of a few vectors of sixteen columns, so that a tile of rows times a panel has its
/// sums in registers and reads the panel from front to back.
#ifndef APUS_RECURRENCE_H
#define APUS_RECURRENCE_H

#include <stdlib.h>
#include <string.h>

#include "apus_kernels.h"
#include "instruction_set.h"
#include "lanes.h"
#include "lanes_functions.h"
#include "lanes_product.h"
#include "recurrence_pairs.h"
#include "status.h"
#include "threads.h"

enum {
    // Rows of the batch that one thread takes through all steps together: their states stay in the second cache.
    APUS_RECURRENCE_ROWS = 96,
    // Terms added before going on to the next rows: so much of a panel stays in the first cache.
    APUS_RECURRENCE_TERMS = 128,
};

static inline int apus_cell_gates(apus_cell cell) {
    return cell == APUS_CELL_LSTM ? 4 : cell == APUS_CELL_GRU ? 3 : 1;
}

/// The blocks that are kept of each step: a GRU's fourth is the candidate's product.
static inline int apus_cell_stored(apus_cell cell) { return cell == APUS_CELL_SIMPLE ? 1 : 4; }

static inline bool apus_recurrence_is_valid(const apus_recurrence_description *wanted) {
    return wanted->cell >= APUS_CELL_SIMPLE && wanted->cell <= APUS_CELL_LSTM && wanted->batch >= 0 &&
           wanted->steps >= 1 && wanted->units >= 1 && wanted->features >= 0 &&
           wanted->activation >= APUS_CELL_LINEAR && wanted->activation <= APUS_CELL_HARD_SIGMOID &&
           wanted->gate_activation >= APUS_CELL_LINEAR && wanted->gate_activation <= APUS_CELL_HARD_SIGMOID;
}

/// The loops for pairs, if such are wanted; fails where there are none.
static inline apus_status apus_choose_pair_loops(
    const apus_recurrence_description *wanted, const apus_pair_loops **loops, const char *call) {
    *loops = wanted->multiplies_pairs && wanted->rounds_factors ? apus_find_pair_loops() : NULL;
    return wanted->multiplies_pairs && !*loops ? apus_fail(call, APUS_UNSUPPORTED) : APUS_SUCCESS;
}

/// Rows of the batch worth a thread.
static inline int64_t apus_recurrence_grain(const apus_recurrence_description *wanted) {
    return 1 + APUS_GRAIN / (wanted->steps * apus_cell_gates(wanted->cell) * wanted->units * wanted->units);
}

/// Rows of the next block of `count`: equal parts, whole tiles.
static inline int64_t apus_recurrence_block(int64_t count) {
    int64_t parts = (count + APUS_RECURRENCE_ROWS - 1) / APUS_RECURRENCE_ROWS;
    int64_t rows = apus_rounded_up((count + parts - 1) / parts, 6);
    return rows < count ? rows : count;
}

/// Where a row's units of a step, sixteen of `count` or fewer, lie in `blocks` blocks that are kept for the way back:
/// those of the first block, and how far it is from one block to the next.
typedef struct {
    int64_t first, stride;
} apus_kept_place;

APUS_INLINE apus_kept_place apus_kept_place_of(
    const apus_recurrence_description *wanted, int64_t blocks, int64_t row, int64_t step, int64_t unit, int64_t count) {
    if (!wanted->keeps_by_step)
        return (apus_kept_place){(row * wanted->steps + step) * blocks * wanted->units + unit, wanted->units};
    count = count < APUS_LANE_COUNT ? count : APUS_LANE_COUNT;
    return (apus_kept_place){((step * wanted->units + unit) * wanted->batch + row * count) * blocks, count};
}

/// What is the same for all vectors of a run; the usual forms are compiled as constants.
typedef struct {
    apus_cell_activation activation, gate_activation;
    bool is_whole;  // every vector has sixteen units
} apus_cell_form;

static inline apus_cell_form apus_form_of(const apus_recurrence_description *wanted) {
    return (apus_cell_form){wanted->activation, wanted->gate_activation, wanted->units % APUS_LANE_COUNT == 0};
}

static inline bool apus_form_is_usual(apus_cell_form form) {
    return form.activation == APUS_CELL_TANH && form.gate_activation == APUS_CELL_SIGMOID && form.is_whole;
}

#define APUS_USUAL_FORM ((apus_cell_form){APUS_CELL_TANH, APUS_CELL_SIGMOID, true})

APUS_INLINE void apus_activate(apus_lanes *x, apus_cell_activation activation, float slope) {
    apus_lanes y;
    switch (activation) {
        case APUS_CELL_LINEAR: break;
        case APUS_CELL_RELU: *x = APUS_BLEND(*x < 0.0f, (apus_lanes){0}, *x); break;
        case APUS_CELL_SIGMOID: apus_lanes_sigmoid(x); break;
        case APUS_CELL_TANH: apus_lanes_tanh(x); break;
        case APUS_CELL_HARD_SIGMOID:
            y = slope * *x + 0.5f;
            y = APUS_BLEND(y < 0.0f, (apus_lanes){0}, y);
            *x = APUS_BLEND(y > 1.0f, (apus_lanes){0} + 1.0f, y);
            break;
    }
}

/// `gradient` times the slope of the activation where its value is `value`.
APUS_INLINE void apus_apply_slope(
    apus_lanes *gradient, const apus_lanes *value, apus_cell_activation activation, float slope) {
    apus_lanes y = *gradient, v = *value, nothing = {0};
    switch (activation) {
        case APUS_CELL_LINEAR: break;
        case APUS_CELL_RELU: *gradient = APUS_BLEND(v > 0.0f, y, nothing); break;
        case APUS_CELL_SIGMOID: *gradient = y * (v * (1.0f - v)); break;
        case APUS_CELL_TANH: *gradient = y * (1.0f - v * v); break;
        case APUS_CELL_HARD_SIGMOID: *gradient = APUS_BLEND((v > 0.0f) & (v < 1.0f), slope * y, nothing); break;
    }
}

/// The product with a whole panel `[terms, 16 vectors]`, a part of its terms after the other.
APUS_INLINE void apus_multiply_panel(
    const int tile, const int vectors, const int gap, int64_t rows, const float *left, int64_t left_stride,
    const float *panel, int64_t terms, float *output, int64_t output_stride, bool accumulates) {
    int64_t parts = (terms + APUS_RECURRENCE_TERMS - 1) / APUS_RECURRENCE_TERMS, length = (terms + parts - 1) / parts;
    int64_t stride = vectors * APUS_LANE_COUNT;
    for (int64_t k = 0; k < terms; k += length) {
        apus_right right = {panel + k * stride, stride, terms - k < length ? terms - k : length, false};
        apus_multiply_rows(
            tile, vectors, gap, rows, (apus_left){left + k, left_stride, 1}, right, output, output_stride,
            accumulates || k > 0);
    }
}

#endif
