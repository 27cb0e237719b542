// The gradient of a kernel by bfloat16 pairs of neighbouring results in a row (the last of an odd row and a 0): at each
// place i of the window
//
//     dK[i, f] = sum over samples and results x of image[x step + i] upstream[x, f]
//
// summed over chunks of the samples first, so that there is work for all threads. What is infinite or no number can get
// to places that no window takes it to, since padding and an odd row's partner are zeros that are multiplied.
#include "pairs_gradient.h"

#include <stdlib.h>
#include <string.h>

#include "denormals.h"
#include "engine.h"
#include "pairs_window.h"
#include "threads.h"

struct apus_pairs_gradient {
    apus_pairs_plan plan;
    apus_engine *engine;
    int32_t thread_count;  // at creation: the scratch memory is for it
    int64_t chunk_count, chunk;  // of samples, and how many of them are in one
    int64_t group, block;        // samples that are multiplied together, and rows of their results
    int64_t row_pairs;           // of results
    int64_t sum_size;            // numbers of a chunk's sums: [panel, place, vectors]
    int64_t upstream_size;       // pairs of what is multiplied together, and a panel
    int64_t thread_size;         // bytes
};

#if APUS_HAS_VARIANTS

typedef struct {
    const apus_pairs_gradient *gradient;
    const float *image, *upstream;
    float *result;
    float *sums;          // [chunk, sum_size]
    char *thread_memory;  // each thread's: the pairs of a group's images and of its upstream, a rounded image
} job;

/// Rows of a tile with so many vectors of filters.
#define TILE_ROWS(vectors) ((vectors) > 3 ? 6 : (vectors) > 2 ? 8 : 12)

/// What is multiplied together: the pairs of images, from the first results' windows on, and those of the upstream.
typedef struct {
    const uint32_t *images, *upstream;
    int64_t samples, rows;  // of results
    bool accumulates;
} product;

/// Adds products to the sums of `rows` places of a window.
APUS_PAIRS_INLINE void add_tile(
    const int rows, const int vectors, const apus_pairs_gradient *gradient, product factors, int64_t place,
    float *sums) {
    const apus_convolution_description *wanted = &gradient->plan.description;
    const int64_t line = wanted->strides[0] * gradient->plan.row, step = 2 * gradient->plan.step;
    const int64_t row_pairs = gradient->row_pairs, width = vectors * APUS_PAIRS_LANES;
    const int64_t block_size = gradient->block * row_pairs * width;
    __m512 tile[12][APUS_PAIRS_TILE_VECTORS];
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            tile[r][v] = factors.accumulates ? _mm512_loadu_ps(sums + r * width + v * APUS_PAIRS_LANES)
                                             : _mm512_setzero_ps();
    for (int64_t sample = 0; sample < factors.samples; sample++) {
        const uint32_t *row = factors.images + sample * gradient->plan.image_size + place;
        const uint32_t *columns = factors.upstream + sample * block_size;
        for (int64_t y = 0; y < factors.rows; y++, row += line) {
            const uint32_t *places = row;
            for (int64_t x = 0; x < row_pairs; x++, places += step, columns += width) {
                __m512i column[APUS_PAIRS_TILE_VECTORS];
                _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
                    column[v] = _mm512_loadu_si512(columns + v * APUS_PAIRS_LANES);
                _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
                    __m512i factor = _mm512_set1_epi32((int)places[r]);
                    _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
                        tile[r][v] = _mm512_dpbf16_ps(tile[r][v], (__m512bh)factor, (__m512bh)column[v]);
                }
            }
        }
    }
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(sums + r * width + v * APUS_PAIRS_LANES, tile[r][v]);
}

/// The same for any number of rows that a tile may have.
APUS_PAIRS_INLINE void add_rows(
    int64_t rows, const int vectors, const apus_pairs_gradient *gradient, product factors, int64_t place,
    float *sums) {
#define CASE(count)                                                                                     \
    case count:                                                                                         \
        if (count <= TILE_ROWS(vectors)) add_tile(count, vectors, gradient, factors, place, sums);      \
        break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
#undef CASE
}

/// The same for all places of the window and a panel of filters.
APUS_PAIRS_INLINE void add_panel(
    const int vectors, const apus_pairs_gradient *gradient, product factors, float *sums) {
    const apus_pairs_plan *plan = &gradient->plan;
    const int64_t width = vectors * APUS_PAIRS_LANES;
    // Tiles of about the same height.
    const int64_t tiles = (plan->terms + TILE_ROWS(vectors) - 1) / TILE_ROWS(vectors);
    for (int64_t ky = 0; ky < plan->description.kernel[0]; ky++)
        for (int64_t t = 0; t < tiles; t++) {
            int64_t begin = plan->terms * t / tiles, end = plan->terms * (t + 1) / tiles;
            add_rows(
                end - begin, vectors, gradient, factors, ky * plan->row + begin,
                sums + (ky * plan->terms + begin) * width);
        }
}

