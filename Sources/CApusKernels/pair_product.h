/// Matrix products that round their factors to bfloat16, by dot products of pairs.
#ifndef APUS_PAIR_PRODUCT_H
#define APUS_PAIR_PRODUCT_H

#include "apus_kernels.h"

typedef struct apus_pair_product apus_pair_product;

/// Fails with APUS_UNSUPPORTED for a processor without such instructions, and for an activation other than those that
/// plans ask for: ReLU, sigmoid and tanh.
apus_status apus_pair_product_create(const apus_matmul_description *description, apus_pair_product **product);
/// `workspace` is at a multiple of 64 bytes.
void apus_pair_product_run(
    const apus_pair_product *product, const float *left, const float *right, const float *bias, float scale,
    float *output, void *workspace);
void apus_pair_product_destroy(apus_pair_product *product);

/// The bytes that it needs for its runs.
int64_t apus_pair_product_workspace(const apus_pair_product *product);

#endif
