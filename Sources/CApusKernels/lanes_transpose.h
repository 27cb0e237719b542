/// Sixteen vectors transposed as a square, and the sums of some vectors.
#ifndef APUS_LANES_TRANSPOSE_H
#define APUS_LANES_TRANSPOSE_H

#include "lanes.h"
#include "math_functions.h"

/// x[i][j] and x[j][i] change places.
APUS_INLINE void apus_lanes_transpose(apus_lanes x[16]) {
    // Within each quarter of a vector, then the quarters themselves.
    apus_lanes y[16];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i += 2) {
        y[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        y[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i += 4) {
        _Pragma("clang loop unroll(full)") for (int j = 0; j < 2; j++) {
            apus_lanes low = y[i + j], high = y[i + j + 2];
            x[i + 2 * j] =
                __builtin_shufflevector(low, high, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
            x[i + 2 * j + 1] =
                __builtin_shufflevector(low, high, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        }
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i += 8) {
        _Pragma("clang loop unroll(full)") for (int j = i; j < i + 4; j++) {
            y[j] = __builtin_shufflevector(x[j], x[j + 4], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
            y[j + 4] =
                __builtin_shufflevector(x[j], x[j + 4], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        }
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {
        apus_lanes low = y[i], high = y[i + 8];
        x[i] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        x[i + 8] = __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
}

/// y[c] is the sum of the sixteen numbers of x[c], 0 from `count` on, which is a constant: halves of vectors are added
/// as they are transposed.
APUS_INLINE void apus_lanes_sums(const apus_lanes *x, const int count, apus_lanes *y) {
    apus_lanes sums[16];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++) sums[i] = i < count ? x[i] : (apus_lanes){0};
    _Pragma("clang loop unroll(full)") for (int i = 0; 2 * i < count; i++) {
        apus_lanes a = sums[2 * i], b = sums[2 * i + 1];
        sums[i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
                  __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    _Pragma("clang loop unroll(full)") for (int i = (count + 1) / 2; i < 8; i++) sums[i] = (apus_lanes){0};
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++) {
        apus_lanes a = sums[2 * i], b = sums[2 * i + 1];
        sums[i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                  __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
    // Two more times, now by quarters.
    _Pragma("clang loop unroll(full)") for (int left = 4; left > 1; left /= 2) {
        _Pragma("clang loop unroll(full)") for (int i = 0; i < left / 2; i++) {
            apus_lanes a = sums[2 * i], b = sums[2 * i + 1];
            sums[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                      __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        }
    }
    *y = sums[0];
}

#endif
