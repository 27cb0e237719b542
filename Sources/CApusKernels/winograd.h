/// Convolutions with 3 x 3 and 5 x 5 kernels by Winograd's minimal filtering: see winograd_transforms.h for formulas.
#ifndef APUS_WINOGRAD_H
#define APUS_WINOGRAD_H

#include "apus_kernels.h"
#include "threads.h"

/// What is the same in all runs. The image that is read and the one that is written are those of the forward direction,
/// or, for the image's gradient, exchanged. That is a convolution of the upstream with the kernel turned around; or,
/// where an upstream that is smaller than the image has fewer tiles, it is spread: these take the transposed way,
/// B [(G g G^T) . (A dY A^T)] B^T, and are added to the places of their windows.
typedef struct {
    apus_convolution_kind kind;
    bool is_spread;
    int64_t size;  // of the kernel along an axis: 3 or 5
    int64_t batch;
    int64_t height, width, channels;  // of the image under the windows
    int64_t output_height, output_width, filters;
    int64_t top, left;  // padding before; negative: cut off
    int64_t tile_rows, tile_columns, tile_count;
    int64_t padded_channels, padded_filters;  // to whole vectors of sixteen
    int64_t group;                            // tiles that are multiplied together
    int64_t share;                            // filtering: tiles of an item of the loop: a group; a sample's if spread
    int64_t block;                            // tiles that are in work together: groups
    bool is_paired;                           // multiplied as bfloat16 pairs
    int64_t image_stride, product_stride;     // floats, or pairs, from one of the 36 points to the next
    // The kernel's gradient: a sum over the tiles for each chunk of them, part of the channels and part of the filters;
    // `sum_stride` floats from one point's to the next.
    int64_t chunk_count, part_channels, channel_parts, part_filters, filter_parts, sum_stride;
    bool has_bias;
    apus_activation activation;
    float activation_alpha;
} apus_winograd_plan;

/// A run's arrays and scratch memory.
typedef struct {
    const apus_winograd_plan *plan;
    const float *image, *kernel, *upstream, *bias;
    float *result;
    float *zeros;               // as many as channels or filters
    float *transformed_kernel;  // [panel, 36, channels, 32], or pairs of channels
    float *chunks;  // the kernel's gradient of each chunk but the first: [chunk, size, size, channels, filters]
    float *thread_memory;       // each thread's
    int64_t thread_size;        // floats
} apus_winograd_job;

/// What is done one after the other, on ranges. Filtering: blocks of `APUS_WINOGRAD_KERNEL_ROWS` channels, whose
/// kernels are transformed; shares of tiles. The kernel's gradient: parts, each with a gradient of its own; blocks of
/// `APUS_WINOGRAD_ADDED` numbers of the chunks' gradients, which are added.
typedef struct {
    apus_range_body first, second;
} apus_winograd_loops;

enum {
    APUS_WINOGRAD_KERNEL_ROWS = 16,
    // Tiles whose sums for two vectors of filters fill the registers: 28 of them, and with pairs 24.
    APUS_WINOGRAD_GROUP = 14,
    APUS_WINOGRAD_PAIRS_GROUP = 12,
    APUS_WINOGRAD_PANEL = 32,  // filters that are worked on together
    APUS_WINOGRAD_ADDED = 1024,
};

static inline int64_t apus_winograd_block_count(const apus_winograd_plan *plan) {
    return (plan->tile_count + plan->block - 1) / plan->block;
}

/// The numbers of a kernel.
static inline int64_t apus_winograd_kernel_count(const apus_winograd_plan *plan) {
    return plan->size * plan->size * plan->channels * plan->filters;
}

apus_winograd_loops apus_winograd_filter_loops(apus_instruction_limit limit);
apus_winograd_loops apus_winograd_gradient_loops(apus_instruction_limit limit);

/// The same by bfloat16 pairs, where the processor has them; of the kernel's gradient the first loop, the second one is
/// the same.
apus_winograd_loops apus_winograd_pairs_filter_loops(void);
apus_range_body apus_winograd_pairs_gradient_loop(void);

typedef struct apus_winograd apus_winograd;

apus_status apus_winograd_create(
    apus_engine *engine, const apus_convolution_description *description, apus_winograd **winograd);
void apus_winograd_run(
    apus_winograd *winograd, const float *image, const float *kernel, const float *upstream, const float *bias,
    float *result);
void apus_winograd_destroy(apus_winograd *winograd);

#endif
