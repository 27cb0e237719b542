#include "elementwise_lowering.h"

#include <math.h>
#include <string.h>

#include "math_functions.h"

int apus_primitive_operand_count(apus_action action) {
    switch (action) {
        case APUS_TO_KEEP:
        case APUS_TO_MULTIPLY_ADD:
        case APUS_TO_MULTIPLY_SUBTRACT:
        case APUS_TO_SUBTRACT_PRODUCT: return 3;
        case APUS_TO_CHOOSE: return 4;
        case APUS_TO_COPY:
        case APUS_TO_SQUARE_ROOT:
        case APUS_TO_FLOOR:
        case APUS_TO_SHIFT_LEFT:
        case APUS_TO_SHIFT_RIGHT:
        case APUS_TO_FROM_INTEGER:
        case APUS_TO_ACCUMULATE:
        case APUS_TO_STORE: return 1;
        default: return 2;
    }
}

int32_t apus_lower_primitive(
    apus_lowered *lowered, apus_action action, int32_t detail, int32_t a, int32_t b, int32_t c, int32_t d) {
    if (lowered->count == APUS_MAXIMUM_PRIMITIVES) {
        lowered->is_full = true;
        return a;
    }
    lowered->primitives[lowered->count] = (apus_primitive){action, detail, {a, b, c, d}, lowered->place, false};
    return lowered->input_count + lowered->count++;
}

int32_t apus_lower_bits(apus_lowered *lowered, uint32_t bits) {
    for (int32_t index = 0; index < lowered->constant_count; index++)
        if (lowered->constants[index] == bits) return -1 - index;
    if (lowered->constant_count == APUS_MAXIMUM_LOWERED_CONSTANTS) {
        lowered->is_full = true;
        return -1;
    }
    lowered->constants[lowered->constant_count] = bits;
    return -1 - lowered->constant_count++;
}

int32_t apus_lower_constant(apus_lowered *lowered, float value) { return apus_lower_bits(lowered, apus_bits(value)); }

/// The mask's comparison, should `value` be one.
static const apus_primitive *comparison(const apus_lowered *lowered, int32_t value) {
    if (value < lowered->input_count) return NULL;
    const apus_primitive *primitive = &lowered->primitives[value - lowered->input_count];
    bool is_mask = primitive->action == APUS_TO_KEEP && primitive->operands[2] < 0 &&
                   lowered->constants[-1 - primitive->operands[2]] == apus_bits(1.0f);
    return is_mask ? primitive : NULL;
}

static int32_t lower_select(apus_lowered *l, int32_t a, int32_t b, int32_t c) {
    const apus_primitive *mask = comparison(l, a);
    if (mask)
        return apus_lower_primitive(l, APUS_TO_CHOOSE, mask->detail, mask->operands[0], mask->operands[1], b, c);
    return apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_NOT_EQUAL, a, apus_lower_constant(l, 0.0f), b, c);
}

/// a where it is not a number, else the larger or smaller.
static int32_t lower_extreme(apus_lowered *l, apus_action action, int32_t a, int32_t b) {
    int32_t extreme = apus_lower_primitive(l, action, 0, a, b, 0, 0);
    return apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_UNORDERED, a, a, a, extreme);
}

static int32_t lower_sign(apus_lowered *l, int32_t a) {
    int32_t zero = apus_lower_constant(l, 0.0f), one = apus_lower_constant(l, 1.0f);
    int32_t y = apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_EQUAL, a, zero, zero, a);
    y = apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_LESS, a, zero, apus_lower_constant(l, -1.0f), y);
    return apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_GREATER, a, zero, one, y);
}

