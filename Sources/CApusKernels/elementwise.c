// Preparing an element-wise program: checks, fewer axes, fewer instructions, registers.
#include <stdlib.h>
#include <string.h>

#include "elementwise_compiler.h"
#include "elementwise_program.h"
#include "status.h"

static bool is_element_type(apus_element_type type) {
    return type == APUS_FLOAT32 || type == APUS_INT32 || type == APUS_UINT8;
}

static apus_status check(const apus_program_description *wanted) {
    if (wanted->rank < 0 || wanted->input_count < 0 || wanted->constant_count < 0 || wanted->output_count < 0 ||
        wanted->instruction_count < 0 || wanted->sum_count < 0 || wanted->form < APUS_FORM_BEST ||
        wanted->form > APUS_FORM_AVX512)
        return APUS_INVALID_DESCRIPTION;
    if (wanted->rank > APUS_MAXIMUM_RANK || wanted->input_count > APUS_MAXIMUM_INPUTS ||
        wanted->constant_count > APUS_MAXIMUM_CONSTANTS || wanted->output_count > APUS_MAXIMUM_OUTPUTS ||
        wanted->sum_count > APUS_MAXIMUM_OUTPUTS - wanted->output_count ||
        wanted->instruction_count > APUS_MAXIMUM_INSTRUCTIONS)
        return APUS_LIMIT_EXCEEDED;
    for (int32_t axis = 0; axis < wanted->rank; axis++)
        if (wanted->dimensions[axis] < 0) return APUS_INVALID_DESCRIPTION;
    for (int32_t input = 0; input < wanted->input_count; input++)
        if (!is_element_type(wanted->inputs[input].type)) return APUS_INVALID_DESCRIPTION;
    int32_t given = wanted->input_count + wanted->constant_count;
    for (int32_t index = 0; index < wanted->instruction_count; index++) {
        const apus_instruction *instruction = &wanted->instructions[index];
        int32_t operands[3] = {instruction->a, instruction->b, instruction->c};
        int operand_count = apus_operand_count(instruction->operation);
        if (operand_count == 0) return APUS_INVALID_DESCRIPTION;
        for (int operand = 0; operand < operand_count; operand++)
            if (operands[operand] < 0 || operands[operand] >= given + index) return APUS_INVALID_DESCRIPTION;
    }
    for (int32_t output = 0; output < wanted->output_count; output++) {
        const apus_program_output *target = &wanted->outputs[output];
        if (target->value < 0 || target->value >= given + wanted->instruction_count) return APUS_INVALID_DESCRIPTION;
        if (target->type != APUS_FLOAT32 && target->type != APUS_INT32) return APUS_INVALID_DESCRIPTION;
    }
    int64_t count = 1;
    for (int32_t axis = 0; axis < wanted->rank; axis++) count *= wanted->dimensions[axis];
    for (int32_t sum = 0; sum < wanted->sum_count; sum++) {
        const apus_program_sum *total = &wanted->sums[sum];
        if (total->value < 0 || total->value >= given + wanted->instruction_count) return APUS_INVALID_DESCRIPTION;
        if (total->columns < 1 || count % total->columns != 0) return APUS_INVALID_DESCRIPTION;
    }
    return apus_program_windows_are_valid(wanted, count) ? APUS_SUCCESS : APUS_INVALID_DESCRIPTION;
}

/// Drops axes of length 1, and merges an axis with the next where every input allows it.
static void simplify_domain(apus_program *program, const apus_program_description *wanted) {
    int32_t rank = 0;
    program->count = 1;
    for (int32_t axis = 0; axis < wanted->rank; axis++) {
        int64_t length = wanted->dimensions[axis];
        program->count *= length;
        if (length == 1) continue;
        bool merges = rank > 0;
        for (int32_t input = 0; merges && input < wanted->input_count; input++)
            merges = wanted->inputs[input].is_spread ||
                     program->inputs[input].strides[rank - 1] == wanted->inputs[input].strides[axis] * length;
        if (!merges) program->dimensions[rank++] = 1;
        program->dimensions[rank - 1] *= length;
        for (int32_t input = 0; input < wanted->input_count; input++)
            program->inputs[input].strides[rank - 1] = wanted->inputs[input].strides[axis];
    }
    program->rank = rank;
}

static apus_reading reading_of(const apus_program *program, const apus_program_source *source) {
    bool is_single = true, is_packed = true;
    int64_t stride = 1;
    for (int32_t axis = program->rank - 1; axis >= 0; axis--) {
        is_single = is_single && source->strides[axis] == 0;
        is_packed = is_packed && source->strides[axis] == stride;
        stride *= program->dimensions[axis];
    }
    if (is_single) return APUS_READ_ONCE;
    if (!is_packed) return APUS_READ_STRIDED;
    return source->type == APUS_FLOAT32 ? APUS_READ_IN_PLACE : APUS_READ_CONVERTED;
}

