#include "elementwise_instructions.h"

#include "instruction_set.h"
#include "math_functions.h"

int apus_operand_count(apus_operation operation) {
    if (operation >= APUS_IDENTITY && operation <= APUS_ROUND_TO_BFLOAT16) return 1;
    if (operation >= APUS_ADD && operation <= APUS_EQUAL) return 2;
    return operation == APUS_SELECT || operation == APUS_MULTIPLY_ADD ? 3 : 0;
}

int apus_operation_cost(apus_operation operation) {
    switch (operation) {
        case APUS_EXP:
        case APUS_EXP_MINUS_ONE:
        case APUS_LOG:
        case APUS_SIGMOID:
        case APUS_TANH:
        case APUS_ERF: return 8;
        case APUS_LOG_ONE_PLUS:
        case APUS_SOFTPLUS:
        case APUS_SIN:
        case APUS_COS: return 16;
        case APUS_POWER: return 100;
        case APUS_DIVIDE:
        case APUS_RECIPROCAL:
        case APUS_SQUARE_ROOT: return 3;
        case APUS_RECIPROCAL_SQUARE_ROOT: return 5;
        default: return 1;
    }
}

// Each case is its own loop; the compiler may assume no dependence between elements, since an operand either is the
// destination or does not overlap it.
#define APUS_LOOP(expression)                                                                    \
    do {                                                                                         \
        _Pragma("clang loop vectorize(assume_safety) vectorize_width(16) interleave_count(1)")   \
        for (int64_t i = 0; i < count; i++) destination[i] = (expression);                       \
    } while (0)

// Trigonometry far from 0, and infinities, are left to the C library, element by element. (Inlined, so that the
// near elements beside a far one get the same code as elsewhere.)

APUS_INLINE int has_far_element(const float *a, int64_t count) {
    int far = 0;
    for (int64_t i = 0; i < count; i++) far |= !(__builtin_fabsf(a[i]) <= APUS_TRIGONOMETRIC_LIMIT);
    return far;
}

APUS_INLINE void execute_far(
    float (*function)(float), uint64_t quarter_turns, float *destination, const float *a, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        float x = a[i];
        destination[i] = __builtin_fabsf(x) <= APUS_TRIGONOMETRIC_LIMIT ? apus_sine(x, quarter_turns) : function(x);
    }
}

APUS_VARIANTS(
    extern, void, apus_execute,
    (apus_operation operation, float *destination, const float *a, const float *b, const float *c, int64_t count),
    (operation, destination, a, b, c, count)) {
    __builtin_assume(count % APUS_LANES == 0);
    switch (operation) {
        case APUS_IDENTITY: APUS_LOOP(a[i]); break;
        case APUS_NEGATE: APUS_LOOP(-a[i]); break;
        case APUS_ABSOLUTE: APUS_LOOP(__builtin_fabsf(a[i])); break;
        case APUS_SIGN: APUS_LOOP(a[i] > 0.0f ? 1.0f : a[i] < 0.0f ? -1.0f : a[i] == 0.0f ? 0.0f : a[i]); break;
        case APUS_EXP: APUS_LOOP(apus_exp(a[i])); break;
        case APUS_EXP_MINUS_ONE: APUS_LOOP(apus_expm1(a[i])); break;
        case APUS_LOG: APUS_LOOP(apus_log(a[i])); break;
        case APUS_LOG_ONE_PLUS: APUS_LOOP(apus_log1p(a[i])); break;
        case APUS_SQUARE_ROOT: APUS_LOOP(__builtin_elementwise_sqrt(a[i])); break;
        case APUS_RECIPROCAL_SQUARE_ROOT: APUS_LOOP(1.0f / __builtin_elementwise_sqrt(a[i])); break;
        case APUS_RECIPROCAL: APUS_LOOP(1.0f / a[i]); break;
        case APUS_SQUARE: APUS_LOOP(a[i] * a[i]); break;
        case APUS_SIGMOID: APUS_LOOP(apus_sigmoid(a[i])); break;
        case APUS_TANH: APUS_LOOP(apus_tanh(a[i])); break;
        case APUS_ERF: APUS_LOOP(apus_erf(a[i])); break;
        case APUS_SIN:
            if (has_far_element(a, count)) execute_far(sinf, 0, destination, a, count);
            else APUS_LOOP(apus_sine(a[i], 0));
            break;
        case APUS_COS:
            if (has_far_element(a, count)) execute_far(cosf, 1, destination, a, count);
            else APUS_LOOP(apus_sine(a[i], 1));
            break;
        case APUS_FLOOR: APUS_LOOP(__builtin_elementwise_floor(a[i])); break;
        case APUS_RELU: APUS_LOOP(a[i] <= 0.0f ? 0.0f : a[i]); break;
        case APUS_SOFTPLUS: APUS_LOOP(apus_softplus(a[i])); break;
        case APUS_IS_FINITE: APUS_LOOP((apus_bits(a[i]) & 0x7f800000u) != 0x7f800000u ? 1.0f : 0.0f); break;
        case APUS_ROUND_TO_BFLOAT16: APUS_LOOP(apus_round_to_bfloat16(a[i])); break;
        case APUS_ADD: APUS_LOOP(a[i] + b[i]); break;
        case APUS_SUBTRACT: APUS_LOOP(a[i] - b[i]); break;
        case APUS_MULTIPLY: APUS_LOOP(a[i] * b[i]); break;
        case APUS_DIVIDE: APUS_LOOP(a[i] / b[i]); break;
        case APUS_MAXIMUM: APUS_LOOP(a[i] > b[i] || a[i] != a[i] ? a[i] : b[i]); break;
        case APUS_MINIMUM: APUS_LOOP(a[i] < b[i] || a[i] != a[i] ? a[i] : b[i]); break;
        case APUS_POWER:
            for (int64_t i = 0; i < count; i++) destination[i] = powf(a[i], b[i]);
            break;
        case APUS_GREATER: APUS_LOOP(a[i] > b[i] ? 1.0f : 0.0f); break;
        case APUS_GREATER_OR_EQUAL: APUS_LOOP(a[i] >= b[i] ? 1.0f : 0.0f); break;
        case APUS_EQUAL: APUS_LOOP(a[i] == b[i] ? 1.0f : 0.0f); break;
        case APUS_SELECT: APUS_LOOP(a[i] != 0.0f ? b[i] : c[i]); break;
        case APUS_MULTIPLY_ADD: APUS_LOOP(a[i] * b[i] + c[i]); break;
    }
}
