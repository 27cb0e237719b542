/// Matrix products of vectors of sixteen columns, a tile of rows at a time with its sums in registers.
#ifndef APUS_LANES_PRODUCT_H
#define APUS_LANES_PRODUCT_H

#include <stdbool.h>
#include <string.h>

#include "apus_kernels.h"
#include "denormals.h"
#include "instruction_set.h"
#include "lanes.h"
#include "math_functions.h"

enum {
    APUS_LANE_COUNT = 16,
    // Vectors of a panel at most, and rows of a tile.
    APUS_PANEL_VECTORS = 4,
    APUS_TILE_ROWS = 14,
    // Terms of the right side that are fetched ahead of their use, from a cache farther away.
    APUS_TERMS_AHEAD = 16,
};

static inline int64_t apus_rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

// Vectors are handed on by address: by value they would need one convention for all instruction sets.

/// Copies `count` numbers, less than a vector, in pieces of fixed sizes that may overlap: without a call.
APUS_INLINE void apus_copy_some(float *to, const float *from, int64_t count) {
    enum { HALF = 8 * sizeof(float), QUARTER = 4 * sizeof(float), EIGHTH = 2 * sizeof(float) };
    if (count >= 8) {
        memcpy(to, from, HALF);
        if (count > 8) memcpy(to + count - 8, from + count - 8, HALF);
    } else if (count >= 4) {
        memcpy(to, from, QUARTER);
        memcpy(to + count - 4, from + count - 4, QUARTER);
    } else if (count >= 2) {
        memcpy(to, from, EIGHTH);
        memcpy(to + count - 2, from + count - 2, EIGHTH);
    } else if (count == 1) {
        *to = *from;
    }
}

APUS_INLINE void apus_load_some(apus_lanes *to, const float *from, int64_t count) {
    if (count >= APUS_LANE_COUNT) {
        *to = *(const apus_lanes *)from;
    } else {
        *to = (apus_lanes){0};
        apus_copy_some((float *)to, from, count);
    }
}

APUS_INLINE void apus_store_some(float *to, const apus_lanes *from, int64_t count) {
    if (count >= APUS_LANE_COUNT) *(apus_lanes *)to = *from;
    else apus_copy_some(to, (const float *)from, count);
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
    bool is_far;  // not in the first cache, and worth fetching ahead
} apus_right;

/// Adds the products of term `k` to a tile's sums.
APUS_INLINE void apus_multiply_term(
    const int rows, const int vectors, apus_left left, apus_right right, int64_t k,
    apus_lanes sums[APUS_TILE_ROWS][APUS_PANEL_VECTORS]) {
    const apus_lanes *columns = (const apus_lanes *)(right.start + k * right.stride);
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        float factor = left.start[r * left.row_stride + k * left.term_stride];
        APUS_UNROLLED for (int v = 0; v < vectors; v++) sums[r][v] += factor * columns[v];
    }
}

/// output[r, j] (+)= sum over k of left[r, k] right[k, j], for `rows` rows (`APUS_TILE_ROWS` at most) and 16 `vectors`
/// columns; both are to be constants. The output's last vector stands `gap` vectors after the others.
APUS_INLINE void apus_multiply_tile(
    const int rows, const int vectors, const int gap, apus_left left, apus_right right, float *output,
    int64_t output_stride, bool accumulates) {
    apus_lanes sums[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        APUS_UNROLLED for (int v = 0; v < vectors; v++) {
            int place = v == vectors - 1 ? v + gap : v;
            const apus_lanes *start = (const apus_lanes *)(output + r * output_stride + place * APUS_LANE_COUNT);
            sums[r][v] = accumulates ? *start : (apus_lanes){0};
        }
    }
    // The sums of the next rows; without any below these nothing is fetched that matters.
    if (accumulates && right.is_far) {
        APUS_UNROLLED for (int r = rows; r < 2 * rows; r++) {
            APUS_UNROLLED for (int v = 0; v < vectors; v++)
                __builtin_prefetch(output + r * output_stride + v * APUS_LANE_COUNT, 1);
        }
    }
    for (int64_t first = 0, last; first < right.terms; first = last) {
        last = right.terms - first < APUS_LANE_COUNT ? right.terms : first + APUS_LANE_COUNT;
        if (right.is_far) {
            for (int64_t k = first; k < last; k++) {
                __builtin_prefetch(right.start + (k + APUS_TERMS_AHEAD) * right.stride);
                if (vectors > 1)
                    __builtin_prefetch(right.start + (k + APUS_TERMS_AHEAD) * right.stride + APUS_LANE_COUNT);
                apus_multiply_term(rows, vectors, left, right, k, sums);
            }
        } else {
            // Fewer instructions a term: they bound the loop where a core is shared with another program.
            _Pragma("clang loop unroll_count(4)") for (int64_t k = first; k < last; k++)
                apus_multiply_term(rows, vectors, left, right, k, sums);
        }
    }
    APUS_UNROLLED for (int r = 0; r < rows; r++) {
        APUS_UNROLLED for (int v = 0; v < vectors; v++) {
            int place = v == vectors - 1 ? v + gap : v;
            *(apus_lanes *)(output + r * output_stride + place * APUS_LANE_COUNT) = sums[r][v];
        }
    }
}

