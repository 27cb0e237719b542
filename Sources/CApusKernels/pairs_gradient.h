/// The gradient of a convolution's kernel by bfloat16 pairs, on processors that have them.
#ifndef APUS_PAIRS_GRADIENT_H
#define APUS_PAIRS_GRADIENT_H

#include "apus_kernels.h"

typedef struct apus_pairs_gradient apus_pairs_gradient;

/// For what `apus_pairs_convolution_is_possible` says.
apus_status apus_pairs_gradient_create(
    apus_engine *engine, const apus_convolution_description *description, apus_pairs_gradient **gradient);
void apus_pairs_gradient_run(
    apus_pairs_gradient *gradient, const float *image, const float *upstream, float *result);
void apus_pairs_gradient_destroy(apus_pairs_gradient *gradient);

#endif
