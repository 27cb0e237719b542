/// An element-wise program as a list of primitives, most of them one instruction of the processor.
#ifndef APUS_ELEMENTWISE_LOWERING_H
#define APUS_ELEMENTWISE_LOWERING_H

#include "elementwise_program.h"

/// What a primitive does with its operands a, b, c, d.
typedef enum {
    APUS_TO_COPY,
    APUS_TO_ADD,
    APUS_TO_SUBTRACT,
    APUS_TO_MULTIPLY,
    APUS_TO_DIVIDE,
    APUS_TO_TAKE_LARGER,   // a > b ? a : b
    APUS_TO_TAKE_SMALLER,  // a < b ? a : b
    APUS_TO_SQUARE_ROOT,
    APUS_TO_FLOOR,
    // Rounded once.
    APUS_TO_MULTIPLY_ADD,       // a b + c
    APUS_TO_MULTIPLY_SUBTRACT,  // a b - c
    APUS_TO_SUBTRACT_PRODUCT,   // c - a b
    // On the bits.
    APUS_TO_AND,
    APUS_TO_OR,
    APUS_TO_EXCLUSIVE_OR,
    APUS_TO_ADD_INTEGERS,
    APUS_TO_SUBTRACT_INTEGERS,
    APUS_TO_SHIFT_LEFT,    // by `detail` bits
    APUS_TO_SHIFT_RIGHT,   // with the sign's bit
    APUS_TO_FROM_INTEGER,  // whole number to float32
    // `detail` is a comparison of a and b.
    APUS_TO_KEEP,    // a ? b holds: c, else 0
    APUS_TO_CHOOSE,  // a ? b holds: c, else d
    // Without a result.
    APUS_TO_ACCUMULATE,  // a into the lanes of sum `detail`
    APUS_TO_STORE,       // a at the frame's pointer `detail`
} apus_action;

/// Comparisons by their numbers in instructions; those that deny or are called unordered hold with NaN.
enum {
    APUS_IF_EQUAL = 0,
    APUS_IF_LESS = 1,
    APUS_IF_UNORDERED = 3,
    APUS_IF_NOT_EQUAL = 4,
    APUS_IF_NOT_LESS_OR_EQUAL = 6,
    APUS_IF_GREATER_OR_EQUAL = 13,
    APUS_IF_GREATER = 14,
    APUS_IF_SAME_BITS = 32,  // without such a number
};

/// Operands are inputs, then the primitives' results; -1, -2, ... are the constants 0, 1, ... Where windows are walked,
/// inputs are there once for each of a window's places: input i at place k of n is i n + k.
typedef struct {
    apus_action action;
    int32_t detail;
    int32_t operands[4];
    int32_t place;  // of what is stored or added, where windows are walked
    bool is_needed;
} apus_primitive;

enum { APUS_MAXIMUM_PRIMITIVES = 4096, APUS_MAXIMUM_LOWERED_CONSTANTS = 256 };

typedef struct {
    int32_t input_count;
    int32_t count;
    int32_t place;  // of the primitives that are added
    int32_t constant_count;
    bool is_full;  // what did not fit is missing
    apus_primitive primitives[APUS_MAXIMUM_PRIMITIVES];
    uint32_t constants[APUS_MAXIMUM_LOWERED_CONSTANTS];  // bits
} apus_lowered;

int apus_primitive_operand_count(apus_action action);

/// Whether every operation has primitives. With them each lane gets the interpreter's very bits (but for the kind of a
/// NaN).
bool apus_lower(const apus_program *program, apus_lowered *lowered);

/// The program's values, of which its inputs are given, and what they add to sums; false if an operation has no
/// primitives.
bool apus_lower_values(const apus_program *program, apus_lowered *lowered, const int32_t *inputs, int32_t *values);
/// Likewise of all places of a window, with what is stored (elementwise_lowering_windows.c).
bool apus_lower_windows(const apus_program *program, apus_lowered *lowered);

// The elementary functions (elementwise_lowering_functions.c), as in math_functions.h.
int32_t apus_lower_primitive(
    apus_lowered *lowered, apus_action action, int32_t detail, int32_t a, int32_t b, int32_t c, int32_t d);
int32_t apus_lower_constant(apus_lowered *lowered, float value);
int32_t apus_lower_bits(apus_lowered *lowered, uint32_t bits);
int32_t apus_lower_exp(apus_lowered *lowered, int32_t x);
int32_t apus_lower_expm1(apus_lowered *lowered, int32_t x);
int32_t apus_lower_log(apus_lowered *lowered, int32_t x);
int32_t apus_lower_log1p(apus_lowered *lowered, int32_t x);
int32_t apus_lower_sigmoid(apus_lowered *lowered, int32_t x);
int32_t apus_lower_tanh(apus_lowered *lowered, int32_t x);
int32_t apus_lower_softplus(apus_lowered *lowered, int32_t x);
int32_t apus_lower_erf(apus_lowered *lowered, int32_t x);

#endif
