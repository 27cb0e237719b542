// A parameter's step down its gradient, where the gradient is a product: each tile of the gradient is used while it is
// in the first cache, and is never stored.
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "lanes_functions.h"
#include "lanes_product.h"
#include "pairs_packing.h"
#include "panels.h"
#include "status.h"
#include "threads.h"

enum {
    TILE_ROWS = 6,  // with as many vectors as a panel has, the sums fill 24 of 32 registers
    PANEL_WIDTH = APUS_PANEL_VECTORS * APUS_LANE_COUNT,
    // Numbers of the right side that a thread packs at once: they stay in the second cache. A panel of the most terms
    // has as many.
    LARGEST_BLOCK = PANEL_WIDTH * APUS_UPDATE_MOST_TERMS,
    PAIR_ROWS = 96,     // of the left side that a thread packs at once, where pairs are multiplied
    TERMS_BETWEEN = 4,  // single ones or, of pairs,
    PAIRS_BETWEEN = 2,  // that are multiplied before vectors of the tile before are used
    TILE_SIZE = TILE_ROWS * PANEL_WIDTH,
};

struct apus_matmul_update {
    apus_matmul_update_description description;
    int32_t thread_count;  // at creation
    apus_engine *engine;   // whose scratch memory is used
    apus_range_body body;
    int64_t block_columns;  // that are packed at once
    int vectors_between;    // that are used between some terms of a product and the next ones
    int64_t workspace_size;  // numbers a thread: a tile, and the packed columns; of pairs, the packed rows as well
};

typedef struct {
    const apus_matmul_update *update;
    const float *left, *right;
    apus_update_arrays arrays;
} job;

static float *workspace_of(const apus_matmul_update *update, int32_t thread) {
    return (float *)update->engine->scratch + thread * update->workspace_size;
}

/// A tile of the gradient.
typedef struct {
    int64_t row, column, columns;
} place;

/// Sixteen numbers of a parameter and its slots.
typedef struct {
    apus_lanes parameter, momentum, velocity;
} state;

APUS_INLINE void load_state(const job *work, int64_t start, int64_t count, const apus_update_rule rule, state *x) {
    apus_load_some(&x->parameter, work->arrays.parameter + start, count);
    if (rule != APUS_UPDATE_DESCENT) apus_load_some(&x->momentum, work->arrays.momentum + start, count);
    if (rule == APUS_UPDATE_ADAM) apus_load_some(&x->velocity, work->arrays.velocity + start, count);
}

APUS_INLINE void store_state(
    const job *work, int64_t start, int64_t count, const apus_update_rule rule, const state *x) {
    apus_store_some(work->arrays.new_parameter + start, &x->parameter, count);
    if (rule != APUS_UPDATE_DESCENT) apus_store_some(work->arrays.new_momentum + start, &x->momentum, count);
    if (rule == APUS_UPDATE_ADAM) apus_store_some(work->arrays.new_velocity + start, &x->velocity, count);
}

APUS_INLINE void nesterov(
    const apus_matmul_update_description *wanted, float rate, const apus_lanes *gradient, state *x) {
    apus_lanes step = *gradient * rate;
    x->momentum = x->momentum * wanted->decay - step;
    x->parameter -= step - x->momentum * wanted->decay;
}

APUS_INLINE void adam(
    const apus_matmul_update_description *wanted, float rate, const apus_lanes *gradient, state *x) {
    apus_lanes g = *gradient;
    x->momentum += (g - x->momentum) * wanted->momentum_share;
    x->velocity += (g * g - x->velocity) * wanted->velocity_share;
    x->parameter -= x->momentum * rate / (__builtin_elementwise_sqrt(x->velocity) + wanted->epsilon);
}

/// `count` numbers of a gradient, at `start` in the arrays, go into the new ones; `rule` is a constant.
APUS_INLINE void use_by_rule(
    const job *work, const float *gradient, int64_t start, int64_t count, const apus_update_rule rule) {
    const apus_matmul_update_description *wanted = &work->update->description;
    const apus_lanes *numbers = (const apus_lanes *)gradient;
    state x;
    load_state(work, start, count, rule, &x);
    switch (rule) {
        case APUS_UPDATE_DESCENT: x.parameter -= *numbers * work->arrays.rate; break;
        case APUS_UPDATE_NESTEROV: nesterov(wanted, work->arrays.rate, numbers, &x); break;
        case APUS_UPDATE_ADAM: adam(wanted, work->arrays.rate, numbers, &x); break;
    }
    store_state(work, start, count, rule, &x);
}

