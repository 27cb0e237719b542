// A recurrence forward: each thread takes its rows of the batch through all steps, so that threads never wait for
// each other. A step multiplies the hidden states by the packed kernel, one panel after the other, and applies the
// gates to the sums while they are in the first cache. Where the inputs are given as they are, they stand before the
// hidden states, and their kernel above the other: one product for both. Measured, oneDNN's own LSTM has no fast path
// for float32.
#include "recurrence.h"

struct apus_recurrence {
    apus_recurrence_description description;
    apus_range_body body;
    int32_t thread_count;  // at creation: the workspace is for it
    int panel_vectors;
    int64_t panel_units, panel_count;
    // A row of states is [.. x 1 | h ..]: so many numbers before h, so many of them in the input's product and in front
    // of h in the hidden state's.
    int64_t lead, input_terms, hidden_lead;
    float *packed;     // [panel, input_terms + hidden_lead + units, panel_vectors * 16]
    // Of each thread: hidden states (two), cells, with rounding the hidden states as they are, sums, factors as pairs.
    float *workspace;
    // With pairs the states' rows have no lead: inputs and hidden states are packed for each step, and biases are what
    // sums begin with.
    const apus_pair_loops *pairs;
    int64_t input_pairs, hidden_pairs, factor_stride;
    uint32_t *packed_pairs;  // [panel, input_pairs + hidden_pairs, panel_vectors * 16]
    float *first_sums;       // [panel, SUM_WIDTH]
    int64_t state_width, thread_size, byte_count;
};

enum {
    SUM_WIDTH = APUS_PANEL_VECTORS * APUS_LANE_COUNT,
    // Of a GRU's sums: the candidate's product; before it, what the input adds to the candidate.
    GRU_PRODUCT = 3,
};

typedef struct {
    const apus_recurrence *recurrence;
    apus_recurrence_arrays arrays;
} job;

/// Where a vector of units is worked on: rows of the batch at one step, and sixteen units, or fewer at the end.
typedef struct {
    int64_t row, rows, step, unit, count;
    bool is_last;
    const float *sums;                    // [rows, SUM_WIDTH], this vector's
    // [rows, state_width], from this unit on; `states` are the hidden ones unrounded, where that is another array.
    float *hidden, *next_hidden, *cells, *states;
} spot;

