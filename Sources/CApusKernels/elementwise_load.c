#include "elementwise_load.h"

#include <string.h>

#include "instruction_set.h"
#include "math_functions.h"

/// A run along the last axis, of one element type.
#define APUS_LOAD_RUN(type)                                                                        \
    static inline __attribute__((always_inline)) void load_run_##type(                             \
        float *destination, const type *source, int64_t stride, int64_t count) {                   \
        if (stride == 0) {                                                                         \
            float value = (float)*source;                                                          \
            for (int64_t i = 0; i < count; i++) destination[i] = value;                            \
        } else if (stride == 1) {                                                                  \
            for (int64_t i = 0; i < count; i++) destination[i] = (float)source[i];                 \
        } else {                                                                                   \
            for (int64_t i = 0; i < count; i++) destination[i] = (float)source[i * stride];        \
        }                                                                                          \
    }
APUS_LOAD_RUN(float)
APUS_LOAD_RUN(int32_t)
APUS_LOAD_RUN(uint8_t)

static inline __attribute__((always_inline)) void load_run(
    float *restrict destination, const void *array, apus_element_type type, int64_t offset, int64_t stride,
    int64_t count) {
    switch (type) {
        case APUS_FLOAT32: load_run_float(destination, (const float *)array + offset, stride, count); break;
        case APUS_INT32: load_run_int32_t(destination, (const int32_t *)array + offset, stride, count); break;
        case APUS_UINT8: load_run_uint8_t(destination, (const uint8_t *)array + offset, stride, count); break;
    }
}

APUS_VARIANTS(
    extern, void, apus_load_packed,
    (float *destination, const void *array, apus_element_type type, int64_t begin, int64_t count),
    (destination, array, type, begin, count)) {
    load_run(destination, array, type, begin, 1, count);
}

APUS_VARIANTS(
    extern, void, apus_load_repeated, (float *destination, const void *array, apus_element_type type, int64_t count),
    (destination, array, type, count)) {
    load_run(destination, array, type, 0, 0, count);
}

APUS_VARIANTS(
    extern, void, apus_load_periodic,
    (float *destination, const void *array, apus_element_type type, int64_t period, int64_t count),
    (destination, array, type, period, count)) {
    for (int64_t begin = 0; begin < count; begin += period)
        load_run(destination + begin, array, type, 0, 1, count - begin < period ? count - begin : period);
}

APUS_VARIANTS(
    extern, void, apus_add_lanes,
    (float *restrict lanes, const float *restrict chunk, int64_t count, int64_t unit),
    (lanes, chunk, count, unit)) {
    for (; count > 0; count -= unit, chunk += unit) {
        int64_t row = count < unit ? count : unit;
        for (int64_t i = 0; i < row; i++) lanes[i] += chunk[i];
    }
}

APUS_VARIANTS(
    extern, void, apus_widen_lanes,
    (double *restrict wide, float *restrict lanes, int64_t count),
    (wide, lanes, count)) {
    for (int64_t i = 0; i < count; i++) wide[i] += (double)lanes[i];
    memset(lanes, 0, (size_t)count * sizeof *lanes);
}

APUS_VARIANTS(
    static, void, add_run,
    (double *restrict totals, const float *restrict chunk, int64_t count),
    (totals, chunk, count)) {
    for (int64_t i = 0; i < count; i++) totals[i] += (double)chunk[i];
}

void apus_add_columns(double *totals, const float *chunk, int64_t begin, int64_t count, int64_t columns) {
    for (int64_t column = begin % columns; count > 0; column = 0) {
        int64_t run = columns - column < count ? columns - column : count;
        add_run(totals + column, chunk, run);
        chunk += run;
        count -= run;
    }
}

APUS_VARIANTS(
    extern, void, apus_add_rows,
    (double *restrict totals, const double *restrict rows, int64_t count, int64_t stride, int64_t columns),
    (totals, rows, count, stride, columns)) {
    for (; count > 0; count--, rows += stride)
        for (int64_t column = 0; column < columns; column++) totals[column] += rows[column];
}

APUS_VARIANTS(
    extern, void, apus_load_strided,
    (float *destination, const void *array, apus_element_type type, int32_t rank, const int64_t *dimensions,
     const int64_t *strides, int64_t begin, int64_t count),
    (destination, array, type, rank, dimensions, strides, begin, count)) {
    int64_t index[APUS_MAXIMUM_RANK], offset = 0;
    for (int32_t axis = rank - 1; axis >= 0; axis--) {
        index[axis] = begin % dimensions[axis];
        begin /= dimensions[axis];
        offset += index[axis] * strides[axis];
    }
    int32_t last = rank - 1;
    while (count > 0) {
        int64_t run = dimensions[last] - index[last];
        if (run > count) run = count;
        load_run(destination, array, type, offset, strides[last], run);
        destination += run;
        count -= run;
        offset -= index[last] * strides[last];
        index[last] = 0;
        for (int32_t axis = last - 1; axis >= 0; axis--) {
            offset += strides[axis];
            if (++index[axis] < dimensions[axis]) break;
            offset -= index[axis] * strides[axis];
            index[axis] = 0;
        }
    }
}

static inline __attribute__((always_inline)) int32_t truncated(float x) {
    float limited = x > -2147483648.0f ? x : -2147483648.0f;
    limited = limited < 2147483520.0f ? limited : 2147483520.0f;  // the largest float below 2^31
    int32_t y = (int32_t)limited;
    y = x >= 2147483648.0f ? INT32_MAX : y;
    return x != x ? 0 : y;
}

APUS_VARIANTS(
    extern, void, apus_store, (void *array, apus_element_type type, const float *chunk, int64_t begin, int64_t count),
    (array, type, chunk, begin, count)) {
    if (type == APUS_FLOAT32) {
        memcpy((float *)array + begin, chunk, (size_t)count * sizeof(float));
        return;
    }
    int32_t *destination = (int32_t *)array + begin;
    for (int64_t i = 0; i < count; i++) destination[i] = truncated(chunk[i]);
}
