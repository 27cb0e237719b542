// A parameter's step down its gradient, where the gradient is a product: each tile of the gradient is used while it is
// in the first cache, and is never stored.
#include <stdlib.h>
#include <string.h>

#include "lanes_functions.h"
#include "lanes_product.h"
#include "pairs_packing.h"
#include "panels.h"
#include "status.h"
#include "threads.h"

enum {
    TILE_ROWS = 8,  // at most
    PANEL_WIDTH = APUS_PANEL_VECTORS * APUS_LANE_COUNT,
    // Numbers of the right side that a thread packs at once: they stay in the second cache. A panel of the most terms
    // has as many.
    LARGEST_BLOCK = PANEL_WIDTH * APUS_UPDATE_MOST_TERMS,
    PAIR_ROWS = 96,  // of the left side that a thread packs at once, where pairs are multiplied
};

struct apus_matmul_update {
    apus_matmul_update_description description;
    int32_t thread_count;  // at creation
    apus_range_body body;
    int64_t block_columns;  // that are packed at once
    int64_t workspace_size;  // numbers a thread: a tile, and the packed columns; of pairs, the packed rows as well
    float *workspaces;
};

typedef struct {
    const apus_matmul_update *update;
    const float *left, *right;
    apus_update_arrays arrays;
} job;

/// A tile of the gradient.
typedef struct {
    int64_t row, column, columns;
} place;

/// Sixteen numbers of a parameter and its slots.
typedef struct {
    apus_lanes parameter, momentum, velocity;
} state;

APUS_INLINE void load_state(const job *work, int64_t start, int64_t count, const bool has_velocity, state *x) {
    apus_load_some(&x->parameter, work->arrays.parameter + start, count);
    apus_load_some(&x->momentum, work->arrays.momentum + start, count);
    if (has_velocity) apus_load_some(&x->velocity, work->arrays.velocity + start, count);
}