/// The gates, and the states after the step.
APUS_INLINE void run_units(const job *work, const apus_cell cell, const apus_cell_form form, const spot *at) {
    const apus_recurrence_description *wanted = &work->recurrence->description;
    const apus_recurrence_arrays arrays = work->arrays;
    const int gates = apus_cell_gates(cell), stored = apus_cell_stored(cell);
    const int64_t units = wanted->units, width = work->recurrence->state_width, unit = at->unit;
    const int64_t count = form.is_whole ? APUS_LANE_COUNT : at->count;
    const float slope = wanted->slope, gate_slope = wanted->gate_slope;
    const bool rounds = wanted->rounds_factors;
    for (int64_t r = 0; r < at->rows; r++) {
        int64_t row = at->row + r, place = row * wanted->steps + at->step;
        const apus_lanes *sums = (const apus_lanes *)(at->sums + r * SUM_WIDTH);
        bool is_masked = arrays.mask && arrays.mask[place] == 0.0f;
        apus_lanes previous = *(const apus_lanes *)(at->states + r * width), hidden, cells, previous_cells, x[4];
        for (int gate = 0; gate < gates; gate++) {
            bool is_candidate = cell == APUS_CELL_GRU && gate == 2;
            x[gate] = is_candidate && arrays.projected ? (apus_lanes){0} : sums[gate];
            if (!arrays.projected) continue;
            apus_lanes projected;
            apus_load_some(&projected, arrays.projected + (place * gates + gate) * units + unit, count);
            x[gate] += projected;
        }
        switch (cell) {
            case APUS_CELL_SIMPLE:
                apus_activate(&x[0], form.activation, slope);
                hidden = x[0];
                break;
            case APUS_CELL_GRU:
                x[3] = sums[GRU_PRODUCT];
                apus_activate(&x[0], form.gate_activation, gate_slope);
                apus_activate(&x[1], form.gate_activation, gate_slope);
                x[2] += x[1] * x[3];
                apus_activate(&x[2], form.activation, slope);
                hidden = x[0] * previous + (1.0f - x[0]) * x[2];
                break;
            case APUS_CELL_LSTM:
                previous_cells = *(const apus_lanes *)(at->cells + r * width);
                apus_activate(&x[0], form.gate_activation, gate_slope);
                apus_activate(&x[1], form.gate_activation, gate_slope);
                apus_activate(&x[2], form.activation, slope);
                apus_activate(&x[3], form.gate_activation, gate_slope);
                cells = x[1] * previous_cells + x[0] * x[2];
                hidden = cells;
                apus_activate(&hidden, form.activation, slope);
                hidden *= x[3];
                break;
        }
        if (arrays.gates) {
            apus_kept_place kept = apus_kept_place_of(wanted, stored, row, at->step, unit, count);
            for (int block = 0; block < stored; block++)
                apus_store_some(arrays.gates + kept.first + block * kept.stride, &x[block], count);
        }
        if (is_masked) hidden = previous;
        if (arrays.previous_hidden) apus_store_some(arrays.previous_hidden + place * units + unit, &previous, count);
        if (arrays.previous_factors)
            apus_store_some(
                arrays.previous_factors + place * units + unit, (const apus_lanes *)(at->hidden + r * width), count);
        if (arrays.hidden) apus_store_some(arrays.hidden + place * units + unit, &hidden, count);
        if (arrays.last_hidden && at->is_last) apus_store_some(arrays.last_hidden + row * units + unit, &hidden, count);
        if (rounds) {
            *(apus_lanes *)(at->states + r * width) = hidden;
            apus_lanes_round_to_bfloat16(&hidden);
        }
        *(apus_lanes *)(at->next_hidden + r * width) = hidden;
        if (cell != APUS_CELL_LSTM) continue;
        if (is_masked) cells = previous_cells;
        *(apus_lanes *)(at->cells + r * width) = cells;
        if (arrays.previous_cells) {
            apus_kept_place kept = apus_kept_place_of(wanted, 1, row, at->step, unit, count);
            apus_store_some(arrays.previous_cells + kept.first, &previous_cells, count);
        }
        if (arrays.last_cells && at->is_last) apus_store_some(arrays.last_cells + row * units + unit, &cells, count);
    }
}

/// The usual forms have code of their own.
APUS_INLINE void run_units_of_any(const job *work, const apus_cell_form form, const spot *at) {
    bool is_usual = apus_form_is_usual(form);
    switch (work->recurrence->description.cell) {
        case APUS_CELL_SIMPLE: run_units(work, APUS_CELL_SIMPLE, form, at); break;
        case APUS_CELL_GRU:
            if (is_usual)
                run_units(work, APUS_CELL_GRU, APUS_USUAL_FORM, at);
            else
                run_units(work, APUS_CELL_GRU, form, at);
            break;
        case APUS_CELL_LSTM:
            if (is_usual)
                run_units(work, APUS_CELL_LSTM, APUS_USUAL_FORM, at);
            else
                run_units(work, APUS_CELL_LSTM, form, at);
            break;
    }
}

