// A recurrence's gradient: each thread walks its rows of the batch back through all steps. A step first turns the
// gradients of its states into those of its sums, then multiplies these by the packed transposed kernel. Sums over all
// rows and steps, as the kernels' gradients are, are taken while these gradients are in the second cache.
#include "recurrence.h"

struct apus_recurrence_gradient {
    apus_recurrence_description description;
    apus_range_body body;
    int32_t thread_count;  // at creation: the workspace is for it
    int64_t panel_count;
    float *packed;     // [panel, gate * units + unit, 64]
    // With pairs, gradients of sixteen units are computed and then packed, and sums are over pairs of rows.
    const apus_pair_loops *pairs;
    uint32_t *packed_pairs;  // [panel, gate * unit_pairs + pair, 64]
    int64_t unit_pairs, left_pairs, left_stride;
    float *workspace;  // of each thread, see `area`
    int64_t row_stride, gate_stride;  // of the gates' gradients where they are computed
    int64_t state_width, slope_stride, thread_size, byte_count;

    apus_recurrence_sum sums[APUS_RECURRENCE_SUMS];
    int32_t sum_count;
    bool keeps_both;  // the gradients of x and of p, where they differ and both are summed
    int64_t row_capacity, pair_capacity, factor_stride, total_count, total_stride;
    bool *has_totals;  // of each thread, in this run
};

enum {
    PANEL = APUS_PANEL_VECTORS * APUS_LANE_COUNT,
    // Rows that a sum waits for: it reads and writes its totals once for all of them.
    SUM_ROWS = 128,
};

typedef struct {
    const apus_recurrence_gradient *gradient;
    apus_recurrence_gradient_arrays arrays;
} job;

/// A thread's memory.
typedef struct {
    float *hidden, *cells;        // [row, state_width]: gradients of the states
    float *products, *projected;  // [row, row_stride]: gradients of p and of x
    float *factors;               // [row, factor_stride]: of all sums, side by side
    float *totals;                // [factor, total_stride]
    // With pairs: gradients of p, pairs of neighbours [row, left_stride]; pairs of rows of both gradients
    // [pair, slope_stride], and of all sums' factors [pair, factor_stride].
    uint32_t *left, *product_rows, *projected_rows, *factor_rows;
} area;

static area area_of(const apus_recurrence_gradient *gradient, int32_t thread) {
    area own;
    own.hidden = gradient->workspace + thread * gradient->thread_size;
    own.cells = own.hidden + APUS_RECURRENCE_ROWS * gradient->state_width;
    own.products = own.cells + APUS_RECURRENCE_ROWS * gradient->state_width;
    int64_t slopes = gradient->row_capacity * gradient->row_stride;
    own.projected = own.products + (gradient->keeps_both ? slopes : 0);
    own.factors = own.projected + slopes;
    own.totals = own.factors + (gradient->pairs ? 0 : gradient->row_capacity * gradient->factor_stride);
    own.left = (uint32_t *)(own.totals + gradient->total_count * gradient->total_stride);
    own.product_rows = own.left + APUS_RECURRENCE_ROWS * gradient->left_stride;
    slopes = gradient->pair_capacity * gradient->slope_stride;
    own.projected_rows = own.product_rows + (gradient->keeps_both ? slopes : 0);
    own.factor_rows = own.projected_rows + slopes;
    return own;
}

/// Where a vector of units is worked on: rows of the batch at one step, and sixteen units, or fewer at the end.
typedef struct {
    int64_t row, rows, step, unit, count;
    int64_t next_step, next_unit;  // of the vector after this
    bool is_first;
    float *hidden, *cells;        // [rows, state_width], from this unit on
    float *products, *projected;  // [rows, row_stride], from this unit on
} spot;

/// Fetches what the way forward kept of a row for the next vector of units. A page holds that of sixteen rows, and the
/// processor's own fetching ends with the page.
APUS_INLINE void fetch_ahead(const job *work, const apus_cell cell, const spot *at, int64_t row) {
    const apus_recurrence_description *wanted = &work->gradient->description;
    const int stored = apus_cell_stored(cell);
    int64_t unit = at->next_unit, count = wanted->units - unit;
    apus_kept_place next = apus_kept_place_of(wanted, stored, row, at->next_step, unit, count);
    for (int block = 0; block < stored; block++)
        __builtin_prefetch(work->arrays.gates + next.first + block * next.stride);
    if (cell != APUS_CELL_LSTM) return;
    next = apus_kept_place_of(wanted, 1, row, at->next_step, unit, count);
    __builtin_prefetch(work->arrays.previous + next.first);
}