/// The pairs of a panel of `rows` rows of a sample's upstream.
APUS_PAIRS_INLINE void write_upstream_pairs(
    const int vectors, const apus_pairs_gradient *gradient, int64_t panel, int64_t rows, const float *upstream,
    uint32_t *pairs) {
    const apus_convolution_description *wanted = &gradient->plan.description;
    const int64_t width = wanted->output[1], filters = wanted->filters;
    const int64_t panel_filters = apus_pairs_panel_filters(&gradient->plan, panel);
    for (int64_t y = 0; y < rows; y++, upstream += width * filters) {
        for (int64_t x = 0; x + 1 < width; x += 2, pairs += vectors * APUS_PAIRS_LANES)
            apus_pairs_write_filters(
                vectors, panel_filters, upstream + x * filters, upstream + (x + 1) * filters, pairs);
        if (width % 2 != 0) {
            apus_pairs_write_filters(vectors, panel_filters, upstream + (width - 1) * filters, NULL, pairs);
            pairs += vectors * APUS_PAIRS_LANES;
        }
    }
}

/// Pairs of the numbers that stand under the same place of neighbouring windows.
APUS_PAIRS_INLINE void write_image_pairs(const apus_pairs_plan *plan, const uint16_t *numbers, uint32_t *pairs) {
    for (int64_t i = 0; i < plan->rows * plan->row; i += APUS_PAIRS_LANES) {
        __m512i first = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(numbers + i)));
        __m512i second = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(numbers + i + plan->step)));
        _mm512_storeu_si512(pairs + i, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
    }
}

/// Adds a panel of the products of samples, whose images are paired.
APUS_PAIRS_INLINE void add_group(
    const int vectors, const job *work, int64_t panel, int64_t first, int64_t samples, bool accumulates,
    const uint32_t *images, uint32_t *upstream, float *sums) {
    const apus_pairs_gradient *gradient = work->gradient;
    const apus_pairs_plan *plan = &gradient->plan;
    const apus_convolution_description *wanted = &plan->description;
    const int64_t rows = wanted->output[0], row = wanted->output[1] * wanted->filters;
    const int64_t block_size = gradient->block * gradient->row_pairs * vectors * APUS_PAIRS_LANES;
    const float *start = work->upstream + first * rows * row + panel * APUS_PAIRS_PANEL;
    sums += panel * APUS_PAIRS_PANEL * wanted->kernel[0] * plan->terms;
    for (int64_t y = 0; y < rows; y += gradient->block) {
        int64_t count = rows - y < gradient->block ? rows - y : gradient->block;
        for (int64_t sample = 0; sample < samples; sample++)
            write_upstream_pairs(
                vectors, gradient, panel, count, start + (sample * rows + y) * row, upstream + sample * block_size);
        product factors = {
            images + y * wanted->strides[0] * plan->row, upstream, samples, count, accumulates || y > 0};
        add_panel(vectors, gradient, factors, sums);
    }
}

/// Sums of chunks `begin..<end`.
APUS_PAIRS_TARGET static void add_chunks(void *context, int64_t begin, int64_t end, int32_t thread) {
    const job *work = context;
    const apus_pairs_gradient *gradient = work->gradient;
    const apus_pairs_plan *plan = &gradient->plan;
    const apus_convolution_description *wanted = &plan->description;
    const int64_t image_count = wanted->image[0] * wanted->image[1] * wanted->channels;
    uint32_t *images = (uint32_t *)(work->thread_memory + thread * gradient->thread_size);
    uint32_t *upstream = images + gradient->group * plan->image_size;
    uint16_t *numbers = (uint16_t *)(upstream + gradient->upstream_size);
    unsigned mode = apus_begin_flushing();
    memset(numbers, 0, (size_t)plan->image_size * sizeof *numbers);
    for (int64_t chunk = begin; chunk < end; chunk++) {
        float *sums = work->sums + chunk * gradient->sum_size;
        int64_t start = chunk * gradient->chunk;
        int64_t stop = start + gradient->chunk < wanted->batch ? start + gradient->chunk : wanted->batch;
        for (int64_t first = start; first < stop; first += gradient->group) {
            int64_t samples = stop - first < gradient->group ? stop - first : gradient->group;
            for (int64_t sample = 0; sample < samples; sample++) {
                apus_pairs_write_image(plan, work->image + (first + sample) * image_count, numbers);
                write_image_pairs(plan, numbers, images + sample * plan->image_size);
            }
            for (int64_t panel = 0; panel < plan->panel_count; panel++)
                APUS_PAIRS_FOR_VECTORS(
                    apus_pairs_panel_vectors(plan, panel),
                    add_group(vectors, work, panel, first, samples, first > start, images, upstream, sums))
        }
    }
    apus_end_flushing(mode);
}