/// The sums of a panel before the gates; `hidden` are the states of these rows.
APUS_INLINE void multiply_panel(
    const job *work, const int tile, int64_t panel, int64_t rows, bool hidden_is_zero, const float *hidden,
    float *sums) {
    const apus_recurrence *recurrence = work->recurrence;
    int64_t width = recurrence->state_width, inputs = recurrence->input_terms, front = recurrence->hidden_lead;
    int64_t hidden_terms = front + (hidden_is_zero ? 0 : recurrence->description.units);
    int64_t all_terms = inputs + recurrence->hidden_lead + recurrence->description.units;
    const float *packed = recurrence->packed + panel * all_terms * recurrence->panel_vectors * APUS_LANE_COUNT;
    if (recurrence->panel_vectors == APUS_PANEL_VECTORS) {
        if (inputs + hidden_terms == 0)
            memset(sums, 0, (size_t)(rows * SUM_WIDTH) * sizeof *sums);
        else
            apus_multiply_panel(
                tile, APUS_PANEL_VECTORS, 0, rows, hidden - inputs, width, packed, inputs + hidden_terms, sums,
                SUM_WIDTH, false);
        return;
    }
    // A GRU's: the candidate's two sums stay apart.
    const int gru_tile = tile > 1 ? 8 : 1, vectors = 3, gap = GRU_PRODUCT - 2;
    if (inputs > 0) {
        apus_multiply_panel(
            gru_tile, vectors, 0, rows, hidden - inputs, width, packed, inputs, sums, SUM_WIDTH, false);
        for (int64_t r = 0; r < rows; r++)
            memset(sums + r * SUM_WIDTH + GRU_PRODUCT * APUS_LANE_COUNT, 0, APUS_LANE_COUNT * sizeof *sums);
    }
    apus_multiply_panel(
        gru_tile, vectors, gap, rows, hidden - front, width, packed + inputs * vectors * APUS_LANE_COUNT, hidden_terms,
        sums, SUM_WIDTH, inputs > 0);
}

/// The same by pairs: `factors` are those of `gather_pairs`.
static void multiply_pairs(
    const job *work, int64_t panel, int64_t rows, bool hidden_is_zero, const uint32_t *factors, float *sums) {
    const apus_recurrence *recurrence = work->recurrence;
    int64_t inputs = recurrence->input_pairs, hidden = recurrence->hidden_pairs, stride = recurrence->factor_stride;
    int64_t width = recurrence->panel_vectors * APUS_LANE_COUNT;
    const uint32_t *packed = recurrence->packed_pairs + panel * (inputs + hidden) * width;
    const apus_recurrence_product product = {
        .rows = rows,
        .parts = {{factors, packed, stride, 1, width, inputs},
                  {factors + inputs, packed + inputs * width, stride, 1, width, hidden_is_zero ? 0 : hidden}},
        .is_split = recurrence->panel_vectors < APUS_PANEL_VECTORS,
        .first = recurrence->first_sums + panel * SUM_WIDTH,
        .output = sums,
        .output_stride = SUM_WIDTH,
    };
    recurrence->pairs->multiply(&product);
}

/// The inputs of a step and the hidden states as pairs.
static void gather_pairs(
    const job *work, int64_t row, int64_t rows, int64_t step, const float *hidden, uint32_t *factors) {
    const apus_recurrence *recurrence = work->recurrence;
    const apus_recurrence_description *wanted = &recurrence->description;
    int64_t features = wanted->features, stride = recurrence->factor_stride;
    if (features > 0)
        recurrence->pairs->pack_neighbours(
            factors, stride, work->arrays.inputs + (row * wanted->steps + step) * features, wanted->steps * features,
            rows, features);
    recurrence->pairs->pack_neighbours(
        factors + recurrence->input_pairs, stride, hidden, recurrence->state_width, rows, wanted->units);
}

/// Puts the inputs of a step before the hidden states.
static void gather_inputs(const job *work, int64_t row, int64_t rows, int64_t step, float *hidden) {
    const apus_recurrence *recurrence = work->recurrence;
    int64_t features = recurrence->description.features, steps = recurrence->description.steps;
    for (int64_t r = 0; r < rows; r++) {
        float *end = hidden + r * recurrence->state_width;
        if (recurrence->lead > 0) end[-1] = 1.0f;
        if (features == 0) continue;
        const float *source = work->arrays.inputs + ((row + r) * steps + step) * features;
        memcpy(end - recurrence->input_terms, source, (size_t)features * sizeof *end);
    }
}

/// What of the states enters the first product.
static void round_states(float *factors, const float *states, int64_t width, int64_t rows, int64_t units) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t unit = 0; unit < units; unit++)
            factors[row * width + unit] = apus_round_to_bfloat16(states[row * width + unit]);
}

/// The states before the first step; the places beyond the last unit are 0 as well.
static void set_states(float *states, int64_t width, const float *initial, int64_t rows, int64_t units) {
    for (int64_t row = 0; row < rows; row++) {
        memset(states + row * width, 0, (size_t)apus_rounded_up(units, APUS_LANE_COUNT) * sizeof *states);
        if (initial) memcpy(states + row * width, initial + row * units, (size_t)units * sizeof *states);
    }
}

APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int tile) {
    const job *work = context;
    const apus_recurrence *recurrence = work->recurrence;
    const apus_recurrence_description *wanted = &recurrence->description;
    const apus_cell_form form = apus_form_of(wanted);
    int64_t units = wanted->units, width = recurrence->state_width;
    float *hidden = recurrence->workspace + thread * recurrence->thread_size + recurrence->lead;
    float *next_hidden = hidden + APUS_RECURRENCE_ROWS * width, *cells = next_hidden + APUS_RECURRENCE_ROWS * width;
    float *states = wanted->rounds_factors ? cells + APUS_RECURRENCE_ROWS * width : NULL;
    float *sums = (states ? states : cells) + APUS_RECURRENCE_ROWS * width - recurrence->lead;
    uint32_t *factors = (uint32_t *)(sums + APUS_RECURRENCE_ROWS * SUM_WIDTH);
    int64_t block = apus_recurrence_block(end - begin);
    for (int64_t row = begin; row < end; row += block) {
        spot at = {.row = row, .rows = end - row < block ? end - row : block};
        const float *first = work->arrays.initial_hidden, *first_cells = work->arrays.initial_cells;
        set_states(hidden, width, first ? first + row * units : NULL, at.rows, units);
        set_states(cells, width, first_cells ? first_cells + row * units : NULL, at.rows, units);
        if (states) {
            set_states(states, width, first ? first + row * units : NULL, at.rows, units);
            if (first) round_states(hidden, states, width, at.rows, units);
        }
        for (int64_t number = 0; number < wanted->steps; number++) {
            at.step = wanted->is_reversed ? wanted->steps - 1 - number : number;
            at.is_last = number == wanted->steps - 1;
            if (recurrence->pairs)
                gather_pairs(work, row, at.rows, at.step, hidden, factors);
            else
                gather_inputs(work, row, at.rows, at.step, hidden);
            for (int64_t panel = 0; panel < recurrence->panel_count; panel++) {
                if (recurrence->pairs)
                    multiply_pairs(work, panel, at.rows, number == 0 && !first, factors, sums);
                else
                    multiply_panel(work, tile, panel, at.rows, number == 0 && !first, hidden, sums);
                int64_t stop = (panel + 1) * recurrence->panel_units;
                for (at.unit = panel * recurrence->panel_units; at.unit < stop && at.unit < units;
                     at.unit += APUS_LANE_COUNT) {
                    at.count = units - at.unit;
                    at.sums = sums + (wanted->cell == APUS_CELL_SIMPLE ? at.unit % SUM_WIDTH : 0);
                    at.hidden = hidden + at.unit;
                    at.next_hidden = next_hidden + at.unit;
                    at.cells = cells + at.unit;
                    at.states = states ? states + at.unit : at.hidden;
                    run_units_of_any(work, form, &at);
                }
            }
            float *swap = hidden;
            hidden = next_hidden;
            next_hidden = swap;
        }
    }
}

APUS_TILED_VARIANTS(run_rows)

/// The kernel's columns in a vector of a panel, of which a simple cell's has 64 units, others' 16 units of each gate.
typedef struct {
    int64_t first, count;  // none: not above 0
} kernel_columns;

static kernel_columns columns_of(const apus_recurrence *recurrence, int64_t panel, int64_t vector) {
    int64_t units = recurrence->description.units;
    bool is_simple = recurrence->description.cell == APUS_CELL_SIMPLE;
    int64_t unit = (is_simple ? panel * recurrence->panel_vectors + vector : panel) * APUS_LANE_COUNT;
    return (kernel_columns){
        (is_simple ? 0 : vector * units) + unit, units - unit < APUS_LANE_COUNT ? units - unit : APUS_LANE_COUNT};
}

