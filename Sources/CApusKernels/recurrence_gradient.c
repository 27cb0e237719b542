// A recurrence's gradient: each thread walks its rows of the batch back through all steps. A step first turns the
// gradients of its states into those of its sums, then multiplies these by the packed transposed kernel.
#include "recurrence.h"

#include "status.h"

struct apus_recurrence_gradient {
    apus_recurrence_description description;
    apus_range_body body;
    int32_t thread_count;  // at creation: the workspace is for it
    int64_t panel_count;
    float *packed;     // [panel, gate * units + unit, 64]
    float *workspace;  // of each thread: gradients of the hidden states, of the cells, of the products
    int64_t state_width, thread_size, byte_count;
};

enum { PANEL = APUS_PANEL_VECTORS * APUS_LANE_COUNT };

typedef struct {
    const apus_recurrence_gradient *gradient;
    apus_recurrence_gradient_arrays arrays;
} job;

/// Where a unit's vector is worked on: a row of the batch, a step, and sixteen units, or fewer at the end.
typedef struct {
    int64_t row, place;  // place: row * steps + step
    int64_t unit, count;
    float *hidden, *cells;  // the row's gradients from this unit on
    float *products;        // the row's
    bool is_first, is_end, is_masked;
} spot;

/// The gradients of a step's sums: to the arrays that are wanted, and to the next product's left side.
APUS_INLINE void keep_sums(
    const job *work, const spot *at, int gate, const apus_lanes *projected, const apus_lanes *product) {
    int64_t units = work->gradient->description.units, gates = apus_cell_gates(work->gradient->description.cell);
    int64_t offset = (at->place * gates + gate) * units + at->unit;
    if (work->arrays.projected) apus_store(work->arrays.projected + offset, projected, at->count);
    if (work->arrays.products) apus_store(work->arrays.products + offset, product, at->count);
    apus_store(at->products + gate * units + at->unit, product, at->count);
}

APUS_INLINE void load_gates(const job *work, const spot *at, int count, apus_lanes *gates) {
    int64_t units = work->gradient->description.units;
    for (int block = 0; block < count; block++)
        apus_load(&gates[block], work->arrays.gates + (at->place * count + block) * units + at->unit, at->count);
}

APUS_INLINE void back_simple(const job *work, const spot *at, apus_lanes *hidden) {
    const apus_recurrence_description *wanted = &work->gradient->description;
    apus_lanes value;
    load_gates(work, at, 1, &value);
    apus_apply_slope(hidden, &value, wanted->activation, wanted->slope);
    keep_sums(work, at, 0, hidden, hidden);
    *hidden = (apus_lanes){0};
}

APUS_INLINE void back_gru(const job *work, const spot *at, apus_lanes *hidden) {
    const apus_recurrence_description *wanted = &work->gradient->description;
    apus_lanes gates[4], previous;
    load_gates(work, at, 4, gates);
    apus_load(&previous, work->arrays.previous + at->place * wanted->units + at->unit, at->count);
    apus_lanes update = *hidden * (previous - gates[2]), candidate = *hidden * (1.0f - gates[0]);
    apus_apply_slope(&update, &gates[0], wanted->gate_activation, wanted->gate_slope);
    apus_apply_slope(&candidate, &gates[2], wanted->activation, wanted->slope);
    apus_lanes reset = candidate * gates[3], product = candidate * gates[1];
    apus_apply_slope(&reset, &gates[1], wanted->gate_activation, wanted->gate_slope);
    keep_sums(work, at, 0, &update, &update);
    keep_sums(work, at, 1, &reset, &reset);
    keep_sums(work, at, 2, &candidate, &product);
    *hidden *= gates[0];
}

APUS_INLINE void back_lstm(const job *work, const spot *at, apus_lanes *hidden) {
    const apus_recurrence_description *wanted = &work->gradient->description;
    apus_lanes gates[4], previous, cells = *(const apus_lanes *)at->cells;
    load_gates(work, at, 4, gates);
    apus_load(&previous, work->arrays.previous + at->place * wanted->units + at->unit, at->count);
    if (work->arrays.last_cells && at->is_first) {
        apus_lanes upstream;
        apus_load(&upstream, work->arrays.last_cells + at->row * wanted->units + at->unit, at->count);
        cells += upstream;
    }
    if (!at->is_masked) {
        apus_lanes value = gates[1] * previous + gates[0] * gates[2], through = *hidden * gates[3];
        apus_activate(&value, wanted->activation, wanted->slope);
        apus_apply_slope(&through, &value, wanted->activation, wanted->slope);
        cells += through;
        apus_lanes sums[4] = {cells * gates[2], cells * previous, cells * gates[0], *hidden * value};
        apus_apply_slope(&sums[0], &gates[0], wanted->gate_activation, wanted->gate_slope);
        apus_apply_slope(&sums[1], &gates[1], wanted->gate_activation, wanted->gate_slope);
        apus_apply_slope(&sums[2], &gates[2], wanted->activation, wanted->slope);
        apus_apply_slope(&sums[3], &gates[3], wanted->gate_activation, wanted->gate_slope);
        for (int gate = 0; gate < 4; gate++) keep_sums(work, at, gate, &sums[gate], &sums[gate]);
        cells *= gates[1];
        *hidden = (apus_lanes){0};
    }
    *(apus_lanes *)at->cells = cells;
}