/// `count` numbers, a vector or less.
APUS_INLINE void use(const job *work, const float *gradient, int64_t start, int64_t count) {
    switch (work->update->description.rule) {
        case APUS_UPDATE_DESCENT: use_by_rule(work, gradient, start, count, APUS_UPDATE_DESCENT); break;
        case APUS_UPDATE_NESTEROV: use_by_rule(work, gradient, start, count, APUS_UPDATE_NESTEROV); break;
        case APUS_UPDATE_ADAM: use_by_rule(work, gradient, start, count, APUS_UPDATE_ADAM); break;
    }
}

/// The whole vectors of a tile, row after row, by their places in the arrays.
typedef struct {
    int64_t place;
    int vectors, column, rest;
} walk;

static walk walk_of(const job *work, place place, int rows, int vectors) {
    return (walk){place.row * work->update->description.columns + place.column, vectors, 0, rows * vectors};
}

APUS_INLINE int64_t next_place(const job *work, walk *walk) {
    int64_t place = walk->place;
    walk->place += APUS_LANE_COUNT;
    if (++walk->column == walk->vectors) {
        walk->column = 0;
        walk->place += work->update->description.columns - walk->vectors * APUS_LANE_COUNT;
    }
    walk->rest--;
    return place;
}

/// A tile of the gradient that is used while the next one is multiplied.
typedef struct {
    const float *numbers;
    walk walk;
} waiting_tile;

APUS_INLINE void use_next(const job *work, waiting_tile *waiting) {
    int64_t place = next_place(work, &waiting->walk);
    use(work, waiting->numbers, place, APUS_LANE_COUNT);
    waiting->numbers += APUS_LANE_COUNT;
}

APUS_INLINE void use_rest(const job *work, waiting_tile *waiting) {
    while (waiting->walk.rest > 0) use_next(work, waiting);
}

/// Fetches sixteen numbers of what a tile will change.
APUS_INLINE void fetch_next(const job *work, walk *walk) {
    int64_t place = next_place(work, walk);
    apus_update_rule rule = work->update->description.rule;
    __builtin_prefetch(work->arrays.parameter + place);
    if (rule != APUS_UPDATE_DESCENT) __builtin_prefetch(work->arrays.momentum + place);
    if (rule == APUS_UPDATE_ADAM) __builtin_prefetch(work->arrays.velocity + place);
}

/// Between the terms of a product there is time for other units than the multipliers': some vectors of the tile before
/// are used, and as many of what this tile will change are fetched.
APUS_INLINE void work_between(const job *work, waiting_tile *waiting, walk *fetched) {
    for (int i = 0; i < work->update->vectors_between; i++) {
        // The sums take most registers: what the rule needs is to be read again, not kept.
        __asm__ volatile("" ::: "memory");
        if (waiting->walk.rest > 0) use_next(work, waiting);
        if (fetched->rest > 0) fetch_next(work, fetched);
        __asm__ volatile("" ::: "memory");
    }
}

/// What follows a tile's product: it waits, or is used at once if it is not whole.
APUS_INLINE void finish_tile(
    const job *work, const float *tile, place place, int rows, const int vectors, waiting_tile *waiting) {
    const int64_t width = vectors * APUS_LANE_COUNT;
    if (place.columns == width) {
        *waiting = (waiting_tile){tile, walk_of(work, place, rows, vectors)};
        return;
    }
    for (int r = 0; r < rows; r++) {
        int64_t start = (place.row + r) * work->update->description.columns + place.column;
        for (int64_t j = 0; j < place.columns; j += APUS_LANE_COUNT)
            use(work, tile + r * width + j, start + j, place.columns - j);
    }
}

