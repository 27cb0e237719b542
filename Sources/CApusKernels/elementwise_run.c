// Running an element-wise program: whole units by its code if it has any, else chunk by chunk, all instructions on a
// chunk while it is in the cache. Where there are windows it goes tile by tile.
#include <string.h>

#include "elementwise_load.h"
#include "elementwise_program.h"
#include "threads.h"

typedef struct {
    const apus_program *program;
    const void *const *inputs;
    void *const *outputs;
    bool is_direct[APUS_MAXIMUM_OUTPUTS];  // the step writes the output; else it is copied after the last step
    // Where there are windows, a thread's tile: its buffers, and the position that they begin with.
    float *tile;
    int64_t tile_length, tile_begin;
} execution;

static float *tile_buffer(const execution *work, int32_t number, int64_t begin) {
    return work->tile + number * work->tile_length + (begin - work->tile_begin);
}

/// Where an output's chunk goes; its elements have four bytes, whichever their type.
static float *output_place(const execution *work, int32_t output, int64_t begin) {
    int32_t buffer = work->program->outputs[output].tile_buffer;
    return buffer < 0 ? (float *)work->outputs[output] + begin : tile_buffer(work, buffer, begin);
}

/// An output may be written before the chunk's last step only if no input it overlaps is read after that.
static bool is_direct(const apus_program *program, const execution *work, int32_t output) {
    const apus_program_target *target = &program->outputs[output];
    if (target->step < 0) return false;
    if (target->tile_buffer >= 0) return true;
    uintptr_t begin = (uintptr_t)work->outputs[output], length = (uintptr_t)program->count * sizeof(float);
    for (int32_t input = 0; input < program->input_count; input++) {
        const apus_program_source *source = &program->inputs[input];
        if (source->reading != APUS_READ_IN_PLACE || source->last_use <= target->step) continue;
        uintptr_t other = (uintptr_t)work->inputs[input];
        if (begin < other + length && other < begin + length) return false;
    }
    return true;
}

static float *buffers_of(const apus_program *program, int32_t thread) {
    return program->buffers + thread * (program->input_count + program->register_count) * program->buffer_length;
}

/// Where a value's chunk is, or can be put. (Nothing is put over a constant.)
static float *row_of(const apus_program *program, float *buffers, int32_t value) {
    int64_t length = program->buffer_length;
    if (value < program->input_count) return buffers + value * length;
    int32_t constant = value - program->input_count;
    if (constant < program->constant_count) return program->constant_rows + constant * length;
    return buffers + (program->input_count + program->registers[value]) * length;
}

static int64_t chunk_begin(const apus_program *program, int64_t number) {
    int64_t begin = number * program->chunk;
    return begin < program->whole ? begin : program->whole;
}

/// Reads a chunk of an input that is not used where it is.
static void load(const execution *work, int32_t input, float *buffer, int64_t begin, int64_t count) {
    const apus_program *program = work->program;
    const apus_program_source *source = &program->inputs[input];
    if (source->reading == APUS_READ_STRIDED)
        apus_load_strided(
            buffer, work->inputs[input], source->type, program->rank, program->dimensions, source->strides, begin,
            count);
    else
        apus_load_packed(buffer, work->inputs[input], source->type, begin, count);
}

// MARK: Sums

/// A thread's sums so far; the columns are those of the block.
typedef struct {
    float *lanes;
    double *wide, *columns;
} sums_so_far;

static sums_so_far sums_of(const apus_program *program, int32_t thread, double *columns) {
    uint8_t *frame = program->frames + thread * program->frame_size;
    return (sums_so_far){
        (float *)(void *)(frame + program->lanes_offset), (double *)(void *)(frame + program->wide_offset), columns};
}

/// After a chunk: what lanes hold goes on in double at the end of a run.
static void end_chunk(const apus_program *program, sums_so_far sums, int64_t next) {
    if (program->sum_count > 0 && !program->bands.are_walked && next % program->run == 0)
        apus_widen_lanes(sums.wide, sums.lanes, program->sum_count * program->unit);
}

