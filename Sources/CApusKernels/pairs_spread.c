// The gradient of an image by bfloat16 pairs of neighbouring filters: a row of results at a time is multiplied by the
// transposed kernel, and the products are spread.
#include "pairs_spread.h"

#include <stdlib.h>
#include <string.h>

#include "bfloat16_numbers.h"
#include "denormals.h"
#include "engine.h"
#include "spread_rows.h"
#include "threads.h"

enum {
    // Rows of the product at least, where the upstream has as many: whole tiles.
    LEAST_ROWS = 8,
};

struct apus_pairs_spread {
    apus_convolution_description description;
    apus_engine *engine;
    int32_t thread_count;  // at creation: the scratch memory is for it
    int64_t window;        // columns of the product: the places of a window and their channels
    int64_t vectors;       // that they take
    int64_t stride;        // of the product's rows, a vector more: they do not compete in the cache
    int64_t pairs;         // of filters
    int64_t block;         // rows of the upstream that are multiplied together
    int64_t packed_size, products_size, thread_size;  // of the scratch memory, in floats
};

#if APUS_HAS_VARIANTS

typedef struct {
    const apus_pairs_spread *spread;
    const float *kernel, *upstream;
    float *result;
    uint32_t *packed;      // the transposed kernel: [panel, pairs, vectors]
    float *thread_memory;  // each thread's products, [row, stride], and a sample's rounded upstream
} job;

/// Vectors `begin..<end` of the transposed kernel, with zeros beyond the last column.
APUS_PAIRS_TARGET static void pack(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_pairs_spread *spread = work->spread;
    const int64_t filters = spread->description.filters, pairs = spread->pairs;
    for (int64_t vector = begin; vector < end; vector++) {
        int64_t panel = vector / APUS_PAIRS_TILE_VECTORS * APUS_PAIRS_TILE_VECTORS, last = spread->vectors - panel;
        int64_t width = (last < APUS_PAIRS_TILE_VECTORS ? last : APUS_PAIRS_TILE_VECTORS) * APUS_PAIRS_LANES;
        uint32_t *target = work->packed + panel * APUS_PAIRS_LANES * pairs + (vector - panel) * APUS_PAIRS_LANES;
        // Sixteen pairs of sixteen columns.
        for (int64_t first = 0; first < pairs; first += APUS_PAIRS_LANES) {
            int64_t rest = filters - 2 * first;
            __m512i rows[APUS_PAIRS_LANES];
            for (int64_t r = 0; r < APUS_PAIRS_LANES; r++) {
                int64_t column = vector * APUS_PAIRS_LANES + r;
                __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
                if (column < spread->window) {
                    const float *source = work->kernel + column * filters + 2 * first;
                    low = _mm512_maskz_loadu_ps(apus_first_lanes(rest), source);
                    if (rest > APUS_PAIRS_LANES)
                        high = _mm512_maskz_loadu_ps(
                            apus_first_lanes(rest - APUS_PAIRS_LANES), source + APUS_PAIRS_LANES);
                }
                rows[r] = apus_neighbour_pairs(low, high);
            }
            apus_transpose_pairs(rows, target + first * width, width, pairs - first);
        }
    }
}

/// `rows` rows and a panel of the product; `rows` and `vectors` are constants.
APUS_PAIRS_INLINE void multiply_tile(
    const int rows, const int vectors, apus_left_pairs left, apus_right_pairs right, float *products, int64_t stride) {
    __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS];
    apus_multiply_pairs(rows, vectors, left, right, sums, false);
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(products + r * stride + v * APUS_PAIRS_LANES, sums[r][v]);
}

APUS_PAIRS_INLINE void multiply_rows(
    const int vectors, int64_t rows, apus_left_pairs left, apus_right_pairs right, float *products, int64_t stride) {
    for (int64_t row = 0, step; row < rows; row += step) {
        int64_t rest = rows - row;
        step = rest >= 6 ? 6 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
        apus_left_pairs part = {left.start + row * left.row_stride, left.row_stride, left.pair_stride};
        float *target = products + row * stride;
        switch (step) {
            case 6: multiply_tile(6, vectors, part, right, target, stride); break;
            case 4: multiply_tile(4, vectors, part, right, target, stride); break;
            case 2: multiply_tile(2, vectors, part, right, target, stride); break;
            default: multiply_tile(1, vectors, part, right, target, stride); break;
        }
    }
}

