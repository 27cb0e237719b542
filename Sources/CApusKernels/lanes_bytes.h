/// Rows of bytes as sixteen float32 at once.
#ifndef APUS_LANES_BYTES_H
#define APUS_LANES_BYTES_H

#include "lanes_product.h"

typedef uint8_t apus_lane_bytes __attribute__((vector_size(16), aligned(1)));

/// Copies `count` bytes, less than sixteen, in pieces of fixed sizes that may overlap: without a call.
APUS_INLINE void apus_copy_bytes(uint8_t *to, const uint8_t *from, int64_t count) {
    if (count >= 8) {
        memcpy(to, from, 8);
        memcpy(to + count - 8, from + count - 8, 8);
    } else if (count >= 4) {
        memcpy(to, from, 4);
        memcpy(to + count - 4, from + count - 4, 4);
    } else if (count >= 2) {
        memcpy(to, from, 2);
        memcpy(to + count - 2, from + count - 2, 2);
    } else if (count == 1) {
        *to = *from;
    }
}

/// As many as there are of sixteen numbers, and 0.
APUS_INLINE void apus_load_bytes(apus_lanes *to, const uint8_t *from, float scale, int64_t count) {
    apus_lane_bytes bytes = {0};
    if (count >= APUS_LANE_COUNT) bytes = *(const apus_lane_bytes *)from;
    else apus_copy_bytes((uint8_t *)&bytes, from, count);
    *to = __builtin_convertvector(bytes, apus_lanes) * scale;
}

#endif
