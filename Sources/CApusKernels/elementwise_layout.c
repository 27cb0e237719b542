// How an element-wise program's domain is cut up, and the memory for it.
#include <stdlib.h>
#include <string.h>

#include "elementwise_program.h"
#include "threads.h"

static int64_t least_common_multiple(int64_t a, int64_t b) {
    int64_t x = a, y = b;
    while (y != 0) {
        int64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

static int64_t rounded_up(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/// The length of the run that an input repeats from the first axis on; 0 where it does not.
static int64_t period_of(const apus_program *program, const apus_program_source *source) {
    int64_t length = 1;
    int32_t axis = program->rank - 1;
    for (; axis >= 0 && source->strides[axis] == length; axis--) length *= program->dimensions[axis];
    for (int32_t outer = axis; outer >= 0; outer--)
        if (source->strides[outer] != 0) return 0;
    return axis >= 0 && length > 1 ? length : 0;
}

/// The unit that holds whole runs of `length` too, where that is no longer than units may be. Bands hold whole units.
static int64_t widened(const apus_program *program, int64_t unit, int64_t length) {
    int64_t both = least_common_multiple(unit, length);
    bool divides = program->bands.band == 0 || program->bands.band % both == 0;
    return both <= APUS_LONGEST_UNIT && divides ? both : unit;
}

/// Units hold whole runs of what inputs repeat, and whole rows of the sums' columns, where those are short enough.
static void choose_unit(apus_program *program, const apus_program *user) {
    // Bands are multiples of this.
    int64_t unit = program->bands.band > 0 ? APUS_SHORTEST_UNIT : APUS_LANES;
    for (int32_t input = 0; input < program->input_count; input++) {
        apus_program_source *source = &program->inputs[input];
        if (source->reading != APUS_READ_STRIDED || (source->period = period_of(program, source)) == 0) continue;
        unit = widened(program, unit, source->period);
    }
    for (int32_t sum = 0; sum < program->sum_count; sum++) unit = widened(program, unit, program->sums[sum].columns);
    // Where windows are walked, a sum has lanes for each of their places.
    if (apus_program_suits_walks(&program->bands))
        unit = widened(program, unit, program->bands.pooling.places * program->bands.pooling.pooling.channels);
    while (unit < APUS_SHORTEST_UNIT) unit *= 2;
    if (user) unit = user->unit;
    program->unit = unit;
    program->whole = program->count / unit * unit;
    for (int32_t input = 0; input < program->input_count; input++) {
        apus_program_source *source = &program->inputs[input];
        if (source->period > 0 && unit % source->period == 0) source->reading = APUS_READ_PERIODIC;
    }
    for (int32_t sum = 0; sum < program->sum_count; sum++)
        program->sums[sum].is_by_lanes = unit % program->sums[sum].columns == 0;
}

/// Sums are cut into blocks of chunks that do not depend on the number of threads; tiles are whole chunks, and blocks
/// whole tiles.
static void choose_chunk(apus_program *program, const apus_program *user) {
    const apus_program_bands *bands = user ? &user->bands : &program->bands;
    program->chunk = program->unit > APUS_CHUNK ? program->unit : APUS_CHUNK / program->unit * program->unit;
    while (bands->band > 0 && bands->band % program->chunk != 0) program->chunk -= program->unit;
    program->chunk_count = (program->whole + program->chunk - 1) / program->chunk + (program->count > program->whole);
    program->buffer_length = program->count < program->chunk ? rounded_up(program->count, APUS_LANES) : program->chunk;
    int64_t rows = program->chunk / program->unit;
    program->run = rows < APUS_LONGEST_RUN ? APUS_LONGEST_RUN / rows : 1;
    int64_t block = (program->chunk_count + APUS_MOST_BLOCKS - 1) / APUS_MOST_BLOCKS;
    int64_t together = program->run;
    if (bands->band > 0) together = least_common_multiple(together, bands->tile / program->chunk);
    program->block = rounded_up(block < 8 ? 8 : block, together);
    program->block_count = (program->chunk_count + program->block - 1) / program->block;
}

static void set_grain(apus_program *program) {
    int64_t cost = program->input_count + program->output_count + program->sum_count;
    for (int32_t index = 0; index < program->step_count; index++)
        cost += 2 * apus_operation_cost(program->steps[index].operation);
    // Pooling and spreading, and the image once more.
    if (program->bands.band > 0) cost = 2 * cost + 8;
    program->chunk_grain = APUS_GRAIN * 4 / ((cost + 1) * program->chunk);
    if (program->chunk_grain < 1) program->chunk_grain = 1;
}

static void lay_out_frame(apus_program *program) {
    int64_t size = apus_sum_pointer(program, program->sum_count) * (int64_t)sizeof(void *);
    size = rounded_up(size, 64);
    for (int32_t input = 0; input < program->input_count; input++) {
        apus_program_source *source = &program->inputs[input];
        source->frame_offset = size;
        if (source->reading == APUS_READ_ONCE) size += APUS_LANES * (int64_t)sizeof(float);
        if (source->reading == APUS_READ_PERIODIC) size += program->unit * (int64_t)sizeof(float);
    }
    program->lanes_offset = size;
    program->wide_offset = size + program->sum_count * program->unit * (int64_t)sizeof(float);
    program->frame_size = program->wide_offset + program->sum_count * program->unit * (int64_t)sizeof(double);
}

void apus_program_choose_layout(apus_program *program, const apus_program *user) {
    choose_unit(program, user);
    apus_program_choose_walk(program);
    choose_chunk(program, user);
    set_grain(program);
    lay_out_frame(program);
    program->thread_count = user ? user->thread_count : apus_thread_count();
    if (program->thread_count > program->chunk_count) program->thread_count = (int32_t)program->chunk_count;
    if (program->thread_count < 1) program->thread_count = 1;
}

/// 64-byte aligned zeros; at least some, so that NULL is a failure.
static void *zeros(int64_t size) {
    size_t rounded = (size_t)rounded_up(size > 0 ? size : 1, 64);
    void *result = aligned_alloc(64, rounded);
    if (result) memset(result, 0, rounded);
    return result;
}

static int64_t bands_size(const apus_program *program) {
    if (apus_program_is_walked(program)) return 0;
    return program->thread_count * program->bands.buffer_count * program->bands.tile * (int64_t)sizeof(float);
}

apus_status apus_program_allocate(apus_program *program) {
    int64_t row = program->buffer_length * (int64_t)sizeof(float);
    program->constant_rows = zeros(program->constant_count * row);
    // Lanes beyond the domain's end are computed too: let them be numbers.
    program->buffers = zeros((program->input_count + program->register_count) * row * program->thread_count);
    program->frames = zeros(program->frame_size * program->thread_count);
    program->partial = zeros(program->block_count * program->column_count * (int64_t)sizeof(double));
    program->bands.buffers = zeros(bands_size(program));
    if (!program->constant_rows || !program->buffers || !program->frames || !program->partial ||
        !program->bands.buffers)
        return APUS_OUT_OF_MEMORY;
    for (int32_t constant = 0; constant < program->constant_count; constant++)
        for (int64_t index = 0; index < program->buffer_length; index++)
            program->constant_rows[constant * program->buffer_length + index] = program->constants[constant];
    for (int32_t thread = 0; thread < program->thread_count; thread++) {
        uint32_t *constants =
            (uint32_t *)(void *)(program->frames + thread * program->frame_size + program->code.constant_offset);
        for (int32_t index = 0; index < program->code.constant_count * APUS_LANES; index++)
            constants[index] = program->code.constants[index / APUS_LANES];
    }
    return APUS_SUCCESS;
}

int64_t apus_program_workspace(const apus_program *program) {
    int64_t rows = (int64_t)(program->input_count + program->register_count) * program->thread_count;
    return (rows + program->constant_count) * program->buffer_length * (int64_t)sizeof(float) +
           program->frame_size * program->thread_count +
           program->block_count * program->column_count * (int64_t)sizeof(double) + bands_size(program) +
           (program->bands.image_program ? apus_program_workspace(program->bands.image_program) : 0);
}
