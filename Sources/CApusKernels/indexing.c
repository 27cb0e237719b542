#include <string.h>

#include "status.h"
#include "threads.h"

typedef struct {
    const float *input;
    const int32_t *indices;
    float *output;
    int64_t count, width;
} execution;

static void write_one_hot_rows(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    memset(work->output + begin * work->width, 0, (size_t)((end - begin) * work->width) * sizeof(float));
    for (int64_t i = begin; i < end; i++) {
        int64_t index = work->indices[i];
        if (index >= 0 && index < work->width) work->output[i * work->width + index] = 1.0f;
    }
}

void apus_one_hot(const int32_t *indices, float *output, int64_t count, int64_t depth) {
    execution work = {NULL, indices, output, count, depth};
    apus_parallel(count, APUS_GRAIN / (depth + 4) + 1, write_one_hot_rows, &work);
}

static bool are_in_range(const int32_t *indices, int64_t count, int64_t length) {
    for (int64_t i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= length) return false;
    return true;
}

static void gather(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    for (int64_t i = begin; i < end; i++)
        memcpy(
            work->output + i * work->width, work->input + work->indices[i] * work->width,
            (size_t)work->width * sizeof(float));
}

apus_status apus_gather_rows(
    const float *table, const int32_t *indices, float *output, int64_t count, int64_t length, int64_t width) {
    if (!are_in_range(indices, count, length)) return apus_fail("apus_gather_rows", APUS_INDEX_OUT_OF_RANGE);
    execution work = {table, indices, output, count, width};
    apus_parallel(count, APUS_GRAIN / (width + 4) + 1, gather, &work);
    return APUS_SUCCESS;
}

/// Items are columns, not rows: so two rows of one index are added by one thread, in order.
static void scatter_add(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    for (int64_t i = 0; i < work->count; i++) {
        const float *from = work->input + i * work->width;
        float *to = work->output + work->indices[i] * work->width;
        for (int64_t j = begin; j < end; j++) to[j] += from[j];
    }
}

apus_status apus_scatter_add_rows(
    const float *input, const int32_t *indices, float *table, int64_t count, int64_t length, int64_t width) {
    if (!are_in_range(indices, count, length)) return apus_fail("apus_scatter_add_rows", APUS_INDEX_OUT_OF_RANGE);
    execution work = {input, indices, table, count, width};
    int64_t grain = APUS_GRAIN / (count + 1) + 1;
    apus_parallel(width, grain < 16 ? 16 : grain, scatter_add, &work);
    return APUS_SUCCESS;
}