/// To the nearest number of 16 bits, ties to even; what is no number stays so.
static int32_t lower_round_to_bfloat16(apus_lowered *l, int32_t a) {
    int32_t odd = apus_lower_primitive(l, APUS_TO_SHIFT_RIGHT, 16, a, 0, 0, 0);
    odd = apus_lower_primitive(l, APUS_TO_AND, 0, odd, apus_lower_bits(l, 1), 0, 0);
    int32_t half = apus_lower_primitive(l, APUS_TO_ADD_INTEGERS, 0, a, apus_lower_bits(l, 0x7fff), 0, 0);
    int32_t sum = apus_lower_primitive(l, APUS_TO_ADD_INTEGERS, 0, half, odd, 0, 0);
    int32_t rounded = apus_lower_primitive(l, APUS_TO_AND, 0, sum, apus_lower_bits(l, 0xffff0000u), 0, 0);
    return apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_UNORDERED, a, a, a, rounded);
}

/// The value of one step; false for an operation without primitives.
static bool lower(apus_lowered *l, apus_operation operation, int32_t a, int32_t b, int32_t c, int32_t *result) {
    int32_t zero = apus_lower_constant(l, 0.0f), one = apus_lower_constant(l, 1.0f);
#define LOWER(action, a, b, c) *result = apus_lower_primitive(l, APUS_TO_##action, 0, a, b, c, 0)
#define LOWER_KEEP(condition, a, b, c) \
    *result = apus_lower_primitive(l, APUS_TO_KEEP, APUS_IF_##condition, a, b, c, 0)
    switch (operation) {
        // A copy of an input is read before any output is written.
        case APUS_IDENTITY: LOWER(COPY, a, 0, 0); break;
        case APUS_NEGATE: LOWER(EXCLUSIVE_OR, a, apus_lower_bits(l, 0x80000000u), 0); break;
        case APUS_ABSOLUTE: LOWER(AND, a, apus_lower_bits(l, 0x7fffffffu), 0); break;
        case APUS_SIGN: *result = lower_sign(l, a); break;
        case APUS_EXP: *result = apus_lower_exp(l, a); break;
        case APUS_EXP_MINUS_ONE: *result = apus_lower_expm1(l, a); break;
        case APUS_LOG: *result = apus_lower_log(l, a); break;
        case APUS_LOG_ONE_PLUS: *result = apus_lower_log1p(l, a); break;
        case APUS_SQUARE_ROOT: LOWER(SQUARE_ROOT, a, 0, 0); break;
        case APUS_RECIPROCAL_SQUARE_ROOT:
            LOWER(SQUARE_ROOT, a, 0, 0);
            LOWER(DIVIDE, one, *result, 0);
            break;
        case APUS_RECIPROCAL: LOWER(DIVIDE, one, a, 0); break;
        case APUS_SQUARE: LOWER(MULTIPLY, a, a, 0); break;
        case APUS_SIGMOID: *result = apus_lower_sigmoid(l, a); break;
        case APUS_TANH: *result = apus_lower_tanh(l, a); break;
        case APUS_ERF: *result = apus_lower_erf(l, a); break;
        case APUS_FLOOR: LOWER(FLOOR, a, 0, 0); break;
        case APUS_RELU: LOWER_KEEP(NOT_LESS_OR_EQUAL, a, zero, a); break;
        case APUS_SOFTPLUS: *result = apus_lower_softplus(l, a); break;
        case APUS_IS_FINITE:
            LOWER(AND, a, apus_lower_bits(l, 0x7fffffffu), 0);
            LOWER_KEEP(LESS, *result, apus_lower_constant(l, INFINITY), one);
            break;
        case APUS_ROUND_TO_BFLOAT16: *result = lower_round_to_bfloat16(l, a); break;
        case APUS_ADD: LOWER(ADD, a, b, 0); break;
        case APUS_SUBTRACT: LOWER(SUBTRACT, a, b, 0); break;
        case APUS_MULTIPLY: LOWER(MULTIPLY, a, b, 0); break;
        case APUS_DIVIDE: LOWER(DIVIDE, a, b, 0); break;
        case APUS_MAXIMUM: *result = lower_extreme(l, APUS_TO_TAKE_LARGER, a, b); break;
        case APUS_MINIMUM: *result = lower_extreme(l, APUS_TO_TAKE_SMALLER, a, b); break;
        case APUS_GREATER: LOWER_KEEP(GREATER, a, b, one); break;
        case APUS_GREATER_OR_EQUAL: LOWER_KEEP(GREATER_OR_EQUAL, a, b, one); break;
        case APUS_EQUAL: LOWER_KEEP(EQUAL, a, b, one); break;
        case APUS_SELECT: *result = lower_select(l, a, b, c); break;
        case APUS_MULTIPLY_ADD: LOWER(MULTIPLY_ADD, a, b, c); break;
        // Far from 0 these are the C library's.
        case APUS_SIN:
        case APUS_COS:
        case APUS_POWER: return false;
    }
    return true;
}

/// What stores and sums need, as far back as that goes.
static void mark_needed(apus_lowered *lowered) {
    for (int32_t index = lowered->count - 1; index >= 0; index--) {
        apus_primitive *primitive = &lowered->primitives[index];
        if (primitive->action >= APUS_TO_ACCUMULATE) primitive->is_needed = true;
        if (!primitive->is_needed) continue;
        for (int operand = 0; operand < apus_primitive_operand_count(primitive->action); operand++)
            if (primitive->operands[operand] >= lowered->input_count)
                lowered->primitives[primitive->operands[operand] - lowered->input_count].is_needed = true;
    }
}

/// Adds `value` to the sums that want it.
static void lower_sums(const apus_program *program, apus_lowered *lowered, int32_t value, int32_t place) {
    for (int32_t sum = 0; sum < program->sum_count; sum++)
        if (program->sums[sum].value == value && program->sums[sum].is_by_lanes)
            apus_lower_primitive(lowered, APUS_TO_ACCUMULATE, sum, place, 0, 0, 0);
}

bool apus_lower_values(const apus_program *program, apus_lowered *lowered, const int32_t *inputs, int32_t *values) {
    int32_t given = program->input_count + program->constant_count;
    for (int32_t value = 0; value < given; value++) {
        int32_t constant = value - program->input_count;
        values[value] = constant < 0 ? inputs[value] : apus_lower_constant(lowered, program->constants[constant]);
        lower_sums(program, lowered, value, values[value]);
    }
    for (int32_t index = 0; index < program->step_count; index++) {
        const apus_step *step = &program->steps[index];
        if (!lower(lowered, step->operation, values[step->a], values[step->b], values[step->c], &values[step->result]))
            return false;
        lower_sums(program, lowered, step->result, values[step->result]);
    }
    return true;
}

static bool lower_vectors(const apus_program *program, apus_lowered *lowered) {
    int32_t inputs[APUS_MAXIMUM_INPUTS], values[APUS_MAXIMUM_VALUES];
    for (int32_t input = 0; input < program->input_count; input++) inputs[input] = input;
    if (!apus_lower_values(program, lowered, inputs, values)) return false;
    int32_t given = program->input_count + program->constant_count;
    for (int32_t sum = 0; sum < program->sum_count; sum++) {
        int32_t value = program->sums[sum].value;
        bool is_constant = value >= program->input_count && value < given;
        if (!program->sums[sum].is_by_lanes && !is_constant)
            apus_lower_primitive(lowered, APUS_TO_STORE, apus_sum_pointer(program, sum), values[value], 0, 0, 0);
    }
    // Last, since an output may be over an input.
    for (int32_t output = 0; output < program->output_count; output++) {
        int32_t value = values[program->outputs[output].value];
        apus_lower_primitive(lowered, APUS_TO_STORE, apus_output_pointer(program, output), value, 0, 0, 0);
    }
    return true;
}

bool apus_lower(const apus_program *program, apus_lowered *lowered) {
    bool are_walked = program->bands.are_walked;
    lowered->input_count = program->input_count * (are_walked ? (int32_t)program->bands.pooling.places : 1);
    lowered->count = lowered->constant_count = lowered->place = 0;
    lowered->is_full = false;
    if (!(are_walked ? apus_lower_windows : lower_vectors)(program, lowered)) return false;
    mark_needed(lowered);
    return !lowered->is_full;
}
