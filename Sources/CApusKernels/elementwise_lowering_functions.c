// math_functions.h in primitives, step by step: a compiler fuses a product and a sum only within one expression, and so
// does this.
#include <math.h>

#include "elementwise_lowering.h"
#include "math_functions.h"

#define TWO(action, a, b) apus_lower_primitive(l, APUS_TO_##action, 0, a, b, 0, 0)
#define THREE(action, a, b, c) apus_lower_primitive(l, APUS_TO_##action, 0, a, b, c, 0)
#define CHOOSE(condition, a, b, yes, no) apus_lower_primitive(l, APUS_TO_CHOOSE, APUS_IF_##condition, a, b, yes, no)
#define SHIFT(direction, a, count) apus_lower_primitive(l, APUS_TO_SHIFT_##direction, count, a, 0, 0, 0)
#define CONSTANT(value) apus_lower_constant(l, value)
#define BITS(value) apus_lower_bits(l, value)

/// p = p x + each of the coefficients in turn.
static int32_t polynomial(apus_lowered *l, int32_t x, const float *coefficients, int count) {
    int32_t p = CONSTANT(coefficients[0]);
    for (int index = 1; index < count; index++) p = THREE(MULTIPLY_ADD, p, x, CONSTANT(coefficients[index]));
    return p;
}
#define POLYNOMIAL(x, ...) \
    polynomial(l, x, (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static int32_t magnitude(apus_lowered *l, int32_t x) { return TWO(AND, x, BITS(0x7fffffffu)); }
static int32_t with_sign(apus_lowered *l, int32_t y, int32_t x) {
    return TWO(OR, y, TWO(AND, x, BITS(0x80000000u)));
}

static int32_t limited(apus_lowered *l, int32_t x, float lowest, float highest) {
    return TWO(TAKE_SMALLER, CONSTANT(highest), TWO(TAKE_LARGER, CONSTANT(lowest), x));
}

/// exp(r) - 1 with x = n ln 2 + r; `shifted` is n plus the rounder.
static int32_t reduced_exp(apus_lowered *l, int32_t x, int32_t *shifted) {
    *shifted = THREE(MULTIPLY_ADD, x, CONSTANT(1.44269504f), CONSTANT(APUS_ROUNDER));
    int32_t n = TWO(SUBTRACT, *shifted, CONSTANT(APUS_ROUNDER));
    int32_t r = THREE(
        MULTIPLY_ADD, n, CONSTANT(2.12194440e-4f), THREE(SUBTRACT_PRODUCT, n, CONSTANT(0.693359375f), x));
    int32_t p = POLYNOMIAL(
        r, 1.991852478e-4f, 1.394617721e-3f, 8.333263919e-3f, 4.166626930e-2f, 1.666666716e-1f, 0.5f);
    return THREE(MULTIPLY_ADD, p, TWO(MULTIPLY, r, r), r);
}

/// 2^(bits + bias - 127).
static int32_t power_of_two(apus_lowered *l, int32_t bits, uint32_t bias) {
    return SHIFT(LEFT, TWO(ADD_INTEGERS, bits, BITS(bias)), 23);
}

int32_t apus_lower_exp(apus_lowered *l, int32_t x) {
    int32_t shifted, p = reduced_exp(l, limited(l, x, -104.5f, 89.0f), &shifted);
    int32_t bits = TWO(SUBTRACT_INTEGERS, shifted, BITS(apus_bits(APUS_ROUNDER)));
    int32_t half = SHIFT(RIGHT, bits, 1), rest = TWO(SUBTRACT_INTEGERS, bits, half);
    int32_t y = TWO(MULTIPLY, TWO(ADD, p, CONSTANT(1.0f)), power_of_two(l, half, 127));
    return TWO(MULTIPLY, y, power_of_two(l, rest, 127));
}

int32_t apus_lower_expm1(apus_lowered *l, int32_t x) {
    int32_t shifted, p = reduced_exp(l, limited(l, x, -20.0f, 89.0f), &shifted);
    int32_t bits = TWO(SUBTRACT_INTEGERS, shifted, BITS(apus_bits(APUS_ROUNDER)));
    int32_t half_scale = power_of_two(l, bits, 126);
    int32_t y = THREE(MULTIPLY_ADD, p, half_scale, TWO(SUBTRACT, half_scale, CONSTANT(0.5f)));
    y = TWO(MULTIPLY, y, CONSTANT(2.0f));
    y = CHOOSE(EQUAL, shifted, CONSTANT(APUS_ROUNDER), p, y);  // bits == 0
    return CHOOSE(EQUAL, x, CONSTANT(0.0f), x, y);
}

int32_t apus_lower_log(apus_lowered *l, int32_t x) {
    int32_t smallest = CONSTANT(1.17549435e-38f);
    int32_t scaled = CHOOSE(LESS, x, smallest, TWO(MULTIPLY, x, CONSTANT(8388608.0f)), x);
    int32_t offset = apus_lower_primitive(l, APUS_TO_KEEP, APUS_IF_LESS, x, smallest, CONSTANT(-23.0f), 0);
    int32_t root = BITS(0x3f3504f3u), bits = TWO(SUBTRACT_INTEGERS, scaled, root);
    int32_t n = TWO(ADD, apus_lower_primitive(l, APUS_TO_FROM_INTEGER, 0, SHIFT(RIGHT, bits, 23), 0, 0, 0), offset);
    int32_t f = TWO(ADD_INTEGERS, TWO(AND, bits, BITS(0x007fffffu)), root);
    f = TWO(SUBTRACT, f, CONSTANT(1.0f));
    int32_t p = POLYNOMIAL(
        f, 6.746638566e-2f, -1.167565137e-1f, 1.188816279e-1f, -1.240558922e-1f, 1.421955228e-1f, -1.666799635e-1f,
        2.000211924e-1f, -2.500000894e-1f, 3.333331347e-1f);
    int32_t square = TWO(MULTIPLY, f, f);
    int32_t tail = THREE(
        MULTIPLY_SUBTRACT, TWO(MULTIPLY, p, f), square, TWO(MULTIPLY, n, CONSTANT(2.12194440e-4f)));
    tail = THREE(SUBTRACT_PRODUCT, square, CONSTANT(0.5f), tail);
    int32_t y = THREE(MULTIPLY_ADD, n, CONSTANT(0.693359375f), TWO(ADD, f, tail));
    y = CHOOSE(EQUAL, x, CONSTANT(INFINITY), x, y);
    y = CHOOSE(EQUAL, x, CONSTANT(0.0f), CONSTANT(-INFINITY), y);
    return CHOOSE(GREATER_OR_EQUAL, x, CONSTANT(0.0f), y, CONSTANT(NAN));
}

int32_t apus_lower_log1p(apus_lowered *l, int32_t x) {
    int32_t one = CONSTANT(1.0f), u = TWO(ADD, x, one);
    int32_t d = TWO(SUBTRACT, x, TWO(SUBTRACT, u, one));
    int32_t y = TWO(ADD, apus_lower_log(l, u), TWO(DIVIDE, d, u));
    y = CHOOSE(EQUAL, u, one, x, y);
    y = CHOOSE(EQUAL, u, CONSTANT(0.0f), CONSTANT(-INFINITY), y);
    return CHOOSE(EQUAL, x, CONSTANT(INFINITY), x, y);
}

int32_t apus_lower_sigmoid(apus_lowered *l, int32_t x) {
    int32_t e = apus_lower_exp(l, TWO(OR, x, BITS(0x80000000u)));
    int32_t y = TWO(DIVIDE, CONSTANT(1.0f), TWO(ADD, e, CONSTANT(1.0f)));
    return CHOOSE(GREATER_OR_EQUAL, x, CONSTANT(0.0f), y, TWO(MULTIPLY, e, y));
}

int32_t apus_lower_tanh(apus_lowered *l, int32_t x) {
    int32_t limited = TWO(TAKE_SMALLER, CONSTANT(10.0f), magnitude(l, x));
    int32_t e = apus_lower_expm1(l, TWO(MULTIPLY, limited, CONSTANT(2.0f)));
    return with_sign(l, TWO(DIVIDE, e, TWO(ADD, e, CONSTANT(2.0f))), x);
}

int32_t apus_lower_softplus(apus_lowered *l, int32_t x) {
    int32_t tail = apus_lower_log1p(l, apus_lower_exp(l, TWO(OR, x, BITS(0x80000000u))));
    return TWO(ADD, TWO(TAKE_LARGER, CONSTANT(0.0f), x), tail);
}

int32_t apus_lower_erf(apus_lowered *l, int32_t x) {
    int32_t t = magnitude(l, x), s = TWO(MULTIPLY, x, x);
    int32_t p = POLYNOMIAL(
        s, 8.185093611e-5f, -8.097703685e-4f, 5.196952261e-3f, -2.685770579e-2f, 1.128366366e-1f, -3.761263192e-1f,
        1.283791661e-1f);
    int32_t small = THREE(MULTIPLY_ADD, p, x, x);
    int32_t limited = TWO(TAKE_SMALLER, CONSTANT(4.0f), t);
    int32_t g = POLYNOMIAL(
        limited, 2.090946691e-5f, -4.323020403e-4f, 4.160522483e-3f, -2.509148605e-2f, 1.082366034e-1f,
        6.333866715e-1f, 1.129495144f, -1.705508184e-4f);
    int32_t large = TWO(SUBTRACT, CONSTANT(1.0f), apus_lower_exp(l, TWO(EXCLUSIVE_OR, g, BITS(0x80000000u))));
    return CHOOSE(LESS, t, CONSTANT(0.925f), small, with_sign(l, large, x));
}
