// Winograd's filtering of an image by bfloat16 pairs of neighbouring channels.
#include "winograd_filter.h"
#include "winograd_pairs.h"

#if APUS_HAS_VARIANTS

/// G g G^T of two neighbouring channels and sixteen filters, to `target` with `stride` from one of the 36 points to the
/// next.
APUS_PAIRS_INLINE void transform_filters(
    const int size, const apus_winograd_kernel_block gathered, int64_t channel, uint32_t *target, int64_t stride) {
    apus_lanes half[6][APUS_WINOGRAD_MOST_SIZE], first[APUS_WINOGRAD_POINTS], u[6];
    apus_winograd_begin_filters(size, gathered, channel, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) apus_winograd_kernel_line(size, half[i], first + i * 6);
    apus_winograd_begin_filters(size, gathered, channel + 1, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        apus_winograd_kernel_line(size, half[i], u);
        APUS_UNROLLED for (int j = 0; j < 6; j++)
            _mm512_storeu_si512(
                target + (i * 6 + j) * stride, apus_lane_pairs((__m512)first[i * 6 + j], (__m512)u[j]));
    }
}

/// Transforms blocks of channels `begin..<end`.
APUS_PAIRS_TARGET static void transform_kernel(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    const int64_t pairs = apus_pair_count(plan->channels);
    uint32_t *transformed = (uint32_t *)job->transformed_kernel;
    unsigned mode = apus_begin_flushing();
    for (int64_t block = begin; block < end; block++) {
        int64_t first = block * APUS_WINOGRAD_KERNEL_ROWS, rest = plan->channels - first;
        int64_t count = rest < APUS_WINOGRAD_KERNEL_ROWS ? rest : APUS_WINOGRAD_KERNEL_ROWS;
        for (int64_t filter = 0; filter < plan->padded_filters; filter += APUS_LANE_COUNT) {
            apus_winograd_kernel_block gathered;  // zeros beyond the last channel: a lone one's partner
            apus_winograd_gather_kernel(job, first, filter, gathered);
            int64_t column = filter % APUS_WINOGRAD_PANEL;
            int64_t columns = apus_winograd_panel_columns(plan, filter - column);
            int64_t stride = apus_winograd_kernel_stride(pairs, columns);
            uint32_t *target = transformed + apus_winograd_panel_place(pairs, filter) + column;
            for (int64_t c = 0; c < count; c += 2) {
                uint32_t *place = target + (first + c) / 2 * columns;
                APUS_WINOGRAD_FOR_SIZE(plan->size, transform_filters(size, gathered, c, place, stride))
            }
        }
    }
    apus_end_flushing(mode);
}

/// Where the sixteen channels from `next` on begin: a pair begins with an even one.
static inline int64_t pair_lanes_from(const apus_winograd_plan *plan, int64_t next) {
    return plan->channels % 2 ? next : apus_winograd_lanes_from(next, 0, plan->channels);
}

/// B^T d B of one tile and `count` channels, sixteen at most, rounded.
APUS_PAIRS_INLINE void transform_window(
    const float *const places[APUS_WINOGRAD_POINTS], int64_t channel, int64_t count, uint32_t *target,
    int64_t stride) {
    APUS_UNROLLED for (int second = 0; second < 2; second++) {
        apus_lanes half[3][6], v[6];
        apus_winograd_begin_window(second, places, channel, count, half);
        APUS_UNROLLED for (int i = 0; i < 3; i++) {
            apus_winograd_image_line(half[i], v);
            APUS_UNROLLED for (int j = 0; j < 6; j++)
                _mm256_storeu_si256(
                    (__m256i *)(target + ((second * 3 + i) * 6 + j) * stride),
                    (__m256i)_mm512_cvtneps_pbh((__m512)v[j]));
        }
    }
}

/// The same of tiles `first..<first + count`, to [36, count, pairs of padded channels].
APUS_PAIRS_INLINE void transform_images(
    const apus_winograd_job *job, int64_t first, int64_t count, uint32_t *target) {
    const apus_winograd_plan *plan = job->plan;
    for (int64_t t = 0; t < count; t++) {
        const float *places[APUS_WINOGRAD_POINTS];
        apus_winograd_find_window(job, first + t, places);
        for (int64_t next = 0; next < plan->channels; next += APUS_LANE_COUNT) {
            int64_t channel = pair_lanes_from(plan, next);
            uint32_t *point = target + (t * plan->padded_channels + channel) / 2;
            if (channel + APUS_LANE_COUNT <= plan->channels)
                transform_window(places, channel, APUS_LANE_COUNT, point, plan->image_stride);
            else
                transform_window(places, channel, plan->channels - channel, point, plan->image_stride);
        }
    }
}

