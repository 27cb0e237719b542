/// What recurrences do with bfloat16 pairs: packing factors and multiplying them, on processors that have AVX-512's dot
/// products of pairs.
#ifndef APUS_RECURRENCE_PAIRS_H
#define APUS_RECURRENCE_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "pairs_product.h"

/// Some terms of a product: pair k of the left side's row r is at `left[r * left_row + k * left_pair]`, of the right
/// side's column j at `right[k * right_stride + j]`.
typedef struct {
    const uint32_t *left, *right;
    int64_t left_row, left_pair, right_stride, pairs;
} apus_pair_terms;

/// output[r, j] = first[r, j] + the sums over both parts' terms, for four vectors of columns. Rows are `first_stride`
/// (0: all have the same) and `output_stride` numbers apart; `output` may be `first`.
typedef struct {
    int64_t rows;
    apus_pair_terms parts[2];
    // A GRU's: parts have three vectors, and the second part's last one goes to the fourth of the output.
    bool is_split;
    const float *first;
    float *output;
    int64_t first_stride, output_stride;
} apus_recurrence_product;

/// The last number of an odd count has 0 for a partner.
typedef struct {
    /// to[r * to_stride + k] = the pair from[r * stride + 2 k, + 1], for `count` numbers of a row.
    void (*pack_neighbours)(
        uint32_t *to, int64_t to_stride, const float *from, int64_t stride, int64_t rows, int64_t count);
    /// to[k * to_stride + j] = the pair of from[2 k * stride + j] and the number below it, for `count` columns.
    void (*pack_lanes)(
        uint32_t *to, int64_t to_stride, const float *from, int64_t stride, int64_t rows, int64_t count);
    /// Both, of rows of sixteen numbers at most.
    void (*pack_both)(
        uint32_t *neighbours, int64_t neighbours_stride, uint32_t *lanes, int64_t lanes_stride, const float *from,
        int64_t stride, int64_t rows, int64_t count);
    /// to[k * to_stride + r] = the pair from[r * stride + 2 k, + 1], for `rows` (16 at most) and `count` numbers of a
    /// row; to[.., r] = 0 for the rows from there to the sixteenth.
    void (*pack_transposed)(
        uint32_t *to, int64_t to_stride, const float *from, int64_t stride, int64_t rows, int64_t count);
    void (*multiply)(const apus_recurrence_product *product);
} apus_pair_loops;

/// NULL where the processor has no such instructions.
const apus_pair_loops *apus_find_pair_loops(void);

#endif
