// A convolution by bfloat16 pairs of a window's neighbouring numbers.
#include "pairs_filter.h"

#include <stdlib.h>
#include <string.h>

#include "denormals.h"
#include "engine.h"
#include "lanes_functions.h"
#include "pairs_window.h"
#include "threads.h"

struct apus_pairs_filter {
    apus_pairs_plan plan;
    apus_engine *engine;
    int32_t thread_count;  // at creation: the scratch memory is for it
    int64_t row_pairs;     // of a row of a window: where its numbers are odd, the last one stands alone
    int64_t kernel_size;   // numbers of the paired kernel: [panel, pairs, vectors]
    int64_t thread_size;   // bytes
};

bool apus_pairs_convolution_is_possible(const apus_convolution_description *wanted) {
    return wanted->rank == 2 && wanted->groups == 1 &&
           wanted->dilations[0] == 1 && wanted->dilations[1] == 1 && wanted->activation <= APUS_ACTIVATION_TANH &&
           apus_has_bfloat16_pairs();
}

#if APUS_HAS_VARIANTS

typedef struct {
    const apus_pairs_filter *filter;
    const float *image, *kernel, *bias;
    float *result;
    uint32_t *pairs;      // the kernel's
    char *thread_memory;  // each thread's: its odd image's single numbers, a rounded image
} job;

/// A sample as it is multiplied.
typedef struct {
    const uint16_t *numbers;
    const uint32_t *singles;  // each number with a 0; NULL where windows' rows are even
} sample_image;

APUS_PAIRS_INLINE void pair_panel(
    const int vectors, const apus_pairs_filter *filter, int64_t panel, const float *kernel, uint32_t *pairs) {
    const apus_pairs_plan *plan = &filter->plan;
    const int64_t filters = plan->description.filters;
    for (int64_t ky = 0; ky < plan->description.kernel[0]; ky++)
        for (int64_t term = 0; term < plan->terms; term += 2, pairs += vectors * APUS_PAIRS_LANES) {
            const float *first = kernel + (ky * plan->terms + term) * filters;
            apus_pairs_write_filters(
                vectors, apus_pairs_panel_filters(plan, panel), first, term + 1 < plan->terms ? first + filters : NULL,
                pairs);
        }
}

/// Panels `begin..<end` of the kernel.
APUS_PAIRS_TARGET static void pair_kernel(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_pairs_filter *filter = work->filter;
    const int64_t panel_size = filter->plan.description.kernel[0] * filter->row_pairs * APUS_PAIRS_PANEL;
    for (int64_t panel = begin; panel < end; panel++)
        APUS_PAIRS_FOR_VECTORS(
            apus_pairs_panel_vectors(&filter->plan, panel),
            pair_panel(
                vectors, filter, panel, work->kernel + panel * APUS_PAIRS_PANEL, work->pairs + panel * panel_size))
}

/// The pair of neighbours from a number on.
APUS_PAIRS_INLINE __m512i pair_at(const uint16_t *numbers) {
    int32_t pair;
    memcpy(&pair, numbers, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/// Adds a pair of terms to a tile's sums.
#define ADD_PAIR(factor_of_row)                                                                       \
    do {                                                                                              \
        __m512i column[APUS_PAIRS_TILE_VECTORS];                                                      \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)                          \
            column[v] = _mm512_loadu_si512(kernel + v * APUS_PAIRS_LANES);                            \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < count; r++) {                          \
            __m512i factor = (factor_of_row);                                                         \
            _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)                      \
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], (__m512bh)factor, (__m512bh)column[v]);     \
        }                                                                                             \
        kernel += vectors * APUS_PAIRS_LANES;                                                         \
    } while (0)

/// `count` neighbouring results from (y, x) on, and a panel of filters; `count` and `vectors` are constants.
APUS_PAIRS_INLINE void filter_tile(
    const int count, const int vectors, const apus_pairs_filter *filter, sample_image image, int64_t y, int64_t x,
    const uint32_t *kernel, const float *bias, int64_t filters, float *result) {
    const apus_pairs_plan *plan = &filter->plan;
    const apus_convolution_description *wanted = &plan->description;
    const int64_t step = plan->step, whole_pairs = plan->terms / 2;
    __m512 sums[8][APUS_PAIRS_TILE_VECTORS];
    _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
        __m512 start = wanted->has_bias ? _mm512_maskz_loadu_ps(
                                              apus_first_lanes(filters - v * APUS_PAIRS_LANES),
                                              bias + v * APUS_PAIRS_LANES)
                                        : _mm512_setzero_ps();
        _Pragma("clang loop unroll(full)") for (int r = 0; r < count; r++) sums[r][v] = start;
    }
    int64_t place = y * wanted->strides[0] * plan->row + x * step;
    for (int64_t ky = 0; ky < wanted->kernel[0]; ky++, place += plan->row) {
        const uint16_t *numbers = image.numbers + place;
        for (int64_t pair = 0; pair < whole_pairs; pair++, numbers += 2) ADD_PAIR(pair_at(numbers + r * step));
        if (image.singles) {
            const uint32_t *singles = image.singles + place + plan->terms - 1;
            ADD_PAIR(_mm512_set1_epi32((int)singles[r * step]));
        }
    }
    _Pragma("clang loop unroll(full)") for (int r = 0; r < count; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
            apus_lanes sum = (apus_lanes)sums[r][v];
            if (wanted->activation != APUS_ACTIVATION_NONE)
                apus_lanes_activate(&sum, wanted->activation, wanted->activation_alpha);
            _mm512_mask_storeu_ps(
                result + r * wanted->filters + v * APUS_PAIRS_LANES, apus_first_lanes(filters - v * APUS_PAIRS_LANES),
                (__m512)sum);
        }
}

