#include "spread_gradient.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "instruction_set.h"
#include "lanes_product.h"
#include "spread_rows.h"
#include "threads.h"

enum {
    // Columns of the product that are worked on together.
    PANEL_VECTORS = 3,
    PANEL = PANEL_VECTORS * APUS_LANE_COUNT,
    // Rows of the product at least, where the upstream has as many: whole tiles.
    LEAST_ROWS = 8,
};

struct apus_spread_gradient {
    apus_convolution_description description;
    apus_engine *engine;
    apus_range_body pack, spread;
    int32_t thread_count;  // at creation: the scratch memory is for it
    int64_t window;        // columns of the product: the places of a window and their channels
    int64_t stride;        // of the product's rows, whole panels and a vector more: they do not compete in the cache
    int64_t panel_count;
    int64_t block;         // rows of the upstream that are multiplied together
    int64_t packed_size, thread_size;  // of the scratch memory, in floats
};

typedef struct {
    const apus_spread_gradient *gradient;
    const float *kernel, *upstream;
    float *result;
    float *packed;         // the transposed kernel: [panel, filters, PANEL]
    float *thread_memory;  // each thread's product: [row, stride]
} job;

/// How a panel fills an instruction set's registers: vectors at a time, and rows.
typedef struct {
    int vectors, rows;
} register_form;

/// Panels `begin..<end` of the transposed kernel, with zeros beyond the last column.
APUS_INLINE void pack(void *context, int64_t begin, int64_t end, int32_t thread, const register_form form) {
    (void)thread, (void)form;
    const job *work = context;
    const int64_t filters = work->gradient->description.filters, window = work->gradient->window;
    for (int64_t panel = begin; panel < end; panel++) {
        float *target = work->packed + panel * filters * PANEL;
        // A few lines of the kernel at a time, so that both sides stay in the first cache.
        for (int64_t first = 0; first < filters; first += APUS_LANE_COUNT) {
            int64_t last = filters - first < APUS_LANE_COUNT ? filters : first + APUS_LANE_COUNT;
            for (int64_t column = 0; column < PANEL; column++) {
                bool is_there = panel * PANEL + column < window;
                const float *source = work->kernel + (panel * PANEL + column) * filters;
                for (int64_t f = first; f < last; f++) target[f * PANEL + column] = is_there ? source[f] : 0.0f;
            }
        }
    }
}

/// Gradients of images `begin..<end`.
APUS_INLINE void spread(void *context, int64_t begin, int64_t end, int32_t thread, const register_form form) {
    const job *work = context;
    const apus_spread_gradient *gradient = work->gradient;
    const apus_convolution_description *wanted = &gradient->description;
    const int64_t row = wanted->image[1] * wanted->channels, stride = gradient->stride;
    const int64_t width = wanted->output[1], filters = wanted->filters;
    float *products = work->thread_memory + thread * gradient->thread_size;
    for (int64_t sample = begin; sample < end; sample++) {
        const float *upstream = work->upstream + sample * wanted->output[0] * width * filters;
        float *result = work->result + sample * wanted->image[0] * row;
        memset(result, 0, (size_t)(wanted->image[0] * row) * sizeof *result);
        for (int64_t first = 0; first < wanted->output[0]; first += gradient->block) {
            int64_t rest = wanted->output[0] - first, rows = rest < gradient->block ? rest : gradient->block;
            apus_left left = {upstream + first * width * filters, filters, 1};
            for (int64_t panel = 0; panel < gradient->panel_count; panel++)
                for (int vector = 0; vector < PANEL_VECTORS; vector += form.vectors) {
                    int64_t column = panel * PANEL + vector * APUS_LANE_COUNT;
                    apus_right right = {
                        work->packed + panel * filters * PANEL + vector * APUS_LANE_COUNT, PANEL, filters, false};
                    apus_multiply_rows(
                        form.rows, form.vectors, 0, rows * width, left, right, products + column, stride, false);
                }
            apus_spread_rows(wanted, first, rows, products, stride, result);
        }
    }
}

#define WIDE_FORM ((register_form){PANEL_VECTORS, 8})
#define NARROW_FORM ((register_form){1, 6})

APUS_LOOP_VARIANTS(pack, WIDE_FORM, NARROW_FORM)
APUS_LOOP_VARIANTS(spread, WIDE_FORM, NARROW_FORM)

bool apus_spread_gradient_is_possible(const apus_convolution_description *wanted) {
    return wanted->kind == APUS_CONVOLUTION_IMAGE_GRADIENT && wanted->rank == 2 && wanted->groups == 1 &&
           wanted->dilations[0] == 1 && wanted->dilations[1] == 1;
}

apus_status apus_spread_gradient_create(
    apus_engine *engine, const apus_convolution_description *description, apus_spread_gradient **result) {
    *result = NULL;
    if (!apus_spread_gradient_is_possible(description))
        return apus_fail("apus_spread_gradient_create", APUS_UNSUPPORTED);
    apus_spread_gradient *gradient = calloc(1, sizeof *gradient);
    if (!gradient) return apus_fail("apus_spread_gradient_create", APUS_OUT_OF_MEMORY);
    gradient->description = *description;
    gradient->engine = engine;
    gradient->pack = choose_pack(description->instruction_limit);
    gradient->spread = choose_spread(description->instruction_limit);
    gradient->thread_count = apus_thread_count();
    gradient->window = description->kernel[0] * description->kernel[1] * description->channels;
    gradient->panel_count = (gradient->window + PANEL - 1) / PANEL;
    gradient->stride = gradient->panel_count * PANEL + APUS_LANE_COUNT;
    gradient->block = (LEAST_ROWS + description->output[1] - 1) / description->output[1];
    gradient->packed_size = gradient->panel_count * PANEL * description->filters;
    gradient->thread_size = gradient->block * description->output[1] * gradient->stride;
    int64_t size = gradient->packed_size + gradient->thread_count * gradient->thread_size;
    apus_status status = apus_engine_reserve(engine, size * (int64_t)sizeof(float));
    if (status) {
        free(gradient);
        return status;
    }
    *result = gradient;
    return APUS_SUCCESS;
}

void apus_spread_gradient_run(
    apus_spread_gradient *gradient, const float *kernel, const float *upstream, float *result) {
    float *packed = gradient->engine->scratch;
    job work = {gradient, kernel, upstream, result, packed, packed + gradient->packed_size};
    int64_t panel_size = PANEL * gradient->description.filters;
    apus_parallel_limited(
        gradient->panel_count, 1 + APUS_GRAIN / panel_size, gradient->thread_count, gradient->pack, &work);
    apus_parallel_balanced(gradient->description.batch, 1, gradient->thread_count, gradient->spread, &work);
}

void apus_spread_gradient_destroy(apus_spread_gradient *gradient) { free(gradient); }