/// Of a walk over windows: each place has lanes of its own, which go on in double after a few windows of a band. Here
/// they are added row by row, so that a lane gets its numbers in the walk's order.
static void add_by_places(
    const apus_program *program, sums_so_far sums, int32_t sum, const float *chunk, int64_t begin, int64_t count) {
    const apus_pooling_description *windows = &program->bands.pooling.pooling;
    int64_t row = windows->image[2] * windows->channels, places = windows->window[2] * windows->channels;
    float *lanes = sums.lanes + sum * program->unit;
    while (count > 0) {
        int64_t from = begin % row, piece = APUS_LONGEST_RUN * places, to = (from / piece + 1) * piece;
        if (to > row) to = row;
        int64_t run = to - from < count ? to - from : count;
        apus_add_lanes(lanes + begin % program->bands.band / row * places, chunk, run, places);
        if (from + run == to) apus_widen_lanes(sums.wide + sum * program->unit, lanes, program->unit);
        chunk += run;
        begin += run;
        count -= run;
    }
}

// MARK: Machine code

/// The addresses of chunk `begin` of all that the code reads and writes; inputs that need it are loaded.
static void point(const execution *work, void **pointers, float *buffers, int64_t begin, int64_t count) {
    const apus_program *program = work->program;
    for (int32_t input = 0; input < program->input_count; input++) {
        apus_reading reading = program->inputs[input].reading;
        if (reading == APUS_READ_IN_PLACE) pointers[input] = (float *)work->inputs[input] + begin;
        if (reading == APUS_READ_SPREAD)
            pointers[input] = tile_buffer(work, program->inputs[input].tile_buffer, begin);
        if (reading != APUS_READ_CONVERTED && reading != APUS_READ_STRIDED) continue;
        pointers[input] = buffers + input * program->buffer_length;
        load(work, input, pointers[input], begin, count);
    }
    for (int32_t output = 0; output < program->output_count; output++)
        pointers[apus_output_pointer(program, output)] =
            program->outputs[output].type == APUS_FLOAT32 ? output_place(work, output, begin)
                                                          : row_of(program, buffers, program->outputs[output].value);
    for (int32_t sum = 0; sum < program->sum_count; sum++)
        pointers[apus_sum_pointer(program, sum)] = row_of(program, buffers, program->sums[sum].value);
}

/// Whether chunks go through buffers, so that the code takes but one at a time.
static bool has_buffers(const apus_program *program) {
    for (int32_t input = 0; input < program->input_count; input++)
        if (program->inputs[input].reading == APUS_READ_CONVERTED ||
            program->inputs[input].reading == APUS_READ_STRIDED)
            return true;
    for (int32_t output = 0; output < program->output_count; output++)
        if (program->outputs[output].type != APUS_FLOAT32) return true;
    for (int32_t sum = 0; sum < program->sum_count; sum++)
        if (!program->sums[sum].is_by_lanes) return true;
    return false;
}

// (Sanitizers look for a mark before functions called by pointer, which this code has not.)
#if defined(__clang__)
__attribute__((no_sanitize("function")))
#endif
static void call(const apus_program *program, uint8_t *frame, int64_t count) {
    program->code.function(frame, count * (int64_t)sizeof(float));
}

/// Runs chunks from `first` on that are whole units, up to `last`; returns the number of the next.
static int64_t run_code(const execution *work, int64_t first, int64_t last, int32_t thread, sums_so_far sums) {
    const apus_program *program = work->program;
    uint8_t *frame = program->frames + thread * program->frame_size;
    float *buffers = buffers_of(program, thread);
    bool is_one_by_one = has_buffers(program);
    int64_t number = first;
    while (number < last && number * program->chunk < program->whole) {
        int64_t next = is_one_by_one            ? number + 1
                       : program->sum_count > 0 ? (number / program->run + 1) * program->run
                                                : last;
        if (next > last) next = last;
        int64_t begin = number * program->chunk, end = next * program->chunk;
        if (end > program->whole) {
            end = program->whole;
            next = (end + program->chunk - 1) / program->chunk;
        }
        point(work, (void **)(void *)frame, buffers, begin, end - begin);
        call(program, frame, end - begin);
        for (int32_t sum = 0; sum < program->sum_count; sum++) {
            const apus_program_total *total = &program->sums[sum];
            if (!total->is_by_lanes)
                apus_add_columns(
                    sums.columns + total->offset, row_of(program, buffers, total->value), begin, end - begin,
                    total->columns);
        }
        for (int32_t output = 0; output < program->output_count; output++) {
            const apus_program_target *target = &program->outputs[output];
            if (target->type != APUS_FLOAT32)
                apus_store(
                    work->outputs[output], target->type, row_of(program, buffers, target->value), begin, end - begin);
        }
        end_chunk(program, sums, next);
        number = next;
    }
    return number;
}