/// The gradients of the states as they come in become those of the step's sums, and that part of the hidden state's
/// which goes past the product.
APUS_INLINE void run_units(const job *work, const apus_cell cell, const apus_cell_form form, const spot *at) {
    const apus_recurrence_gradient *gradient = work->gradient;
    const apus_recurrence_description *wanted = &gradient->description;
    const apus_recurrence_gradient_arrays arrays = work->arrays;
    const int gates = apus_cell_gates(cell), stored = apus_cell_stored(cell);
    const int64_t units = wanted->units, width = gradient->state_width;
    const int64_t stride = gradient->row_stride, gate_stride = gradient->gate_stride;
    const int64_t unit = at->unit, count = form.is_whole ? APUS_LANE_COUNT : at->count;
    const float slope = wanted->slope, gate_slope = wanted->gate_slope;
    const bool keeps_both = cell == APUS_CELL_GRU && gradient->keeps_both;
    // Packing pairs rounds, too.
    const bool rounds = wanted->rounds_factors && (!gradient->pairs || arrays.projected || arrays.products);
    for (int64_t r = 0; r < at->rows; r++) {
        int64_t row = at->row + r, place = row * wanted->steps + at->step;
        bool is_masked = arrays.mask && arrays.mask[place] == 0.0f;
        apus_lanes *hidden_place = (apus_lanes *)(at->hidden + r * width);
        apus_lanes *cells_place = (apus_lanes *)(at->cells + r * width);
        apus_lanes hidden = *hidden_place, cells, previous, value, upstream, nothing = {0};
        apus_lanes kept[4], sums[4] = {nothing, nothing, nothing, nothing}, product = nothing;
        if (arrays.hidden) {
            apus_load_some(&upstream, arrays.hidden + place * units + unit, count);
            hidden += upstream;
        }
        if (arrays.last_hidden && at->is_first) {
            apus_load_some(&upstream, arrays.last_hidden + row * units + unit, count);
            hidden += upstream;
        }
        apus_kept_place kept_place = apus_kept_place_of(wanted, stored, row, at->step, unit, count);
        for (int block = 0; block < stored; block++)
            apus_load_some(&kept[block], arrays.gates + kept_place.first + block * kept_place.stride, count);
        fetch_ahead(work, cell, at, row);
        if (cell == APUS_CELL_GRU) apus_load_some(&previous, arrays.previous + place * units + unit, count);
        if (cell == APUS_CELL_LSTM) {
            kept_place = apus_kept_place_of(wanted, 1, row, at->step, unit, count);
            apus_load_some(&previous, arrays.previous + kept_place.first, count);
            cells = *cells_place;
            if (arrays.last_cells && at->is_first) {
                apus_load_some(&upstream, arrays.last_cells + row * units + unit, count);
                cells += upstream;
            }
        }
        if (!is_masked) {
            switch (cell) {
                case APUS_CELL_SIMPLE:
                    sums[0] = hidden;
                    apus_apply_slope(&sums[0], &kept[0], form.activation, slope);
                    hidden = nothing;
                    break;
                case APUS_CELL_GRU:
                    sums[0] = hidden * (previous - kept[2]);
                    sums[2] = hidden * (1.0f - kept[0]);
                    apus_apply_slope(&sums[0], &kept[0], form.gate_activation, gate_slope);
                    apus_apply_slope(&sums[2], &kept[2], form.activation, slope);
                    sums[1] = sums[2] * kept[3];
                    product = sums[2] * kept[1];
                    apus_apply_slope(&sums[1], &kept[1], form.gate_activation, gate_slope);
                    hidden *= kept[0];
                    break;
                case APUS_CELL_LSTM:
                    value = kept[1] * previous + kept[0] * kept[2];
                    apus_activate(&value, form.activation, slope);
                    upstream = hidden * kept[3];
                    apus_apply_slope(&upstream, &value, form.activation, slope);
                    cells += upstream;
                    sums[0] = cells * kept[2];
                    sums[1] = cells * previous;
                    sums[2] = cells * kept[0];
                    sums[3] = hidden * value;
                    apus_apply_slope(&sums[0], &kept[0], form.gate_activation, gate_slope);
                    apus_apply_slope(&sums[1], &kept[1], form.gate_activation, gate_slope);
                    apus_apply_slope(&sums[2], &kept[2], form.activation, slope);
                    apus_apply_slope(&sums[3], &kept[3], form.gate_activation, gate_slope);
                    cells *= kept[1];
                    hidden = nothing;
                    break;
            }
        }
        *hidden_place = hidden;
        if (cell == APUS_CELL_LSTM) *cells_place = cells;
        if (rounds) {
            for (int gate = 0; gate < gates; gate++) apus_lanes_round_to_bfloat16(&sums[gate]);
            if (cell == APUS_CELL_GRU) apus_lanes_round_to_bfloat16(&product);
        }
        for (int gate = 0; gate < gates; gate++) {
            const apus_lanes *of_product = cell == APUS_CELL_GRU && gate == 2 ? &product : &sums[gate];
            int64_t offset = (place * gates + gate) * units + unit;
            if (arrays.projected) apus_store_some(arrays.projected + offset, &sums[gate], count);
            if (arrays.products) apus_store_some(arrays.products + offset, of_product, count);
            if (keeps_both) apus_store_some(at->projected + r * stride + gate * gate_stride, &sums[gate], count);
            apus_store_some(at->products + r * stride + gate * gate_stride, of_product, count);
        }
    }
}

