/// ReLU after oneDNN: its own makes NaN 0, so that data that are no numbers would pass unseen.
#ifndef APUS_RECTIFY_H
#define APUS_RECTIFY_H

#include "apus_kernels.h"

/// Whether the function is max(x, 0). With a slope below zero oneDNN keeps NaN.
static inline bool apus_is_rectifier(apus_activation activation, float alpha) {
    return activation == APUS_ACTIVATION_RELU && alpha == 0.0f;
}

/// x = max(x, 0) for `count` numbers, NaN where they are; on `thread_count` threads at most.
void apus_rectify(float *numbers, int64_t count, int32_t thread_count);

#endif
