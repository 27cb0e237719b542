// A convolution by Winograd's filtering: what is possible, sizes of blocks, memory, and the order of the loops.
#include "winograd.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "lanes_product.h"
#include "winograd_transforms.h"

struct apus_winograd {
    apus_winograd_plan plan;
    apus_winograd_loops loops;
    apus_engine *engine;
    int32_t thread_count;  // at creation: the scratch memory is for it
    // Of the scratch memory, in floats: zeros; the transformed kernel, or the chunks' gradients; a thread's.
    int64_t zeros_size, kernel_size, thread_size;
};

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

bool apus_winograd_is_possible(const apus_convolution_description *wanted) {
    if (wanted->rank != 2 || wanted->groups != 1 || wanted->activation > APUS_ACTIVATION_TANH) return false;
    for (int axis = 0; axis < 2; axis++)
        if (wanted->strides[axis] != 1 || wanted->dilations[axis] != 1) return false;
    return wanted->kernel[0] == wanted->kernel[1] && (wanted->kernel[0] == 3 || wanted->kernel[0] == 5);
}

/// Groups of tiles a block, of whose tiles so many floats are in work: a good part of the second cache. Of the kernel's
/// gradient, whose blocks are shared out among threads, no more than leave several.
static int64_t block_groups(const apus_winograd_plan *plan, int64_t tile_floats) {
    enum { FLOATS = 220000, LEAST = 2, MOST = 3, MOST_PAIRS = 6, BLOCKS = 8 };
    int64_t groups = FLOATS / (APUS_WINOGRAD_POINTS * tile_floats * plan->group);
    int64_t most = plan->is_paired ? MOST_PAIRS : MOST;
    if (plan->is_paired && plan->kind == APUS_CONVOLUTION_KERNEL_GRADIENT)
        most = smaller(most, plan->tile_count / plan->group / BLOCKS);
    return larger(LEAST, smaller(groups, most));
}

/// Chunks of tiles that the kernel's gradient is summed over: a function of the shape alone, so that bits do not depend
/// on threads. Parts for many threads, and no sum of very many terms, which would lose digits; but whole blocks of
/// tiles, two or more, and not much memory: each chunk costs an addition of its gradient.
static int64_t chunk_count(const apus_winograd_plan *plan) {
    enum { PARTS = 32, MOST_TILES = 2048, LEAST_BLOCKS = 2, MOST_FLOATS = 1 << 24 };
    int64_t parts = plan->channel_parts * plan->filter_parts, tiles = plan->tile_count;
    int64_t wanted = larger((PARTS + parts - 1) / parts, (tiles + MOST_TILES - 1) / MOST_TILES);
    int64_t blocks = apus_winograd_block_count(plan);
    int64_t most = smaller(blocks / LEAST_BLOCKS, MOST_FLOATS / apus_winograd_kernel_count(plan));
    return larger(1, smaller(wanted, most));
}

/// The upstream is spread where that takes fewer tiles, since it is smaller than the image. Adding windows up takes
/// longer than writing tiles: with four fifths of the tiles and less it took 0.3 to 0.85 of the time, for 3 x 3 and
/// 5 x 5 kernels, batches of 64 and channels from 12 on; with as many 0.6 to 1.3 in float32, by pairs up to 1.9.
/// Samples are shared out among threads, so that there have to be some.
apus_winograd_tiling apus_winograd_tiling_of(const apus_convolution_description *wanted) {
    enum { FEWEST_SAMPLES = 16 };
    bool gives_image = wanted->kind == APUS_CONVOLUTION_IMAGE_GRADIENT;
    const int64_t *result = gives_image ? wanted->image : wanted->output;
    int64_t tile = APUS_WINOGRAD_TILE(wanted->kernel[0]);
    apus_winograd_tiling tiling = {
        false, (result[0] + tile - 1) / tile, (result[1] + tile - 1) / tile, result[0], result[1], tile};
    if (!gives_image || wanted->batch < FEWEST_SAMPLES) return tiling;
    const int64_t *upstream = wanted->output;
    apus_winograd_tiling spread = {
        true, (upstream[0] + tile - 1) / tile, (upstream[1] + tile - 1) / tile, upstream[0], upstream[1], tile};
    int64_t tiles = tiling.tile_rows * tiling.tile_columns;
    return 5 * spread.tile_rows * spread.tile_columns <= 4 * tiles ? spread : tiling;
}

