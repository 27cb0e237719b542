/// The largest of windows that do not overlap, a selection by it, and its gradient: the common case of pooling. On
/// whole images, and for element-wise programs on what they have in the cache.
#ifndef APUS_POOLING_TILES_H
#define APUS_POOLING_TILES_H

#include <string.h>

#include "apus_kernels.h"

enum { APUS_MOST_TILE_PLACES = 64, APUS_LEAST_TILE_CHANNELS = 16 };

/// Whether the pooling is one of these, on whole windows with enough channels to fill vectors. The description has
/// all spatial axes.
bool apus_pooling_is_tiled(const apus_pooling_description *pooling);

/// As `apus_pooling_run`.
void apus_pool_tiles(
    const apus_pooling_description *pooling, const float *image, const float *values, float *result);

/// A tiled pooling of any of these kinds, and the offsets of a window's places from its first, in row-major order.
typedef struct {
    apus_pooling_description pooling;
    int64_t places;
    int64_t offsets[APUS_MOST_TILE_PLACES];
} apus_tile_pooling;

apus_tile_pooling apus_tile_pooling_of(const apus_pooling_description *pooling);

/// What a pooling reads and writes, as `apus_pooling_run`.
typedef struct {
    const float *image, *values;
    float *result;
    float *largest;      // a selection writes the largest numbers too; may be NULL
    const float *ahead;  // as many numbers as the image has, which are asked for meanwhile; may be NULL
} apus_tile_arrays;

/// The windows of the first `count` rows of the output, by the caller's thread alone; the description's kind does not
/// count.
void apus_pool_tile_rows(
    const apus_tile_pooling *tiles, apus_pooling_kind kind, apus_tile_arrays arrays, int64_t count);

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
