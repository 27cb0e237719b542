// Float32 sums are kept short (16 to 18 numbers in a lane), then added in double.
#include "reduction_kernels.h"

#include <math.h>
#include <string.h>

#include "instruction_set.h"
#include "lanes.h"

#define ADD_LANES(x, y) ((x) + (y))
#define ADD(x, y) ((x) + (y))
#define MAXIMUM(x, y) ((y) > (x) || (y) != (y) ? (y) : (x))
#define MINIMUM(x, y) ((y) < (x) || (y) != (y) ? (y) : (x))

#define DEFINE_KERNELS(name, initial, combine_lanes, combine)                                                  \
    APUS_VARIANTS(extern, double, apus_##name##_row, (const float *x, int64_t count), (x, count)) {            \
        if (count <= 16) {                                                                                     \
            double value = (double)(initial);                                                                  \
            for (int64_t i = 0; i < count; i++) value = combine(value, (double)x[i]);                          \
            return value;                                                                                      \
        }                                                                                                      \
        apus_lanes part[4];                                                                                    \
        for (int k = 0; k < 4; k++) part[k] = (apus_lanes){0} + (initial);                                     \
        int64_t i = 0;                                                                                         \
        for (; i + 64 <= count; i += 64)                                                                       \
            for (int k = 0; k < 4; k++) part[k] = combine_lanes(part[k], *(const apus_lanes *)(x + i + 16 * k)); \
        for (; i + 16 <= count; i += 16) part[0] = combine_lanes(part[0], *(const apus_lanes *)(x + i));       \
        if (i < count) {                                                                                       \
            float rest[16];                                                                                    \
            for (int k = 0; k < 16; k++) rest[k] = (initial);                                                  \
            memcpy(rest, x + i, (size_t)(count - i) * sizeof(float));                                          \
            part[1] = combine_lanes(part[1], *(const apus_lanes *)rest);                                       \
        }                                                                                                      \
        part[0] = combine_lanes(part[0], part[2]);                                                             \
        part[1] = combine_lanes(part[1], part[3]);                                                             \
        part[0] = combine_lanes(part[0], part[1]);                                                             \
        double fold[16];                                                                                       \
        for (int k = 0; k < 16; k++) fold[k] = (double)part[0][k];                                             \
        for (int half = 8; half > 0; half /= 2)                                                                \
            for (int k = 0; k < half; k++) fold[k] = combine(fold[k], fold[k + half]);                         \
        return fold[0];                                                                                        \
    }                                                                                                          \
                                                                                                               \
    static inline __attribute__((always_inline)) void name##_columns(                                          \
        const float *x, int64_t rows, int64_t stride, int64_t width, int64_t available, int groups,            \
        double *result) {                                                                                      \
        for (int64_t j = 0; j < width; j++) result[j] = (initial);                                             \
        for (int64_t begin = 0; begin < rows; begin += 16) {                                                   \
            int64_t end = begin + 16 < rows ? begin + 16 : rows;                                               \
            apus_lanes part[4];                                                                                \
            for (int k = 0; k < groups; k++) part[k] = (apus_lanes){0} + (initial);                            \
            for (int64_t i = begin; i < end; i++) {                                                            \
                const float *row = x + i * stride;                                                             \
                float rest[16];                                                                                \
                /* Lanes beyond the width hold other columns or nothing, and are not used. */                  \
                if (groups == 1 && i * stride + 16 > available) {                                              \
                    memset(rest, 0, sizeof rest);                                                              \
                    memcpy(rest, row, (size_t)width * sizeof(float));                                          \
                    row = rest;                                                                                \
                }                                                                                              \
                for (int k = 0; k < groups; k++)                                                               \
                    part[k] = combine_lanes(part[k], *(const apus_lanes *)(row + 16 * k));                     \
            }                                                                                                  \
            float flat[64];                                                                                    \
            for (int k = 0; k < groups; k++) *(apus_lanes *)(flat + 16 * k) = part[k];                         \
            for (int64_t j = 0; j < width; j++) result[j] = combine(result[j], (double)flat[j]);               \
        }                                                                                                      \
    }                                                                                                          \
                                                                                                               \
    APUS_VARIANTS(                                                                                             \
        extern, void, apus_##name##_columns,                                                                   \
        (const float *x, int64_t rows, int64_t stride, int64_t width, int64_t available, double *result),      \
        (x, rows, stride, width, available, result)) {                                                         \
        if (width == APUS_COLUMN_TILE) {                                                                       \
            name##_columns(x, rows, stride, APUS_COLUMN_TILE, available, 4, result);                           \
            return;                                                                                            \
        }                                                                                                      \
        for (int64_t j = 0; j < width; j += 16)                                                                \
            name##_columns(                                                                                    \
                x + j, rows, stride, width - j < 16 ? width - j : 16, available - j, 1, result + j);           \
    }

DEFINE_KERNELS(sum, 0.0f, ADD_LANES, ADD)
DEFINE_KERNELS(maximum, -INFINITY, APUS_LANES_MAXIMUM, MAXIMUM)
DEFINE_KERNELS(minimum, INFINITY, APUS_LANES_MINIMUM, MINIMUM)