/// All of a sample's results, and a panel of filters.
APUS_PAIRS_INLINE void filter_panel(
    const int vectors, const apus_pairs_filter *filter, sample_image image, const uint32_t *kernel, const float *bias,
    int64_t filters, float *result) {
    const int most = vectors > 3 ? 6 : 8;  // the sums fill 24 registers
    const apus_convolution_description *wanted = &filter->plan.description;
    for (int64_t y = 0; y < wanted->output[0]; y++)
        for (int64_t x = 0, count; x < wanted->output[1]; x += count, result += count * wanted->filters) {
            int64_t rest = wanted->output[1] - x;
            count = rest >= most ? most : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
            if (count == most) filter_tile(most, vectors, filter, image, y, x, kernel, bias, filters, result);
            else if (count == 4) filter_tile(4, vectors, filter, image, y, x, kernel, bias, filters, result);
            else if (count == 2) filter_tile(2, vectors, filter, image, y, x, kernel, bias, filters, result);
            else filter_tile(1, vectors, filter, image, y, x, kernel, bias, filters, result);
        }
}

APUS_PAIRS_INLINE void write_singles(const apus_pairs_plan *plan, const uint16_t *numbers, uint32_t *singles) {
    for (int64_t i = 0; i < plan->rows * plan->row; i += APUS_PAIRS_LANES)
        _mm512_storeu_si512(
            singles + i, _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(numbers + i))));
}

/// Results of samples `begin..<end`.
APUS_PAIRS_TARGET static void filter_samples(void *context, int64_t begin, int64_t end, int32_t thread) {
    const job *work = context;
    const apus_pairs_filter *filter = work->filter;
    const apus_pairs_plan *plan = &filter->plan;
    const apus_convolution_description *wanted = &plan->description;
    const int64_t pairs = wanted->kernel[0] * filter->row_pairs;
    const bool is_odd = plan->terms % 2 != 0;
    uint32_t *singles = (uint32_t *)(work->thread_memory + thread * filter->thread_size);
    uint16_t *numbers = (uint16_t *)(singles + (is_odd ? plan->image_size : 0));
    unsigned mode = apus_begin_flushing();
    memset(numbers, 0, (size_t)plan->image_size * sizeof *numbers);
    for (int64_t sample = begin; sample < end; sample++) {
        apus_pairs_write_image(
            plan, work->image + sample * wanted->image[0] * wanted->image[1] * wanted->channels, numbers);
        if (is_odd) write_singles(plan, numbers, singles);
        sample_image image = {numbers, is_odd ? singles : NULL};
        for (int64_t panel = 0; panel < plan->panel_count; panel++) {
            int64_t start = panel * APUS_PAIRS_PANEL, filters = apus_pairs_panel_filters(plan, panel);
            const uint32_t *kernel = work->pairs + start * pairs;
            const float *bias = wanted->has_bias ? work->bias + start : NULL;
            float *result = work->result + sample * wanted->output[0] * wanted->output[1] * wanted->filters + start;
            APUS_PAIRS_FOR_VECTORS(
                apus_pairs_panel_vectors(plan, panel),
                filter_panel(vectors, filter, image, kernel, bias, filters, result))
        }
    }
    apus_end_flushing(mode);
}

#endif

apus_status apus_pairs_filter_create(
    apus_engine *engine, const apus_convolution_description *description, apus_pairs_filter **result) {
    *result = NULL;
    apus_pairs_filter *filter = calloc(1, sizeof *filter);
    if (!filter) return apus_fail("apus_pairs_filter_create", APUS_OUT_OF_MEMORY);
    const apus_pairs_plan plan = filter->plan = apus_pairs_plan_of(description);
    filter->engine = engine;
    filter->thread_count = apus_thread_count();
    filter->row_pairs = (plan.terms + 1) / 2;
    filter->kernel_size = description->kernel[0] * filter->row_pairs * apus_pairs_width(&plan);
    int64_t number = sizeof(uint16_t) + (plan.terms % 2 != 0 ? sizeof(uint32_t) : 0);
    filter->thread_size = plan.image_size * number;
    apus_status status = apus_engine_reserve(
        engine,
        filter->kernel_size * (int64_t)sizeof(uint32_t) + filter->thread_count * filter->thread_size);
    if (status) {
        free(filter);
        return status;
    }
    *result = filter;
    return APUS_SUCCESS;
}

void apus_pairs_filter_run(
    apus_pairs_filter *filter, const float *image, const float *kernel, const float *bias, float *result) {
#if APUS_HAS_VARIANTS
    uint32_t *pairs = filter->engine->scratch;
    job work = {filter, image, kernel, bias, result, pairs, (char *)(pairs + filter->kernel_size)};
    const apus_convolution_description *wanted = &filter->plan.description;
    int64_t panel_size = wanted->kernel[0] * filter->plan.terms * APUS_PAIRS_PANEL;
    apus_parallel_limited(
        filter->plan.panel_count, 1 + APUS_GRAIN / panel_size, filter->thread_count, pair_kernel, &work);
    apus_parallel_balanced(wanted->batch, 2, filter->thread_count, filter_samples, &work);
#else
    (void)filter, (void)image, (void)kernel, (void)bias, (void)result;
#endif
}

void apus_pairs_filter_destroy(apus_pairs_filter *filter) { free(filter); }
