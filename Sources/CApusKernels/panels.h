/// Packing: the columns that a tile multiplies by, copied so that each term's stand together.
#ifndef APUS_PANELS_H
#define APUS_PANELS_H

#include <string.h>

#include "lanes_product.h"

/// panel[k, j] = matrix[k * stride + j], j in 0..<columns; 0 for the columns from there to `width`.
APUS_INLINE void apus_pack_rows(
    float *panel, int64_t width, const float *matrix, int64_t stride, int64_t terms, int64_t columns) {
    int64_t whole = columns / APUS_LANE_COUNT * APUS_LANE_COUNT, rest = columns - whole;
    static const apus_lane_masks places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    apus_lane_masks mask = places < (int32_t)rest;
    for (int64_t k = 0; k < terms; k++) {
        const float *from = matrix + k * stride;
        float *to = panel + k * width;
        for (int64_t j = 0; j < whole; j += APUS_LANE_COUNT)
            *(apus_lanes *)(to + j) = *(const apus_lanes *)(from + j);
        if (rest == 0) continue;
        if ((terms - 1 - k) * stride + rest >= APUS_LANE_COUNT) {
            // Past the row's end, but not past the last row's.
            *(apus_lanes *)(to + whole) = (apus_lanes)(mask & *(const apus_lane_masks *)(from + whole));
        } else {
            memset(to + whole, 0, APUS_LANE_COUNT * sizeof(float));
            memcpy(to + whole, from + whole, (size_t)rest * sizeof(float));
        }
    }
}

#endif
