/// What the loops of Winograd's filtering share: products, tiles' places, the transforms of an image and of an
/// upstream.
///
/// A thread takes a block of tiles through all stages, so that what is transformed stays in its second cache: nothing
/// of it is ever stored in whole.
#ifndef APUS_WINOGRAD_LOOPS_H
#define APUS_WINOGRAD_LOOPS_H

#include "instruction_set.h"
#include "lanes_functions.h"
#include "lanes_product.h"
#include "winograd.h"
#include "winograd_transforms.h"

/// How sums fill an instruction set's registers: rows at a time, with one vector of columns and with two, and with two
/// where the count of rows is one of channels, mostly a multiple of sixteen.
typedef struct {
    int rows, paired_rows, paired_channel_rows;
    bool takes_pairs;
} apus_register_form;

#define APUS_WIDE_FORM ((apus_register_form){APUS_WINOGRAD_GROUP, APUS_WINOGRAD_GROUP, 8, true})
#define APUS_NARROW_FORM ((apus_register_form){6, 0, 0, false})

/// The product of `rows` rows and one or two vectors of columns; both `form` and `paired_rows` are to be constants.
APUS_INLINE void apus_winograd_multiply(
    const apus_register_form form, const int paired_rows, int64_t vectors, int64_t rows, apus_left left,
    apus_right right, float *output, int64_t output_stride, bool accumulates) {
    if (vectors == 2 && form.takes_pairs) {
        apus_multiply_rows(paired_rows, 2, 0, rows, left, right, output, output_stride, accumulates);
        return;
    }
    for (int64_t vector = 0; vector < vectors; vector++) {
        apus_right column = {right.start + vector * APUS_LANE_COUNT, right.stride, right.terms, right.is_far};
        apus_multiply_rows(
            form.rows, 1, 0, rows, left, column, output + vector * APUS_LANE_COUNT, output_stride, accumulates);
    }
}

/// A tile's place: the sample, and the first row and column of its results.
typedef struct {
    int64_t sample, row, column;
} apus_tile_place;

static inline apus_tile_place apus_tile_place_of(const apus_winograd_plan *plan, int64_t tile) {
    int64_t line = tile / plan->tile_columns, results = APUS_WINOGRAD_TILE(plan->size);
    return (apus_tile_place){
        line / plan->tile_rows, line % plan->tile_rows * results, tile % plan->tile_columns * results};
}

/// Where the 36 places under a tile are, in an array of zeros for those beyond the image.
APUS_INLINE void apus_winograd_find_window(
    const apus_winograd_job *job, int64_t tile, const float *places[APUS_WINOGRAD_POINTS]) {
    const apus_winograd_plan *plan = job->plan;
    apus_tile_place at = apus_tile_place_of(plan, tile);
    int64_t top = at.row - plan->top, left = at.column - plan->left, channels = plan->channels;
    const float *origin = job->image + ((at.sample * plan->height + top) * plan->width + left) * channels;
    bool is_inside = top >= 0 && left >= 0 && top + APUS_WINOGRAD_WINDOW <= plan->height &&
                     left + APUS_WINOGRAD_WINDOW <= plan->width;
    for (int64_t i = 0; i < APUS_WINOGRAD_WINDOW; i++) {
        const float *line = origin + i * plan->width * channels;
        for (int64_t j = 0; j < APUS_WINOGRAD_WINDOW; j++) {
            bool is_there = is_inside || (top + i >= 0 && top + i < plan->height && left + j >= 0 &&
                                          left + j < plan->width);
            places[i * APUS_WINOGRAD_WINDOW + j] = is_there ? line + j * channels : job->zeros;
        }
    }
}

/// Half of the rows of B^T d, for one tile and `count` channels, sixteen at most: they stay in registers.
APUS_INLINE void apus_winograd_begin_window(
    const bool is_second, const float *const places[APUS_WINOGRAD_POINTS], int64_t channel, int64_t count,
    apus_lanes half[3][6]) {
    APUS_UNROLLED for (int j = 0; j < 6; j++) {
        apus_lanes line[6], v[3];
        APUS_UNROLLED for (int i = 0; i < 6; i++) apus_load_some(&line[i], places[i * 6 + j] + channel, count);
        apus_winograd_image_half(is_second, line, v);
        APUS_UNROLLED for (int i = 0; i < 3; i++) half[i][j] = v[i];
    }
}

/// B^T d B of one tile and `count` channels, sixteen at most.
APUS_INLINE void apus_winograd_transform_window(
    const float *const places[APUS_WINOGRAD_POINTS], int64_t channel, int64_t count, float *target, int64_t stride) {
    APUS_UNROLLED for (int second = 0; second < 2; second++) {
        apus_lanes half[3][6], v[6];
        apus_winograd_begin_window(second, places, channel, count, half);
        APUS_UNROLLED for (int i = 0; i < 3; i++) {
            apus_winograd_image_line(half[i], v);
            APUS_UNROLLED for (int j = 0; j < 6; j++)
                *(apus_lanes *)(target + ((second * 3 + i) * 6 + j) * stride) = v[j];
        }
    }
}

/// An upstream: [samples, height, width, depth].
typedef struct {
    const float *start;
    int64_t height, width, depth;
} apus_winograd_samples;