/// Walks the windows of the chunks from `first` to `last`, which are whole bands, a few of a band at a time.
static void walk(const execution *work, int64_t first, int64_t last, int32_t thread, sums_so_far sums) {
    const apus_program *program = work->program;
    const apus_program_bands *bands = &program->bands;
    const apus_pooling_description *windows = &bands->pooling.pooling;
    uint8_t *frame = program->frames + thread * program->frame_size;
    void **pointers = (void **)(void *)frame;
    int64_t begin = first * program->chunk, end = last * program->chunk, channels = windows->channels;
    int64_t run = program->sum_count > 0 ? APUS_LONGEST_RUN : windows->output[2];
    if (end > program->count) end = program->count;
    for (; begin < end; begin += bands->band) {
        for (int64_t window = 0; window < windows->output[2]; window += run) {
            int64_t count = windows->output[2] - window < run ? windows->output[2] - window : run;
            int64_t place = begin + window * windows->window[2] * channels;
            int64_t number = begin / bands->pooling.places + window * channels;
            for (int32_t input = 0; input < program->input_count; input++) {
                apus_reading reading = program->inputs[input].reading;
                if (reading == APUS_READ_IN_PLACE) pointers[input] = (float *)work->inputs[input] + place;
                if (reading == APUS_READ_SPREAD) pointers[input] = (float *)work->inputs[input] + number;
            }
            for (int32_t output = 0; output < program->output_count; output++)
                pointers[apus_output_pointer(program, output)] =
                    (float *)work->outputs[output] +
                    (program->outputs[output].pooling == APUS_WRITE_ALL ? place : number);
            call(program, frame, count * channels);
            if (program->sum_count > 0)
                apus_widen_lanes(sums.wide, sums.lanes, program->sum_count * program->unit);
        }
    }
}

// MARK: The interpreter

static void interpret(const execution *work, int64_t first, int64_t last, int32_t thread, sums_so_far sums) {
    const apus_program *program = work->program;
    float *buffers = buffers_of(program, thread);
    // Where each value's chunk is: read from `values`, written to `results`.
    const float *values[APUS_MAXIMUM_VALUES];
    float *results[APUS_MAXIMUM_VALUES];
    int32_t given = program->input_count + program->constant_count;
    for (int32_t value = 0; value < given; value++) values[value] = row_of(program, buffers, value);
    for (int32_t index = 0; index < program->step_count; index++) {
        int32_t value = program->steps[index].result;
        values[value] = results[value] = row_of(program, buffers, value);
    }

    for (int64_t number = first; number < last; number++) {
        int64_t begin = chunk_begin(program, number);
        int64_t end = begin < program->whole ? chunk_begin(program, number + 1) : program->count;
        int64_t count = end - begin;
        // The last chunk is filled up to whole vectors, which must happen in our own memory.
        int64_t padded = (count + APUS_LANES - 1) / APUS_LANES * APUS_LANES;
        bool is_whole = count == padded;
        for (int32_t input = 0; input < program->input_count; input++) {
            apus_reading reading = program->inputs[input].reading;
            float *buffer = row_of(program, buffers, input);
            bool is_in_place = reading == APUS_READ_IN_PLACE && is_whole;
            if (is_in_place) values[input] = (const float *)work->inputs[input] + begin;
            if (reading == APUS_READ_SPREAD)
                values[input] = tile_buffer(work, program->inputs[input].tile_buffer, begin);
            if (reading == APUS_READ_IN_PLACE && !is_whole) values[input] = buffer;
            if (reading == APUS_READ_CONVERTED || reading == APUS_READ_STRIDED ||
                (reading == APUS_READ_IN_PLACE && !is_whole))
                load(work, input, buffer, begin, count);
        }
        for (int32_t output = 0; output < program->output_count; output++) {
            if (!work->is_direct[output]) continue;
            int32_t value = program->outputs[output].value;
            values[value] = results[value] =
                is_whole ? output_place(work, output, begin) : row_of(program, buffers, value);
        }
        for (int32_t index = 0; index < program->step_count; index++) {
            const apus_step *step = &program->steps[index];
            apus_execute(
                step->operation, results[step->result], values[step->a], values[step->b], values[step->c], padded);
        }
        // Before outputs are stored, which may be over inputs.
        for (int32_t sum = 0; sum < program->sum_count; sum++) {
            const apus_program_total *total = &program->sums[sum];
            if (program->bands.are_walked)
                add_by_places(program, sums, sum, values[total->value], begin, count);
            else if (total->is_by_lanes)
                apus_add_lanes(sums.lanes + sum * program->unit, values[total->value], count, program->unit);
            else
                apus_add_columns(sums.columns + total->offset, values[total->value], begin, count, total->columns);
        }
        for (int32_t output = 0; output < program->output_count; output++) {
            if (is_whole && work->is_direct[output]) continue;
            const apus_program_target *target = &program->outputs[output];
            apus_store(output_place(work, output, begin), target->type, values[target->value], 0, count);
        }
        end_chunk(program, sums, number + 1);
    }
}

