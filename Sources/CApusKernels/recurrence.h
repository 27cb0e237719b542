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
#include "math_functions.h"
#include "threads.h"

enum {
    // Rows of the batch that one thread takes through all steps together: their states stay in the second cache.
    APUS_RECURRENCE_ROWS = 96,
    // Terms added before going on to the next rows: so much of a panel stays in the first cache.
    APUS_RECURRENCE_TERMS = 128,
    APUS_LANE_COUNT = 16,
    // Vectors of a panel at most.
    APUS_PANEL_VECTORS = 4,
};

static inline int64_t apus_rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

static inline int apus_cell_gates(apus_cell cell) {
    return cell == APUS_CELL_LSTM ? 4 : cell == APUS_CELL_GRU ? 3 : 1;
}

/// The blocks that are kept of each step: a GRU's fourth is the candidate's product.
static inline int apus_cell_stored(apus_cell cell) { return cell == APUS_CELL_SIMPLE ? 1 : 4; }

static inline bool apus_recurrence_is_valid(const apus_recurrence_description *wanted) {
    return wanted->cell >= APUS_CELL_SIMPLE && wanted->cell <= APUS_CELL_LSTM && wanted->batch >= 0 &&
           wanted->steps >= 1 && wanted->units >= 1 && wanted->activation >= APUS_CELL_LINEAR &&
           wanted->activation <= APUS_CELL_HARD_SIGMOID && wanted->gate_activation >= APUS_CELL_LINEAR &&
           wanted->gate_activation <= APUS_CELL_HARD_SIGMOID;
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

// Vectors are handed on by address: by value they would need one convention for all instruction sets.

APUS_INLINE void apus_load(apus_lanes *to, const float *from, int64_t count) {
    if (count >= APUS_LANE_COUNT) {
        *to = *(const apus_lanes *)from;
    } else {
        *to = (apus_lanes){0};
        memcpy(to, from, (size_t)count * sizeof(float));
    }
}

APUS_INLINE void apus_store(float *to, const apus_lanes *from, int64_t count) {
    if (count >= APUS_LANE_COUNT) {
        *(apus_lanes *)to = *from;
    } else {
        memcpy(to, from, (size_t)count * sizeof(float));
    }
}

/// Brings a vector of each of `blocks` of an array `[place, blocks, units]` into the second cache; NULL is left alone.
APUS_INLINE void apus_fetch(const float *array, int64_t place, int blocks, int64_t units, int64_t unit) {
    for (int block = 0; array && block < blocks; block++)
        __builtin_prefetch(array + (place * blocks + block) * units + unit, 0, 2);
}

#define APUS_FOR_LANES(x, expression)                                                            \
    do {                                                                                         \
        float *y = (float *)(x);                                                                 \
        _Pragma("clang loop vectorize(assume_safety) vectorize_width(16) interleave_count(1)")   \
        for (int k = 0; k < APUS_LANE_COUNT; k++) y[k] = (expression);                           \
    } while (0)

APUS_INLINE float apus_hard_sigmoid(float x, float slope) {
    float y = slope * x + 0.5f;
    y = y < 0.0f ? 0.0f : y;
    return y > 1.0f ? 1.0f : y;
}

APUS_INLINE void apus_activate(apus_lanes *x, apus_cell_activation activation, float slope) {
    switch (activation) {
        case APUS_CELL_LINEAR: break;
        case APUS_CELL_RELU: APUS_FOR_LANES(x, y[k] < 0.0f ? 0.0f : y[k]); break;
        case APUS_CELL_SIGMOID: APUS_FOR_LANES(x, apus_sigmoid(y[k])); break;
        case APUS_CELL_TANH: APUS_FOR_LANES(x, apus_tanh(y[k])); break;
        case APUS_CELL_HARD_SIGMOID: APUS_FOR_LANES(x, apus_hard_sigmoid(y[k], slope)); break;
    }
}

/// `gradient` times the slope of the activation where its value is `value`.
APUS_INLINE void apus_apply_slope(
    apus_lanes *gradient, const apus_lanes *value, apus_cell_activation activation, float slope) {
    const float *v = (const float *)value;
    switch (activation) {
        case APUS_CELL_LINEAR: break;
        case APUS_CELL_RELU: APUS_FOR_LANES(gradient, v[k] > 0.0f ? y[k] : 0.0f); break;
        case APUS_CELL_SIGMOID: APUS_FOR_LANES(gradient, y[k] * (v[k] * (1.0f - v[k]))); break;
        case APUS_CELL_TANH: APUS_FOR_LANES(gradient, y[k] * (1.0f - v[k] * v[k])); break;
        case APUS_CELL_HARD_SIGMOID:
            APUS_FOR_LANES(gradient, ((v[k] > 0.0f) & (v[k] < 1.0f)) ? slope * y[k] : 0.0f);
            break;
    }
}

#define APUS_UNROLLED _Pragma("clang loop unroll(full)")

/// output[r, j] (+)= sum over k of left[r, k] panel[k, j], for `rows` rows (8 at most) and 16 `vectors` columns; both
/// are to be constants.
APUS_INLINE void apus_multiply_tile(
    const int rows, const int vectors, const float *left, int64_t left_stride, const float *panel, int64_t terms,
    float *output, int64_t output_stride, bool accumulates) {
    apus_lanes sums[8][APUS_PANEL_VECTORS];
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        APUS_UNROLLED for (int v = 0; v < vectors; v++) {
            const apus_lanes *start = (const apus_lanes *)(output + r * output_stride + v * APUS_LANE_COUNT);
            sums[r][v] = accumulates ? *start : (apus_lanes){0};
        }
    }
    for (int64_t k = 0; k < terms; k++) {
        const apus_lanes *right = (const apus_lanes *)(panel + k * vectors * APUS_LANE_COUNT);
        APUS_UNROLLED for (int r = 0; r < rows; r++) {
            float factor = left[r * left_stride + k];
            APUS_UNROLLED for (int v = 0; v < vectors; v++) sums[r][v] += factor * right[v];
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        APUS_UNROLLED for (int v = 0; v < vectors; v++)
            *(apus_lanes *)(output + r * output_stride + v * APUS_LANE_COUNT) = sums[r][v];
    }
}

/// The same for any number of rows, in tiles of `tile` (a constant) and the rest.
APUS_INLINE void apus_multiply_rows(
    const int tile, const int vectors, int64_t rows, const float *left, int64_t left_stride, const float *panel,
    int64_t terms, float *output, int64_t output_stride, bool accumulates) {
    int64_t row = 0;
    for (; row + tile <= rows; row += tile)
        apus_multiply_tile(
            tile, vectors, left + row * left_stride, left_stride, panel, terms, output + row * output_stride,
            output_stride, accumulates);
    for (; tile > 4 && row + 4 <= rows; row += 4)
        apus_multiply_tile(
            4, vectors, left + row * left_stride, left_stride, panel, terms, output + row * output_stride,
            output_stride, accumulates);
    for (; tile > 2 && row + 2 <= rows; row += 2)
        apus_multiply_tile(
            2, vectors, left + row * left_stride, left_stride, panel, terms, output + row * output_stride,
            output_stride, accumulates);
    for (; row < rows; row++)
        apus_multiply_tile(
            1, vectors, left + row * left_stride, left_stride, panel, terms, output + row * output_stride,
            output_stride, accumulates);
}

/// The product with a whole panel, a part of its terms after the other.
APUS_INLINE void apus_multiply_panel(
    const int tile, const int vectors, int64_t rows, const float *left, int64_t left_stride, const float *panel,
    int64_t terms, float *output, int64_t output_stride, bool accumulates) {
    int64_t parts = (terms + APUS_RECURRENCE_TERMS - 1) / APUS_RECURRENCE_TERMS, length = (terms + parts - 1) / parts;
    for (int64_t k = 0; k < terms; k += length)
        apus_multiply_rows(
            tile, vectors, rows, left + k, left_stride, panel + k * vectors * APUS_LANE_COUNT,
            terms - k < length ? terms - k : length, output, output_stride, accumulates || k > 0);
}

/// Compiles the always inlined `body(work, begin, end, thread, tile)` for each instruction set, with rows a tile as
/// its registers allow, and defines `choose_body`, which gives the best one for this processor.
#if APUS_HAS_CLONES
#define APUS_RECURRENCE_VARIANTS(body)                                                                            \
    __attribute__((target("arch=x86-64-v4"), min_vector_width(512))) static void body##_v4(                       \
        void *work, int64_t begin, int64_t end, int32_t thread) { body(work, begin, end, thread, 6); }            \
    __attribute__((target("arch=x86-64-v3"))) static void body##_v3(                                              \
        void *work, int64_t begin, int64_t end, int32_t thread) { body(work, begin, end, thread, 1); }            \
    static void body##_plain(void *work, int64_t begin, int64_t end, int32_t thread) {                            \
        body(work, begin, end, thread, 1);                                                                        \
    }                                                                                                             \
    static apus_range_body choose_##body(void) {                                                                  \
        return __builtin_cpu_supports("x86-64-v4")   ? body##_v4                                                  \
               : __builtin_cpu_supports("x86-64-v3") ? body##_v3                                                  \
                                                     : body##_plain;                                              \
    }
#else
#define APUS_RECURRENCE_VARIANTS(body)                                                                            \
    static void body##_plain(void *work, int64_t begin, int64_t end, int32_t thread) {                            \
        body(work, begin, end, thread, 1);                                                                        \
    }                                                                                                             \
    static apus_range_body choose_##body(void) { return body##_plain; }
#endif

#endif