/// Where the numbers of a tile's upstream are, in an array of zeros for those beyond the edge.
typedef struct {
    const float *places[APUS_WINOGRAD_MOST_TILE][APUS_WINOGRAD_MOST_TILE];
} apus_winograd_upstream;

APUS_INLINE void apus_winograd_find_upstream(
    const apus_winograd_job *job, const apus_winograd_samples samples, int64_t tile,
    apus_winograd_upstream *upstream) {
    const int64_t results = APUS_WINOGRAD_TILE(job->plan->size);
    apus_tile_place at = apus_tile_place_of(job->plan, tile);
    const float *origin =
        samples.start + ((at.sample * samples.height + at.row) * samples.width + at.column) * samples.depth;
    for (int64_t i = 0; i < results; i++) {
        for (int64_t j = 0; j < results; j++) {
            bool is_there = at.row + i < samples.height && at.column + j < samples.width;
            upstream->places[i][j] = is_there ? origin + (i * samples.width + j) * samples.depth : job->zeros;
        }
    }
}

/// A dY, for the columns of dY, of one tile and `count` filters, sixteen at most.
APUS_INLINE void apus_winograd_begin_upstream(
    const int size, const apus_winograd_upstream *upstream, int64_t filter, int64_t count,
    apus_lanes half[6][APUS_WINOGRAD_MOST_TILE]) {
    const int results = APUS_WINOGRAD_TILE(size);
    APUS_UNROLLED for (int j = 0; j < results; j++) {
        apus_lanes line[APUS_WINOGRAD_MOST_TILE], z[6];
        APUS_UNROLLED for (int i = 0; i < results; i++)
            apus_load_some(&line[i], upstream->places[i][j] + filter, count);
        apus_winograd_upstream_line(size, line, z);
        APUS_UNROLLED for (int i = 0; i < 6; i++) half[i][j] = z[i];
    }
}

/// A dY A^T of one tile and `count` filters, sixteen at most.
APUS_INLINE void apus_winograd_transform_upstream_tile(
    const int size, const apus_winograd_upstream *upstream, int64_t filter, int64_t count, float *target,
    int64_t stride) {
    apus_lanes half[6][APUS_WINOGRAD_MOST_TILE], z[6];
    apus_winograd_begin_upstream(size, upstream, filter, count, half);
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        apus_winograd_upstream_line(size, half[i], z);
        APUS_UNROLLED for (int j = 0; j < 6; j++) *(apus_lanes *)(target + (i * 6 + j) * stride) = z[j];
    }
}

/// Where the sixteen numbers from `next` on begin within `begin..<end`: the last sixteen overlap those before, whose
/// results they repeat. Where there are fewer than sixteen, all of them. Lanes beyond the last of `end` rounded up hold
/// whatever the memory held: each lane is summed for itself, and theirs are never stored.
APUS_INLINE int64_t apus_winograd_lanes_from(int64_t next, int64_t begin, int64_t end) {
    return next + APUS_LANE_COUNT <= end || end - begin < APUS_LANE_COUNT ? next : end - APUS_LANE_COUNT;
}

/// A dY A^T of tiles `first..<first + count` and filters `begin..<end`, to [36, count, width].
APUS_INLINE void apus_winograd_transform_upstream(
    const apus_winograd_job *job, const apus_winograd_samples samples, int64_t first, int64_t count, int64_t begin,
    int64_t end, float *target, int64_t width, int64_t stride) {
    for (int64_t t = 0; t < count; t++) {
        apus_winograd_upstream upstream;
        apus_winograd_find_upstream(job, samples, first + t, &upstream);
        for (int64_t next = begin; next < end; next += APUS_LANE_COUNT) {
            int64_t filter = apus_winograd_lanes_from(next, begin, end), rest = end - filter;
            float *point = target + t * width + filter - begin;
            APUS_WINOGRAD_FOR_SIZE(job->plan->size, {
                if (rest >= APUS_LANE_COUNT)
                    apus_winograd_transform_upstream_tile(size, &upstream, filter, APUS_LANE_COUNT, point, stride);
                else
                    apus_winograd_transform_upstream_tile(size, &upstream, filter, rest, point, stride);
            })
        }
    }
}

/// B^T d B of tiles `first..<first + count` and channels `begin..<end`, to [36, count, width].
APUS_INLINE void apus_winograd_transform_images(
    const apus_winograd_job *job, int64_t first, int64_t count, int64_t begin, int64_t end, float *target,
    int64_t width) {
    const int64_t stride = job->plan->image_stride;
    for (int64_t t = 0; t < count; t++) {
        const float *places[APUS_WINOGRAD_POINTS];
        apus_winograd_find_window(job, first + t, places);
        for (int64_t next = begin; next < end; next += APUS_LANE_COUNT) {
            int64_t channel = apus_winograd_lanes_from(next, begin, end);
            float *point = target + t * width + channel - begin;
            if (channel + APUS_LANE_COUNT <= end)
                apus_winograd_transform_window(places, channel, APUS_LANE_COUNT, point, stride);
            else
                apus_winograd_transform_window(places, channel, end - channel, point, stride);
        }
    }
}

#endif
