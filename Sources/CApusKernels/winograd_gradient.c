// The gradient of a kernel by Winograd's filtering: with dY the upstream,
//
//     dg = sum over chunks of G^T [sum over the chunk's tiles of (B^T d B) . (A dY A^T)] G
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
                sums + point * plan->sum_stride + filter, plan->part_filters, accumulates);
        }
    }
}

/// G^T sums G of a part, to the numbers of the gradient from its first channel and filter on.
APUS_INLINE void write_gradient(
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

/// Gradients of parts `begin..<end`: each of a chunk of the tiles, and of some channels and filters.
APUS_INLINE void add_gradients(
    void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    float *images = job->thread_memory + thread * job->thread_size;
    float *upstream = images + APUS_WINOGRAD_POINTS * plan->image_stride;
    float *sums = upstream + APUS_WINOGRAD_POINTS * plan->product_stride;
    for (int64_t part = begin; part < end; part++) {
        int64_t chunk = part / (plan->channel_parts * plan->filter_parts);
        int64_t channel = part / plan->filter_parts % plan->channel_parts * plan->part_channels;
        int64_t filter = part % plan->filter_parts * plan->part_filters;
        int64_t channels = plan->channels - channel, filters = plan->filters - filter;
        if (channels > plan->part_channels) channels = plan->part_channels;
        if (filters > plan->part_filters) filters = plan->part_filters;
        int64_t image_width = apus_rounded_up(channels, APUS_LANE_COUNT);
        int64_t upstream_width = apus_rounded_up(filters, APUS_LANE_COUNT);
        int64_t blocks = apus_winograd_block_count(plan), start = chunk * blocks / plan->chunk_count * plan->block;
        int64_t stop = (chunk + 1) * blocks / plan->chunk_count * plan->block;
        if (stop > plan->tile_count) stop = plan->tile_count;
        for (int64_t first = start; first < stop; first += plan->block) {
            int64_t count = stop - first < plan->block ? stop - first : plan->block;
            apus_winograd_transform_images(job, first, count, channel, channel + channels, images, image_width);
            transform_upstream(job, first, count, filter, filter + filters, upstream, upstream_width);
            add_products(
                form, plan, images, channels, image_width, upstream, upstream_width, count, sums, first > start);
        }
        float *gradient = chunk == 0 ? job->result : job->chunks + (chunk - 1) * apus_winograd_kernel_count(plan);
        write_gradient(plan, sums, channels, filters, gradient + channel * plan->filters + filter);
    }
}

/// Adds the other chunks' gradients to the first one's: blocks `begin..<end` of their numbers.
APUS_INLINE void add_chunks(void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    (void)thread, (void)form;
    const apus_winograd_job *job = context;
    const int64_t size = apus_winograd_kernel_count(job->plan);
    int64_t stop = end * APUS_WINOGRAD_ADDED < size ? end * APUS_WINOGRAD_ADDED : size;
    for (int64_t first = begin * APUS_WINOGRAD_ADDED; first < stop; first += APUS_WINOGRAD_ADDED) {
        int64_t count = stop - first < APUS_WINOGRAD_ADDED ? stop - first : APUS_WINOGRAD_ADDED;
        float *restrict sum = job->result + first;
        for (int64_t chunk = 1; chunk < job->plan->chunk_count; chunk++) {
            const float *restrict other = job->chunks + (chunk - 1) * size + first;
            for (int64_t j = 0; j < count; j++) sum[j] += other[j];
        }
    }
}

APUS_LOOP_VARIANTS(add_gradients, APUS_WIDE_FORM, APUS_NARROW_FORM)
APUS_LOOP_VARIANTS(add_chunks, APUS_WIDE_FORM, APUS_NARROW_FORM)

apus_winograd_loops apus_winograd_gradient_loops(apus_instruction_limit limit) {
    return (apus_winograd_loops){choose_add_gradients(limit), choose_add_chunks(limit)};
}
