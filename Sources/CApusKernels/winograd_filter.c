// Winograd's filtering of an image: the convolution itself, and the gradient of its image.
#include "winograd_filter.h"

/// G g G^T of one channel and sixteen filters, to `target` with `stride` from one of the 36 points to the next.
APUS_INLINE void transform_filters(
    const int size, const apus_winograd_kernel_block gathered, int64_t channel, float *target, int64_t stride) {
    apus_lanes half[6][APUS_WINOGRAD_MOST_SIZE], u[6];
    apus_winograd_begin_filters(size, gathered, channel, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        apus_winograd_kernel_line(size, half[i], u);
        APUS_UNROLLED for (int j = 0; j < 6; j++) *(apus_lanes *)(target + (i * 6 + j) * stride) = u[j];
    }
}

/// Transforms blocks of channels `begin..<end`.
APUS_INLINE void transform_kernel(
    void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    (void)thread, (void)form;
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    for (int64_t block = begin; block < end; block++) {
        int64_t first = block * APUS_WINOGRAD_KERNEL_ROWS, rest = plan->channels - first;
        int64_t count = rest < APUS_WINOGRAD_KERNEL_ROWS ? rest : APUS_WINOGRAD_KERNEL_ROWS;
        for (int64_t filter = 0; filter < plan->padded_filters; filter += APUS_LANE_COUNT) {
            apus_winograd_kernel_block gathered;
            apus_winograd_gather_kernel(job, first, filter, gathered);
            int64_t column = filter % APUS_WINOGRAD_PANEL;
            int64_t columns = apus_winograd_panel_columns(plan, filter - column);
            int64_t stride = apus_winograd_kernel_stride(plan->channels, columns);
            float *target = job->transformed_kernel + apus_winograd_panel_place(plan->channels, filter) + column;
            for (int64_t c = 0; c < count; c++) {
                float *place = target + (first + c) * columns;
                APUS_WINOGRAD_FOR_SIZE(plan->size, transform_filters(size, gathered, c, place, stride))
            }
        }
    }
}

/// Results of shares of tiles `begin..<end`.
APUS_INLINE void filter(void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    float *transformed = job->thread_memory + thread * job->thread_size;
    float *products = transformed + APUS_WINOGRAD_POINTS * plan->image_stride;
    int64_t stop = end * plan->share < plan->tile_count ? end * plan->share : plan->tile_count;
    if (plan->is_spread) apus_winograd_clear(job, begin, end);
    for (int64_t first = begin * plan->share; first < stop; first += plan->block) {
        int64_t count = stop - first < plan->block ? stop - first : plan->block;
        if (plan->is_spread)
            apus_winograd_transform_upstream(
                job, apus_winograd_spread_samples(job), first, count, 0, plan->channels, transformed,
                plan->padded_channels, plan->image_stride);
        else
            apus_winograd_transform_images(job, first, count, 0, plan->channels, transformed, plan->padded_channels);
        const float *kernel = job->transformed_kernel;
        for (int64_t filter = 0; filter < plan->padded_filters; filter += APUS_WINOGRAD_PANEL) {
            int64_t columns = apus_winograd_panel_columns(plan, filter);
            for (int64_t point = 0; point < APUS_WINOGRAD_POINTS; point++) {
                apus_left left = {transformed + point * plan->image_stride, plan->padded_channels, 1};
                apus_right right = {kernel, columns, plan->channels, true};
                apus_winograd_multiply(
                    form, form.paired_rows, columns / APUS_LANE_COUNT, count, left, right,
                    products + point * plan->product_stride, APUS_WINOGRAD_PANEL, false);
                kernel += apus_winograd_kernel_stride(plan->channels, columns);
            }
            apus_winograd_write_panel(job, first, count, products, filter);
        }
    }
}

APUS_LOOP_VARIANTS(transform_kernel, APUS_WIDE_FORM, APUS_NARROW_FORM)
APUS_LOOP_VARIANTS(filter, APUS_WIDE_FORM, APUS_NARROW_FORM)

apus_winograd_loops apus_winograd_filter_loops(apus_instruction_limit limit) {
    return (apus_winograd_loops){choose_transform_kernel(limit), choose_filter(limit)};
}
