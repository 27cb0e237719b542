// A recurrence forward: each thread takes its rows of the batch through all steps, so that threads never wait for
// each other. A step multiplies the hidden states by the packed kernel, one panel after the other, and applies the
// gates to the sums while they are in the first cache. Measured, oneDNN's own LSTM has no fast path for float32.
#include "recurrence.h"

#include "status.h"

struct apus_recurrence {
    apus_recurrence_description description;
    apus_range_body body;
    int32_t thread_count;  // at creation: the workspace is for it
    int panel_vectors;
    int64_t panel_units, panel_count;
    float *packed;     // [panel, unit, panel_vectors * 16]
    float *workspace;  // of each thread: hidden states (two), cells, sums
    int64_t state_width, thread_size, byte_count;
};

typedef struct {
    const apus_recurrence *recurrence;
    apus_recurrence_arrays arrays;
} job;

/// Where a unit's vector is worked on: a row of the batch, a step, and sixteen units, or fewer at the end.
typedef struct {
    int64_t place;  // row * steps + step
    int64_t unit, count;
    const float *sums;
    float *hidden, *next_hidden, *cells;  // the row's states from this unit on
    bool is_last, is_masked;
    int64_t row;
} spot;

APUS_INLINE void gather_sum(const job *work, const spot *at, int gate, int vector, apus_lanes *product, apus_lanes *x) {
    int64_t units = work->recurrence->description.units, gates = apus_cell_gates(work->recurrence->description.cell);
    *product = *(const apus_lanes *)(at->sums + vector * APUS_LANE_COUNT);
    apus_load(x, work->arrays.projected + (at->place * gates + gate) * units + at->unit, at->count);
}

APUS_INLINE void keep_gate(const job *work, const spot *at, int block, const apus_lanes *value) {
    const apus_recurrence_description *wanted = &work->recurrence->description;
    if (!work->arrays.gates) return;
    int64_t stored = apus_cell_stored(wanted->cell);
    apus_store(work->arrays.gates + (at->place * stored + block) * wanted->units + at->unit, value, at->count);
}

APUS_INLINE void finish_hidden(const job *work, const spot *at, const apus_lanes *previous, const apus_lanes *value) {
    int64_t units = work->recurrence->description.units;
    const apus_recurrence_arrays *arrays = &work->arrays;
    apus_lanes next = at->is_masked ? *previous : *value;
    *(apus_lanes *)at->next_hidden = next;
    if (arrays->previous_hidden)
        apus_store(arrays->previous_hidden + at->place * units + at->unit, previous, at->count);
    if (arrays->hidden) apus_store(arrays->hidden + at->place * units + at->unit, &next, at->count);
    if (arrays->last_hidden && at->is_last)
        apus_store(arrays->last_hidden + at->row * units + at->unit, &next, at->count);
}

APUS_INLINE void run_simple(const job *work, const spot *at, int vector) {
    const apus_recurrence_description *wanted = &work->recurrence->description;
    apus_lanes previous = *(const apus_lanes *)at->hidden, product, x;
    gather_sum(work, at, 0, vector, &product, &x);
    x += product;
    apus_activate(&x, wanted->activation, wanted->slope);
    keep_gate(work, at, 0, &x);
    finish_hidden(work, at, &previous, &x);
}

APUS_INLINE void run_gru(const job *work, const spot *at) {
    const apus_recurrence_description *wanted = &work->recurrence->description;
    apus_lanes previous = *(const apus_lanes *)at->hidden, products[3], x[3];
    for (int gate = 0; gate < 3; gate++) {
        gather_sum(work, at, gate, gate, &products[gate], &x[gate]);
        if (!work->arrays.recurrent_bias) continue;
        apus_lanes bias;
        apus_load(&bias, work->arrays.recurrent_bias + gate * wanted->units + at->unit, at->count);
        products[gate] += bias;
    }
    for (int gate = 0; gate < 2; gate++) {
        x[gate] += products[gate];
        apus_activate(&x[gate], wanted->gate_activation, wanted->gate_slope);
    }
    x[2] += x[1] * products[2];
    apus_activate(&x[2], wanted->activation, wanted->slope);
    for (int gate = 0; gate < 3; gate++) keep_gate(work, at, gate, &x[gate]);
    keep_gate(work, at, 3, &products[2]);
    apus_lanes next = x[0] * previous + (1.0f - x[0]) * x[2];
    finish_hidden(work, at, &previous, &next);
}