/// Brings in what the next step reads and writes of this row and these units; see `fetch_ahead` of the other direction.
APUS_INLINE void fetch_ahead(const job *work, const spot *at) {
    const apus_recurrence_description *wanted = &work->gradient->description;
    const apus_recurrence_gradient_arrays *arrays = &work->arrays;
    if (at->is_end) return;
    int64_t place = wanted->is_reversed ? at->place + 1 : at->place - 1;
    int gates = apus_cell_gates(wanted->cell);
    apus_fetch(arrays->gates, place, apus_cell_stored(wanted->cell), wanted->units, at->unit);
    if (arrays->projected != arrays->gates) apus_fetch(arrays->projected, place, gates, wanted->units, at->unit);
    apus_fetch(arrays->products, place, gates, wanted->units, at->unit);
    apus_fetch(arrays->previous, place, 1, wanted->units, at->unit);
    apus_fetch(arrays->hidden, place, 1, wanted->units, at->unit);
}

/// Sixteen units of one row of one step: the hidden state's gradient as it comes in becomes the part of it that goes
/// past the product.
APUS_INLINE void run_units(const job *work, const spot *at) {
    const apus_recurrence_description *wanted = &work->gradient->description;
    const apus_recurrence_gradient_arrays *arrays = &work->arrays;
    apus_lanes hidden = *(const apus_lanes *)at->hidden, upstream, nothing = {0};
    if (arrays->hidden) {
        apus_load(&upstream, arrays->hidden + at->place * wanted->units + at->unit, at->count);
        hidden += upstream;
    }
    if (arrays->last_hidden && at->is_first) {
        apus_load(&upstream, arrays->last_hidden + at->row * wanted->units + at->unit, at->count);
        hidden += upstream;
    }
    if (at->is_masked)
        for (int gate = 0; gate < apus_cell_gates(wanted->cell); gate++)
            keep_sums(work, at, gate, &nothing, &nothing);
    switch (wanted->cell) {
        case APUS_CELL_SIMPLE:
            if (!at->is_masked) back_simple(work, at, &hidden);
            break;
        case APUS_CELL_GRU:
            if (!at->is_masked) back_gru(work, at, &hidden);
            break;
        case APUS_CELL_LSTM: back_lstm(work, at, &hidden); break;
    }
    *(apus_lanes *)at->hidden = hidden;
}

static void write_states(float *target, const float *states, int64_t width, int64_t rows, int64_t units) {
    for (int64_t row = 0; target && row < rows; row++)
        memcpy(target + row * units, states + row * width, (size_t)units * sizeof *target);
}

APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int tile) {
    const job *work = context;
    const apus_recurrence_gradient *gradient = work->gradient;
    const apus_recurrence_description *wanted = &gradient->description;
    int64_t units = wanted->units, width = gradient->state_width, terms = units * apus_cell_gates(wanted->cell);
    float *hidden = gradient->workspace + thread * gradient->thread_size;
    float *cells = hidden + APUS_RECURRENCE_ROWS * width, *products = cells + APUS_RECURRENCE_ROWS * width;
    int64_t block = apus_recurrence_block(end - begin);
    for (int64_t row = begin; row < end; row += block) {
        int64_t rows = end - row < block ? end - row : block;
        memset(hidden, 0, (size_t)(rows * width) * sizeof *hidden);
        memset(cells, 0, (size_t)(rows * width) * sizeof *cells);
        for (int64_t number = 0; number < wanted->steps; number++) {
            int64_t step = wanted->is_reversed ? number : wanted->steps - 1 - number;
            for (int64_t r = 0; r < rows; r++) {
                spot at = {.row = row + r, .place = (row + r) * wanted->steps + step, .is_first = number == 0};
                at.is_end = number == wanted->steps - 1;
                at.is_masked = work->arrays.mask && work->arrays.mask[at.place] == 0.0f;
                at.products = products + r * terms;
                for (at.unit = 0; at.unit < units; at.unit += APUS_LANE_COUNT) {
                    at.count = units - at.unit;
                    at.hidden = hidden + r * width + at.unit;
                    at.cells = cells + r * width + at.unit;
                    fetch_ahead(work, &at);
                    run_units(work, &at);
                }
            }
            if (number == wanted->steps - 1 && !work->arrays.initial_hidden) break;
            for (int64_t panel = 0; panel < gradient->panel_count; panel++)
                apus_multiply_panel(
                    tile, APUS_PANEL_VECTORS, rows, products, terms, gradient->packed + panel * terms * PANEL, terms,
                    hidden + panel * PANEL, width, true);
        }
        float *first = work->arrays.initial_hidden, *first_cells = work->arrays.initial_cells;
        write_states(first ? first + row * units : NULL, hidden, width, rows, units);
        write_states(first_cells ? first_cells + row * units : NULL, cells, width, rows, units);
    }
}

