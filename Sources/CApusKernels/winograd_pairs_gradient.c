// The gradient of a kernel by Winograd's filtering, by bfloat16 pairs of neighbouring tiles: see winograd_gradient.c.
#include "winograd_gradient.h"
#include "winograd_pairs.h"

#if APUS_HAS_VARIANTS

/// B^T d B of one tile, or of two, and `count` channels, sixteen at most; a lone tile's partner is 0.
APUS_PAIRS_INLINE void transform_windows(
    const float *const places[2][APUS_WINOGRAD_POINTS], bool is_lone, int64_t channel, int64_t count,
    uint32_t *target, int64_t stride) {
    APUS_UNROLLED for (int second = 0; second < 2; second++) {
        apus_lanes half[3][6], tile[18], v[6] = {0};
        apus_winograd_begin_window(second, places[0], channel, count, half);
        APUS_UNROLLED for (int i = 0; i < 3; i++) apus_winograd_image_line(half[i], tile + i * 6);
        if (!is_lone) apus_winograd_begin_window(second, places[1], channel, count, half);
        APUS_UNROLLED for (int i = 0; i < 3; i++) {
            if (!is_lone) apus_winograd_image_line(half[i], v);
            APUS_UNROLLED for (int j = 0; j < 6; j++)
                _mm512_storeu_si512(
                    target + ((second * 3 + i) * 6 + j) * stride,
                    apus_lane_pairs((__m512)tile[i * 6 + j], (__m512)v[j]));
        }
    }
}

/// The same of a part's tiles `first..<first + count`, to [36, pairs of tiles, width].
APUS_PAIRS_INLINE void transform_images(
    const apus_winograd_job *job, const apus_winograd_part *part, int64_t first, int64_t count, uint32_t *target,
    int64_t width) {
    const int64_t end = part->channel + part->channels, stride = job->plan->image_stride;
    for (int64_t t = 0; t < count; t += 2) {
        const float *places[2][APUS_WINOGRAD_POINTS];
        bool is_lone = t + 1 == count;
        apus_winograd_find_window(job, first + t, places[0]);
        if (!is_lone) apus_winograd_find_window(job, first + t + 1, places[1]);
        for (int64_t next = part->channel; next < end; next += APUS_LANE_COUNT) {
            int64_t channel = apus_winograd_lanes_from(next, part->channel, end);
            uint32_t *point = target + t / 2 * width + channel - part->channel;
            if (!is_lone && channel + APUS_LANE_COUNT <= end)
                transform_windows(places, false, channel, APUS_LANE_COUNT, point, stride);
            else
                transform_windows(places, is_lone, channel, end - channel, point, stride);
        }
    }
}

/// A dY A^T of one tile, or of two, and `count` filters, sixteen at most; a lone tile's partner is 0.
APUS_PAIRS_INLINE void transform_upstream_tiles(
    const int size, const apus_winograd_upstream upstream[2], bool is_lone, int64_t filter, int64_t count,
    uint32_t *target, int64_t stride) {
    apus_lanes half[6][APUS_WINOGRAD_MOST_TILE], tile[APUS_WINOGRAD_POINTS], z[6] = {0};
    apus_winograd_begin_upstream(size, &upstream[0], filter, count, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) apus_winograd_upstream_line(size, half[i], tile + i * 6);
    if (!is_lone) apus_winograd_begin_upstream(size, &upstream[1], filter, count, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        if (!is_lone) apus_winograd_upstream_line(size, half[i], z);
        APUS_UNROLLED for (int j = 0; j < 6; j++)
            _mm512_storeu_si512(
                target + (i * 6 + j) * stride, apus_lane_pairs((__m512)tile[i * 6 + j], (__m512)z[j]));
    }
}