/// How often each value is used, outputs and sums included.
static void count_uses(const apus_step *steps, int32_t count, const apus_program *program, int32_t *uses) {
    memset(uses, 0, APUS_MAXIMUM_VALUES * sizeof *uses);
    for (int32_t index = 0; index < count; index++) {
        int operands = apus_operand_count(steps[index].operation);
        uses[steps[index].a]++;
        if (operands > 1) uses[steps[index].b]++;
        if (operands > 2) uses[steps[index].c]++;
    }
    for (int32_t output = 0; output < program->output_count; output++) uses[program->outputs[output].value]++;
    for (int32_t sum = 0; sum < program->sum_count; sum++) uses[program->sums[sum].value]++;
}

/// Turns a product that is used once, in a sum, into one instruction with it.
static void fuse_multiply_add(apus_step *steps, int32_t count, int32_t given, const int32_t *uses) {
    for (int32_t index = 0; index < count; index++) {
        apus_step *sum = &steps[index];
        if (sum->operation != APUS_ADD) continue;
        for (int side = 0; side < 2; side++) {
            int32_t value = side == 0 ? sum->a : sum->b, other = side == 0 ? sum->b : sum->a;
            if (value < given || uses[value] != 1 || steps[value - given].operation != APUS_MULTIPLY) continue;
            const apus_step *product = &steps[value - given];
            *sum = (apus_step){APUS_MULTIPLY_ADD, sum->result, product->a, product->b, other};
            break;
        }
    }
}

/// Marks all that the marked values are computed from.
static void mark_needed(const apus_step *steps, int32_t count, int32_t given, bool *needed) {
    for (int32_t index = count - 1; index >= 0; index--) {
        if (!needed[given + index]) continue;
        int operands = apus_operand_count(steps[index].operation);
        needed[steps[index].a] = true;
        if (operands > 1) needed[steps[index].b] = true;
        if (operands > 2) needed[steps[index].c] = true;
    }
}

/// Keeps the steps that an output or a sum needs. `needed` gets a mark for every value that is needed.
static void remove_unused(apus_program *program, const apus_step *steps, int32_t count, int32_t given, bool *needed) {
    for (int32_t output = 0; output < program->output_count; output++) needed[program->outputs[output].value] = true;
    for (int32_t sum = 0; sum < program->sum_count; sum++) needed[program->sums[sum].value] = true;
    mark_needed(steps, count, given, needed);
    for (int32_t index = 0; index < count; index++) {
        if (!needed[given + index]) continue;
        apus_step step = steps[index];
        int operands = apus_operand_count(step.operation);
        // Operands that are not read name one that is, so that every pointer is good.
        if (operands < 2) step.b = step.a;
        if (operands < 3) step.c = step.a;
        program->steps[program->step_count++] = step;
    }
}

/// Gives each computed value a register; a value whose last use is past gives its register back.
static void allocate_registers(apus_program *program, int32_t given) {
    int32_t last_use[APUS_MAXIMUM_VALUES], free_registers[APUS_MAXIMUM_STEPS], free_count = 0;
    memset(last_use, -1, sizeof last_use);
    for (int32_t index = 0; index < program->step_count; index++) {
        const apus_step *step = &program->steps[index];
        last_use[step->a] = last_use[step->b] = last_use[step->c] = index;
    }
    for (int32_t output = 0; output < program->output_count; output++)
        last_use[program->outputs[output].value] = program->step_count;
    for (int32_t sum = 0; sum < program->sum_count; sum++)
        last_use[program->sums[sum].value] = program->step_count;
    for (int32_t input = 0; input < program->input_count; input++)
        program->inputs[input].last_use = last_use[input];
    for (int32_t index = 0; index < program->step_count; index++) {
        const apus_step *step = &program->steps[index];
        int32_t operands[3] = {step->a, step->b, step->c};
        for (int operand = 0; operand < 3; operand++) {
            int32_t value = operands[operand];
            if (value < given || last_use[value] != index) continue;
            last_use[value] = -1;  // once, should it be several operands
            free_registers[free_count++] = program->registers[value];
        }
        program->registers[step->result] =
            free_count > 0 ? free_registers[--free_count] : program->register_count++;
    }
}

/// The step that may write an output itself: the one that computes its value, for the first float32 output of it.
static void find_direct_outputs(apus_program *program) {
    for (int32_t output = 0; output < program->output_count; output++) {
        apus_program_target *target = &program->outputs[output];
        target->step = -1;
        bool is_first = target->type == APUS_FLOAT32;
        for (int32_t earlier = 0; earlier < output; earlier++)
            if (program->outputs[earlier].step >= 0 && program->outputs[earlier].value == target->value)
                is_first = false;
        for (int32_t index = 0; is_first && index < program->step_count; index++)
            if (program->steps[index].result == target->value) target->step = index;
    }
}

static apus_status create_image_program(apus_program *program, const apus_program_description *description);

