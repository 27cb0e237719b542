/// Matrix products that round their factors to bfloat16, where an axis is so short that packing would take longer than
/// multiplying.
#ifndef APUS_THIN_PAIRS_H
#define APUS_THIN_PAIRS_H

#include "apus_kernels.h"

typedef struct apus_thin_pairs apus_thin_pairs;

/// Whether the loops can compute the product and are faster than those of pair_product.h: one matrix of 12 columns or
/// fewer, and of 4,096 terms at most; with more than four columns also of 32 rows and 24 terms a column at least. Where
/// the left side is transposed, 12 rows or columns will do, whatever else; the right side must not be transposed then,
/// and nothing but a scale and a sum may follow. Functions after the product are those of pair_product.h.
bool apus_thin_pairs_are_faster(const apus_matmul_description *description);

apus_status apus_thin_pairs_create(const apus_matmul_description *description, apus_thin_pairs **product);
void apus_thin_pairs_run(
    apus_thin_pairs *product, const float *left, const float *right, const float *bias, float scale, float *output);
void apus_thin_pairs_destroy(apus_thin_pairs *product);

/// The bytes that it holds for its runs.
int64_t apus_thin_pairs_workspace(const apus_thin_pairs *product);

#endif