APUS_RECURRENCE_VARIANTS(run_rows)

/// Panels `begin..<end` of the transposed kernel, 64 units each; sixteen times sixteen numbers at a time.
static void pack(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    int64_t units = work->gradient->description.units;
    int64_t terms = units * apus_cell_gates(work->gradient->description.cell);
    for (int64_t panel = begin; panel < end; panel++) {
        float *target = work->gradient->packed + panel * terms * PANEL;
        for (int64_t lane = 0; lane < PANEL; lane += APUS_LANE_COUNT)
            for (int64_t k = 0; k < terms; k += APUS_LANE_COUNT)
                for (int64_t j = lane; j < lane + APUS_LANE_COUNT; j++) {
                    int64_t unit = panel * PANEL + j, last = k + APUS_LANE_COUNT < terms ? k + APUS_LANE_COUNT : terms;
                    const float *source = work->arrays.kernel + unit * terms;
                    for (int64_t i = k; i < last; i++) target[i * PANEL + j] = unit < units ? source[i] : 0.0f;
                }
    }
}

apus_status apus_recurrence_gradient_create(
    const apus_recurrence_description *description, apus_recurrence_gradient **result) {
    *result = NULL;
    if (!apus_recurrence_is_valid(description))
        return apus_fail("apus_recurrence_gradient_create", APUS_INVALID_DESCRIPTION);
    apus_recurrence_gradient *gradient = calloc(1, sizeof *gradient);
    if (!gradient) return apus_fail("apus_recurrence_gradient_create", APUS_OUT_OF_MEMORY);
    gradient->description = *description;
    gradient->body = choose_run_rows();
    gradient->thread_count = apus_thread_count();
    gradient->panel_count = (description->units + PANEL - 1) / PANEL;
    gradient->state_width = gradient->panel_count * PANEL;
    int64_t terms = description->units * apus_cell_gates(description->cell);
    gradient->thread_size =
        APUS_RECURRENCE_ROWS * (2 * gradient->state_width + apus_rounded_up(terms, APUS_LANE_COUNT));
    int64_t packed_size = gradient->panel_count * terms * PANEL;
    gradient->byte_count =
        (packed_size + gradient->thread_count * gradient->thread_size) * (int64_t)sizeof(float);
    gradient->packed = aligned_alloc(64, (size_t)gradient->byte_count);
    if (!gradient->packed) {
        free(gradient);
        return apus_fail("apus_recurrence_gradient_create", APUS_OUT_OF_MEMORY);
    }
    gradient->workspace = gradient->packed + packed_size;
    *result = gradient;
    return APUS_SUCCESS;
}

void apus_recurrence_gradient_run(
    apus_recurrence_gradient *gradient, const apus_recurrence_gradient_arrays *arrays) {
    const apus_recurrence_description *wanted = &gradient->description;
    job work = {gradient, *arrays};
    int64_t panel_size = wanted->units * apus_cell_gates(wanted->cell) * PANEL;
    apus_parallel(gradient->panel_count, 1 + APUS_GRAIN / panel_size, pack, &work);
    apus_parallel_limited(
        wanted->batch, apus_recurrence_grain(wanted), gradient->thread_count, gradient->body, &work);
}

void apus_recurrence_gradient_destroy(apus_recurrence_gradient *gradient) {
    if (!gradient) return;
    free(gradient->packed);
    free(gradient);
}

int64_t apus_recurrence_gradient_workspace(const apus_recurrence_gradient *gradient) { return gradient->byte_count; }