/// `user`, if not NULL, is the program that runs this one for itself, tile by tile.
static apus_status create(
    const apus_program_description *description, const apus_program *user, apus_program **result) {
    apus_status status = check(description);
    if (status) return status;
    apus_program *program = calloc(1, sizeof *program);
    if (!program) return APUS_OUT_OF_MEMORY;
    program->code.form = APUS_FORM_INTERPRETED;
    int32_t given = description->input_count + description->constant_count;
    program->input_count = description->input_count;
    program->constant_count = description->constant_count;
    for (int32_t constant = 0; constant < description->constant_count; constant++)
        program->constants[constant] = description->constants[constant];
    program->output_count = description->output_count;
    for (int32_t output = 0; output < description->output_count; output++)
        program->outputs[output] =
            (apus_program_target){
                description->outputs[output].value, description->outputs[output].type, -1, APUS_WRITE_ALL, -1};
    program->sum_count = description->sum_count;
    for (int32_t sum = 0; sum < description->sum_count; sum++) {
        const apus_program_sum *total = &description->sums[sum];
        program->sums[sum] = (apus_program_total){total->value, total->columns, program->column_count, false};
        program->column_count += total->columns;
    }
    simplify_domain(program, description);

    apus_step steps[APUS_MAXIMUM_STEPS];
    int32_t step_count = description->instruction_count;
    for (int32_t index = 0; index < description->instruction_count; index++) {
        const apus_instruction *from = &description->instructions[index];
        steps[index] = (apus_step){from->operation, given + index, from->a, from->b, from->c};
    }
    for (int32_t output = 0; output < program->output_count; output++) {
        apus_program_target *target = &program->outputs[output];
        if (target->value >= given) continue;
        // A copy is a step too: so it is read in time if other outputs overwrite its array.
        steps[step_count] = (apus_step){APUS_IDENTITY, given + step_count, target->value, 0, 0};
        target->value = given + step_count++;
    }
    int32_t uses[APUS_MAXIMUM_VALUES];
    bool needed[APUS_MAXIMUM_VALUES] = {false};
    count_uses(steps, step_count, program, uses);
    fuse_multiply_add(steps, step_count, given, uses);
    remove_unused(program, steps, step_count, given, needed);
    bool is_for_image[APUS_MAXIMUM_VALUES] = {false};
    if (apus_program_has_image(description)) {
        is_for_image[description->windows.image] = true;
        mark_needed(steps, step_count, given, is_for_image);
    }
    for (int32_t input = 0; input < program->input_count; input++) {
        apus_program_source *source = &program->inputs[input];
        source->type = description->inputs[input].type;
        source->is_for_image = is_for_image[input] && !needed[input];
        source->reading =
            needed[input] || is_for_image[input] ? reading_of(program, source) : APUS_READ_NEVER;
    }
    allocate_registers(program, given);
    find_direct_outputs(program);

    apus_program_choose_bands(program, description);
    apus_program_choose_layout(program, user);
    if (program->count > 0) {
        if (program->bands.computes_image) status = create_image_program(program, description);
        if (description->form != APUS_FORM_INTERPRETED) apus_program_compile(program, description->form);
        if (apus_program_is_walked(program)) {
            apus_program_destroy(program->bands.image_program);
            program->bands.image_program = NULL;
        }
        if (!status) status = apus_program_allocate(program);
    }
    if (status)
        apus_program_destroy(program);
    else
        *result = program;
    return status;
}

/// The program for the windows' image alone, into its buffer of a tile.
static apus_status create_image_program(apus_program *program, const apus_program_description *description) {
    const apus_program_output image = {.value = program->bands.image, .type = APUS_FLOAT32};
    apus_program_input inputs[APUS_MAXIMUM_INPUTS];
    apus_program_description wanted = *description;
    wanted.inputs = inputs;
    wanted.outputs = &image;
    wanted.output_count = 1;
    wanted.sum_count = 0;
    for (int32_t input = 0; input < program->input_count; input++) {
        inputs[input] = description->inputs[input];
        inputs[input].is_spread = false;
    }
    apus_status status = create(&wanted, program, &program->bands.image_program);
    if (status) return status;
    program->bands.image_program->outputs[0].tile_buffer = program->bands.image_buffer;
    // What is spread by the image is not there before it.
    for (int32_t input = 0; input < program->input_count; input++) {
        bool is_read = program->bands.image_program->inputs[input].reading != APUS_READ_NEVER;
        if (description->inputs[input].is_spread && is_read) return APUS_INVALID_DESCRIPTION;
    }
    return APUS_SUCCESS;
}

apus_status apus_program_create(const apus_program_description *description, apus_program **result) {
    *result = NULL;
    apus_status status = create(description, NULL, result);
    return status ? apus_fail("apus_program_create", status) : APUS_SUCCESS;
}

void apus_program_destroy(apus_program *program) {
    if (!program) return;
    apus_program_discard_code(program);
    free(program->constant_rows);
    free(program->buffers);
    free(program->frames);
    free(program->partial);
    free(program->bands.buffers);
    apus_program_destroy(program->bands.image_program);
    free(program);
}

int32_t apus_program_instruction_count(const apus_program *program) { return program->step_count; }

apus_program_form apus_program_form_of(const apus_program *program) { return program->code.form; }