/// A row of a panel; zeros for a row that is not there.
static void pack_row(const apus_recurrence *recurrence, int64_t panel, const float *source, float *target) {
    for (int64_t vector = 0; vector < recurrence->panel_vectors; vector++, target += APUS_LANE_COUNT) {
        kernel_columns columns = columns_of(recurrence, panel, vector);
        if (source && columns.count == APUS_LANE_COUNT) {
            memcpy(target, source + columns.first, APUS_LANE_COUNT * sizeof *target);
            continue;
        }
        memset(target, 0, APUS_LANE_COUNT * sizeof *target);
        if (source && columns.count > 0)
            memcpy(target, source + columns.first, (size_t)columns.count * sizeof *target);
    }
}

/// Panels `begin..<end`: the input's kernel and bias, a GRU's recurrent bias, the recurrent kernel.
static void pack(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_recurrence *recurrence = work->recurrence;
    const apus_recurrence_description *wanted = &recurrence->description;
    const apus_recurrence_arrays *arrays = &work->arrays;
    int64_t columns = wanted->units * apus_cell_gates(wanted->cell);
    int64_t size = recurrence->panel_vectors * APUS_LANE_COUNT;
    int64_t terms = recurrence->input_terms + recurrence->hidden_lead + wanted->units;
    for (int64_t panel = begin; panel < end; panel++) {
        float *target = recurrence->packed + panel * terms * size;
        for (int64_t k = 0; k < wanted->features; k++, target += size)
            pack_row(recurrence, panel, arrays->input_kernel + k * columns, target);
        if (wanted->features > 0) {
            pack_row(recurrence, panel, arrays->bias, target);
            target += size;
        }
        if (recurrence->hidden_lead > 0) {
            pack_row(recurrence, panel, arrays->recurrent_bias, target);
            target += size;
        }
        for (int64_t k = 0; k < wanted->units; k++, target += size)
            pack_row(recurrence, panel, arrays->kernel + k * columns, target);
    }
}

/// Panels `begin..<end` as pairs, and what their sums begin with.
static void pack_pairs(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_recurrence *recurrence = work->recurrence;
    const apus_recurrence_description *wanted = &recurrence->description;
    const apus_recurrence_arrays *arrays = &work->arrays;
    int64_t stride = wanted->units * apus_cell_gates(wanted->cell);
    int64_t width = recurrence->panel_vectors * APUS_LANE_COUNT;
    for (int64_t panel = begin; panel < end; panel++) {
        float *first = recurrence->first_sums + panel * SUM_WIDTH, recurrent[SUM_WIDTH];
        pack_row(recurrence, panel, arrays->bias, first);
        if (wanted->cell == APUS_CELL_GRU) {
            float *product = first + GRU_PRODUCT * APUS_LANE_COUNT;
            pack_row(recurrence, panel, arrays->recurrent_bias, recurrent);
            for (int64_t j = 0; j < 2 * APUS_LANE_COUNT; j++) first[j] += recurrent[j];
            memcpy(product, recurrent + 2 * APUS_LANE_COUNT, APUS_LANE_COUNT * sizeof *product);
        }
        uint32_t *target =
            recurrence->packed_pairs + panel * (recurrence->input_pairs + recurrence->hidden_pairs) * width;
        for (int64_t vector = 0; vector < recurrence->panel_vectors; vector++, target += APUS_LANE_COUNT) {
            kernel_columns columns = columns_of(recurrence, panel, vector);
            if (columns.count <= 0) continue;
            if (wanted->features > 0)
                recurrence->pairs->pack_lanes(
                    target, width, arrays->input_kernel + columns.first, stride, wanted->features, columns.count);
            recurrence->pairs->pack_lanes(
                target + recurrence->input_pairs * width, width, arrays->kernel + columns.first, stride, wanted->units,
                columns.count);
        }
    }
}

