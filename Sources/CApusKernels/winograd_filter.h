/// What the loops of filtering share, of float32 numbers and of bfloat16 pairs: the kernel's transform, results, and
/// what is spread.
#ifndef APUS_WINOGRAD_FILTER_H
#define APUS_WINOGRAD_FILTER_H

#include "winograd_loops.h"

/// Places of the kernel, channels, filters.
typedef float apus_winograd_kernel_block[APUS_WINOGRAD_MOST_SIZE * APUS_WINOGRAD_MOST_SIZE][APUS_WINOGRAD_KERNEL_ROWS]
                                        [APUS_LANE_COUNT];

/// The kernel's block from a channel and a filter on, zeros beyond the last ones. For the image's gradient `plan` has
/// channels and filters exchanged, and the kernel is turned by half a turn, unless its products are spread.
static inline void apus_winograd_gather_kernel(
    const apus_winograd_job *job, int64_t row, int64_t filter, apus_winograd_kernel_block gathered) {
    const apus_winograd_plan *plan = job->plan;
    bool is_exchanged = plan->kind == APUS_CONVOLUTION_IMAGE_GRADIENT, is_turned = is_exchanged && !plan->is_spread;
    int64_t row_stride = is_exchanged ? 1 : plan->filters, column_stride = is_exchanged ? plan->channels : 1;
    int64_t places = plan->size * plan->size;
    int64_t rows = plan->channels - row < APUS_WINOGRAD_KERNEL_ROWS ? plan->channels - row : APUS_WINOGRAD_KERNEL_ROWS;
    int64_t columns = plan->filters - filter < APUS_LANE_COUNT ? plan->filters - filter : APUS_LANE_COUNT;
    memset(gathered, 0, (size_t)places * sizeof *gathered);
    for (int64_t place = 0; place < places; place++) {
        int64_t from = is_turned ? places - 1 - place : place;
        const float *source = job->kernel + from * plan->channels * plan->filters + row * row_stride +
                              filter * column_stride;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                gathered[place][r][c] = source[r * row_stride + c * column_stride];
    }
}

/// G g, for the columns of g, of one channel and sixteen filters.
APUS_INLINE void apus_winograd_begin_filters(
    const int size, const apus_winograd_kernel_block gathered, int64_t channel,
    apus_lanes half[6][APUS_WINOGRAD_MOST_SIZE]) {
    APUS_UNROLLED for (int j = 0; j < size; j++) {
        apus_lanes line[APUS_WINOGRAD_MOST_SIZE], u[6];
        APUS_UNROLLED for (int i = 0; i < size; i++)
            line[i] = *(const apus_lanes *)gathered[i * size + j][channel];
        apus_winograd_kernel_line(size, line, u);
        APUS_UNROLLED for (int i = 0; i < 6; i++) half[i][j] = u[i];
    }
}

/// The columns of the panel that begins with a filter.
static inline int64_t apus_winograd_panel_columns(const apus_winograd_plan *plan, int64_t filter) {
    int64_t rest = plan->padded_filters - filter;
    return rest < APUS_WINOGRAD_PANEL ? rest : APUS_WINOGRAD_PANEL;
}

/// From one of the 36 points to the next within a panel of `columns` columns of the transformed kernel, of which each
/// has `terms` numbers, or pairs; not a whole page, see `image_stride`.
static inline int64_t apus_winograd_kernel_stride(int64_t terms, int64_t columns) {
    return terms * columns + APUS_LANE_COUNT;
}

/// Where the panel of a filter begins in the transformed kernel: all panels before are full.
static inline int64_t apus_winograd_panel_place(int64_t terms, int64_t filter) {
    return filter / APUS_WINOGRAD_PANEL * APUS_WINOGRAD_POINTS *
           apus_winograd_kernel_stride(terms, APUS_WINOGRAD_PANEL);
}

/// What is written of a tile: rows and columns within the image (those of the tile at most), filters of a vector.
typedef struct {
    int64_t rows, columns, filters;
} apus_winograd_extent;

/// activation(A^T m A + bias) of one tile.
APUS_INLINE void apus_winograd_write_tile(
    const int size, const apus_winograd_plan *plan, const float *products, const apus_lanes *bias,
    const apus_activation activation, const apus_winograd_extent extent, float *target) {
    const int results = APUS_WINOGRAD_TILE(size);
    apus_lanes half[APUS_WINOGRAD_MOST_TILE][6], line[6], y[APUS_WINOGRAD_MOST_TILE];
    APUS_UNROLLED for (int j = 0; j < 6; j++) {
        APUS_UNROLLED for (int i = 0; i < 6; i++)
            line[i] = *(const apus_lanes *)(products + (i * 6 + j) * plan->product_stride);
        apus_winograd_output_line(size, line, y);
        APUS_UNROLLED for (int i = 0; i < results; i++) half[i][j] = y[i];
    }
    APUS_UNROLLED for (int i = 0; i < results; i++) {
        if (i >= extent.rows) break;
        apus_winograd_output_line(size, half[i], y);
        APUS_UNROLLED for (int j = 0; j < results; j++) {
            if (j >= extent.columns) break;
            y[j] += *bias;
            apus_lanes_activate(&y[j], activation, plan->activation_alpha);
            apus_store_some(target + (i * plan->output_width + j) * plan->filters, &y[j], extent.filters);
        }
    }
}

