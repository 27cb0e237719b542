// A long row is worked on sixteen numbers at a time; the last ones are filled up, so that all get the same code. Of short
// rows sixteen are worked on side by side, one in each lane: nothing has to be added or compared across lanes.
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

// Rows of at most so many numbers are short.
enum { LANE_ROWS = 16, SHORT_COLUMNS = 64 };

/// The number `j` of row `r` in `lanes[j][r]`, rows beyond `rows` as the last one.
APUS_INLINE void gather_rows(float (*lanes)[LANE_ROWS], const float *x, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < LANE_ROWS; r++) {
        const float *row = x + (r < rows ? r : rows - 1) * columns;
        for (int64_t j = 0; j < columns; j++) lanes[j][r] = row[j];
    }
}

APUS_INLINE void scatter_rows(float (*lanes)[LANE_ROWS], float *y, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < columns; j++) y[r * columns + j] = lanes[j][r];
}

/// Takes each row's largest number from all of its numbers.
APUS_INLINE void subtract_largest(float (*lanes)[LANE_ROWS], int64_t columns) {
    apus_lanes largest = *(const apus_lanes *)lanes[0];
    for (int64_t j = 1; j < columns; j++) {
        apus_lanes next = *(const apus_lanes *)lanes[j];
        largest = APUS_LANES_MAXIMUM(largest, next);
    }
    for (int64_t j = 0; j < columns; j++) *(apus_lanes *)lanes[j] -= largest;
}

APUS_INLINE void softmax_short_rows(const execution *work, int64_t begin, int64_t end) {
    int64_t columns = work->columns;
    float lanes[SHORT_COLUMNS][LANE_ROWS];
    for (int64_t row = begin; row < end; row += LANE_ROWS) {
        int64_t rows = end - row < LANE_ROWS ? end - row : LANE_ROWS;
        gather_rows(lanes, work->input + row * columns, rows, columns);
        subtract_largest(lanes, columns);
        float sums[LANE_ROWS] = {0};
        for (int64_t j = 0; j < columns; j++)
            for (int r = 0; r < LANE_ROWS; r++) {
                lanes[j][r] = apus_exp(lanes[j][r]);
                sums[r] += lanes[j][r];
            }
        for (int r = 0; r < LANE_ROWS; r++) sums[r] = 1.0f / sums[r];
        for (int64_t j = 0; j < columns; j++)
            for (int r = 0; r < LANE_ROWS; r++) lanes[j][r] *= sums[r];
        scatter_rows(lanes, work->output + row * columns, rows, columns);
    }
}

APUS_INLINE void cross_entropy_of_short_rows(const execution *work, int64_t begin, int64_t end) {
    int64_t columns = work->columns;
    float lanes[SHORT_COLUMNS][LANE_ROWS], targets[SHORT_COLUMNS][LANE_ROWS];
    for (int64_t row = begin; row < end; row += LANE_ROWS) {
        int64_t rows = end - row < LANE_ROWS ? end - row : LANE_ROWS;
        gather_rows(lanes, work->input + row * columns, rows, columns);
        gather_rows(targets, work->targets + row * columns, rows, columns);
        subtract_largest(lanes, columns);
        float sums[LANE_ROWS] = {0}, losses[LANE_ROWS] = {0};
        for (int64_t j = 0; j < columns; j++)
            for (int r = 0; r < LANE_ROWS; r++) sums[r] += apus_exp(lanes[j][r]);
        for (int r = 0; r < LANE_ROWS; r++) sums[r] = apus_log(sums[r]);
        for (int64_t j = 0; j < columns; j++)
            for (int r = 0; r < LANE_ROWS; r++) losses[r] += targets[j][r] * (sums[r] - lanes[j][r]);
        for (int64_t r = 0; r < rows; r++) work->output[row + r] = losses[r];
    }
}

APUS_VARIANTS(
    static, void, softmax_rows, (const execution *work, int64_t begin, int64_t end),
    (work, begin, end)) {
    int64_t columns = work->columns;
    if (columns > 0 && columns <= SHORT_COLUMNS) {
        softmax_short_rows(work, begin, end);
        return;
    }
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
    if (columns > 0 && columns <= SHORT_COLUMNS) {
        cross_entropy_of_short_rows(work, begin, end);
        return;
    }
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
    softmax_rows(context, begin, end);
}

static void run_log_softmax(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    log_softmax_rows(context, begin, end);
}

static void run_cross_entropy(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    cross_entropy_rows(context, begin, end);
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