// MARK: Threads

/// Reads what is the same in all chunks.
static void load_repeated(const execution *work, int32_t thread) {
    const apus_program *program = work->program;
    uint8_t *frame = program->frames + thread * program->frame_size;
    float *buffers = buffers_of(program, thread);
    bool is_code = program->code.function != NULL, is_interpreted = !is_code || program->whole < program->count;
    for (int32_t input = 0; input < program->input_count; input++) {
        const apus_program_source *source = &program->inputs[input];
        // What is no whole unit at the end is interpreted.
        float *rows[2] = {
            is_code ? (float *)(void *)(frame + source->frame_offset) : NULL,
            is_interpreted ? row_of(program, buffers, input) : NULL,
        };
        int64_t lengths[2] = {
            source->reading == APUS_READ_ONCE ? APUS_LANES : program->unit, program->buffer_length};
        for (int row = 0; row < 2; row++) {
            if (rows[row] && source->reading == APUS_READ_ONCE)
                apus_load_repeated(rows[row], work->inputs[input], source->type, lengths[row]);
            if (rows[row] && source->reading == APUS_READ_PERIODIC)
                apus_load_periodic(rows[row], work->inputs[input], source->type, source->period, lengths[row]);
        }
    }
}

static void run_loaded(const execution *work, int64_t first, int64_t last, int32_t thread, sums_so_far sums) {
    if (work->program->code.function) first = run_code(work, first, last, thread, sums);
    if (first < last) interpret(work, first, last, thread, sums);
}

/// Runs chunks tile by tile: what they read of windows is made before, what they write for windows is pooled after.
static void run_tiles(execution *work, int64_t first, int64_t last, int32_t thread, sums_so_far sums) {
    const apus_program *program = work->program;
    const apus_program_bands *bands = &program->bands;
    work->tile_length = bands->tile;
    work->tile = bands->buffers + thread * bands->buffer_count * bands->tile;
    execution image = {
        .program = bands->image_program,
        .inputs = work->inputs,
        .is_direct = {true},
        .tile = work->tile,
        .tile_length = bands->tile,
    };
    if (bands->image_program) load_repeated(&image, thread);
    int64_t step = bands->tile / program->chunk, next;
    for (; first < last; first = next) {
        next = first + step < last ? first + step : last;
        int64_t begin = first * program->chunk, end = next * program->chunk;
        if (end > program->count) end = program->count;
        work->tile_begin = image.tile_begin = begin;
        if (bands->image_program)
            run_loaded(&image, first, next, thread, (sums_so_far){NULL, NULL, NULL});
        apus_program_spread(program, work->inputs, work->tile, begin, end);
        run_loaded(work, first, next, thread, sums);
        apus_program_pool(program, work->inputs, work->outputs, work->tile, begin, end);
    }
}