static apus_winograd_plan make_plan(const apus_convolution_description *wanted) {
    bool is_exchanged = wanted->kind == APUS_CONVOLUTION_IMAGE_GRADIENT;
    const apus_winograd_tiling tiling = apus_winograd_tiling_of(wanted);
    bool is_turned = is_exchanged && !tiling.is_spread;
    const int64_t *image = is_exchanged ? wanted->output : wanted->image;
    const int64_t *output = is_exchanged ? wanted->image : wanted->output;
    int64_t beyond = wanted->kernel[0] - 1;
    apus_winograd_plan plan = {
        .kind = wanted->kind,
        .is_spread = tiling.is_spread,
        .size = wanted->kernel[0],
        .batch = wanted->batch,
        .height = image[0],
        .width = image[1],
        .channels = is_exchanged ? wanted->filters : wanted->channels,
        .output_height = output[0],
        .output_width = output[1],
        .filters = is_exchanged ? wanted->channels : wanted->filters,
        .top = is_turned ? beyond - wanted->padding_before[0] : wanted->padding_before[0],
        .left = is_turned ? beyond - wanted->padding_before[1] : wanted->padding_before[1],
        .tile_rows = tiling.tile_rows,
        .tile_columns = tiling.tile_columns,
        .is_paired = wanted->method == APUS_CONVOLUTION_BY_WINOGRAD_PAIRS,
        .has_bias = wanted->has_bias,
        .activation = wanted->activation,
        .activation_alpha = wanted->activation_alpha,
    };
    plan.tile_count = plan.batch * plan.tile_rows * plan.tile_columns;
    plan.padded_channels = apus_rounded_up(plan.channels, APUS_LANE_COUNT);
    plan.padded_filters = apus_rounded_up(plan.filters, APUS_LANE_COUNT);
    int64_t image_width = plan.padded_channels, product_width = APUS_WINOGRAD_PANEL;
    bool gives_kernel = plan.kind == APUS_CONVOLUTION_KERNEL_GRADIENT;
    if (gives_kernel) {
        // The sums of a part stay in the second cache.
        enum { PART_CHANNELS = 64, PART_FILTERS = 128 };
        image_width = plan.part_channels = smaller(plan.padded_channels, PART_CHANNELS);
        product_width = plan.part_filters = smaller(plan.padded_filters, PART_FILTERS);
        plan.channel_parts = (plan.channels + plan.part_channels - 1) / plan.part_channels;
        plan.filter_parts = (plan.filters + plan.part_filters - 1) / plan.part_filters;
        plan.sum_stride = plan.part_channels * plan.part_filters + APUS_LANE_COUNT;
    }
    // What is multiplied as pairs, of channels or of tiles, takes half the room: the image, and the upstream.
    int64_t image_floats = plan.is_paired ? image_width / 2 : image_width;
    int64_t product_floats = plan.is_paired && gives_kernel ? product_width / 2 : product_width;
    plan.group = plan.is_paired ? APUS_WINOGRAD_PAIRS_GROUP : APUS_WINOGRAD_GROUP;
    plan.block = plan.group * block_groups(&plan, image_floats + product_floats);
    plan.share = plan.is_spread ? plan.tile_rows * plan.tile_columns : plan.group;
    if (gives_kernel) plan.chunk_count = chunk_count(&plan);
    // A step of a whole page would put all points into the same set of the first cache.
    plan.image_stride = plan.block * image_floats + APUS_LANE_COUNT;
    plan.product_stride = plan.block * product_floats + APUS_LANE_COUNT;
    return plan;
}