/// The same of a part's tiles `first..<first + count`, to [36, pairs of tiles, width].
APUS_PAIRS_INLINE void transform_upstream(
    const apus_winograd_job *job, const apus_winograd_part *part, int64_t first, int64_t count, uint32_t *target,
    int64_t width) {
    const int64_t end = part->filter + part->filters, stride = job->plan->product_stride;
    for (int64_t t = 0; t < count; t += 2) {
        apus_winograd_upstream upstream[2];
        bool is_lone = t + 1 == count;
        const apus_winograd_samples samples = apus_winograd_upstream_samples(job);
        apus_winograd_find_upstream(job, samples, first + t, &upstream[0]);
        if (!is_lone) apus_winograd_find_upstream(job, samples, first + t + 1, &upstream[1]);
        for (int64_t next = part->filter; next < end; next += APUS_LANE_COUNT) {
            int64_t filter = apus_winograd_lanes_from(next, part->filter, end);
            uint32_t *point = target + t / 2 * width + filter - part->filter;
            bool is_whole = !is_lone && filter + APUS_LANE_COUNT <= end;
            APUS_WINOGRAD_FOR_SIZE(job->plan->size, {
                if (is_whole)
                    transform_upstream_tiles(size, upstream, false, filter, APUS_LANE_COUNT, point, stride);
                else
                    transform_upstream_tiles(size, upstream, is_lone, filter, end - filter, point, stride);
            })
        }
    }
}

/// Adds (B^T d B) (A dY A^T) of transformed tiles to sums, at each point.
APUS_PAIRS_INLINE void add_products(
    const apus_winograd_plan *plan, const apus_winograd_part *part, const uint32_t *images, int64_t image_width,
    const uint32_t *upstream, int64_t upstream_width, int64_t pairs, float *sums, bool accumulates) {
    enum { ROWS = 8 };  // channels are mostly a multiple of sixteen
    for (int64_t point = 0; point < APUS_WINOGRAD_POINTS; point++) {
        apus_left_pairs left = {images + point * plan->image_stride, 1, image_width};
        for (int64_t filter = 0; filter < upstream_width; filter += APUS_WINOGRAD_PANEL) {
            int64_t vectors = (upstream_width - filter) / APUS_LANE_COUNT;
            apus_right_pairs right = {upstream + point * plan->product_stride + filter, upstream_width, pairs};
            apus_winograd_multiply_pairs(
                ROWS, vectors < 2 ? vectors : 2, part->channels, left, right,
                sums + point * plan->sum_stride + filter, plan->part_filters, accumulates);
        }
    }
}

/// Gradients of parts `begin..<end`.
APUS_PAIRS_TARGET static void add_gradients(void *context, int64_t begin, int64_t end, int32_t thread) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    float *memory = job->thread_memory + thread * job->thread_size;
    uint32_t *images = (uint32_t *)memory, *upstream = images + APUS_WINOGRAD_POINTS * plan->image_stride;
    float *sums = memory + APUS_WINOGRAD_POINTS * (plan->image_stride + plan->product_stride);
    unsigned mode = apus_begin_flushing();
    for (int64_t index = begin; index < end; index++) {
        const apus_winograd_part part = apus_winograd_part_at(job, index);
        int64_t image_width = apus_rounded_up(part.channels, APUS_LANE_COUNT);
        int64_t upstream_width = apus_rounded_up(part.filters, APUS_LANE_COUNT);
        for (int64_t first = part.first_tile; first < part.last_tile; first += plan->block) {
            int64_t rest = part.last_tile - first, count = rest < plan->block ? rest : plan->block;
            transform_images(job, &part, first, count, images, image_width);
            transform_upstream(job, &part, first, count, upstream, upstream_width);
            add_products(
                plan, &part, images, image_width, upstream, upstream_width, apus_pair_count(count), sums,
                first > part.first_tile);
        }
        apus_winograd_write_gradient(plan, sums, part.channels, part.filters, part.gradient);
    }
    apus_end_flushing(mode);
}

apus_range_body apus_winograd_pairs_gradient_loop(void) { return add_gradients; }

#else

apus_range_body apus_winograd_pairs_gradient_loop(void) { return NULL; }

#endif