/// A dY A^T of one tile and `count` channels, sixteen at most, rounded.
APUS_PAIRS_INLINE void transform_upstream_tile(
    const int size, const apus_winograd_upstream *upstream, int64_t channel, int64_t count, uint32_t *target,
    int64_t stride) {
    apus_lanes half[6][APUS_WINOGRAD_MOST_TILE], z[6];
    apus_winograd_begin_upstream(size, upstream, channel, count, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        apus_winograd_upstream_line(size, half[i], z);
        APUS_UNROLLED for (int j = 0; j < 6; j++)
            _mm256_storeu_si256(
                (__m256i *)(target + (i * 6 + j) * stride), (__m256i)_mm512_cvtneps_pbh((__m512)z[j]));
    }
}

/// The same of tiles `first..<first + count`, to [36, count, pairs of padded channels].
APUS_PAIRS_INLINE void transform_upstream(
    const apus_winograd_job *job, int64_t first, int64_t count, uint32_t *target) {
    const apus_winograd_plan *plan = job->plan;
    for (int64_t t = 0; t < count; t++) {
        apus_winograd_upstream upstream;
        apus_winograd_find_upstream(job, apus_winograd_spread_samples(job), first + t, &upstream);
        for (int64_t next = 0; next < plan->channels; next += APUS_LANE_COUNT) {
            int64_t channel = pair_lanes_from(plan, next), rest = plan->channels - channel;
            uint32_t *point = target + (t * plan->padded_channels + channel) / 2;
            APUS_WINOGRAD_FOR_SIZE(plan->size, {
                if (rest >= APUS_LANE_COUNT)
                    transform_upstream_tile(size, &upstream, channel, APUS_LANE_COUNT, point, plan->image_stride);
                else
                    transform_upstream_tile(size, &upstream, channel, rest, point, plan->image_stride);
            })
        }
    }
}

/// Results of shares of tiles `begin..<end`.
APUS_PAIRS_TARGET static void filter(void *context, int64_t begin, int64_t end, int32_t thread) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    const int64_t pairs = apus_pair_count(plan->channels);
    float *memory = job->thread_memory + thread * job->thread_size;
    uint32_t *transformed = (uint32_t *)memory;
    float *products = memory + APUS_WINOGRAD_POINTS * plan->image_stride;
    int64_t stop = end * plan->share < plan->tile_count ? end * plan->share : plan->tile_count;
    unsigned mode = apus_begin_flushing();
    if (plan->is_spread) apus_winograd_clear(job, begin, end);
    for (int64_t first = begin * plan->share; first < stop; first += plan->block) {
        int64_t count = stop - first < plan->block ? stop - first : plan->block;
        if (plan->is_spread) transform_upstream(job, first, count, transformed);
        else transform_images(job, first, count, transformed);
        const uint32_t *kernel = (const uint32_t *)job->transformed_kernel;
        for (int64_t filter = 0; filter < plan->padded_filters; filter += APUS_WINOGRAD_PANEL) {
            int64_t columns = apus_winograd_panel_columns(plan, filter);
            for (int64_t point = 0; point < APUS_WINOGRAD_POINTS; point++) {
                apus_left_pairs left = {transformed + point * plan->image_stride, plan->padded_channels / 2, 1};
                apus_right_pairs right = {kernel, columns, pairs};
                apus_winograd_multiply_pairs(
                    APUS_WINOGRAD_PAIRS_GROUP, columns / APUS_LANE_COUNT, count, left, right,
                    products + point * plan->product_stride, APUS_WINOGRAD_PANEL, false);
                kernel += apus_winograd_kernel_stride(pairs, columns);
            }
            apus_winograd_write_panel(job, first, count, products, filter);
        }
    }
    apus_end_flushing(mode);
}

apus_winograd_loops apus_winograd_pairs_filter_loops(void) { return (apus_winograd_loops){transform_kernel, filter}; }

#else

apus_winograd_loops apus_winograd_pairs_filter_loops(void) { return (apus_winograd_loops){NULL, NULL}; }

#endif
