/// Sixteen float32 at once; the compiler splits them where the processor's vectors are shorter.
#ifndef APUS_LANES_H
#define APUS_LANES_H

#include <stdint.h>

// Aligned like its elements, so that any part of an array can be read as one.
typedef float apus_lanes __attribute__((vector_size(64), aligned(4)));
typedef int32_t apus_lane_masks __attribute__((vector_size(64), aligned(4)));

/// mask ? yes : no, lane by lane.
#define APUS_BLEND(mask, yes, no) \
    ((apus_lanes)(((mask) & (apus_lane_masks)(yes)) | (~(mask) & (apus_lane_masks)(no))))

/// The larger and the smaller, NaN if `x` or `y` is.
#define APUS_LANES_MAXIMUM(x, y) APUS_BLEND(((y) > (x)) | ((y) != (y)), y, x)
#define APUS_LANES_MINIMUM(x, y) APUS_BLEND(((y) < (x)) | ((y) != (y)), y, x)

#endif
