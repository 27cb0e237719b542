#include "rectify.h"

#include "instruction_set.h"
#include "lanes.h"
#include "threads.h"

enum { LANES = 16 };

/// Vectors `begin..<end`.
APUS_VARIANTS(
    static, void, rectify_vectors, (void *context, int64_t begin, int64_t end, int32_t thread),
    (context, begin, end, thread)) {
    (void)thread;
    for (apus_lanes *x = (apus_lanes *)context + begin; x < (apus_lanes *)context + end; x++)
        *x = APUS_BLEND(*x <= 0.0f, (apus_lanes){0}, *x);
}

void apus_rectify(float *numbers, int64_t count, int32_t thread_count) {
    apus_parallel_limited(count / LANES, APUS_GRAIN / LANES, thread_count, rectify_vectors, numbers);
    for (int64_t i = count / LANES * LANES; i < count; i++) numbers[i] = numbers[i] <= 0.0f ? 0.0f : numbers[i];
}
