/// What the loops of a kernel's gradient share, of float32 numbers and of bfloat16 pairs: parts, the upstream's
/// transform, results.
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

/// Where the 16 numbers of a tile's upstream are, in an array of zeros for those beyond the image's edge.
typedef struct {
    const float *places[APUS_WINOGRAD_TILE][APUS_WINOGRAD_TILE];
} apus_winograd_upstream;

APUS_INLINE void apus_winograd_find_upstream(
    const apus_winograd_job *job, int64_t tile, apus_winograd_upstream *upstream) {
    const apus_winograd_plan *plan = job->plan;
    apus_tile_place at = apus_tile_place_of(plan, tile);
    const float *origin =
        job->upstream +
        ((at.sample * plan->output_height + at.row) * plan->output_width + at.column) * plan->filters;
    for (int64_t i = 0; i < APUS_WINOGRAD_TILE; i++) {
        for (int64_t j = 0; j < APUS_WINOGRAD_TILE; j++) {
            bool is_there = at.row + i < plan->output_height && at.column + j < plan->output_width;
            upstream->places[i][j] = is_there ? origin + (i * plan->output_width + j) * plan->filters : job->zeros;
        }
    }
}

/// A dY, for the columns of dY, of one tile and `count` filters, sixteen at most.
APUS_INLINE void apus_winograd_begin_upstream(
    const apus_winograd_upstream *upstream, int64_t filter, int64_t count, apus_lanes half[6][4]) {
    APUS_UNROLLED for (int j = 0; j < 4; j++) {
        apus_lanes line[4], z[6];
        APUS_UNROLLED for (int i = 0; i < 4; i++) apus_load_some(&line[i], upstream->places[i][j] + filter, count);
        apus_winograd_upstream_line(line, z);
        APUS_UNROLLED for (int i = 0; i < 6; i++) half[i][j] = z[i];
    }
}

/// G^T sums G of a part, to the numbers of the gradient from its first channel and filter on.
APUS_INLINE void apus_winograd_write_gradient(
    const apus_winograd_plan *plan, const float *sums, int64_t channels, int64_t filters, float *gradient) {
    for (int64_t channel = 0; channel < channels; channel++) {
        for (int64_t filter = 0; filter < filters; filter += APUS_LANE_COUNT) {
            apus_lanes half[3][6], line[6], g[3];
            const float *source = sums + channel * plan->part_filters + filter;
            APUS_UNROLLED for (int j = 0; j < 6; j++) {
                APUS_UNROLLED for (int i = 0; i < 6; i++)
                    line[i] = *(const apus_lanes *)(source + (i * 6 + j) * plan->sum_stride);
                apus_winograd_gradient_line(line, g);
                APUS_UNROLLED for (int i = 0; i < 3; i++) half[i][j] = g[i];
            }
            APUS_UNROLLED for (int i = 0; i < 3; i++) {
                apus_winograd_gradient_line(half[i], g);
                APUS_UNROLLED for (int j = 0; j < 3; j++) {
                    float *target = gradient + ((i * 3 + j) * plan->channels + channel) * plan->filters + filter;
                    apus_store_some(target, &g[j], filters - filter);
                }
            }
        }
    }
}

#endif
