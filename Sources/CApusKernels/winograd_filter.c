// Winograd's filtering of an image: the convolution itself, and the gradient of its image.
#include "winograd_loops.h"

/// Places of the kernel, channels, filters.
typedef float kernel_block[9][APUS_WINOGRAD_KERNEL_ROWS][APUS_LANE_COUNT];

/// The kernel's block from a channel and a filter on, zeros beyond the last ones. For the image's gradient the kernel
/// is turned by half a turn, and `plan` has channels and filters exchanged.
static void gather_kernel(const apus_winograd_job *job, int64_t row, int64_t filter, kernel_block gathered) {
    const apus_winograd_plan *plan = job->plan;
    bool is_turned = plan->kind == APUS_CONVOLUTION_IMAGE_GRADIENT;
    int64_t row_stride = is_turned ? 1 : plan->filters, column_stride = is_turned ? plan->channels : 1;
    int64_t rows = plan->channels - row < APUS_WINOGRAD_KERNEL_ROWS ? plan->channels - row : APUS_WINOGRAD_KERNEL_ROWS;
    int64_t columns = plan->filters - filter < APUS_LANE_COUNT ? plan->filters - filter : APUS_LANE_COUNT;
    memset(gathered, 0, sizeof(kernel_block));
    for (int64_t place = 0; place < 9; place++) {
        const float *source = job->kernel + (is_turned ? 8 - place : place) * plan->channels * plan->filters +
                              row * row_stride + filter * column_stride;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                gathered[place][r][c] = source[r * row_stride + c * column_stride];
    }
}

/// G g G^T of one channel and sixteen filters, to `target` with `stride` from one of the 36 points to the next.
APUS_INLINE void transform_filters(const kernel_block gathered, int64_t channel, float *target, int64_t stride) {
    apus_lanes half[6][3], line[3], u[6];
    APUS_UNROLLED for (int j = 0; j < 3; j++) {
        APUS_UNROLLED for (int i = 0; i < 3; i++) line[i] = *(const apus_lanes *)gathered[i * 3 + j][channel];
        apus_winograd_kernel_line(line, u);
        APUS_UNROLLED for (int i = 0; i < 6; i++) half[i][j] = u[i];
    }
    APUS_UNROLLED for (int i = 0; i < 6; i++) {
        apus_winograd_kernel_line(half[i], u);
        APUS_UNROLLED for (int j = 0; j < 6; j++) *(apus_lanes *)(target + (i * 6 + j) * stride) = u[j];
    }
}

/// From one point to the next, within a panel of so many columns; not a whole page, see `image_stride`.
static inline int64_t kernel_stride(const apus_winograd_plan *plan, int64_t columns) {
    return plan->channels * columns + APUS_LANE_COUNT;
}

/// The columns of the panel that begins with a filter.
static inline int64_t panel_columns(const apus_winograd_plan *plan, int64_t filter) {
    int64_t rest = plan->padded_filters - filter;
    return rest < APUS_WINOGRAD_PANEL ? rest : APUS_WINOGRAD_PANEL;
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
            kernel_block gathered;
            gather_kernel(job, first, filter, gathered);
            int64_t column = filter % APUS_WINOGRAD_PANEL, panel = filter - column;
            int64_t columns = panel_columns(plan, panel), stride = kernel_stride(plan, columns);
            // All panels before are full.
            float *target = job->transformed_kernel + column +
                            panel / APUS_WINOGRAD_PANEL * APUS_WINOGRAD_POINTS *
                                kernel_stride(plan, APUS_WINOGRAD_PANEL);
            for (int64_t c = 0; c < count; c++)
                transform_filters(gathered, c, target + (first + c) * columns, stride);
        }
    }
}

/// What is written of a tile: rows and columns within the image (four of each at most), filters of a vector.
typedef struct {
    int64_t rows, columns, filters;
} tile_extent;

