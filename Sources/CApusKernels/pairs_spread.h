/// The gradient of a convolution's image by bfloat16 pairs, on processors that have them: products that are spread over
/// the image, as in spread_gradient.h.
#ifndef APUS_PAIRS_SPREAD_H
#define APUS_PAIRS_SPREAD_H

#include "apus_kernels.h"

typedef struct apus_pairs_spread apus_pairs_spread;

/// For what `apus_pairs_convolution_is_possible` says.
apus_status apus_pairs_spread_create(
    apus_engine *engine, const apus_convolution_description *description, apus_pairs_spread **spread);
void apus_pairs_spread_run(apus_pairs_spread *spread, const float *kernel, const float *upstream, float *result);
void apus_pairs_spread_destroy(apus_pairs_spread *spread);

#endif