APUS_INLINE void store_state(const job *work, int64_t start, int64_t count, const bool has_velocity, const state *x) {
    apus_store_some(work->arrays.new_parameter + start, &x->parameter, count);
    apus_store_some(work->arrays.new_momentum + start, &x->momentum, count);
    if (has_velocity) apus_store_some(work->arrays.new_velocity + start, &x->velocity, count);
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

/// Rows of a tile go into the new arrays. `rule` and `width` are constants, and so is `columns` where it is all of the
/// width.
APUS_INLINE void finish_columns(
    const job *work, const float *tile, place place, int rows, const apus_update_rule rule, const int width,
    int64_t columns) {
    const apus_matmul_update_description *wanted = &work->update->description;
    const bool has_velocity = rule == APUS_UPDATE_ADAM;
    for (int r = 0; r < rows; r++) {
        int64_t start = (place.row + r) * wanted->columns + place.column;
        for (int64_t j = 0; j < columns; j += APUS_LANE_COUNT) {
            const apus_lanes *gradient = (const apus_lanes *)(tile + r * width + j);
            state x;
            load_state(work, start + j, columns - j, has_velocity, &x);
            if (rule == APUS_UPDATE_NESTEROV) nesterov(wanted, work->arrays.rate, gradient, &x);
            else adam(wanted, work->arrays.rate, gradient, &x);
            store_state(work, start + j, columns - j, has_velocity, &x);
        }
    }
}

/// `vectors` is a constant.
APUS_INLINE void finish_tile(const job *work, const float *tile, place place, int rows, const int vectors) {
    const int width = vectors * APUS_LANE_COUNT;
    bool is_whole = place.columns == width;
    switch (work->update->description.rule) {
        case APUS_UPDATE_NESTEROV:
            if (is_whole) finish_columns(work, tile, place, rows, APUS_UPDATE_NESTEROV, width, width);
            else finish_columns(work, tile, place, rows, APUS_UPDATE_NESTEROV, width, place.columns);
            break;
        case APUS_UPDATE_ADAM:
            if (is_whole) finish_columns(work, tile, place, rows, APUS_UPDATE_ADAM, width, width);
            else finish_columns(work, tile, place, rows, APUS_UPDATE_ADAM, width, place.columns);
            break;
    }
}

/// Fetches what a tile changes, before its product is computed: it comes meanwhile.
APUS_INLINE void fetch_state(const job *work, const int rows, place place) {
    const apus_matmul_update_description *wanted = &work->update->description;
    for (int r = 0; r < rows; r++) {
        int64_t start = (place.row + r) * wanted->columns + place.column;
        for (int64_t j = start; j < start + place.columns; j += APUS_LANE_COUNT) {
            __builtin_prefetch(work->arrays.parameter + j);
            __builtin_prefetch(work->arrays.momentum + j);
            if (wanted->rule == APUS_UPDATE_ADAM) __builtin_prefetch(work->arrays.velocity + j);
        }
    }
}

/// `rows` and `vectors` are constants.
APUS_INLINE void run_tile(
    const job *work, float *tile, const int rows, const int vectors, apus_left left, const float *packed, place place) {
    apus_right right = {packed, vectors * APUS_LANE_COUNT, work->update->description.inner, false};
    left.start += place.row * left.row_stride;
    fetch_state(work, rows, place);
    int64_t ahead = place.column > 0 ? 0 : APUS_LANE_COUNT;  // once for all panels
    apus_multiply_tile(rows, vectors, 0, left, ahead, right, tile, vectors * APUS_LANE_COUNT, false);
    finish_tile(work, tile, place, rows, vectors);
}

APUS_INLINE void run_vectors(
    const job *work, float *tile, const int rows, int64_t vectors, apus_left left, const float *packed, place place) {
    if (vectors == 4) run_tile(work, tile, rows, 4, left, packed, place);
    else if (vectors == 3) run_tile(work, tile, rows, 3, left, packed, place);
    else if (vectors == 2) run_tile(work, tile, rows, 2, left, packed, place);
    else run_tile(work, tile, rows, 1, left, packed, place);
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
APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int tile) {
    const job *work = context;
    const apus_matmul_update *update = work->update;
    const apus_matmul_update_description *wanted = &update->description;
    float *own = update->workspaces + thread * update->workspace_size, *packed = own + TILE_ROWS * PANEL_WIDTH;
    int64_t inner = wanted->inner;
    apus_left left = {work->left, 1, wanted->rows};
    for (int64_t first = 0; first < wanted->columns; first += update->block_columns) {
        int64_t rest = wanted->columns - first, columns = rest < update->block_columns ? rest : update->block_columns;
        cut cut = cut_of(columns, tile > 1);
        pack(work, packed, first, columns, cut);
        for (int64_t row = begin, step; row < end; row += step) {
            step = end - row >= 6 ? 6 : end - row >= 2 ? 2 : 1;
            for (int64_t panel = 0; panel < cut.panels; panel++) {
                int64_t start = panel_start(cut, panel), vectors = panel_start(cut, panel + 1) - start;
                int64_t width = vectors * APUS_LANE_COUNT, before = start * APUS_LANE_COUNT;
                const float *panel_of_right = packed + before * inner;
                place place = {row, first + before, columns - before < width ? columns - before : width};
                if (step == 6) run_vectors(work, own, 6, vectors, left, panel_of_right, place);
                else if (step == 2) run_vectors(work, own, 2, vectors, left, panel_of_right, place);
                else run_vectors(work, own, 1, vectors, left, panel_of_right, place);
            }
        }
    }
}
APUS_TILED_VARIANTS(run_rows)

#if APUS_HAS_VARIANTS

/// `rows` and `vectors` are constants.
APUS_PAIRS_INLINE void run_pair_tile(
    const job *work, float *tile, const int rows, const int vectors, apus_left_pairs left, const uint32_t *packed,
    place place) {
    const int width = vectors * APUS_LANE_COUNT;
    __m512 sums[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS];
    apus_right_pairs right = {packed, width, apus_pair_count(work->update->description.inner)};
    fetch_state(work, rows, place);
    apus_multiply_pairs(rows, vectors, left, right, sums, false);
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(tile + r * width + v * APUS_LANE_COUNT, sums[r][v]);
    finish_tile(work, tile, place, rows, vectors);
}

APUS_PAIRS_INLINE void run_pair_vectors(
    const job *work, float *tile, const int rows, int64_t count, apus_left_pairs left, const uint32_t *packed,
    place place) {
    APUS_PAIRS_FOR_VECTORS(count, run_pair_tile(work, tile, rows, vectors, left, packed, place))
}

/// As `run_rows`, with factors rounded to bfloat16: here both sides are packed.
APUS_PAIRS_TARGET static void run_pair_rows(void *context, int64_t begin, int64_t end, int32_t thread) {
    unsigned mode = apus_begin_flushing();
    const job *work = context;
    const apus_matmul_update *update = work->update;
    const apus_matmul_update_description *wanted = &update->description;
    int64_t pairs = apus_pair_count(wanted->inner);
    float *own = update->workspaces + thread * update->workspace_size;
    uint32_t *packed_left = (uint32_t *)(void *)(own + TILE_ROWS * PANEL_WIDTH);
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
            step = end - row >= 6 ? 6 : end - row >= 2 ? 2 : 1;
            apus_left_pairs left = {packed_left + within, 1, PAIR_ROWS};
            for (int64_t panel = 0; panel < cut.panels; panel++) {
                int64_t start = panel_start(cut, panel), vectors = panel_start(cut, panel + 1) - start;
                int64_t width = vectors * APUS_LANE_COUNT, before = start * APUS_LANE_COUNT;
                const uint32_t *panel_of_right = packed + before * pairs;
                place place = {row, first + before, columns - before < width ? columns - before : width};
                if (step == 6) run_pair_vectors(work, own, 6, vectors, left, panel_of_right, place);
                else if (step == 2) run_pair_vectors(work, own, 2, vectors, left, panel_of_right, place);
                else run_pair_vectors(work, own, 1, vectors, left, panel_of_right, place);
            }
        }
    }
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
    const apus_matmul_update_description *description, apus_matmul_update **result) {
    *result = NULL;
    if (description->rows < 0 || description->columns < 0 || description->inner < 0 ||
        description->rule < APUS_UPDATE_NESTEROV || description->rule > APUS_UPDATE_ADAM ||
        (description->rule == APUS_UPDATE_ADAM && !(description->epsilon >= APUS_UPDATE_LEAST_EPSILON)))
        return apus_fail("apus_matmul_update_create", APUS_INVALID_DESCRIPTION);
    if (description->inner > APUS_UPDATE_MOST_TERMS)
        return apus_fail("apus_matmul_update_create", APUS_LIMIT_EXCEEDED);
    if (description->multiplies_pairs && !apus_has_bfloat16_pairs())
        return apus_fail("apus_matmul_update_create", APUS_UNSUPPORTED);
    apus_matmul_update *update = calloc(1, sizeof *update);
    if (!update) return apus_fail("apus_matmul_update_create", APUS_OUT_OF_MEMORY);
    update->description = *description;
    update->thread_count = apus_thread_count();
    update->body = choose_body(description);
    int64_t panels = LARGEST_BLOCK / (PANEL_WIDTH * (update->description.inner + 1));
    int64_t needed = (update->description.columns + PANEL_WIDTH - 1) / PANEL_WIDTH;
    update->block_columns = PANEL_WIDTH * (panels < 1 ? 1 : panels < needed ? panels : needed);
    update->workspace_size = TILE_ROWS * PANEL_WIDTH + update->block_columns * update->description.inner;
    if (description->multiplies_pairs)
        update->workspace_size =
            TILE_ROWS * PANEL_WIDTH + (update->block_columns + PAIR_ROWS) * apus_pair_count(description->inner);
    update->workspaces =
        aligned_alloc(64, (size_t)(update->thread_count * update->workspace_size) * sizeof *update->workspaces);
    if (!update->workspaces) {
        free(update);
        return apus_fail("apus_matmul_update_create", APUS_OUT_OF_MEMORY);
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
    if (!update) return;
    free(update->workspaces);
    free(update);
}

int64_t apus_matmul_update_workspace(const apus_matmul_update *update) {
    return update->thread_count * update->workspace_size * (int64_t)sizeof *update->workspaces;
}