/// activation(A^T m A + bias) of one tile.
APUS_INLINE void write_tile(
    const apus_winograd_plan *plan, const float *products, const apus_lanes *bias, const apus_activation activation,
    const tile_extent extent, float *target) {
    apus_lanes half[4][6], line[6], y[4];
    APUS_UNROLLED for (int j = 0; j < 6; j++) {
        APUS_UNROLLED for (int i = 0; i < 6; i++)
            line[i] = *(const apus_lanes *)(products + (i * 6 + j) * plan->product_stride);
        apus_winograd_output_line(line, y);
        APUS_UNROLLED for (int i = 0; i < 4; i++) half[i][j] = y[i];
    }
    APUS_UNROLLED for (int i = 0; i < 4; i++) {
        if (i >= extent.rows) break;
        apus_winograd_output_line(half[i], y);
        APUS_UNROLLED for (int j = 0; j < 4; j++) {
            if (j >= extent.columns) break;
            y[j] += *bias;
            apus_lanes_activate(&y[j], activation, plan->activation_alpha);
            apus_store_some(target + (i * plan->output_width + j) * plan->filters, &y[j], extent.filters);
        }
    }
}

/// The same of tiles `first..<first + count`, from [36, count, 32], for one vector of filters.
APUS_INLINE void write_results(
    const apus_winograd_job *job, int64_t first, int64_t count, const float *products, int64_t filter) {
    const apus_winograd_plan *plan = job->plan;
    const tile_extent whole = {APUS_WINOGRAD_TILE, APUS_WINOGRAD_TILE, APUS_LANE_COUNT};
    int64_t filters = plan->filters - filter;
    apus_lanes bias = {0};
    if (plan->has_bias) apus_load_some(&bias, job->bias + filter, filters);
    for (int64_t t = 0; t < count; t++) {
        apus_tile_place at = apus_tile_place_of(plan, first + t);
        tile_extent extent = {plan->output_height - at.row, plan->output_width - at.column, filters};
        const float *point = products + t * APUS_WINOGRAD_PANEL;
        int64_t place = (at.sample * plan->output_height + at.row) * plan->output_width + at.column;
        float *target = job->result + place * plan->filters + filter;
        bool is_whole = extent.rows >= whole.rows && extent.columns >= whole.columns && filters >= whole.filters;
        if (is_whole && plan->activation == APUS_ACTIVATION_NONE)
            write_tile(plan, point, &bias, APUS_ACTIVATION_NONE, whole, target);
        else
            write_tile(plan, point, &bias, plan->activation, extent, target);
    }
}

/// Results of groups of tiles `begin..<end`.
APUS_INLINE void filter(void *context, int64_t begin, int64_t end, int32_t thread, const apus_register_form form) {
    const apus_winograd_job *job = context;
    const apus_winograd_plan *plan = job->plan;
    float *transformed = job->thread_memory + thread * job->thread_size;
    float *products = transformed + APUS_WINOGRAD_POINTS * plan->image_stride;
    int64_t stop = end * APUS_WINOGRAD_GROUP < plan->tile_count ? end * APUS_WINOGRAD_GROUP : plan->tile_count;
    for (int64_t first = begin * APUS_WINOGRAD_GROUP; first < stop; first += plan->block) {
        int64_t count = stop - first < plan->block ? stop - first : plan->block;
        apus_winograd_transform_images(job, first, count, 0, plan->channels, transformed, plan->padded_channels);
        const float *kernel = job->transformed_kernel;
        for (int64_t filter = 0; filter < plan->padded_filters; filter += APUS_WINOGRAD_PANEL) {
            int64_t columns = panel_columns(plan, filter);
            for (int64_t point = 0; point < APUS_WINOGRAD_POINTS; point++) {
                apus_left left = {transformed + point * plan->image_stride, plan->padded_channels, 1};
                apus_right right = {kernel, columns, plan->channels, true};
                apus_winograd_multiply(
                    form, form.paired_rows, columns / APUS_LANE_COUNT, count, left, right,
                    products + point * plan->product_stride, APUS_WINOGRAD_PANEL, false);
                kernel += kernel_stride(plan, columns);
            }
            for (int64_t vector = 0; vector < columns; vector += APUS_LANE_COUNT)
                write_results(job, first, count, products + vector, filter + vector);
        }
    }
}

APUS_LOOP_VARIANTS(transform_kernel, APUS_WIDE_FORM, APUS_NARROW_FORM)
APUS_LOOP_VARIANTS(filter, APUS_WIDE_FORM, APUS_NARROW_FORM)

apus_winograd_loops apus_winograd_filter_loops(apus_instruction_limit limit) {
    return (apus_winograd_loops){choose_transform_kernel(limit), choose_filter(limit)};
}