/// `rows`, `vectors` and `is_wide` are constants. Where there are registers enough, the tile before is used meanwhile.
APUS_INLINE void run_tile(
    const job *work, float *tile, waiting_tile *waiting, const int rows, const int vectors, const bool is_wide,
    apus_left left, const float *packed, place place) {
    const int width = vectors * APUS_LANE_COUNT;
    apus_right right = {packed, width, work->update->description.inner, false};
    left.start += place.row * left.row_stride;
    bool fetches_left = place.column == 0;  // once for all panels
    walk fetched = walk_of(work, place, rows, vectors);
    if (!is_wide) {
        use_rest(work, waiting);
        while (fetched.rest > 0) fetch_next(work, &fetched);
    }
    apus_lanes sums[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int v = 0; v < vectors; v++) sums[r][v] = (apus_lanes){0};
    int64_t k = 0;
    for (; k + TERMS_BETWEEN <= right.terms; k += TERMS_BETWEEN) {
        if (fetches_left)
            for (int64_t i = k; i < k + TERMS_BETWEEN; i++)
                __builtin_prefetch(left.start + APUS_LANE_COUNT * left.row_stride + i * left.term_stride);
        APUS_UNROLLED for (int i = 0; i < TERMS_BETWEEN; i++)
            apus_multiply_term(rows, vectors, left, right, k + i, sums);
        if (is_wide) work_between(work, waiting, &fetched);
    }
    for (; k < right.terms; k++) apus_multiply_term(rows, vectors, left, right, k, sums);
    use_rest(work, waiting);
    APUS_UNROLLED for (int r = 0; r < rows; r++)
        APUS_UNROLLED for (int v = 0; v < vectors; v++)
            *(apus_lanes *)(tile + r * width + v * APUS_LANE_COUNT) = sums[r][v];
    finish_tile(work, tile, place, rows, vectors, waiting);
}

APUS_INLINE void run_vectors(
    const job *work, float *tile, waiting_tile *waiting, const int rows, int64_t vectors, const bool is_wide,
    apus_left left, const float *packed, place place) {
    if (vectors == 4) run_tile(work, tile, waiting, rows, 4, is_wide, left, packed, place);
    else if (vectors == 3) run_tile(work, tile, waiting, rows, 3, is_wide, left, packed, place);
    else if (vectors == 2) run_tile(work, tile, waiting, rows, 2, is_wide, left, packed, place);
    else run_tile(work, tile, waiting, rows, 1, is_wide, left, packed, place);
}

/// Vectors of columns, cut into panels as equal as can be.
typedef struct {
    int64_t vectors, panels;
} cut;

APUS_INLINE cut cut_of(int64_t columns, const bool is_wide) {
    int64_t vectors = (columns + APUS_LANE_COUNT - 1) / APUS_LANE_COUNT, widest = is_wide ? APUS_PANEL_VECTORS : 1;
    return (cut){vectors, (vectors + widest - 1) / widest};
}

APUS_INLINE int64_t panel_start(cut cut, int64_t panel) { return cut.vectors * panel / cut.panels; }

/// The columns `first..<first + columns` of the right side, panel after panel.
APUS_INLINE void pack(const job *work, float *packed, int64_t first, int64_t columns, cut cut) {
    const apus_matmul_update_description *wanted = &work->update->description;
    for (int64_t panel = 0; panel < cut.panels; panel++) {
        int64_t start = panel_start(cut, panel) * APUS_LANE_COUNT, end = panel_start(cut, panel + 1) * APUS_LANE_COUNT;
        int64_t count = columns < end ? columns - start : end - start;
        apus_pack_rows(
            packed + start * wanted->inner, end - start, work->right + first + start, wanted->columns, wanted->inner,
            count);
    }
}

/// Some rows of the gradient: rows after rows, all columns of each, so that the parameter's memory is walked from front
/// to back.
APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int form) {
    const bool is_wide = form > 1;
    const job *work = context;
    const apus_matmul_update *update = work->update;
    const apus_matmul_update_description *wanted = &update->description;
    float *sums = workspace_of(update, thread), *packed = sums + TILE_SIZE;
    waiting_tile waiting = {0};
    int64_t inner = wanted->inner;
    apus_left left = {work->left, 1, wanted->rows};
    for (int64_t first = 0; first < wanted->columns; first += update->block_columns) {
        int64_t rest = wanted->columns - first, columns = rest < update->block_columns ? rest : update->block_columns;
        cut cut = cut_of(columns, is_wide);
        pack(work, packed, first, columns, cut);
        for (int64_t row = begin, step; row < end; row += step) {
            step = end - row >= TILE_ROWS ? TILE_ROWS : end - row >= 2 ? 2 : 1;
            for (int64_t panel = 0; panel < cut.panels; panel++) {
                int64_t start = panel_start(cut, panel), vectors = panel_start(cut, panel + 1) - start;
                int64_t width = vectors * APUS_LANE_COUNT, before = start * APUS_LANE_COUNT;
                const float *panel_of_right = packed + before * inner;
                place place = {row, first + before, columns - before < width ? columns - before : width};
                if (step == TILE_ROWS)
                    run_vectors(work, sums, &waiting, TILE_ROWS, vectors, is_wide, left, panel_of_right, place);
                else if (step == 2)
                    run_vectors(work, sums, &waiting, 2, vectors, is_wide, left, panel_of_right, place);
                else
                    run_vectors(work, sums, &waiting, 1, vectors, is_wide, left, panel_of_right, place);
            }
        }
    }
    use_rest(work, &waiting);
}
APUS_TILED_VARIANTS(run_rows)

