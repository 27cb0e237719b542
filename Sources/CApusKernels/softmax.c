// A row is worked on sixteen numbers at a time; the last ones are filled up, so that all get the same code. Of short
// rows sixteen are worked on at a time, a column after the other.
#include <string.h>

#include "instruction_set.h"
#include "lanes.h"
#include "math_functions.h"
#include "threads.h"

typedef struct {
    const float *input, *targets;
    float *output;
    int64_t columns;
} execution;

/// Sixteen numbers from `x` on: those beyond `count` are `filler`. `space` has room for them.
APUS_INLINE const float *padded(const float *x, int64_t count, float filler, float *space) {
    if (count >= 16) return x;
    for (int k = 0; k < 16; k++) space[k] = filler;
    memcpy(space, x, (size_t)count * sizeof(float));
    return space;
}

APUS_INLINE float folded_sum(float *lanes) {
    for (int half = 8; half > 0; half /= 2)
        for (int k = 0; k < half; k++) lanes[k] += lanes[k + half];
    return lanes[0];
}

APUS_INLINE float row_maximum(const float *x, int64_t count) {
    apus_lanes part = (apus_lanes){0} - INFINITY;
    float space[16];
    for (int64_t j = 0; j < count; j += 16) {
        apus_lanes next = *(const apus_lanes *)padded(x + j, count - j, -INFINITY, space);
        part = APUS_LANES_MAXIMUM(part, next);
    }
    float largest = part[0];
    for (int k = 1; k < 16; k++) largest = part[k] > largest || part[k] != part[k] ? part[k] : largest;
    return largest;
}

/// The sum of exp(x - largest); the terms go to `terms` unless that is NULL.
APUS_INLINE float sum_of_exponentials(const float *x, int64_t count, float largest, float *terms) {
    float part[16] = {0}, space[16], term[16];
    for (int64_t j = 0; j < count; j += 16) {
        const float *next = padded(x + j, count - j, -INFINITY, space);
        for (int k = 0; k < 16; k++) term[k] = apus_exp(next[k] - largest);
        for (int k = 0; k < 16; k++) part[k] += term[k];
        if (terms) memcpy(terms + j, term, (size_t)(count - j < 16 ? count - j : 16) * sizeof(float));
    }
    return folded_sum(part);
}

// MARK: Short rows

enum { SHORT = 32, ROWS = 16 };

/// columns[j][k] = x[k, j] for rows k below `count`, 0 for the others.
APUS_INLINE void read_columns(const float *x, int64_t count, int64_t length, float columns[SHORT][ROWS]) {
    for (int64_t j = 0; j < length; j++) {
        for (int64_t k = 0; k < count; k++) columns[j][k] = x[k * length + j];
        for (int64_t k = count; k < ROWS; k++) columns[j][k] = 0;
    }
}

APUS_INLINE void write_columns(const float columns[SHORT][ROWS], int64_t count, int64_t length, float *y) {
    for (int64_t k = 0; k < count; k++)
        for (int64_t j = 0; j < length; j++) y[k * length + j] = columns[j][k];
}

APUS_INLINE void subtract_maxima(float columns[SHORT][ROWS], int64_t length) {
    apus_lanes largest = *(const apus_lanes *)columns[0];
    for (int64_t j = 1; j < length; j++) {
        apus_lanes next = *(const apus_lanes *)columns[j];
        largest = APUS_LANES_MAXIMUM(largest, next);
    }
    for (int64_t j = 0; j < length; j++) *(apus_lanes *)columns[j] -= largest;
}

/// sums[k] = the sum over j of exp(columns[j][k]); the terms go to `terms` unless that is NULL.
APUS_INLINE void sum_columns_of_exponentials(
    const float columns[SHORT][ROWS], int64_t length, float sums[ROWS], float (*terms)[ROWS]) {
    for (int k = 0; k < ROWS; k++) sums[k] = 0;
    for (int64_t j = 0; j < length; j++) {
        float term[ROWS];
        for (int k = 0; k < ROWS; k++) term[k] = apus_exp(columns[j][k]);
        for (int k = 0; k < ROWS; k++) sums[k] += term[k];
        if (terms) memcpy(terms[j], term, sizeof term);
    }
}

typedef enum { SOFTMAX, LOG_SOFTMAX, CROSS_ENTROPY } row_function;

