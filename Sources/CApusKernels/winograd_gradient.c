// The gradient of a kernel by Winograd's filtering: with dY the upstream,
//
//     dg = sum over chunks of G^T [sum over the chunk's tiles of (B^T d B) . (A dY A^T)] G
#include "winograd_gradient.h"

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

/// Gradients of parts `begin..<end`.
APUS_INLINE void add_gradients(
    void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    float *images = job->thread_memory + thread * job->thread_size;
    float *upstream = images + APUS_WINOGRAD_POINTS * plan->image_stride;
    float *sums = upstream + APUS_WINOGRAD_POINTS * plan->product_stride;
    for (int64_t index = begin; index < end; index++) {
        const apus_winograd_part part = apus_winograd_part_at(job, index);
        int64_t image_width = apus_rounded_up(part.channels, APUS_LANE_COUNT);
        int64_t upstream_width = apus_rounded_up(part.filters, APUS_LANE_COUNT);
        for (int64_t first = part.first_tile; first < part.last_tile; first += plan->block) {
            int64_t rest = part.last_tile - first, count = rest < plan->block ? rest : plan->block;
            apus_winograd_transform_images(
                job, first, count, part.channel, part.channel + part.channels, images, image_width);
            apus_winograd_transform_upstream(
                job, apus_winograd_upstream_samples(job), first, count, part.filter, part.filter + part.filters,
                upstream, upstream_width, plan->product_stride);
            add_products(
                form, plan, images, part.channels, image_width, upstream, upstream_width, count, sums,
                first > part.first_tile);
        }
        apus_winograd_write_gradient(plan, sums, part.channels, part.filters, part.gradient);
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