#if APUS_HAS_VARIANTS

/// As `run_tile`.
APUS_PAIRS_INLINE void run_pair_tile(
    const job *work, float *tile, waiting_tile *waiting, const int rows, const int vectors, apus_left_pairs left,
    const uint32_t *packed, place place) {
    const int width = vectors * APUS_LANE_COUNT;
    int64_t pairs = apus_pair_count(work->update->description.inner), k = 0;
    walk fetched = walk_of(work, place, rows, vectors);
    __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS];
    apus_clear_pairs(rows, vectors, sums);
    for (; k + PAIRS_BETWEEN <= pairs; k += PAIRS_BETWEEN) {
        apus_left_pairs factors = {left.start + k * left.pair_stride, left.row_stride, left.pair_stride};
        apus_right_pairs columns = {packed + k * width, width, PAIRS_BETWEEN};
        apus_add_pairs(rows, vectors, factors, columns, sums);
        work_between(work, waiting, &fetched);
    }
    apus_left_pairs factors = {left.start + k * left.pair_stride, left.row_stride, left.pair_stride};
    apus_add_pairs(rows, vectors, factors, (apus_right_pairs){packed + k * width, width, pairs - k}, sums);
    use_rest(work, waiting);
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(tile + r * width + v * APUS_LANE_COUNT, sums[r][v]);
    finish_tile(work, tile, place, rows, vectors, waiting);
}

APUS_PAIRS_INLINE void run_pair_vectors(
    const job *work, float *tile, waiting_tile *waiting, const int rows, int64_t count, apus_left_pairs left,
    const uint32_t *packed, place place) {
    APUS_PAIRS_FOR_VECTORS(count, run_pair_tile(work, tile, waiting, rows, vectors, left, packed, place))
}

/// As `run_rows`, with factors rounded to bfloat16: here both sides are packed.
APUS_PAIRS_TARGET static void run_pair_rows(void *context, int64_t begin, int64_t end, int32_t thread) {
    unsigned mode = apus_begin_flushing();
    const job *work = context;
    const apus_matmul_update *update = work->update;
    const apus_matmul_update_description *wanted = &update->description;
    int64_t pairs = apus_pair_count(wanted->inner);
    float *sums = workspace_of(update, thread);
    waiting_tile waiting = {0};
    uint32_t *packed_left = (uint32_t *)(void *)(sums + TILE_SIZE);
    uint32_t *packed = packed_left + PAIR_ROWS * pairs;
    for (int64_t first = 0; first < wanted->columns; first += update->block_columns) {
        int64_t rest = wanted->columns - first, columns = rest < update->block_columns ? rest : update->block_columns;
        cut cut = cut_of(columns, true);
        for (int64_t panel = 0; panel < cut.panels; panel++) {
            int64_t start = panel_start(cut, panel) * APUS_LANE_COUNT;
            int64_t width = panel_start(cut, panel + 1) * APUS_LANE_COUNT - start;
            apus_pack_terms(
                packed + start * pairs, width, work->right + first + start, wanted->columns, wanted->inner,
                columns - start);
        }
        for (int64_t row = begin, step; row < end; row += step) {
            int64_t within = (row - begin) % PAIR_ROWS, block = end - row < PAIR_ROWS ? end - row : PAIR_ROWS;
            if (within == 0)
                apus_pack_terms(
                    packed_left, PAIR_ROWS, work->left + row, wanted->rows, wanted->inner, block);
            step = end - row >= TILE_ROWS ? TILE_ROWS : end - row >= 2 ? 2 : 1;
            apus_left_pairs left = {packed_left + within, 1, PAIR_ROWS};
            for (int64_t panel = 0; panel < cut.panels; panel++) {
                int64_t start = panel_start(cut, panel), vectors = panel_start(cut, panel + 1) - start;
                int64_t width = vectors * APUS_LANE_COUNT, before = start * APUS_LANE_COUNT;
                const uint32_t *panel_of_right = packed + before * pairs;
                place place = {row, first + before, columns - before < width ? columns - before : width};
                if (step == TILE_ROWS)
                    run_pair_vectors(work, sums, &waiting, TILE_ROWS, vectors, left, panel_of_right, place);
                else if (step == 2)
                    run_pair_vectors(work, sums, &waiting, 2, vectors, left, panel_of_right, place);
                else
                    run_pair_vectors(work, sums, &waiting, 1, vectors, left, panel_of_right, place);
            }
        }
    }
    use_rest(work, &waiting);
    apus_end_flushing(mode);
}

