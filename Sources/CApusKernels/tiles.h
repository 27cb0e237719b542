/// Products of tiles of matrices: a few rows times a few vectors of columns, whose sums stay in registers.
#ifndef APUS_TILES_H
#define APUS_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "apus_kernels.h"
#include "instruction_set.h"
#include "lanes.h"
#include "math_functions.h"

enum {
    APUS_LANE_COUNT = 16,
    // Vectors of a panel at most.
    APUS_PANEL_VECTORS = 4,
};

// Vectors are handed on by address: by value they would need one convention for all instruction sets.

/// The first `count` of sixteen numbers, the others 0.
APUS_INLINE void apus_load_some(apus_lanes *to, const float *from, int64_t count) {
    if (count >= APUS_LANE_COUNT) {
        *to = *(const apus_lanes *)from;
    } else {
        *to = (apus_lanes){0};
        memcpy(to, from, (size_t)count * sizeof(float));
    }
}

APUS_INLINE void apus_store_some(float *to, const apus_lanes *from, int64_t count) {
    if (count >= APUS_LANE_COUNT) {
        *(apus_lanes *)to = *from;
    } else {
        memcpy(to, from, (size_t)count * sizeof(float));
    }
}

#define APUS_UNROLLED _Pragma("clang loop unroll(full)")

/// The left side of a product: the number of row r and term k is at `start[r * row_stride + k * term_stride]`.
typedef struct {
    const float *start;
    int64_t row_stride, term_stride;
} apus_left;

/// The right side: `stride` numbers from one term to the next, and so many terms.
typedef struct {
    const float *start;
    int64_t stride, terms;
} apus_right;

/// output[r, j] = sum over k of left[r, k] right[k, j] (+ addend[r, j], unless that is NULL), for `rows` rows (8 at
/// most) and 16 `vectors` columns; both are to be constants. The output's last vector stands `gap` vectors after the
/// others. The addend lies as the output does, and may be it. Where the left side is worth fetching ahead, `ahead` rows
/// on are what is needed next.
APUS_INLINE void apus_multiply_tile(
    const int rows, const int vectors, const int gap, apus_left left, apus_right right, const float *addend,
    float *output, int64_t output_stride, int64_t ahead) {
    apus_lanes sums[8][APUS_PANEL_VECTORS];
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        APUS_UNROLLED for (int v = 0; v < vectors; v++) {
            int64_t place = r * output_stride + (v == vectors - 1 ? v + gap : v) * APUS_LANE_COUNT;
            sums[r][v] = addend ? *(const apus_lanes *)(addend + place) : (apus_lanes){0};
        }
    }
    for (int64_t first = 0, last; first < right.terms; first = last) {
        last = right.terms - first < APUS_LANE_COUNT ? right.terms : first + APUS_LANE_COUNT;
        if (ahead > 0) {
            const float *next = left.start + ahead * left.row_stride + first * left.term_stride;
            int64_t stride = left.term_stride == 1 ? left.row_stride : left.term_stride;
            int64_t lines = left.term_stride == 1 ? rows : last - first;
            for (int64_t line = 0; line < lines; line++) __builtin_prefetch(next + line * stride);
        }
        for (int64_t k = first; k < last; k++) {
            const apus_lanes *columns = (const apus_lanes *)(right.start + k * right.stride);
            APUS_UNROLLED for (int r = 0; r < rows; r++) {
                float factor = left.start[r * left.row_stride + k * left.term_stride];
                APUS_UNROLLED for (int v = 0; v < vectors; v++) sums[r][v] += factor * columns[v];
            }
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        APUS_UNROLLED for (int v = 0; v < vectors; v++) {
            int place = v == vectors - 1 ? v + gap : v;
            *(apus_lanes *)(output + r * output_stride + place * APUS_LANE_COUNT) = sums[r][v];
        }
    }
}

/// Compiles the always inlined `body(work, begin, end, thread, tile)` for each instruction set, with rows a tile as
/// its registers allow (1: narrow vectors), and defines `choose_body`, which gives the best one for this processor.
#if APUS_HAS_VARIANTS
#define APUS_TILED_VARIANTS(body)                                                                                 \
    __attribute__((target("arch=x86-64-v4"), min_vector_width(512))) static void body##_v4(                       \
        void *work, int64_t begin, int64_t end, int32_t thread) { body(work, begin, end, thread, 6); }            \
    __attribute__((target("arch=x86-64-v3"))) static void body##_v3(                                              \
        void *work, int64_t begin, int64_t end, int32_t thread) { body(work, begin, end, thread, 1); }            \
    static void body##_plain(void *work, int64_t begin, int64_t end, int32_t thread) {                            \
        body(work, begin, end, thread, 1);                                                                        \
    }                                                                                                             \
    static apus_range_body choose_##body(void) {                                                                  \
        apus_level level = apus_instruction_level();                                                              \
        return level == APUS_LEVEL_AVX512 ? body##_v4 : level == APUS_LEVEL_AVX2 ? body##_v3 : body##_plain;      \
    }
#else
#define APUS_TILED_VARIANTS(body)                                                                                 \
    static void body##_plain(void *work, int64_t begin, int64_t end, int32_t thread) {                            \
        body(work, begin, end, thread, 1);                                                                        \
    }                                                                                                             \
    static apus_range_body choose_##body(void) { return body##_plain; }
#endif

#endif