APUS_INLINE void run_short_rows(const execution *work, row_function function, int64_t row, int64_t count) {
    int64_t length = work->columns;
    float x[SHORT][ROWS], y[SHORT][ROWS], sums[ROWS], logarithms[ROWS], losses[ROWS] = {0};
    read_columns(work->input + row * length, count, length, x);
    subtract_maxima(x, length);
    sum_columns_of_exponentials(x, length, sums, function == SOFTMAX ? y : NULL);
    if (function == SOFTMAX) {
        for (int k = 0; k < ROWS; k++) sums[k] = 1.0f / sums[k];
        for (int64_t j = 0; j < length; j++)
            for (int k = 0; k < ROWS; k++) y[j][k] *= sums[k];
        write_columns(y, count, length, work->output + row * length);
        return;
    }
    for (int k = 0; k < ROWS; k++) logarithms[k] = apus_log(sums[k]);
    if (function == LOG_SOFTMAX) {
        for (int64_t j = 0; j < length; j++)
            for (int k = 0; k < ROWS; k++) x[j][k] -= logarithms[k];
        write_columns(x, count, length, work->output + row * length);
        return;
    }
    read_columns(work->targets + row * length, count, length, y);
    for (int64_t j = 0; j < length; j++)
        for (int k = 0; k < ROWS; k++) losses[k] += y[j][k] * (logarithms[k] - x[j][k]);
    memcpy(work->output + row, losses, (size_t)count * sizeof(float));
}

APUS_VARIANTS(
    static, void, softmax_short_rows, (const execution *work, int64_t begin, int64_t end), (work, begin, end)) {
    for (int64_t row = begin; row < end; row += ROWS)
        run_short_rows(work, SOFTMAX, row, end - row < ROWS ? end - row : ROWS);
}

APUS_VARIANTS(
    static, void, log_softmax_short_rows, (const execution *work, int64_t begin, int64_t end), (work, begin, end)) {
    for (int64_t row = begin; row < end; row += ROWS)
        run_short_rows(work, LOG_SOFTMAX, row, end - row < ROWS ? end - row : ROWS);
}

APUS_VARIANTS(
    static, void, cross_entropy_short_rows, (const execution *work, int64_t begin, int64_t end), (work, begin, end)) {
    for (int64_t row = begin; row < end; row += ROWS)
        run_short_rows(work, CROSS_ENTROPY, row, end - row < ROWS ? end - row : ROWS);
}

static bool is_short(const execution *work) { return work->columns >= 1 && work->columns <= SHORT; }

// MARK: Long rows

APUS_VARIANTS(
    static, void, softmax_rows, (const execution *work, int64_t begin, int64_t end), (work, begin, end)) {
    int64_t columns = work->columns;
    for (int64_t row = begin; row < end; row++) {
        const float *x = work->input + row * columns;
        float *y = work->output + row * columns;
        float scale = 1.0f / sum_of_exponentials(x, columns, row_maximum(x, columns), y);
        for (int64_t j = 0; j < columns; j++) y[j] *= scale;
    }
}

APUS_VARIANTS(
    static, void, log_softmax_rows, (const execution *work, int64_t begin, int64_t end),
    (work, begin, end)) {
    int64_t columns = work->columns;
    for (int64_t row = begin; row < end; row++) {
        const float *x = work->input + row * columns;
        float *y = work->output + row * columns;
        float largest = row_maximum(x, columns);
        float log_sum = apus_log(sum_of_exponentials(x, columns, largest, NULL));
        for (int64_t j = 0; j < columns; j++) y[j] = (x[j] - largest) - log_sum;
    }
}

APUS_VARIANTS(
    static, void, cross_entropy_rows, (const execution *work, int64_t begin, int64_t end),
    (work, begin, end)) {
    int64_t columns = work->columns;
    for (int64_t row = begin; row < end; row++) {
        const float *x = work->input + row * columns, *t = work->targets + row * columns;
        float largest = row_maximum(x, columns);
        float log_sum = apus_log(sum_of_exponentials(x, columns, largest, NULL));
        float part[16] = {0}, space[16], target_space[16];
        for (int64_t j = 0; j < columns; j += 16) {
            const float *next = padded(x + j, columns - j, largest, space);
            const float *target = padded(t + j, columns - j, 0.0f, target_space);
            for (int k = 0; k < 16; k++) part[k] += target[k] * (log_sum - (next[k] - largest));
        }
        work->output[row] = columns > 0 ? folded_sum(part) : 0.0f;
    }
}

static void run_softmax(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    (is_short(context) ? softmax_short_rows : softmax_rows)(context, begin, end);
}

static void run_log_softmax(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    (is_short(context) ? log_softmax_short_rows : log_softmax_rows)(context, begin, end);
}

static void run_cross_entropy(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    (is_short(context) ? cross_entropy_short_rows : cross_entropy_rows)(context, begin, end);
}

/// Rows worth a thread: an exponential costs about eight additions.
static int64_t grain(int64_t columns) { return APUS_GRAIN / 8 / (columns + 8) + 1; }

void apus_softmax(const float *input, float *output, int64_t rows, int64_t columns) {
    execution work = {input, NULL, output, columns};
    apus_parallel(rows, grain(columns), run_softmax, &work);
}

void apus_log_softmax(const float *input, float *output, int64_t rows, int64_t columns) {
    execution work = {input, NULL, output, columns};
    apus_parallel(rows, grain(columns), run_log_softmax, &work);
}

void apus_softmax_cross_entropy(
    const float *logits, const float *targets, float *loss, int64_t rows, int64_t columns) {
    execution work = {logits, targets, loss, columns};
    apus_parallel(rows, grain(columns), run_cross_entropy, &work);
}