APUS_INLINE void run_lstm(const job *work, const spot *at) {
    const apus_recurrence_description *wanted = &work->recurrence->description;
    const apus_recurrence_arrays *arrays = &work->arrays;
    apus_lanes previous = *(const apus_lanes *)at->hidden, cells = *(const apus_lanes *)at->cells, x[4];
    for (int gate = 0; gate < 4; gate++) {
        apus_lanes product;
        gather_sum(work, at, gate, gate, &product, &x[gate]);
        x[gate] += product;
    }
    apus_activate(&x[0], wanted->gate_activation, wanted->gate_slope);
    apus_activate(&x[1], wanted->gate_activation, wanted->gate_slope);
    apus_activate(&x[2], wanted->activation, wanted->slope);
    apus_activate(&x[3], wanted->gate_activation, wanted->gate_slope);
    for (int gate = 0; gate < 4; gate++) keep_gate(work, at, gate, &x[gate]);
    if (arrays->previous_cells)
        apus_store(arrays->previous_cells + at->place * wanted->units + at->unit, &cells, at->count);
    apus_lanes next_cells = x[1] * cells + x[0] * x[2], value = next_cells;
    apus_activate(&value, wanted->activation, wanted->slope);
    value *= x[3];
    if (at->is_masked) next_cells = cells;
    *(apus_lanes *)at->cells = next_cells;
    if (arrays->last_cells && at->is_last)
        apus_store(arrays->last_cells + at->row * wanted->units + at->unit, &next_cells, at->count);
    finish_hidden(work, at, &previous, &value);
}

/// Brings in what the panel after this one reads and writes of its row: the rows of the arrays lie far apart, so that
/// the processor does not see it coming.
APUS_INLINE void fetch_ahead(const job *work, const spot *at, int64_t panel, int64_t number) {
    const apus_recurrence *recurrence = work->recurrence;
    const apus_recurrence_description *wanted = &recurrence->description;
    const apus_recurrence_arrays *arrays = &work->arrays;
    bool is_last = panel == recurrence->panel_count - 1;
    if (is_last && number == wanted->steps - 1) return;
    int64_t place = is_last ? (wanted->is_reversed ? at->place - 1 : at->place + 1) : at->place;
    int64_t first = is_last ? 0 : (panel + 1) * recurrence->panel_units, end = first + recurrence->panel_units;
    int gates = apus_cell_gates(wanted->cell), stored = apus_cell_stored(wanted->cell);
    for (int64_t unit = first; unit < end && unit < wanted->units; unit += APUS_LANE_COUNT) {
        apus_fetch(arrays->projected, place, gates, wanted->units, unit);
        if (arrays->gates != arrays->projected) apus_fetch(arrays->gates, place, stored, wanted->units, unit);
        apus_fetch(arrays->hidden, place, 1, wanted->units, unit);
        apus_fetch(arrays->previous_hidden, place, 1, wanted->units, unit);
        apus_fetch(arrays->previous_cells, place, 1, wanted->units, unit);
    }
}

/// One panel of one step, for rows `row..<row + rows`; the states are those of these rows.
APUS_INLINE void run_panel(
    const job *work, const int tile, int64_t panel, int64_t row, int64_t rows, int64_t number, float *hidden,
    float *next_hidden, float *cells, float *sums) {
    const apus_recurrence *recurrence = work->recurrence;
    const apus_recurrence_description *wanted = &recurrence->description;
    int64_t units = wanted->units, width = recurrence->state_width;
    int64_t step = wanted->is_reversed ? wanted->steps - 1 - number : number;
    int64_t sum_width = recurrence->panel_vectors * APUS_LANE_COUNT;
    const float *packed = recurrence->packed + panel * units * sum_width;
    if (number == 0 && !work->arrays.initial_hidden)
        memset(sums, 0, (size_t)(rows * sum_width) * sizeof *sums);
    else if (recurrence->panel_vectors == 4)
        apus_multiply_panel(tile, 4, rows, hidden, width, packed, units, sums, sum_width, false);
    else
        apus_multiply_panel(tile > 1 ? 8 : 1, 3, rows, hidden, width, packed, units, sums, sum_width, false);
    for (int64_t r = 0; r < rows; r++) {
        spot at = {.row = row + r, .place = (row + r) * wanted->steps + step, .sums = sums + r * sum_width};
        at.is_last = number == wanted->steps - 1;
        at.is_masked = work->arrays.mask && work->arrays.mask[at.place] == 0.0f;
        fetch_ahead(work, &at, panel, number);
        int blocks = wanted->cell == APUS_CELL_SIMPLE ? APUS_PANEL_VECTORS : 1;
        for (int vector = 0; vector < blocks; vector++) {
            at.unit = (panel * blocks + vector) * APUS_LANE_COUNT;
            if (at.unit >= units) break;
            at.count = units - at.unit;
            at.hidden = hidden + r * width + at.unit;
            at.next_hidden = next_hidden + r * width + at.unit;
            at.cells = cells + r * width + at.unit;
            switch (wanted->cell) {
                case APUS_CELL_SIMPLE: run_simple(work, &at, vector); break;
                case APUS_CELL_GRU: run_gru(work, &at); break;
                case APUS_CELL_LSTM: run_lstm(work, &at); break;
            }
        }
    }
}

/// The states before the first step; the places beyond the last unit are 0 as well.
static void set_states(float *states, int64_t width, const float *initial, int64_t rows, int64_t units) {
    memset(states, 0, (size_t)(rows * width) * sizeof *states);
    for (int64_t row = 0; initial && row < rows; row++)
        memcpy(states + row * width, initial + row * units, (size_t)units * sizeof *states);
}

APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int tile) {
    const job *work = context;
    const apus_recurrence *recurrence = work->recurrence;
    int64_t units = recurrence->description.units, width = recurrence->state_width;
    float *hidden = recurrence->workspace + thread * recurrence->thread_size;
    float *next_hidden = hidden + APUS_RECURRENCE_ROWS * width, *cells = next_hidden + APUS_RECURRENCE_ROWS * width;
    float *sums = cells + APUS_RECURRENCE_ROWS * width;
    int64_t block = apus_recurrence_block(end - begin);
    for (int64_t row = begin; row < end; row += block) {
        int64_t rows = end - row < block ? end - row : block;
        const float *first = work->arrays.initial_hidden, *first_cells = work->arrays.initial_cells;
        set_states(hidden, width, first ? first + row * units : NULL, rows, units);
        set_states(cells, width, first_cells ? first_cells + row * units : NULL, rows, units);
        for (int64_t number = 0; number < recurrence->description.steps; number++) {
            for (int64_t panel = 0; panel < recurrence->panel_count; panel++)
                run_panel(work, tile, panel, row, rows, number, hidden, next_hidden, cells, sums);
            float *swap = hidden;
            hidden = next_hidden;
            next_hidden = swap;
        }
    }
}

APUS_RECURRENCE_VARIANTS(run_rows)

/// Panels `begin..<end` of the kernel: of a simple cell 64 units each, else 16 units with all their gates.
static void pack(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_recurrence *recurrence = work->recurrence;
    int64_t units = recurrence->description.units, vectors = recurrence->panel_vectors;
    bool is_simple = recurrence->description.cell == APUS_CELL_SIMPLE;
    int64_t columns = units * apus_cell_gates(recurrence->description.cell);
    for (int64_t panel = begin; panel < end; panel++)
        for (int64_t k = 0; k < units; k++) {
            float *target = recurrence->packed + (panel * units + k) * vectors * APUS_LANE_COUNT;
            for (int64_t vector = 0; vector < vectors; vector++, target += APUS_LANE_COUNT) {
                int64_t unit = (is_simple ? panel * vectors + vector : panel) * APUS_LANE_COUNT;
                int64_t count = units - unit < APUS_LANE_COUNT ? units - unit : APUS_LANE_COUNT;
                memset(target, 0, APUS_LANE_COUNT * sizeof *target);
                if (count <= 0) continue;
                const float *source = work->arrays.kernel + k * columns + (is_simple ? 0 : vector * units) + unit;
                memcpy(target, source, (size_t)count * sizeof *target);
            }
        }
}

apus_status apus_recurrence_create(const apus_recurrence_description *description, apus_recurrence **result) {
    *result = NULL;
    if (!apus_recurrence_is_valid(description))
        return apus_fail("apus_recurrence_create", APUS_INVALID_DESCRIPTION);
    apus_recurrence *recurrence = calloc(1, sizeof *recurrence);
    if (!recurrence) return apus_fail("apus_recurrence_create", APUS_OUT_OF_MEMORY);
    recurrence->description = *description;
    recurrence->body = choose_run_rows();
    recurrence->thread_count = apus_thread_count();
    bool is_simple = description->cell == APUS_CELL_SIMPLE;
    recurrence->panel_vectors = is_simple ? APUS_PANEL_VECTORS : apus_cell_gates(description->cell);
    recurrence->panel_units = is_simple ? APUS_PANEL_VECTORS * APUS_LANE_COUNT : APUS_LANE_COUNT;
    recurrence->panel_count = (description->units + recurrence->panel_units - 1) / recurrence->panel_units;
    recurrence->state_width = recurrence->panel_count * recurrence->panel_units;
    int64_t sum_width = recurrence->panel_vectors * APUS_LANE_COUNT;
    recurrence->thread_size = APUS_RECURRENCE_ROWS * (3 * recurrence->state_width + sum_width);
    int64_t packed_size = recurrence->panel_count * description->units * sum_width;
    int64_t workspace_size = recurrence->thread_count * recurrence->thread_size;
    recurrence->byte_count = (packed_size + workspace_size) * (int64_t)sizeof(float);
    recurrence->packed = aligned_alloc(64, (size_t)recurrence->byte_count);
    if (!recurrence->packed) {
        free(recurrence);
        return apus_fail("apus_recurrence_create", APUS_OUT_OF_MEMORY);
    }
    recurrence->workspace = recurrence->packed + packed_size;
    *result = recurrence;
    return APUS_SUCCESS;
}

void apus_recurrence_run(apus_recurrence *recurrence, const apus_recurrence_arrays *arrays) {
    const apus_recurrence_description *wanted = &recurrence->description;
    job work = {recurrence, *arrays};
    int64_t panel_size = wanted->units * recurrence->panel_vectors * APUS_LANE_COUNT;
    apus_parallel(recurrence->panel_count, 1 + APUS_GRAIN / panel_size, pack, &work);
    apus_parallel_limited(
        wanted->batch, apus_recurrence_grain(wanted), recurrence->thread_count, recurrence->body, &work);
}

void apus_recurrence_destroy(apus_recurrence *recurrence) {
    if (!recurrence) return;
    free(recurrence->packed);
    free(recurrence);
}

int64_t apus_recurrence_workspace(const apus_recurrence *recurrence) { return recurrence->byte_count; }