apus_status apus_recurrence_create(const apus_recurrence_description *description, apus_recurrence **result) {
    *result = NULL;
    if (!apus_recurrence_is_valid(description))
        return apus_fail("apus_recurrence_create", APUS_INVALID_DESCRIPTION);
    const apus_pair_loops *pairs;
    apus_status status = apus_choose_pair_loops(description, &pairs, "apus_recurrence_create");
    if (status) return status;
    apus_recurrence *recurrence = calloc(1, sizeof *recurrence);
    if (!recurrence) return apus_fail("apus_recurrence_create", APUS_OUT_OF_MEMORY);
    recurrence->description = *description;
    recurrence->body = choose_run_rows(APUS_BEST_INSTRUCTIONS);
    recurrence->thread_count = apus_thread_count();
    recurrence->panel_vectors = description->cell == APUS_CELL_GRU ? 3 : APUS_PANEL_VECTORS;
    recurrence->panel_units =
        description->cell == APUS_CELL_SIMPLE ? APUS_PANEL_VECTORS * APUS_LANE_COUNT : APUS_LANE_COUNT;
    recurrence->panel_count = (description->units + recurrence->panel_units - 1) / recurrence->panel_units;
    recurrence->input_terms = description->features > 0 ? description->features + 1 : 0;
    recurrence->hidden_lead = description->cell == APUS_CELL_GRU ? 1 : 0;
    int64_t before = recurrence->input_terms > 0 ? recurrence->input_terms : recurrence->hidden_lead;
    recurrence->lead = pairs ? 0 : apus_rounded_up(before, APUS_LANE_COUNT);
    recurrence->state_width = recurrence->lead + recurrence->panel_count * recurrence->panel_units;
    recurrence->pairs = pairs;
    recurrence->input_pairs = apus_pair_count(description->features);
    recurrence->hidden_pairs = apus_pair_count(description->units);
    int64_t pair_count = recurrence->input_pairs + recurrence->hidden_pairs;
    recurrence->factor_stride = pairs ? apus_rounded_up(pair_count, APUS_LANE_COUNT) : 0;
    recurrence->thread_size = APUS_RECURRENCE_ROWS * ((description->rounds_factors ? 4 : 3) * recurrence->state_width +
                                                      SUM_WIDTH + recurrence->factor_stride);
    int64_t terms = pairs ? pair_count : recurrence->input_terms + recurrence->hidden_lead + description->units;
    int64_t first_size = pairs ? recurrence->panel_count * SUM_WIDTH : 0;
    int64_t packed_size = recurrence->panel_count * terms * recurrence->panel_vectors * APUS_LANE_COUNT;
    int64_t workspace_size = recurrence->thread_count * recurrence->thread_size;
    recurrence->byte_count = (packed_size + first_size + workspace_size) * (int64_t)sizeof(float);
    recurrence->packed = aligned_alloc(64, (size_t)recurrence->byte_count);
    if (!recurrence->packed) {
        free(recurrence);
        return apus_fail("apus_recurrence_create", APUS_OUT_OF_MEMORY);
    }
    recurrence->packed_pairs = (uint32_t *)recurrence->packed;
    recurrence->first_sums = recurrence->packed + packed_size;
    recurrence->workspace = recurrence->first_sums + first_size;
    // Columns beyond the last unit are packed as pairs by nobody.
    if (pairs) memset(recurrence->packed_pairs, 0, (size_t)packed_size * sizeof *recurrence->packed_pairs);
    *result = recurrence;
    return APUS_SUCCESS;
}

void apus_recurrence_run(apus_recurrence *recurrence, const apus_recurrence_arrays *arrays) {
    const apus_recurrence_description *wanted = &recurrence->description;
    job work = {recurrence, *arrays};
    int64_t panel_size = (recurrence->input_terms + wanted->units) * recurrence->panel_vectors * APUS_LANE_COUNT;
    // A single row is one thread's: what another packs would have to come over to it.
    int32_t packers = wanted->batch == 1 ? 1 : recurrence->thread_count;
    apus_parallel_limited(
        recurrence->panel_count, 1 + APUS_GRAIN / panel_size, packers, recurrence->pairs ? pack_pairs : pack, &work);
    apus_parallel_limited(
        wanted->batch, apus_recurrence_grain(wanted), recurrence->thread_count, recurrence->body, &work);
}

void apus_recurrence_destroy(apus_recurrence *recurrence) {
    if (!recurrence) return;
    free(recurrence->packed);
    free(recurrence);
}

int64_t apus_recurrence_workspace(const apus_recurrence *recurrence) { return recurrence->byte_count; }
