/// Products with few columns: the outputs of small last layers, and gradients towards the inputs of small layers.
#ifndef APUS_NARROW_PRODUCT_H
#define APUS_NARROW_PRODUCT_H

#include "apus_kernels.h"

typedef struct apus_narrow_product apus_narrow_product;

/// Whether the loops can compute one product with `rows` rows, and are faster than oneDNN's: the left side as it is
/// stored, at most 12 columns and 2,048 terms, at least 32 rows and 24 terms a column, the functions up to tanh, and
/// AVX-512. The description's batch, rows and strides are not looked at, here nor below.
bool apus_narrow_product_is_faster(const apus_matmul_description *description, int64_t rows);

apus_status apus_narrow_product_create(
    const apus_matmul_description *description, int64_t rows, apus_narrow_product **product);
void apus_narrow_product_run(
    apus_narrow_product *product, const float *left, const float *right, const float *bias, float scale,
    float *output);
/// The same, the left side being rows of bytes.
void apus_narrow_product_run_byte_rows(
    apus_narrow_product *product, const apus_byte_rows *left, const float *right, const float *bias, float scale,
    float *output);
void apus_narrow_product_destroy(apus_narrow_product *product);

/// The bytes that it holds for its runs.
int64_t apus_narrow_product_workspace(const apus_narrow_product *product);

#endif