#endif

static apus_range_body choose_body(const apus_matmul_update_description *description) {
#if APUS_HAS_VARIANTS
    if (description->multiplies_pairs) return run_pair_rows;
#endif
    (void)description;
    return choose_run_rows(APUS_BEST_INSTRUCTIONS);
}

apus_status apus_matmul_update_create(
    apus_engine *engine, const apus_matmul_update_description *description, apus_matmul_update **result) {
    *result = NULL;
    if (!engine || description->rows < 0 || description->columns < 0 || description->inner < 0 ||
        description->rule < APUS_UPDATE_DESCENT || description->rule > APUS_UPDATE_ADAM ||
        (description->rule == APUS_UPDATE_ADAM && !(description->epsilon >= APUS_UPDATE_LEAST_EPSILON)))
        return apus_fail("apus_matmul_update_create", APUS_INVALID_DESCRIPTION);
    if (description->inner > APUS_UPDATE_MOST_TERMS)
        return apus_fail("apus_matmul_update_create", APUS_LIMIT_EXCEEDED);
    if (description->multiplies_pairs && !apus_has_bfloat16_pairs())
        return apus_fail("apus_matmul_update_create", APUS_UNSUPPORTED);
    apus_matmul_update *update = calloc(1, sizeof *update);
    if (!update) return apus_fail("apus_matmul_update_create", APUS_OUT_OF_MEMORY);
    update->description = *description;
    update->engine = engine;
    update->thread_count = apus_thread_count();
    update->body = choose_body(description);
    // So many that all of a tile are used.
    int64_t terms = description->multiplies_pairs ? apus_pair_count(description->inner) : description->inner;
    int64_t times = terms / (description->multiplies_pairs ? PAIRS_BETWEEN : TERMS_BETWEEN);
    update->vectors_between = times > 0 ? (int)((TILE_ROWS * APUS_PANEL_VECTORS + times - 1) / times) : 0;
    int64_t panels = LARGEST_BLOCK / (PANEL_WIDTH * (update->description.inner + 1));
    int64_t needed = (update->description.columns + PANEL_WIDTH - 1) / PANEL_WIDTH;
    update->block_columns = PANEL_WIDTH * (panels < 1 ? 1 : panels < needed ? panels : needed);
    update->workspace_size = TILE_SIZE + update->block_columns * update->description.inner;
    if (description->multiplies_pairs)
        update->workspace_size =
            TILE_SIZE + (update->block_columns + PAIR_ROWS) * apus_pair_count(description->inner);
    int64_t size = update->thread_count * update->workspace_size * (int64_t)sizeof(float);
    apus_status status = apus_engine_reserve(engine, size);
    if (status) {
        free(update);
        return status;
    }
    *result = update;
    return APUS_SUCCESS;
}

void apus_matmul_update_run(
    apus_matmul_update *update, const float *left, const float *right, const apus_update_arrays *arrays) {
    const apus_matmul_update_description *wanted = &update->description;
    job work = {update, left, right, *arrays};
    int64_t share = (wanted->columns + APUS_LANE_COUNT) / APUS_LANE_COUNT * (wanted->inner + 8);
    if (wanted->columns > 0)
        apus_parallel_limited(wanted->rows, 1 + APUS_GRAIN / share, update->thread_count, update->body, &work);
}

void apus_matmul_update_destroy(apus_matmul_update *update) {
    free(update);
}