/// The same of tiles `first..<first + count`, from [36, count, 32], for one vector of filters.
APUS_INLINE void apus_winograd_write_results(
    const int size, const apus_winograd_job *job, int64_t first, int64_t count, const float *products,
    int64_t filter) {
    const apus_winograd_plan *plan = job->plan;
    const apus_winograd_extent whole = {APUS_WINOGRAD_TILE(size), APUS_WINOGRAD_TILE(size), APUS_LANE_COUNT};
    int64_t filters = plan->filters - filter;
    apus_lanes bias = {0};
    if (plan->has_bias) apus_load_some(&bias, job->bias + filter, filters);
    for (int64_t t = 0; t < count; t++) {
        apus_tile_place at = apus_tile_place_of(plan, first + t);
        apus_winograd_extent extent = {plan->output_height - at.row, plan->output_width - at.column, filters};
        const float *point = products + t * APUS_WINOGRAD_PANEL;
        int64_t place = (at.sample * plan->output_height + at.row) * plan->output_width + at.column;
        float *target = job->result + place * plan->filters + filter;
        bool is_whole = extent.rows >= whole.rows && extent.columns >= whole.columns && filters >= whole.filters;
        if (is_whole && plan->activation == APUS_ACTIVATION_NONE)
            apus_winograd_write_tile(size, plan, point, &bias, APUS_ACTIVATION_NONE, whole, target);
        else
            apus_winograd_write_tile(size, plan, point, &bias, plan->activation, extent, target);
    }
}

/// The upstream that is spread, as tiles read it.
static inline apus_winograd_samples apus_winograd_spread_samples(const apus_winograd_job *job) {
    return (apus_winograd_samples){job->image, job->plan->height, job->plan->width, job->plan->channels};
}

/// The results of samples `begin..<end` are sums, which begin with 0.
static inline void apus_winograd_clear(const apus_winograd_job *job, int64_t begin, int64_t end) {
    int64_t size = job->plan->output_height * job->plan->output_width * job->plan->filters;
    memset(job->result + begin * size, 0, (size_t)((end - begin) * size) * sizeof(float));
}

/// Adds B M B^T of one tile to its window of the result, for those in `mask` of `count` filters, sixteen at most; `row`
/// and `column` are the window's first place, `result` is its sample's. What is beyond the edge is left out.
APUS_INLINE void apus_winograd_add_tile(
    const bool is_inside, const apus_winograd_plan *plan, const float *products, const apus_lane_masks *mask,
    int64_t count, int64_t row, int64_t column, float *result) {
    apus_lanes half[6][6], line[6], d[6];
    APUS_UNROLLED for (int j = 0; j < 6; j++) {
        APUS_UNROLLED for (int i = 0; i < 6; i++)
            line[i] = *(const apus_lanes *)(products + (i * 6 + j) * plan->product_stride);
        apus_winograd_spread_line(line, d);
        APUS_UNROLLED for (int i = 0; i < 6; i++) half[i][j] = d[i];
    }
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        if (!is_inside && (row + i < 0 || row + i >= plan->output_height)) continue;
        apus_winograd_spread_line(half[i], d);
        APUS_UNROLLED for (int j = 0; j < 6; j++) {
            if (!is_inside && (column + j < 0 || column + j >= plan->output_width)) continue;
            float *place = result + ((row + i) * plan->output_width + column + j) * plan->filters;
            apus_lanes sum;
            apus_load_some(&sum, place, count);
            sum += (apus_lanes)((apus_lane_masks)d[j] & *mask);
            apus_store_some(place, &sum, count);
        }
    }
}

/// The same of tiles `first..<first + count`, from [36, count, 32], for one vector of filters, of which the first
/// `known` have been added before.
APUS_INLINE void apus_winograd_add_results(
    const apus_winograd_job *job, int64_t first, int64_t count, const float *products, int64_t filter,
    int64_t known) {
    const apus_winograd_plan *plan = job->plan;
    const int64_t filters = plan->filters - filter;
    apus_lane_masks mask;
    for (int lane = 0; lane < APUS_LANE_COUNT; lane++) mask[lane] = lane < known ? 0 : -1;
    for (int64_t t = 0; t < count; t++) {
        apus_tile_place at = apus_tile_place_of(plan, first + t);
        int64_t row = at.row - plan->top, column = at.column - plan->left;
        const float *point = products + t * APUS_WINOGRAD_PANEL;
        float *result =
            job->result + at.sample * plan->output_height * plan->output_width * plan->filters + filter;
        bool is_inside = row >= 0 && column >= 0 && row + APUS_WINOGRAD_WINDOW <= plan->output_height &&
                         column + APUS_WINOGRAD_WINDOW <= plan->output_width;
        if (is_inside && filters >= APUS_LANE_COUNT)
            apus_winograd_add_tile(true, plan, point, &mask, APUS_LANE_COUNT, row, column, result);
        else
            apus_winograd_add_tile(false, plan, point, &mask, filters, row, column, result);
    }
}

/// Results of tiles `first..<first + count`, for all vectors of a panel that begins with `filter`.
APUS_INLINE void apus_winograd_write_panel(
    const apus_winograd_job *job, int64_t first, int64_t count, const float *products, int64_t filter) {
    int64_t columns = apus_winograd_panel_columns(job->plan, filter), rest = job->plan->filters - filter;
    int64_t filters = rest < columns ? rest : columns;
    for (int64_t next = 0; next < filters; next += APUS_LANE_COUNT) {
        int64_t vector = apus_winograd_lanes_from(next, 0, filters), place = filter + vector;
        const float *source = products + vector;
        if (job->plan->is_spread) {
            apus_winograd_add_results(job, first, count, source, place, next - vector);
            continue;
        }
        APUS_WINOGRAD_FOR_SIZE(
            job->plan->size, apus_winograd_write_results(size, job, first, count, source, place))
    }
}

#endif