static void run_range(const execution *work, int64_t first, int64_t last, int32_t thread, sums_so_far sums) {
    load_repeated(work, thread);
    if (work->program->bands.tile == 0) {
        run_loaded(work, first, last, thread, sums);
    } else if (apus_program_is_walked(work->program)) {
        walk(work, first, last, thread, sums);
    } else {
        execution own = *work;
        run_tiles(&own, first, last, thread, sums);
    }
}

/// Items are chunks.
static void run_chunks(void *context, int64_t first, int64_t last, int32_t thread) {
    run_range(context, first, last, thread, (sums_so_far){NULL, NULL, NULL});
}

/// Items are tiles.
static void run_whole_tiles(void *context, int64_t first, int64_t last, int32_t thread) {
    const execution *work = context;
    const apus_program *program = work->program;
    int64_t step = program->bands.tile / program->chunk, end = last * step;
    if (end > program->chunk_count) end = program->chunk_count;
    run_range(work, first * step, end, thread, (sums_so_far){NULL, NULL, NULL});
}

/// Items are blocks of chunks, each with partial sums of its own.
static void run_blocks(void *context, int64_t first, int64_t last, int32_t thread) {
    const execution *work = context;
    const apus_program *program = work->program;
    for (int64_t block = first; block < last; block++) {
        double *columns = program->partial + block * program->column_count;
        memset(columns, 0, (size_t)program->column_count * sizeof *columns);
        sums_so_far sums = sums_of(program, thread, columns);
        int64_t lanes = program->sum_count * program->unit;
        memset(sums.lanes, 0, (size_t)lanes * sizeof *sums.lanes);
        memset(sums.wide, 0, (size_t)lanes * sizeof *sums.wide);
        int64_t begin = block * program->block, end = begin + program->block;
        run_range(work, begin, end < program->chunk_count ? end : program->chunk_count, thread, sums);
        apus_widen_lanes(sums.wide, sums.lanes, lanes);
        for (int32_t sum = 0; sum < program->sum_count; sum++) {
            const apus_program_total *total = &program->sums[sum];
            if (total->is_by_lanes)
                apus_add_rows(
                    columns + total->offset, sums.wide + sum * program->unit, program->unit / total->columns,
                    total->columns, total->columns);
        }
    }
}

/// Items are columns of all sums.
static void combine_blocks(void *context, int64_t first, int64_t last, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_program *program = work->program;
    // The first block's row takes the others in.
    double *columns = program->partial + first;
    apus_add_rows(
        columns, columns + program->column_count, program->block_count - 1, program->column_count, last - first);
    for (int32_t sum = 0; sum < program->sum_count; sum++) {
        const apus_program_total *total = &program->sums[sum];
        float *output = work->outputs[program->output_count + sum];
        int64_t begin = first > total->offset ? first : total->offset;
        int64_t end = last < total->offset + total->columns ? last : total->offset + total->columns;
        for (int64_t column = begin; column < end; column++)
            output[column - total->offset] = (float)program->partial[column];
    }
}

apus_status apus_program_run(apus_program *program, const void *const *inputs, void *const *outputs) {
    if (program->count == 0) {
        for (int32_t sum = 0; sum < program->sum_count; sum++)
            memset(outputs[program->output_count + sum], 0, (size_t)program->sums[sum].columns * sizeof(float));
        return APUS_SUCCESS;
    }
    execution work = {.program = program, .inputs = inputs, .outputs = outputs};
    for (int32_t output = 0; output < program->output_count; output++)
        work.is_direct[output] = is_direct(program, &work, output);
    int64_t tile = program->bands.tile;
    if (program->sum_count == 0 && tile == 0) {
        apus_parallel_limited(program->chunk_count, program->chunk_grain, program->thread_count, run_chunks, &work);
        return APUS_SUCCESS;
    }
    if (program->sum_count == 0) {
        int64_t grain = program->chunk_grain * program->chunk / tile + 1;
        apus_parallel_limited(
            (program->count + tile - 1) / tile, grain, program->thread_count, run_whole_tiles, &work);
        return APUS_SUCCESS;
    }
    int64_t grain = (program->chunk_grain + program->block - 1) / program->block;
    apus_parallel_limited(program->block_count, grain, program->thread_count, run_blocks, &work);
    apus_parallel(program->column_count, APUS_GRAIN / program->block_count + 1, combine_blocks, &work);
    return APUS_SUCCESS;
}
