/// The largest of windows that do not overlap, and its gradient: the common case of pooling.
#ifndef APUS_POOLING_TILES_H
#define APUS_POOLING_TILES_H

#include "apus_kernels.h"

/// Whether the pooling is one of the two, on whole windows with enough channels to fill vectors. The description has
/// all spatial axes.
bool apus_pooling_is_tiled(const apus_pooling_description *pooling);

/// As `apus_pooling_run`.
void apus_pool_tiles(
    const apus_pooling_description *pooling, const float *image, const float *values, float *result);

#endif
