/// Matrix products of bfloat16 numbers by AVX-512's dot products: two terms at a time, twice the multiply-adds of
/// float32 where the processor takes as long for both.
///
/// A pair is two bfloat16 numbers of neighbouring terms in one 32-bit place, the first in its low half. Packing rounds
/// to the nearest number, of two equally near ones to the even one; numbers below the smallest normal float32 one count
/// as 0, as factors and as sums. Functions here are for callers with `APUS_PAIRS_TARGET` themselves.
#ifndef APUS_PAIRS_PRODUCT_H
#define APUS_PAIRS_PRODUCT_H

#include "instruction_set.h"

enum {
    APUS_PAIRS_LANES = 16,
    APUS_PAIRS_TILE_ROWS = 6,      // with
    APUS_PAIRS_TILE_VECTORS = 4,   // the sums fill 24 of the 32 registers
};

/// So many numbers make so many pairs; an odd one's partner is 0.
static inline int64_t apus_pair_count(int64_t numbers) { return (numbers + 1) / 2; }

#if APUS_HAS_VARIANTS

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>

#define APUS_PAIRS_TARGET __attribute__((target("arch=x86-64-v4,avx512bf16"), min_vector_width(512)))
#define APUS_PAIRS_INLINE static inline __attribute__((always_inline)) APUS_PAIRS_TARGET

/// The first `count` lanes: none below 0, all from 16 on.
APUS_PAIRS_INLINE __mmask16 apus_first_lanes(int64_t count) {
    return count >= APUS_PAIRS_LANES ? (__mmask16)0xffff : (__mmask16)((1u << (count < 0 ? 0 : count)) - 1);
}

/// Thirty-two numbers, rounded, as sixteen pairs of neighbours.
APUS_PAIRS_INLINE __m512i apus_neighbour_pairs(__m512 low, __m512 high) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/// Pairs of the numbers that stand at the same lane of two terms.
APUS_PAIRS_INLINE __m512i apus_lane_pairs(__m512 first, __m512 second) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0);
    return _mm512_permutexvar_epi16(order, apus_neighbour_pairs(first, second));
}

/// The left side of a product: pair k of row r is at `start[r * row_stride + k * pair_stride]`.
typedef struct {
    const uint32_t *start;
    int64_t row_stride, pair_stride;
} apus_left_pairs;

/// The right side: `stride` pairs from one term to the next of `APUS_PAIRS_LANES` times the tile's vectors of columns.
typedef struct {
    const uint32_t *start;
    int64_t stride, pairs;
} apus_right_pairs;

/// Sums of nothing; `rows` and `vectors` are constants, here and below.
APUS_PAIRS_INLINE void apus_clear_pairs(
    const int rows, const int vectors, __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS]) {
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_setzero_ps();
}

/// sums[r, j] += the sum over all pairs of left[r] right[j].
APUS_PAIRS_INLINE void apus_add_pairs(
    const int rows, const int vectors, apus_left_pairs left, apus_right_pairs right,
    __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS]) {
    _Pragma("clang loop unroll_count(2)") for (int64_t k = 0; k < right.pairs; k++) {
        __m512i columns[APUS_PAIRS_TILE_VECTORS];
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            columns[v] = _mm512_loadu_si512(right.start + k * right.stride + v * APUS_PAIRS_LANES);
        _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
            __m512i factor = _mm512_set1_epi32((int)left.start[r * left.row_stride + k * left.pair_stride]);
            _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], (__m512bh)factor, (__m512bh)columns[v]);
        }
    }
    // What follows is not to move in between: it would take registers from the sums.
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) __asm__ volatile("" : "+v"(sums[r][v]));
}

/// sums[r, j] (+)= the sum over all pairs of left[r] right[j].
APUS_PAIRS_INLINE void apus_multiply_pairs(
    const int rows, const int vectors, apus_left_pairs left, apus_right_pairs right,
    __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS], bool accumulates) {
    if (!accumulates) apus_clear_pairs(rows, vectors, sums);
    apus_add_pairs(rows, vectors, left, right, sums);
}

/// The pairs of sixteen rows' neighbouring terms, transposed: to[k * stride + r] = pair k of row r, k in 0..<16. The
/// rows are given as `apus_neighbour_pairs`.
APUS_PAIRS_INLINE void apus_transpose_pairs(__m512i r[16], uint32_t *to, int64_t stride, int64_t pairs) {
    __m512i t[16];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++)
        if (i < pairs) _mm512_storeu_si512(to + i * stride, r[i]);
}

/// Runs the statements, in which `vectors` is a constant, for a panel of so many vectors, or four.
#define APUS_PAIRS_FOR_VECTORS(count, ...)                        \
    switch (count) {                                              \
        case 1: { enum { vectors = 1 }; __VA_ARGS__; break; }     \
        case 2: { enum { vectors = 2 }; __VA_ARGS__; break; }     \
        case 3: { enum { vectors = 3 }; __VA_ARGS__; break; }     \
        default: { enum { vectors = 4 }; __VA_ARGS__; break; }    \
    }

#endif

#endif
