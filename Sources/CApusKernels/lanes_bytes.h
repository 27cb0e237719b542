/// Rows of bytes as sixteen float32 at once.
#ifndef APUS_LANES_BYTES_H
#define APUS_LANES_BYTES_H

#include "lanes_product.h"

typedef uint8_t apus_lane_bytes __attribute__((vector_size(16), aligned(1)));

/// As many as there are of sixteen numbers, and 0.
APUS_INLINE void apus_load_bytes(apus_lanes *to, const uint8_t *from, float scale, int64_t count) {
    apus_lane_bytes bytes = {0};
    if (count >= APUS_LANE_COUNT) bytes = *(const apus_lane_bytes *)from;
    else if (count > 0) memcpy(&bytes, from, (size_t)count);
    *to = __builtin_convertvector(bytes, apus_lanes) * scale;
}

#endif