/// The same for any number of rows, in tiles of `tile` (a constant) and the rest.
APUS_INLINE void apus_multiply_rows(
    const int tile, const int vectors, const int gap, int64_t rows, apus_left left, apus_right right, float *output,
    int64_t output_stride, bool accumulates) {
    for (int64_t row = 0, step; row < rows; row += step) {
        int64_t rest = rows - row;
        step = rest >= tile ? tile : tile > 4 && rest >= 4 ? 4 : tile > 2 && rest >= 2 ? 2 : 1;
        apus_left part = {left.start + row * left.row_stride, left.row_stride, left.term_stride};
        float *target = output + row * output_stride;
        if (step == tile)
            apus_multiply_tile(tile, vectors, gap, part, right, target, output_stride, accumulates);
        else if (step == 4)
            apus_multiply_tile(4, vectors, gap, part, right, target, output_stride, accumulates);
        else if (step == 2)
            apus_multiply_tile(2, vectors, gap, part, right, target, output_stride, accumulates);
        else
            apus_multiply_tile(1, vectors, gap, part, right, target, output_stride, accumulates);
    }
}

/// A variant of `body`, without numbers below the smallest normal one.
#define APUS_LOOP_VARIANT(attributes, name, body, form)                                            \
    attributes static void name(void *context, int64_t begin, int64_t end, int32_t thread) {       \
        unsigned mode = apus_begin_flushing();                                                     \
        body(context, begin, end, thread, form);                                                   \
        apus_end_flushing(mode);                                                                   \
    }

/// Compiles the always inlined `body(context, begin, end, thread, form)` for each instruction set, with the constant
/// `wide` as its form for AVX-512's registers and `narrow` for the others', and defines `choose_body`, which gives the
/// best one for this processor within a limit.
#if APUS_HAS_VARIANTS
#define APUS_LOOP_VARIANTS(body, wide, narrow)                                                                    \
    APUS_LOOP_VARIANT(                                                                                            \
        __attribute__((target("arch=x86-64-v4"), min_vector_width(512))), body##_v4, body, wide)                  \
    APUS_LOOP_VARIANT(__attribute__((target("arch=x86-64-v3"))), body##_v3, body, narrow)                         \
    APUS_LOOP_VARIANT(, body##_plain, body, narrow)                                                               \
    static apus_range_body choose_##body(apus_instruction_limit limit) {                                          \
        apus_level level = apus_instruction_level();                                                              \
        if (limit == APUS_BEST_INSTRUCTIONS && level == APUS_LEVEL_AVX512) return body##_v4;                      \
        if (limit != APUS_PLAIN_INSTRUCTIONS && level >= APUS_LEVEL_AVX2) return body##_v3;                       \
        return body##_plain;                                                                                      \
    }
#else
#define APUS_LOOP_VARIANTS(body, wide, narrow)                                                                    \
    APUS_LOOP_VARIANT(, body##_plain, body, narrow)                                                               \
    static apus_range_body choose_##body(apus_instruction_limit limit) {                                          \
        (void)limit;                                                                                              \
        return body##_plain;                                                                                      \
    }
#endif

/// The same for what is taken with AVX-512 only: defines `body##_wide`.
#if APUS_HAS_VARIANTS
#define APUS_WIDE_VARIANT(body) \
    APUS_LOOP_VARIANT(__attribute__((target("arch=x86-64-v4"), min_vector_width(512))), body##_wide, body, 0)
#else
#define APUS_WIDE_VARIANT(body) APUS_LOOP_VARIANT(, body##_wide, body, 0)
#endif

/// Rows of a tile, as many as the registers allow.
#define APUS_TILED_VARIANTS(body) APUS_LOOP_VARIANTS(body, 6, 1)

#endif
