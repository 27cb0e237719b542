/// The largest of windows that do not overlap, and its gradient: the common case of pooling.
#ifndef APUS_POOLING_TILES_H
#define APUS_POOLING_TILES_H

#include <string.h>

#include "apus_kernels.h"

/// Whether the pooling is one of the two, on whole windows with enough channels to fill vectors. The description has
/// all spatial axes.
bool apus_pooling_is_tiled(const apus_pooling_description *pooling);

/// As `apus_pooling_run`.
void apus_pool_tiles(
    const apus_pooling_description *pooling, const float *image, const float *values, float *result);

/// Whether windows do not overlap.
static inline bool apus_windows_are_apart(const apus_pooling_description *pooling) {
    for (int axis = 0; axis < APUS_MAXIMUM_SPATIAL_RANK; axis++)
        if (pooling->strides[axis] < pooling->window[axis]) return false;
    return true;
}

/// Whether some window that does not overlap with others covers a place of an axis.
static inline bool apus_place_is_covered(const apus_pooling_description *pooling, int axis, int64_t place) {
    int64_t from = place + pooling->padding_before[axis];
    int64_t window = from / pooling->strides[axis], part = from % pooling->strides[axis];
    return window < pooling->output[axis] && part < pooling->window[axis];
}

/// Makes the places of a sample 0 that no window covers, for `count` channels from where `result` points.
static inline void apus_clear_uncovered(const apus_pooling_description *pooling, float *result, int64_t count) {
    const int64_t *sizes = pooling->image;
    for (int64_t i = 0; i < sizes[0]; i++)
        for (int64_t j = 0; j < sizes[1]; j++) {
            bool is_covered = apus_place_is_covered(pooling, 0, i) && apus_place_is_covered(pooling, 1, j);
            for (int64_t k = 0; k < sizes[2]; k++, result += pooling->channels)
                if (!is_covered || !apus_place_is_covered(pooling, 2, k))
                    memset(result, 0, (size_t)count * sizeof *result);
        }
}

#endif