/// Gradients of images `begin..<end`.
APUS_PAIRS_TARGET static void spread_samples(void *context, int64_t begin, int64_t end, int32_t thread) {
    const job *work = context;
    const apus_pairs_spread *spread = work->spread;
    const apus_convolution_description *wanted = &spread->description;
    const int64_t width = wanted->output[1], filters = wanted->filters, pairs = spread->pairs;
    const int64_t image_size = wanted->image[0] * wanted->image[1] * wanted->channels;
    const int64_t results = wanted->output[0] * width;
    float *products = work->thread_memory + thread * spread->thread_size;
    uint16_t *numbers = (uint16_t *)(products + spread->products_size);
    unsigned mode = apus_begin_flushing();
    memset(numbers, 0, (size_t)(results * pairs) * sizeof(uint32_t));
    for (int64_t sample = begin; sample < end; sample++) {
        const float *upstream = work->upstream + sample * results * filters;
        float *result = work->result + sample * image_size;
        memset(result, 0, (size_t)image_size * sizeof *result);
        if (filters % 2 == 0) apus_write_numbers(numbers, upstream, results * filters);
        else
            for (int64_t r = 0; r < results; r++)
                apus_write_numbers(numbers + r * 2 * pairs, upstream + r * filters, filters);
        for (int64_t first = 0; first < wanted->output[0]; first += spread->block) {
            int64_t rest = wanted->output[0] - first, rows = rest < spread->block ? rest : spread->block;
            apus_left_pairs left = {(const uint32_t *)numbers + first * width * pairs, pairs, 1};
            for (int64_t vector = 0; vector < spread->vectors; vector += APUS_PAIRS_TILE_VECTORS)
                APUS_PAIRS_FOR_VECTORS(
                    spread->vectors - vector,
                    apus_right_pairs right = {
                        work->packed + vector * APUS_PAIRS_LANES * pairs, vectors * APUS_PAIRS_LANES, pairs};
                    multiply_rows(
                        vectors, rows * width, left, right, products + vector * APUS_PAIRS_LANES, spread->stride))
            apus_spread_rows(wanted, first, rows, products, spread->stride, result);
        }
    }
    apus_end_flushing(mode);
}

#endif

apus_status apus_pairs_spread_create(
    apus_engine *engine, const apus_convolution_description *description, apus_pairs_spread **result) {
    *result = NULL;
    apus_pairs_spread *spread = calloc(1, sizeof *spread);
    if (!spread) return apus_fail("apus_pairs_spread_create", APUS_OUT_OF_MEMORY);
    spread->description = *description;
    spread->engine = engine;
    spread->thread_count = apus_thread_count();
    spread->window = description->kernel[0] * description->kernel[1] * description->channels;
    spread->vectors = (spread->window + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES;
    spread->stride = (spread->vectors + 1) * APUS_PAIRS_LANES;
    spread->pairs = (description->filters + 1) / 2;
    spread->block = (LEAST_ROWS + description->output[1] - 1) / description->output[1];
    spread->packed_size = spread->vectors * APUS_PAIRS_LANES * spread->pairs;
    spread->products_size = spread->block * description->output[1] * spread->stride;
    int64_t numbers = description->output[0] * description->output[1] * spread->pairs;
    spread->thread_size = spread->products_size + (numbers + APUS_PAIRS_LANES) / APUS_PAIRS_LANES * APUS_PAIRS_LANES;
    int64_t size = spread->packed_size + spread->thread_count * spread->thread_size;
    apus_status status = apus_engine_reserve(engine, size * (int64_t)sizeof(float));
    if (status) {
        free(spread);
        return status;
    }
    *result = spread;
    return APUS_SUCCESS;
}

void apus_pairs_spread_run(apus_pairs_spread *spread, const float *kernel, const float *upstream, float *result) {
#if APUS_HAS_VARIANTS
    uint32_t *packed = spread->engine->scratch;
    float *thread_memory = (float *)spread->engine->scratch + spread->packed_size;
    job work = {spread, kernel, upstream, result, packed, thread_memory};
    apus_parallel_limited(
        spread->vectors, 1 + APUS_GRAIN / (2 * APUS_PAIRS_LANES * spread->pairs), spread->thread_count, pack, &work);
    apus_parallel_balanced(spread->description.batch, 2, spread->thread_count, spread_samples, &work);
#else
    (void)spread, (void)kernel, (void)upstream, (void)result;
#endif
}

void apus_pairs_spread_destroy(apus_pairs_spread *spread) { free(spread); }
