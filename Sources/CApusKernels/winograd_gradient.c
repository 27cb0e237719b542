// The gradient of a kernel by Winograd's filtering: with dY the upstream,
//
//     dg = G^T [sum over tiles of (B^T d B) . (A dY A^T)] G
#include "winograd_loops.h"

/// A dY A^T of one tile and `count` filters, sixteen at most.
APUS_INLINE void transform_upstream_tile(
    const float *const places[4][4], int64_t filter, int64_t count, float *target, int64_t stride) {
    apus_lanes half[6][4], line[4], z[6];
    APUS_UNROLLED for (int j = 0; j < 4; j++) {
        APUS_UNROLLED for (int i = 0; i < 4; i++) apus_load_some(&line[i], places[i][j] + filter, count);
        apus_winograd_upstream_line(line, z);
        APUS_UNROLLED for (int i = 0; i < 6; i++) half[i][j] = z[i];
    }
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        apus_winograd_upstream_line(half[i], z);
        APUS_UNROLLED for (int j = 0; j < 6; j++) *(apus_lanes *)(target + (i * 6 + j) * stride) = z[j];
    }
}

/// The same of tiles `first..<first + count` and filters `begin..<end`, to [36, count, width]; beyond the image's edge
/// dY is 0.
APUS_INLINE void transform_upstream(
    const apus_winograd_job *job, int64_t first, int64_t count, int64_t begin, int64_t end, float *target,
    int64_t width) {
    const apus_winograd_plan *plan = job->plan;
    const int64_t stride = plan->product_stride;
    for (int64_t t = 0; t < count; t++) {
        apus_tile_place at = apus_tile_place_of(plan, first + t);
        const float *origin = job->upstream + ((at.sample * plan->output_height + at.row) * plan->output_width +
                                               at.column) * plan->filters;
        const float *places[4][4];
        for (int64_t i = 0; i < 4; i++) {
            for (int64_t j = 0; j < 4; j++) {
                bool is_there = at.row + i < plan->output_height && at.column + j < plan->output_width;
                places[i][j] = is_there ? origin + (i * plan->output_width + j) * plan->filters : job->zeros;
            }
        }
        int64_t filter = begin;
        float *point = target + t * width;
        for (; filter + APUS_LANE_COUNT <= end; filter += APUS_LANE_COUNT, point += APUS_LANE_COUNT)
            transform_upstream_tile(places, filter, APUS_LANE_COUNT, point, stride);
        if (filter < end) transform_upstream_tile(places, filter, end - filter, point, stride);
    }
}

static inline int64_t sum_stride(const apus_winograd_plan *plan) {
    return plan->channels * plan->padded_filters + APUS_LANE_COUNT;
}

/// Adds (B^T d B) (A dY A^T) of transformed tiles to sums: [count, channels] transposed times [count, filters] at each
/// point. Widths are those of whole vectors.
APUS_INLINE void add_products(
    const apus_register_form form, const apus_winograd_plan *plan, const float *images, int64_t channels,
    int64_t image_width, const float *upstream, int64_t upstream_width, int64_t count, float *sums, bool accumulates) {
    for (int64_t point = 0; point < APUS_WINOGRAD_POINTS; point++) {
        apus_left left = {images + point * plan->image_stride, 1, image_width};
        for (int64_t filter = 0; filter < upstream_width; filter += APUS_WINOGRAD_PANEL) {
            int64_t rest = upstream_width - filter;
            int64_t columns = rest < APUS_WINOGRAD_PANEL ? rest : APUS_WINOGRAD_PANEL;
            apus_right right = {upstream + point * plan->product_stride + filter, upstream_width, count, true};
            apus_winograd_multiply(
                form, form.paired_channel_rows, columns / APUS_LANE_COUNT, channels, left, right,
                sums + point * sum_stride(plan) + filter, plan->padded_filters, accumulates);
        }
    }
}

/// Sums over tiles `begin..<end`, counted in parts: each a chunk of the tiles, and parts of channels and filters.
APUS_INLINE void add_gradients(
    void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    float *images = job->thread_memory + thread * job->thread_size;
    float *upstream = images + APUS_WINOGRAD_POINTS * plan->image_stride;
    for (int64_t part = begin; part < end; part++) {
        int64_t chunk = part / (plan->channel_parts * plan->filter_parts);
        int64_t channel = part / plan->filter_parts % plan->channel_parts * plan->part_channels;
        int64_t filter = part % plan->filter_parts * plan->part_filters;
        int64_t channels = plan->channels - channel, filters = plan->filters - filter;
        if (channels > plan->part_channels) channels = plan->part_channels;
        if (filters > plan->part_filters) filters = plan->part_filters;
        int64_t image_width = apus_rounded_up(channels, APUS_LANE_COUNT);
        int64_t upstream_width = apus_rounded_up(filters, APUS_LANE_COUNT);
        int64_t start = chunk * plan->tile_count / plan->chunk_count;
        int64_t stop = (chunk + 1) * plan->tile_count / plan->chunk_count;
        float *sums = job->transformed_kernel + chunk * APUS_WINOGRAD_POINTS * sum_stride(plan) +
                      channel * plan->padded_filters + filter;
        for (int64_t first = start; first < stop; first += plan->block) {
            int64_t count = stop - first < plan->block ? stop - first : plan->block;
            apus_winograd_transform_images(job, first, count, channel, channel + channels, images, image_width);
            transform_upstream(job, first, count, filter, filter + filters, upstream, upstream_width);
            add_products(
                form, plan, images, channels, image_width, upstream, upstream_width, count, sums, first > start);
        }
    }
}

/// G^T (the chunks' sums added) G of channels `begin..<end`.
APUS_INLINE void finish_gradient(
    void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    (void)thread, (void)form;
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    const int64_t stride = sum_stride(plan), filters = plan->filters;
    for (int64_t channel = begin; channel < end; channel++) {
        for (int64_t filter = 0; filter < filters; filter += APUS_LANE_COUNT) {
            apus_lanes half[3][6], line[6], g[3];
            const float *source = job->transformed_kernel + channel * plan->padded_filters + filter;
            APUS_UNROLLED for (int j = 0; j < 6; j++) {
                APUS_UNROLLED for (int i = 0; i < 6; i++) {
                    const float *point = source + (i * 6 + j) * stride;
                    line[i] = *(const apus_lanes *)point;
                    for (int64_t chunk = 1; chunk < plan->chunk_count; chunk++)
                        line[i] += *(const apus_lanes *)(point + chunk * APUS_WINOGRAD_POINTS * stride);
                }
                apus_winograd_gradient_line(line, g);
                APUS_UNROLLED for (int i = 0; i < 3; i++) half[i][j] = g[i];
            }
            APUS_UNROLLED for (int i = 0; i < 3; i++) {
                apus_winograd_gradient_line(half[i], g);
                APUS_UNROLLED for (int j = 0; j < 3; j++) {
                    float *target = job->result + ((i * 3 + j) * plan->channels + channel) * filters + filter;
                    apus_store_some(target, &g[j], filters - filter);
                }
            }
        }
    }
}

APUS_WINOGRAD_VARIANTS(add_gradients)
APUS_WINOGRAD_VARIANTS(finish_gradient)

apus_winograd_loops apus_winograd_gradient_loops(apus_instruction_limit limit) {
    return (apus_winograd_loops){choose_add_gradients(limit), choose_finish_gradient(limit)};
}