/// Adds the chunks' sums at places `begin..<end` of the window.
APUS_PAIRS_TARGET static void add_sums(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_pairs_gradient *gradient = work->gradient;
    const apus_pairs_plan *plan = &gradient->plan;
    const int64_t places = plan->description.kernel[0] * plan->terms, filters = plan->description.filters;
    unsigned mode = apus_begin_flushing();
    for (int64_t place = begin; place < end; place++)
        for (int64_t f = 0; f < filters; f += APUS_PAIRS_LANES) {
            int64_t panel = f / APUS_PAIRS_PANEL, width = apus_pairs_panel_vectors(plan, panel) * APUS_PAIRS_LANES;
            const float *from =
                work->sums + panel * APUS_PAIRS_PANEL * places + place * width + f % APUS_PAIRS_PANEL;
            __m512 sum = _mm512_loadu_ps(from);
            for (int64_t chunk = 1; chunk < gradient->chunk_count; chunk++)
                sum = _mm512_add_ps(sum, _mm512_loadu_ps(from + chunk * gradient->sum_size));
            _mm512_mask_storeu_ps(work->result + place * filters + f, apus_first_lanes(filters - f), sum);
        }
    apus_end_flushing(mode);
}

#endif

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

apus_status apus_pairs_gradient_create(
    apus_engine *engine, const apus_convolution_description *description, apus_pairs_gradient **result) {
    *result = NULL;
    apus_pairs_gradient *gradient = calloc(1, sizeof *gradient);
    if (!gradient) return apus_fail("apus_pairs_gradient_create", APUS_OUT_OF_MEMORY);
    const apus_pairs_plan plan = gradient->plan = apus_pairs_plan_of(description);
    gradient->engine = engine;
    gradient->thread_count = apus_thread_count();
    gradient->row_pairs = (description->output[1] + 1) / 2;
    gradient->sum_size = description->kernel[0] * plan.terms * apus_pairs_width(&plan);
    // Functions of the shape alone, so that bits do not depend on threads: chunks for many of these, but not much
    // memory to add up; and so many samples together that sums are seldom loaded, but their upstream stays in the first
    // cache.
    enum { CHUNKS = 16, SUMS = 1 << 20, UPSTREAM_NUMBERS = 6144, LARGEST_GROUP = 8 };
    int64_t chunks = larger(1, smaller(smaller(CHUNKS, description->batch), SUMS / gradient->sum_size));
    gradient->chunk = (description->batch + chunks - 1) / chunks;
    gradient->chunk_count = (description->batch + gradient->chunk - 1) / gradient->chunk;
    int64_t row = gradient->row_pairs * smaller(apus_pairs_width(&plan), APUS_PAIRS_PANEL);
    gradient->block = larger(1, smaller(description->output[0], UPSTREAM_NUMBERS / row));
    int64_t most = gradient->block < description->output[0] ? 1 : smaller(LARGEST_GROUP, gradient->chunk);
    gradient->group = larger(1, smaller(most, UPSTREAM_NUMBERS / (gradient->block * row)));
    gradient->upstream_size = gradient->group * gradient->block * row;
    gradient->thread_size =
        (gradient->group * plan.image_size + gradient->upstream_size) * (int64_t)sizeof(uint32_t) +
        plan.image_size * (int64_t)sizeof(uint16_t);
    apus_status status = apus_engine_reserve(
        engine, gradient->chunk_count * gradient->sum_size * (int64_t)sizeof(float) +
                    gradient->thread_count * gradient->thread_size);
    if (status) {
        free(gradient);
        return status;
    }
    *result = gradient;
    return APUS_SUCCESS;
}

void apus_pairs_gradient_run(
    apus_pairs_gradient *gradient, const float *image, const float *upstream, float *result) {
#if APUS_HAS_VARIANTS
    float *sums = gradient->engine->scratch;
    char *thread_memory = (char *)(sums + gradient->chunk_count * gradient->sum_size);
    job work = {gradient, image, upstream, result, sums, thread_memory};
    apus_parallel_balanced(gradient->chunk_count, 1, gradient->thread_count, add_chunks, &work);
    int64_t places = gradient->plan.description.kernel[0] * gradient->plan.terms;
    int64_t grain = 1 + APUS_GRAIN / (gradient->chunk_count * gradient->plan.description.filters);
    apus_parallel_limited(places, grain, gradient->thread_count, add_sums, &work);
#else
    (void)gradient, (void)image, (void)upstream, (void)result;
#endif
}

void apus_pairs_gradient_destroy(apus_pairs_gradient *gradient) { free(gradient); }
