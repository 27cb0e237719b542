/// What convolutions by bfloat16 pairs share: shapes, and a sample's image as their loops read it.
///
/// The numbers of a window's row are neighbours in memory, channels last: two of them are a pair as they stand, and the
/// windows of neighbouring results begin `step` numbers apart. So nothing is gathered.
#ifndef APUS_PAIRS_WINDOW_H
#define APUS_PAIRS_WINDOW_H

#include "apus_kernels.h"
#include "bfloat16_numbers.h"
#include "pairs_product.h"

typedef struct {
    apus_convolution_description description;
    // Of the image with its padding.
    int64_t rows, row;    // rows, and the numbers of one
    int64_t image_size;   // numbers in all, and some more that vectors may reach
    int64_t terms, step;  // numbers in a row of a window, and from one result's to the next one's
    int64_t panel_count;  // of filters, APUS_PAIRS_PANEL in each but the last
} apus_pairs_plan;

enum {
    APUS_PAIRS_PANEL = APUS_PAIRS_TILE_VECTORS * APUS_PAIRS_LANES,
};

static inline apus_pairs_plan apus_pairs_plan_of(const apus_convolution_description *wanted) {
    int64_t sizes[2];
    for (int axis = 0; axis < 2; axis++) {
        int64_t reached = (wanted->output[axis] - 1) * wanted->strides[axis] + wanted->kernel[axis];
        int64_t image = wanted->padding_before[axis] + wanted->image[axis];
        sizes[axis] = reached > image ? reached : image;
    }
    apus_pairs_plan plan = {
        .description = *wanted,
        .rows = sizes[0],
        .row = sizes[1] * wanted->channels,
        .terms = wanted->kernel[1] * wanted->channels,
        .step = wanted->strides[1] * wanted->channels,
        .panel_count = (wanted->filters + APUS_PAIRS_PANEL - 1) / APUS_PAIRS_PANEL,
    };
    plan.image_size = (plan.rows * plan.row + plan.step + 8 * APUS_PAIRS_LANES) / 64 * 64;
    return plan;
}

/// The filters of a panel, and the vectors that they take.
static inline int64_t apus_pairs_panel_filters(const apus_pairs_plan *plan, int64_t panel) {
    int64_t rest = plan->description.filters - panel * APUS_PAIRS_PANEL;
    return rest < APUS_PAIRS_PANEL ? rest : APUS_PAIRS_PANEL;
}

static inline int apus_pairs_panel_vectors(const apus_pairs_plan *plan, int64_t panel) {
    return (int)((apus_pairs_panel_filters(plan, panel) + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES);
}

/// The filters of all panels, in whole vectors.
static inline int64_t apus_pairs_width(const apus_pairs_plan *plan) {
    return (plan->description.filters + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES * APUS_PAIRS_LANES;
}

#if APUS_HAS_VARIANTS

/// Rounds a sample to where it stands within its padding, which is left as it is.
APUS_PAIRS_INLINE void apus_pairs_write_image(const apus_pairs_plan *plan, const float *sample, uint16_t *numbers) {
    const apus_convolution_description *wanted = &plan->description;
    int64_t count = wanted->image[1] * wanted->channels, lines = wanted->image[0];
    numbers += wanted->padding_before[0] * plan->row + wanted->padding_before[1] * wanted->channels;
    if (count == plan->row) {
        count *= lines;
        lines = 1;
    }
    for (int64_t line = 0; line < lines; line++, sample += count, numbers += plan->row)
        apus_write_numbers(numbers, sample, count);
}

/// The pairs of `filters` filters of a panel at two places of an array; `second` may be NULL, for 0.
APUS_PAIRS_INLINE void apus_pairs_write_filters(
    const int vectors, int64_t filters, const float *first, const float *second, uint32_t *to) {
    _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
        __mmask16 mask = apus_first_lanes(filters - v * APUS_PAIRS_LANES);
        __m512 low = _mm512_maskz_loadu_ps(mask, first + v * APUS_PAIRS_LANES);
        __m512 high = second ? _mm512_maskz_loadu_ps(mask, second + v * APUS_PAIRS_LANES) : _mm512_setzero_ps();
        _mm512_storeu_si512(to + v * APUS_PAIRS_LANES, apus_lane_pairs(low, high));
    }
}

#endif

#endif
