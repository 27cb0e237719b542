/// Between arrays in memory and an element-wise program's chunks.
#ifndef APUS_ELEMENTWISE_LOAD_H
#define APUS_ELEMENTWISE_LOAD_H

#include "apus_kernels.h"

/// destination[i] = the array's element number `begin + i` of the domain, as float32, i in 0..<count.
void apus_load_strided(
    float *destination, const void *array, apus_element_type type, int32_t rank, const int64_t *dimensions,
    const int64_t *strides, int64_t begin, int64_t count);

/// destination[i] = array[begin + i] as float32.
void apus_load_packed(
    float *destination, const void *array, apus_element_type type, int64_t begin, int64_t count);

/// destination[i] = array[0] as float32.
void apus_load_repeated(float *destination, const void *array, apus_element_type type, int64_t count);

/// destination[i] = array[i modulo period] as float32.
void apus_load_periodic(
    float *destination, const void *array, apus_element_type type, int64_t period, int64_t count);

/// lanes[i modulo unit] += chunk[i].
void apus_add_lanes(float *lanes, const float *chunk, int64_t count, int64_t unit);

/// wide[i] += lanes[i]; lanes[i] = 0.
void apus_widen_lanes(double *wide, float *lanes, int64_t count);

/// totals[(begin + i) modulo columns] += chunk[i].
void apus_add_columns(double *totals, const float *chunk, int64_t begin, int64_t count, int64_t columns);

/// totals[j] += rows[i * stride + j], i in 0..<count, j in 0..<columns.
void apus_add_rows(double *totals, const double *rows, int64_t count, int64_t stride, int64_t columns);

/// array[begin + i] = chunk[i]; int32 towards zero, saturated, NaN as 0.
void apus_store(void *array, apus_element_type type, const float *chunk, int64_t begin, int64_t count);

#endif
