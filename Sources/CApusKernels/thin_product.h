/// Products of a transposed matrix, where rows or columns are few: the gradients of small layers' kernels.
#ifndef APUS_THIN_PRODUCT_H
#define APUS_THIN_PRODUCT_H

#include "apus_kernels.h"

typedef struct apus_thin_product apus_thin_product;

/// Whether the loops can compute one product with `rows` rows, and are faster than oneDNN's: the left side transposed,
/// at most 16 rows or columns, nothing after the product but a scale and a sum, and AVX-512. The description's batch,
/// rows and strides are not looked at, here nor below.
bool apus_thin_product_is_faster(const apus_matmul_description *description, int64_t rows);

apus_status apus_thin_product_create(
    const apus_matmul_description *description, int64_t rows, apus_thin_product **product);
void apus_thin_product_run(
    apus_thin_product *product, const float *left, const float *right, float scale, float *output);

/// Whether the left side can be rows of bytes: it has more numbers a term than the right one.
bool apus_thin_product_reads_byte_rows(const apus_thin_product *product);

/// The same with such rows, which the product must read.
void apus_thin_product_run_byte_rows(
    apus_thin_product *product, const apus_byte_rows *left, const float *right, float scale, float *output);
void apus_thin_product_destroy(apus_thin_product *product);

/// The bytes that it holds for its runs.
int64_t apus_thin_product_workspace(const apus_thin_product *product);

#endif