apus_status apus_winograd_create(
    apus_engine *engine, const apus_convolution_description *description, apus_winograd **result) {
    *result = NULL;
    if (!apus_winograd_is_possible(description)) return apus_fail("apus_winograd_create", APUS_UNSUPPORTED);
    apus_winograd *winograd = calloc(1, sizeof *winograd);
    if (!winograd) return apus_fail("apus_winograd_create", APUS_OUT_OF_MEMORY);
    winograd->engine = engine;
    winograd->thread_count = apus_thread_count();
    const apus_winograd_plan plan = winograd->plan = make_plan(description);
    bool gives_kernel = plan.kind == APUS_CONVOLUTION_KERNEL_GRADIENT;
    winograd->loops = gives_kernel ? apus_winograd_gradient_loops(description->instruction_limit)
                                   : apus_winograd_filter_loops(description->instruction_limit);
    if (plan.is_paired && gives_kernel) winograd->loops.first = apus_winograd_pairs_gradient_loop();
    if (plan.is_paired && !gives_kernel) winograd->loops = apus_winograd_pairs_filter_loops();
    winograd->zeros_size = larger(plan.padded_channels, plan.padded_filters);
    int64_t panels = plan.padded_filters / APUS_WINOGRAD_PANEL + 1;
    winograd->kernel_size =
        gives_kernel ? apus_rounded_up((plan.chunk_count - 1) * apus_winograd_kernel_count(&plan), APUS_LANE_COUNT)
                     : APUS_WINOGRAD_POINTS * (plan.channels * plan.padded_filters + panels * APUS_LANE_COUNT);
    winograd->thread_size = APUS_WINOGRAD_POINTS * (plan.image_stride + plan.product_stride + plan.sum_stride);
    int64_t size = winograd->zeros_size + winograd->kernel_size + winograd->thread_count * winograd->thread_size;
    apus_status status = apus_engine_reserve(engine, size * (int64_t)sizeof(float));
    if (status) {
        free(winograd);
        return status;
    }
    *result = winograd;
    return APUS_SUCCESS;
}

void apus_winograd_run(
    apus_winograd *winograd, const float *image, const float *kernel, const float *upstream, const float *bias,
    float *result) {
    const apus_winograd_plan *plan = &winograd->plan;
    float *zeros = winograd->engine->scratch, *kernels = zeros + winograd->zeros_size;
    apus_winograd_job job = {
        .plan = plan,
        .image = plan->kind == APUS_CONVOLUTION_IMAGE_GRADIENT ? upstream : image,
        .kernel = kernel,
        .upstream = upstream,
        .bias = bias,
        .result = result,
        .zeros = zeros,
        .transformed_kernel = kernels,
        .chunks = kernels,
        .thread_memory = kernels + winograd->kernel_size,
        .thread_size = winograd->thread_size,
    };
    memset(zeros, 0, (size_t)winograd->zeros_size * sizeof *zeros);
    int32_t threads = winograd->thread_count;
    const apus_winograd_loops *loops = &winograd->loops;
    if (plan->kind == APUS_CONVOLUTION_KERNEL_GRADIENT) {
        int64_t parts = plan->chunk_count * plan->channel_parts * plan->filter_parts;
        apus_parallel_balanced(parts, 1, threads, loops->first, &job);
        if (plan->chunk_count == 1) return;
        int64_t blocks = (apus_winograd_kernel_count(plan) + APUS_WINOGRAD_ADDED - 1) / APUS_WINOGRAD_ADDED;
        int64_t grain = 1 + APUS_GRAIN / (APUS_WINOGRAD_ADDED * plan->chunk_count);
        apus_parallel_limited(blocks, grain, threads, loops->second, &job);
    } else {
        int64_t row = APUS_WINOGRAD_POINTS * plan->filters;  // floats of a channel
        int64_t blocks = (plan->channels + APUS_WINOGRAD_KERNEL_ROWS - 1) / APUS_WINOGRAD_KERNEL_ROWS;
        int64_t grain = 1 + APUS_GRAIN / (APUS_WINOGRAD_KERNEL_ROWS * row);
        apus_parallel_limited(blocks, grain, threads, loops->first, &job);
        int64_t shares = (plan->tile_count + plan->share - 1) / plan->share;
        // Whole blocks; samples that are spread fill several of them but for the last.
        int64_t step = (plan->is_spread ? 4 : 1) * plan->block / plan->share;
        apus_parallel_balanced(shares, step, threads, loops->second, &job);
    }
}

void apus_winograd_destroy(apus_winograd *winograd) { free(winograd); }
