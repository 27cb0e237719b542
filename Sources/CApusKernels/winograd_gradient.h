/// What the loops of a kernel's gradient share, of float32 numbers and of bfloat16 pairs: parts and results.
#ifndef APUS_WINOGRAD_GRADIENT_H
#define APUS_WINOGRAD_GRADIENT_H

#include "winograd_loops.h"

/// A chunk of the tiles, and some channels and filters.
typedef struct {
    int64_t first_tile, last_tile;  // one beyond
    int64_t channel, channels, filter, filters;
    float *gradient;  // from its first channel and filter on
} apus_winograd_part;

static inline apus_winograd_part apus_winograd_part_at(const apus_winograd_job *job, int64_t index) {
    const apus_winograd_plan *plan = job->plan;
    int64_t chunk = index / (plan->channel_parts * plan->filter_parts), blocks = apus_winograd_block_count(plan);
    apus_winograd_part part = {
        .first_tile = chunk * blocks / plan->chunk_count * plan->block,
        .last_tile = (chunk + 1) * blocks / plan->chunk_count * plan->block,
        .channel = index / plan->filter_parts % plan->channel_parts * plan->part_channels,
        .filter = index % plan->filter_parts * plan->part_filters,
    };
    if (part.last_tile > plan->tile_count) part.last_tile = plan->tile_count;
    part.channels = plan->channels - part.channel;
    if (part.channels > plan->part_channels) part.channels = plan->part_channels;
    part.filters = plan->filters - part.filter;
    if (part.filters > plan->part_filters) part.filters = plan->part_filters;
    float *gradient = chunk == 0 ? job->result : job->chunks + (chunk - 1) * apus_winograd_kernel_count(plan);
    part.gradient = gradient + part.channel * plan->filters + part.filter;
    return part;
}

/// The upstream as tiles read it.
static inline apus_winograd_samples apus_winograd_upstream_samples(const apus_winograd_job *job) {
    const apus_winograd_plan *plan = job->plan;
    return (apus_winograd_samples){job->upstream, plan->output_height, plan->output_width, plan->filters};
}

/// G^T sums G of one channel and `count` filters.
APUS_INLINE void apus_winograd_write_kernel(
    const int size, const apus_winograd_plan *plan, const float *sums, int64_t count, float *gradient) {
    apus_lanes half[APUS_WINOGRAD_MOST_SIZE][6], line[6], g[APUS_WINOGRAD_MOST_SIZE];
    APUS_UNROLLED for (int j = 0; j < 6; j++) {
        APUS_UNROLLED for (int i = 0; i < 6; i++)
            line[i] = *(const apus_lanes *)(sums + (i * 6 + j) * plan->sum_stride);
        apus_winograd_gradient_line(size, line, g);
        APUS_UNROLLED for (int i = 0; i < size; i++) half[i][j] = g[i];
    }
    APUS_UNROLLED for (int i = 0; i < size; i++) {
        apus_winograd_gradient_line(size, half[i], g);
        APUS_UNROLLED for (int j = 0; j < size; j++)
            apus_store_some(gradient + (i * size + j) * plan->channels * plan->filters, &g[j], count);
    }
}

/// The same of a part, to the numbers of the gradient from its first channel and filter on.
APUS_INLINE void apus_winograd_write_gradient(
    const apus_winograd_plan *plan, const float *sums, int64_t channels, int64_t filters, float *gradient) {
    for (int64_t channel = 0; channel < channels; channel++) {
        for (int64_t filter = 0; filter < filters; filter += APUS_LANE_COUNT) {
            const float *source = sums + channel * plan->part_filters + filter;
            float *target = gradient + channel * plan->filters + filter;
            APUS_WINOGRAD_FOR_SIZE(
                plan->size, apus_winograd_write_kernel(size, plan, source, filters - filter, target))
        }
    }
}

#endif