/// The usual forms have code of their own.
APUS_INLINE void run_units_of_any(const job *work, const apus_cell_form form, const spot *at) {
    bool is_usual = apus_form_is_usual(form);
    switch (work->gradient->description.cell) {
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

static void write_states(float *target, const float *states, int64_t width, int64_t rows, int64_t units) {
    for (int64_t row = 0; target && row < rows; row++)
        memcpy(target + row * units, states + row * width, (size_t)units * sizeof *target);
}

/// Puts the rows' factors of a step side by side.
static void gather_factors(const job *work, const spot *at, float *target) {
    const apus_recurrence_gradient *gradient = work->gradient;
    int64_t first = 0;
    for (int32_t index = 0; index < gradient->sum_count; index++) {
        int64_t width = gradient->sums[index].width;
        for (int64_t r = 0; r < at->rows; r++) {
            float *own = target + r * gradient->factor_stride + first;
            if (width == 0) {
                *own = 1.0f;
                continue;
            }
            int64_t place = (at->row + r) * gradient->description.steps + at->step;
            const float *source = work->arrays.factors[index] + place * width;
            memcpy(own, source, (size_t)width * sizeof *own);
        }
        first += width == 0 ? 1 : width;
    }
}

/// Packs the gradients of sixteen units of each gate, or fewer; pairs of rows become those from `waiting` on.
static void pack_slopes(const job *work, const area *own, const spot *at, int64_t waiting) {
    const apus_recurrence_gradient *gradient = work->gradient;
    int64_t units = gradient->description.units, count = at->count < APUS_LANE_COUNT ? at->count : APUS_LANE_COUNT;
    for (int gate = 0; gate < apus_cell_gates(gradient->description.cell); gate++) {
        const float *products = own->products + gate * gradient->gate_stride;
        uint32_t *left = own->left + gate * gradient->unit_pairs + at->unit / 2;
        if (gradient->sum_count == 0) {
            gradient->pairs->pack_neighbours(
                left, gradient->left_stride, products, gradient->row_stride, at->rows, count);
            continue;
        }
        int64_t place = waiting / 2 * gradient->slope_stride + gate * units + at->unit;
        gradient->pairs->pack_both(
            left, gradient->left_stride, own->product_rows + place, gradient->slope_stride, products,
            gradient->row_stride, at->rows, count);
        if (gradient->keeps_both)
            gradient->pairs->pack_lanes(
                own->projected_rows + place, gradient->slope_stride, own->projected + gate * gradient->gate_stride,
                gradient->row_stride, at->rows, count);
    }
}

/// `gather_factors` of pairs of rows.
static void gather_factor_pairs(const job *work, const spot *at, uint32_t *target) {
    const apus_recurrence_gradient *gradient = work->gradient;
    const float ones[2] = {1.0f, 1.0f};
    int64_t steps = gradient->description.steps;
    for (int32_t index = 0; index < gradient->sum_count; index++) {
        int64_t width = gradient->sums[index].width, stride = gradient->factor_stride;
        if (width > 0)
            gradient->pairs->pack_lanes(
                target, stride, work->arrays.factors[index] + (at->row * steps + at->step) * width, steps * width,
                at->rows, width);
        else
            for (int64_t r = 0; r < at->rows; r += 2)
                gradient->pairs->pack_lanes(target + r / 2 * stride, stride, ones, 1, at->rows - r < 2 ? 1 : 2, 1);
        target += width == 0 ? 1 : width;
    }
}

/// Adds the product of `terms`, pairs of both sides, to rows of the output.
static void add_pair_product(
    const apus_recurrence_gradient *gradient, int64_t rows, apus_pair_terms terms, float *output, int64_t stride) {
    const apus_recurrence_product product = {
        .rows = rows,
        .parts = {terms},
        .first = output,
        .first_stride = stride,
        .output = output,
        .output_stride = stride,
    };
    gradient->pairs->multiply(&product);
}

/// Adds the products of the first `rows` rows' factors and gradients to the totals.
APUS_INLINE void add_to_totals(const job *work, const area *own, int64_t rows, const int tile) {
    const apus_recurrence_gradient *gradient = work->gradient;
    for (int64_t column = 0; column < gradient->total_stride; column += PANEL) {
        int64_t first = 0;
        for (int32_t index = 0; index < gradient->sum_count; index++) {
            const apus_recurrence_sum *sum = &gradient->sums[index];
            int64_t count = sum->width == 0 ? 1 : sum->width;
            float *totals = own->totals + first * gradient->total_stride + column;
            if (gradient->pairs) {
                apus_pair_terms terms = {
                    own->factor_rows + first, (sum->is_of_products ? own->product_rows : own->projected_rows) + column,
                    1, gradient->factor_stride, gradient->slope_stride, apus_pair_count(rows)};
                add_pair_product(gradient, count, terms, totals, gradient->total_stride);
            } else {
                apus_left left = {own->factors + first, 1, gradient->factor_stride};
                apus_right right = {
                    (sum->is_of_products ? own->products : own->projected) + column, gradient->slope_stride, rows,
                    false};
                apus_multiply_rows(
                    tile, APUS_PANEL_VECTORS, 0, count, left, right, totals, gradient->total_stride, true);
            }
            first += count;
        }
    }
}

APUS_INLINE void run_rows(void *context, int64_t begin, int64_t end, int32_t thread, const int tile) {
    const job *work = context;
    const apus_recurrence_gradient *gradient = work->gradient;
    const apus_recurrence_description *wanted = &gradient->description;
    int64_t units = wanted->units, width = gradient->state_width, terms = units * apus_cell_gates(wanted->cell);
    area own = area_of(gradient, thread);
    const apus_cell_form form = apus_form_of(wanted);
    const bool is_packed = gradient->pairs != NULL;
    memset(own.totals, 0, (size_t)(gradient->total_count * gradient->total_stride) * sizeof *own.totals);
    gradient->has_totals[thread] = true;
    int64_t block = apus_recurrence_block(end - begin);
    for (int64_t row = begin; row < end; row += block) {
        int64_t rows = end - row < block ? end - row : block, waiting = 0;
        memset(own.hidden, 0, (size_t)(rows * width) * sizeof *own.hidden);
        memset(own.cells, 0, (size_t)(rows * width) * sizeof *own.cells);
        for (int64_t number = 0; number < wanted->steps; number++) {
            bool is_end = number == wanted->steps - 1;
            spot at = {.row = row, .rows = rows, .is_first = number == 0};
            at.step = wanted->is_reversed ? number : wanted->steps - 1 - number;
            // What is packed as pairs makes room for the next.
            int64_t place = is_packed ? 0 : waiting * gradient->row_stride;
            const float *products = own.products + place;
            for (at.unit = 0; at.unit < units; at.unit += APUS_LANE_COUNT) {
                at.count = units - at.unit;
                bool is_last = at.unit + APUS_LANE_COUNT >= units;
                at.next_unit = is_last ? 0 : at.unit + APUS_LANE_COUNT;
                at.next_step = !is_last || is_end ? at.step : at.step + (wanted->is_reversed ? 1 : -1);
                at.hidden = own.hidden + at.unit;
                at.cells = own.cells + at.unit;
                at.products = own.products + place + (is_packed ? 0 : at.unit);
                at.projected = own.projected + place + (is_packed ? 0 : at.unit);
                run_units_of_any(work, form, &at);
                if (is_packed) pack_slopes(work, &own, &at, waiting);
            }
            if (is_packed)
                gather_factor_pairs(work, &at, own.factor_rows + waiting / 2 * gradient->factor_stride);
            else
                gather_factors(work, &at, own.factors + waiting * gradient->factor_stride);
            if (gradient->sum_count > 0) waiting += is_packed ? apus_rounded_up(rows, 2) : rows;
            if (waiting >= SUM_ROWS || (is_end && waiting > 0)) {
                add_to_totals(work, &own, waiting, tile);
                waiting = 0;
            }
            if (is_end && !work->arrays.initial_hidden) break;
            for (int64_t panel = 0; panel < gradient->panel_count; panel++) {
                float *hidden = own.hidden + panel * PANEL;
                if (is_packed) {
                    int64_t pairs = gradient->left_pairs;
                    const uint32_t *packed = gradient->packed_pairs + panel * pairs * PANEL;
                    apus_pair_terms all = {own.left, packed, gradient->left_stride, 1, PANEL, pairs};
                    add_pair_product(gradient, rows, all, hidden, width);
                } else {
                    apus_multiply_panel(
                        tile, APUS_PANEL_VECTORS, 0, rows, products, gradient->slope_stride,
                        gradient->packed + panel * terms * PANEL, terms, hidden, width, true);
                }
            }
        }
        float *first = work->arrays.initial_hidden, *first_cells = work->arrays.initial_cells;
        write_states(first ? first + row * units : NULL, own.hidden, width, rows, units);
        write_states(first_cells ? first_cells + row * units : NULL, own.cells, width, rows, units);
    }
}

APUS_TILED_VARIANTS(run_rows)

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

/// The same as pairs.
static void pack_pairs(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_recurrence_gradient *gradient = work->gradient;
    int64_t units = gradient->description.units, gates = apus_cell_gates(gradient->description.cell);
    for (int64_t panel = begin; panel < end; panel++)
        for (int64_t unit = panel * PANEL; unit < (panel + 1) * PANEL && unit < units; unit += APUS_LANE_COUNT)
            for (int64_t gate = 0; gate < gates; gate++)
                gradient->pairs->pack_transposed(
                    gradient->packed_pairs + (panel * gates + gate) * gradient->unit_pairs * PANEL + unit % PANEL,
                    PANEL, work->arrays.kernel + (unit * gates + gate) * units, units * gates,
                    units - unit < APUS_LANE_COUNT ? units - unit : APUS_LANE_COUNT, units);
}

/// Rows `begin..<end` of all sums: the threads' totals, added in their order.
static void finish_sums(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_recurrence_gradient *gradient = work->gradient;
    int64_t columns = gradient->description.units * apus_cell_gates(gradient->description.cell), first = 0;
    for (int32_t index = 0; index < gradient->sum_count; index++) {
        int64_t count = gradient->sums[index].width == 0 ? 1 : gradient->sums[index].width;
        for (int64_t row = begin > first ? begin : first; row < end && row < first + count; row++) {
            float *target = work->arrays.sums[index] + (row - first) * columns;
            memset(target, 0, (size_t)columns * sizeof *target);
            for (int32_t other = 0; other < gradient->thread_count; other++) {
                if (!gradient->has_totals[other]) continue;
                const float *totals = area_of(gradient, other).totals + row * gradient->total_stride;
                for (int64_t column = 0; column < columns; column++) target[column] += totals[column];
            }
        }
        first += count;
    }
}

/// Sizes of what the sums need.
static void lay_out_sums(apus_recurrence_gradient *gradient, const apus_recurrence_sum *sums, int32_t count) {
    bool sums_projected = false;
    gradient->sum_count = count;
    for (int32_t index = 0; index < count; index++) {
        gradient->sums[index] = sums[index];
        gradient->total_count += sums[index].width == 0 ? 1 : sums[index].width;
        sums_projected |= !sums[index].is_of_products;
    }
    gradient->keeps_both = sums_projected && gradient->description.cell == APUS_CELL_GRU;
    gradient->row_capacity = APUS_RECURRENCE_ROWS + (count > 0 && !gradient->pairs ? SUM_ROWS : 0);
    gradient->pair_capacity = count > 0 && gradient->pairs ? (APUS_RECURRENCE_ROWS + SUM_ROWS) / 2 : 0;
    gradient->factor_stride = apus_rounded_up(gradient->total_count, APUS_LANE_COUNT);
    gradient->total_stride = count > 0 ? gradient->slope_stride - APUS_LANE_COUNT : 0;
}

static bool sums_are_valid(const apus_recurrence_sum *sums, int32_t count) {
    if (count < 0 || count > APUS_RECURRENCE_SUMS) return false;
    for (int32_t index = 0; index < count; index++)
        if (sums[index].width < 0) return false;
    return true;
}

apus_status apus_recurrence_gradient_create(
    const apus_recurrence_description *description, const apus_recurrence_sum *sums, int32_t sum_count,
    apus_recurrence_gradient **result) {
    *result = NULL;
    if (!apus_recurrence_is_valid(description) || !sums_are_valid(sums, sum_count))
        return apus_fail("apus_recurrence_gradient_create", APUS_INVALID_DESCRIPTION);
    const apus_pair_loops *pairs;
    apus_status status = apus_choose_pair_loops(description, &pairs, "apus_recurrence_gradient_create");
    if (status) return status;
    apus_recurrence_gradient *gradient = calloc(1, sizeof *gradient);
    if (!gradient) return apus_fail("apus_recurrence_gradient_create", APUS_OUT_OF_MEMORY);
    gradient->description = *description;
    gradient->pairs = pairs;
    gradient->body = choose_run_rows(APUS_BEST_INSTRUCTIONS);
    gradient->thread_count = apus_thread_count();
    gradient->panel_count = (description->units + PANEL - 1) / PANEL;
    gradient->state_width = gradient->panel_count * PANEL;
    int64_t gates = apus_cell_gates(description->cell), terms = description->units * gates;
    // A vector more than whole panels, so that rows do not compete for the same places in the cache.
    gradient->slope_stride = apus_rounded_up(terms, PANEL) + APUS_LANE_COUNT;
    gradient->row_stride = pairs ? gates * APUS_LANE_COUNT : gradient->slope_stride;
    gradient->gate_stride = pairs ? APUS_LANE_COUNT : description->units;
    gradient->unit_pairs = apus_pair_count(description->units);
    gradient->left_pairs = gates * gradient->unit_pairs;
    gradient->left_stride = pairs ? apus_rounded_up(gradient->left_pairs, PANEL) + APUS_LANE_COUNT : 0;
    lay_out_sums(gradient, sums, sum_count);
    int64_t slopes = gradient->row_capacity * gradient->row_stride + gradient->pair_capacity * gradient->slope_stride;
    gradient->thread_size =
        APUS_RECURRENCE_ROWS * (2 * gradient->state_width + gradient->left_stride) +
        slopes * (gradient->keeps_both ? 2 : 1) + gradient->total_count * gradient->total_stride +
        (pairs ? gradient->pair_capacity : gradient->row_capacity) * gradient->factor_stride;
    int64_t packed_size = gradient->panel_count * (pairs ? gradient->left_pairs : terms) * PANEL;
    gradient->byte_count =
        (packed_size + gradient->thread_count * gradient->thread_size) * (int64_t)sizeof(float);
    gradient->packed = aligned_alloc(64, (size_t)gradient->byte_count);
    gradient->has_totals = calloc((size_t)gradient->thread_count, sizeof *gradient->has_totals);
    if (!gradient->packed || !gradient->has_totals) {
        apus_recurrence_gradient_destroy(gradient);
        return apus_fail("apus_recurrence_gradient_create", APUS_OUT_OF_MEMORY);
    }
    gradient->packed_pairs = (uint32_t *)gradient->packed;
    gradient->workspace = gradient->packed + packed_size;
    // What lies beyond the last unit is multiplied too, for nobody; it had better be numbers.
    memset(gradient->packed, 0, (size_t)gradient->byte_count);
    *result = gradient;
    return APUS_SUCCESS;
}

void apus_recurrence_gradient_run(
    apus_recurrence_gradient *gradient, const apus_recurrence_gradient_arrays *arrays) {
    const apus_recurrence_description *wanted = &gradient->description;
    job work = {gradient, *arrays};
    int64_t panel_size = wanted->units * apus_cell_gates(wanted->cell) * PANEL;
    apus_parallel(
        gradient->panel_count, 1 + APUS_GRAIN / panel_size, gradient->pairs ? pack_pairs : pack, &work);
    memset(gradient->has_totals, 0, (size_t)gradient->thread_count * sizeof *gradient->has_totals);
    apus_parallel_limited(
        wanted->batch, apus_recurrence_grain(wanted), gradient->thread_count, gradient->body, &work);
    apus_parallel(
        gradient->total_count, 1 + APUS_GRAIN / (gradient->total_stride + 1), finish_sums, &work);
}

void apus_recurrence_gradient_destroy(apus_recurrence_gradient *gradient) {
    if (!gradient) return;
    free(gradient->packed);
    free(gradient->has_totals);
    free(gradient);
}

int64_t apus_recurrence_gradient_workspace(const apus_recurrence_gradient *gradient) { return gradient->byte_count; }
