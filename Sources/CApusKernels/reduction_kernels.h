/// The inner loops of the reductions, of one block each.
#ifndef APUS_REDUCTION_KERNELS_H
#define APUS_REDUCTION_KERNELS_H

#include <stdint.h>

enum {
    APUS_ROW_BLOCK = 1024,     // neighbours that one call of a row kernel reduces
    APUS_COLUMN_BLOCK = 1024,  // rows that one call of a column kernel reduces
    APUS_COLUMN_TILE = 64,     // columns, at most, of one call
};

/// The reduction of `count` neighbours, count <= APUS_ROW_BLOCK.
typedef double (*apus_row_kernel)(const float *x, int64_t count);

/// result[j] = the reduction of x[i * stride + j] over i in 0..<rows, j in 0..<width. rows <= APUS_COLUMN_BLOCK,
/// width <= APUS_COLUMN_TILE. `available` elements can be read from x on.
typedef void (*apus_column_kernel)(
    const float *x, int64_t rows, int64_t stride, int64_t width, int64_t available, double *result);

double apus_sum_row(const float *x, int64_t count);
double apus_maximum_row(const float *x, int64_t count);
double apus_minimum_row(const float *x, int64_t count);
void apus_sum_columns(
    const float *x, int64_t rows, int64_t stride, int64_t width, int64_t available, double *result);
void apus_maximum_columns(
    const float *x, int64_t rows, int64_t stride, int64_t width, int64_t available, double *result);
void apus_minimum_columns(
    const float *x, int64_t rows, int64_t stride, int64_t width, int64_t available, double *result);

#endif
