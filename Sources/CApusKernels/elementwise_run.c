// Running an element-wise program: chunk by chunk, all instructions on a chunk while it is in the cache.
#include <string.h>

#include "elementwise_load.h"
#include "elementwise_program.h"
#include "threads.h"

typedef struct {
    const apus_program *program;
    const void *const *inputs;
    void *const *outputs;
    bool is_direct[APUS_MAXIMUM_OUTPUTS];  // the step writes the output; else it is copied after the last step
} execution;

/// An output may be written before the chunk's last step only if no input it overlaps is read after that.
static bool is_direct(const apus_program *program, const execution *work, int32_t output) {
    const apus_program_target *target = &program->outputs[output];
    if (target->step < 0) return false;
    uintptr_t begin = (uintptr_t)work->outputs[output], length = (uintptr_t)program->count * sizeof(float);
    for (int32_t input = 0; input < program->input_count; input++) {
        const apus_program_source *source = &program->inputs[input];
        if (source->reading != APUS_READ_IN_PLACE || source->last_use <= target->step) continue;
        uintptr_t other = (uintptr_t)work->inputs[input];
        if (begin < other + length && other < begin + length) return false;
    }
    return true;
}

/// Runs chunks `first..<last`; `totals` gets what they add to the sums.
static void run_range(const execution *work, int64_t first, int64_t last, int32_t thread, double *totals) {
    const apus_program *program = work->program;
    int64_t chunk = program->chunk;
    float *buffers = program->buffers + thread * (program->input_count + program->register_count) * chunk;
    float *registers = buffers + program->input_count * chunk;
    // Where each value's chunk is: read from `values`, written to `results`.
    const float *values[APUS_MAXIMUM_VALUES];
    float *results[APUS_MAXIMUM_VALUES];
    for (int32_t input = 0; input < program->input_count; input++) {
        values[input] = buffers + input * chunk;
        if (program->inputs[input].reading == APUS_READ_ONCE)
            apus_load_repeated(buffers + input * chunk, work->inputs[input], program->inputs[input].type, chunk);
        if (program->inputs[input].reading == APUS_READ_PERIODIC)
            apus_load_periodic(
                buffers + input * chunk, work->inputs[input], program->inputs[input].type,
                program->inputs[input].period, chunk);
    }
    for (int32_t constant = 0; constant < program->constant_count; constant++)
        values[program->input_count + constant] = program->constants + constant * chunk;
    for (int32_t index = 0; index < program->step_count; index++) {
        int32_t value = program->steps[index].result;
        values[value] = results[value] = registers + program->registers[value] * chunk;
    }

    for (int64_t number = first; number < last; number++) {
        int64_t begin = number * chunk;
        int64_t count = program->count - begin < chunk ? program->count - begin : chunk;
        // The last chunk is filled up to whole vectors, which must happen in our own memory.
        int64_t padded = (count + APUS_LANES - 1) / APUS_LANES * APUS_LANES;
        bool is_whole = count == padded;
        for (int32_t input = 0; input < program->input_count; input++) {
            const apus_program_source *source = &program->inputs[input];
            float *buffer = buffers + input * chunk;
            switch (source->reading) {
                case APUS_READ_ONCE:
                case APUS_READ_PERIODIC:
                case APUS_READ_NEVER: break;
                case APUS_READ_IN_PLACE:
                    values[input] = is_whole ? (const float *)work->inputs[input] + begin : buffer;
                    if (is_whole) break;
                    [[fallthrough]];
                case APUS_READ_CONVERTED:
                    apus_load_packed(buffer, work->inputs[input], source->type, begin, count);
                    break;
                case APUS_READ_STRIDED:
                    apus_load_strided(
                        buffer, work->inputs[input], source->type, program->rank, program->dimensions,
                        source->strides, begin, count);
                    break;
            }
        }
        for (int32_t output = 0; output < program->output_count; output++) {
            if (!work->is_direct[output]) continue;
            int32_t value = program->outputs[output].value;
            values[value] = results[value] = is_whole ? (float *)work->outputs[output] + begin
                                                      : registers + program->registers[value] * chunk;
        }
        for (int32_t index = 0; index < program->step_count; index++) {
            const apus_step *step = &program->steps[index];
            apus_execute(
                step->operation, results[step->result], values[step->a], values[step->b], values[step->c], padded);
        }
        // Before outputs are stored, which may be over inputs.
        for (int32_t sum = 0; sum < program->sum_count; sum++) {
            const apus_program_total *total = &program->sums[sum];
            apus_add_columns(totals + total->offset, values[total->value], begin, count, total->columns);
        }
        for (int32_t output = 0; output < program->output_count; output++) {
            if (is_whole && work->is_direct[output]) continue;
            const apus_program_target *target = &program->outputs[output];
            apus_store(work->outputs[output], target->type, values[target->value], begin, count);
        }
    }
}

/// Items are chunks.
static void run_chunks(void *context, int64_t first, int64_t last, int32_t thread) {
    run_range(context, first, last, thread, NULL);
}

/// Items are blocks of chunks, each with partial sums of its own.
static void run_blocks(void *context, int64_t first, int64_t last, int32_t thread) {
    const execution *work = context;
    const apus_program *program = work->program;
    int64_t chunks = (program->count - 1) / program->chunk + 1;
    for (int64_t block = first; block < last; block++) {
        double *totals = program->partial + block * program->column_count;
        memset(totals, 0, (size_t)program->column_count * sizeof(double));
        int64_t begin = block * program->block, end = begin + program->block;
        run_range(work, begin, end < chunks ? end : chunks, thread, totals);
    }
}

/// Items are columns of all sums.
static void combine_blocks(void *context, int64_t first, int64_t last, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_program *program = work->program;
    for (int32_t sum = 0; sum < program->sum_count; sum++) {
        const apus_program_total *total = &program->sums[sum];
        float *output = work->outputs[program->output_count + sum];
        int64_t begin = first > total->offset ? first : total->offset;
        int64_t end = last < total->offset + total->columns ? last : total->offset + total->columns;
        for (int64_t column = begin; column < end; column++) {
            double value = 0;
            for (int64_t block = 0; block < program->block_count; block++)
                value += program->partial[block * program->column_count + column];
            output[column - total->offset] = (float)value;
        }
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
    int64_t chunks = (program->count - 1) / program->chunk + 1;
    if (program->sum_count == 0) {
        apus_parallel_limited(chunks, program->chunk_grain, program->thread_count, run_chunks, &work);
        return APUS_SUCCESS;
    }
    int64_t grain = (program->chunk_grain + program->block - 1) / program->block;
    apus_parallel_limited(program->block_count, grain, program->thread_count, run_blocks, &work);
    apus_parallel(program->column_count, APUS_GRAIN / program->block_count + 1, combine_blocks, &work);
    return APUS_SUCCESS;
}
