// Pooling by our own loops: the work is in reading and writing, channels lie next to each other, and the gradient of
// the maximum looks for the largest numbers once more rather than keeping where they were.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apus_kernels.h"
#include "instruction_set.h"
#include "pooling_tiles.h"
#include "status.h"
#include "threads.h"

/// Channels that are worked on together; their running values stay in the processor.
enum { CHANNELS = 64, RANK = APUS_MAXIMUM_SPATIAL_RANK };

struct apus_pooling {
    apus_pooling_description description;  // with all RANK axes, the ones added in front of size 1
};

/// What one window of one sample covers: the first place and the number of places along each axis, within the image.
typedef struct {
    int64_t first[RANK], count[RANK];
} cover;

typedef struct {
    const apus_pooling_description *description;
    const float *image, *values;
    float *result;
} job;

static cover cover_of(const apus_pooling_description *pooling, const int64_t window[RANK]) {
    cover result;
    for (int axis = 0; axis < RANK; axis++) {
        int64_t begin = window[axis] * pooling->strides[axis] - pooling->padding_before[axis];
        int64_t end = begin + pooling->window[axis];
        if (begin < 0) begin = 0;
        if (end > pooling->image[axis]) end = pooling->image[axis];
        result.first[axis] = begin;
        result.count[axis] = end - begin;
    }
    return result;
}

/// The offset of place `index` (counted in row-major order) of a cover, in elements of a sample.
#define FOR_EACH_PLACE(pooling, covered, offset, body)                                                     \
    do {                                                                                                   \
        const int64_t *sizes_ = (pooling)->image;                                                          \
        for (int64_t i_ = 0; i_ < (covered).count[0]; i_++)                                                \
            for (int64_t j_ = 0; j_ < (covered).count[1]; j_++) {                                          \
                int64_t offset = ((((covered).first[0] + i_) * sizes_[1] + (covered).first[1] + j_) * sizes_[2] + \
                                  (covered).first[2]) * (pooling)->channels;                               \
                for (int64_t k_ = 0; k_ < (covered).count[2]; k_++, offset += (pooling)->channels) body    \
            }                                                                                              \
    } while (0)

static inline __attribute__((always_inline)) void pool_maximum(
    const apus_pooling_description *pooling, const cover *covered, const float *image, float *result, int64_t count) {
    float best[CHANNELS];
    bool is_first = true;
    FOR_EACH_PLACE(pooling, *covered, offset, {
        const float *x = image + offset;
        if (is_first) {
            for (int64_t c = 0; c < count; c++) best[c] = x[c];
        } else {
            for (int64_t c = 0; c < count; c++) best[c] = x[c] > best[c] || x[c] != x[c] ? x[c] : best[c];
        }
        is_first = false;
    });
    for (int64_t c = 0; c < count; c++) result[c] = best[c];
}

/// Which place of the cover holds the largest number, channel by channel.
static inline __attribute__((always_inline)) void find_largest(
    const apus_pooling_description *pooling, const cover *covered, const float *image, int32_t *places, int64_t count) {
    float best[CHANNELS];
    int32_t place = 0;
    FOR_EACH_PLACE(pooling, *covered, offset, {
        const float *x = image + offset;
        if (place == 0) {
            for (int64_t c = 0; c < count; c++) {
                best[c] = x[c];
                places[c] = 0;
            }
        } else {
            for (int64_t c = 0; c < count; c++) {
                bool is_better = (x[c] > best[c]) | ((x[c] != x[c]) & (best[c] == best[c]));
                best[c] = is_better ? x[c] : best[c];
                places[c] = is_better ? place : places[c];
            }
        }
        place++;
    });
}

static inline __attribute__((always_inline)) void pool_selection(
    const apus_pooling_description *pooling, const cover *covered, const float *image, const float *values,
    float *result, int64_t count) {
    int32_t places[CHANNELS], place = 0;
    find_largest(pooling, covered, image, places, count);
    FOR_EACH_PLACE(pooling, *covered, offset, {
        const float *v = values + offset;
        for (int64_t c = 0; c < count; c++) result[c] = places[c] == place ? v[c] : result[c];
        place++;
    });
}

/// Adds to zeros; where windows are apart, writes over whatever is there, which may be the image.
static inline __attribute__((always_inline)) void spread_maximum(
    const apus_pooling_description *pooling, const cover *covered, const float *image, const float *upstream,
    float *result, int64_t count) {
    int32_t places[CHANNELS], place = 0;
    bool are_apart = apus_windows_are_apart(pooling);
    find_largest(pooling, covered, image, places, count);
    FOR_EACH_PLACE(pooling, *covered, offset, {
        float *y = result + offset;
        for (int64_t c = 0; c < count; c++) {
            float share = places[c] == place ? upstream[c] : 0.0f;
            y[c] = are_apart ? share : y[c] + share;
        }
        place++;
    });
}

static inline __attribute__((always_inline)) void pool_average(
    const apus_pooling_description *pooling, const cover *covered, const float *image, float *result, int64_t count) {
    float sums[CHANNELS];
    for (int64_t c = 0; c < count; c++) sums[c] = 0;
    FOR_EACH_PLACE(pooling, *covered, offset, {
        const float *x = image + offset;
        for (int64_t c = 0; c < count; c++) sums[c] += x[c];
    });
    float number = (float)(covered->count[0] * covered->count[1] * covered->count[2]);
    for (int64_t c = 0; c < count; c++) result[c] = sums[c] / number;
}

static inline __attribute__((always_inline)) void spread_average(
    const apus_pooling_description *pooling, const cover *covered, const float *upstream, float *result,
    int64_t count) {
    float shares[CHANNELS];
    float number = (float)(covered->count[0] * covered->count[1] * covered->count[2]);
    for (int64_t c = 0; c < count; c++) shares[c] = upstream[c] / number;
    FOR_EACH_PLACE(pooling, *covered, offset, {
        float *y = result + offset;
        for (int64_t c = 0; c < count; c++) y[c] += shares[c];
    });
}

static int64_t product(const int64_t sizes[RANK]) { return sizes[0] * sizes[1] * sizes[2]; }

/// The windows of `count` channels from `channel` on in row `row` of the output, counted over all samples.
static inline __attribute__((always_inline)) void run_row(
    const job *work, apus_pooling_kind kind, int64_t row, int64_t channel, int64_t count) {
    const apus_pooling_description *pooling = work->description;
    int64_t channels = pooling->channels, columns = pooling->output[2];
    int64_t rows = pooling->output[0] * pooling->output[1];
    int64_t sample = row / rows * product(pooling->image) * channels + channel;
    int64_t window[RANK] = {row % rows / pooling->output[1], row % pooling->output[1], 0};
    int64_t output = row * columns * channels + channel;
    for (; window[2] < columns; window[2]++, output += channels) {
        cover covered = cover_of(pooling, window);
        switch (kind) {
            case APUS_POOLING_MAXIMUM:
                pool_maximum(pooling, &covered, work->image + sample, work->result + output, count);
                break;
            case APUS_POOLING_SELECTION:
                pool_selection(
                    pooling, &covered, work->image + sample, work->values + sample, work->result + output, count);
                break;
            case APUS_POOLING_MAXIMUM_GRADIENT:
                spread_maximum(
                    pooling, &covered, work->image + sample, work->values + output, work->result + sample, count);
                break;
            case APUS_POOLING_AVERAGE:
                pool_average(pooling, &covered, work->image + sample, work->result + output, count);
                break;
            case APUS_POOLING_AVERAGE_GRADIENT:
                spread_average(pooling, &covered, work->values + output, work->result + sample, count);
                break;
        }
    }
}

/// Items are rows of the output.
APUS_VARIANTS(
    static, void, run_rows, (void *context, int64_t begin, int64_t end, int32_t thread),
    (context, begin, end, thread)) {
    (void)thread;
    const job *work = context;
    int64_t channels = work->description->channels;
    for (int64_t row = begin; row < end; row++)
        for (int64_t channel = 0; channel < channels; channel += CHANNELS) {
            int64_t count = channels - channel < CHANNELS ? channels - channel : CHANNELS;
            run_row(work, work->description->kind, row, channel, count);
        }
}

/// Items are samples, a group of channels each: windows may overlap, so their sums belong to one thread.
APUS_VARIANTS(
    static, void, run_samples, (void *context, int64_t begin, int64_t end, int32_t thread),
    (context, begin, end, thread)) {
    (void)thread;
    const job *work = context;
    const apus_pooling_description *pooling = work->description;
    int64_t channels = pooling->channels, blocks = (channels + CHANNELS - 1) / CHANNELS;
    int64_t places = product(pooling->image), rows = pooling->output[0] * pooling->output[1];
    for (int64_t item = begin; item < end; item++) {
        int64_t sample = item / blocks, channel = item % blocks * CHANNELS;
        int64_t count = channels - channel < CHANNELS ? channels - channel : CHANNELS;
        float *result = work->result + sample * places * channels + channel;
        if (pooling->kind == APUS_POOLING_MAXIMUM_GRADIENT && apus_windows_are_apart(pooling))
            apus_clear_uncovered(pooling, result, count);
        else
            for (int64_t place = 0; place < places; place++)
                memset(result + place * channels, 0, (size_t)count * sizeof *result);
        for (int64_t row = 0; row < rows; row++)
            run_row(work, pooling->kind, sample * rows + row, channel, count);
    }
}

static bool is_valid(const apus_pooling_description *wanted) {
    if (wanted->rank < 1 || wanted->rank > RANK || wanted->batch < 0 || wanted->channels < 1 ||
        wanted->kind < APUS_POOLING_MAXIMUM || wanted->kind > APUS_POOLING_AVERAGE_GRADIENT)
        return false;
    for (int axis = 0; axis < wanted->rank; axis++) {
        int64_t window = wanted->window[axis], stride = wanted->strides[axis], count = wanted->output[axis];
        int64_t before = wanted->padding_before[axis];
        if (wanted->image[axis] < 1 || window < 1 || stride < 1 || before < 0 || before >= window || count < 1)
            return false;
        // The last window begins within the image.
        if ((count - 1) * stride - before >= wanted->image[axis]) return false;
    }
    return true;
}

apus_status apus_pooling_create(const apus_pooling_description *description, apus_pooling **result) {
    *result = NULL;
    if (!is_valid(description)) return apus_fail("apus_pooling_create", APUS_INVALID_DESCRIPTION);
    apus_pooling *pooling = calloc(1, sizeof *pooling);
    if (!pooling) return apus_fail("apus_pooling_create", APUS_OUT_OF_MEMORY);
    apus_pooling_description *wanted = &pooling->description;
    *wanted = *description;
    int added = RANK - description->rank;
    for (int axis = 0; axis < RANK; axis++) {
        bool is_added = axis < added;
        wanted->image[axis] = is_added ? 1 : description->image[axis - added];
        wanted->window[axis] = is_added ? 1 : description->window[axis - added];
        wanted->output[axis] = is_added ? 1 : description->output[axis - added];
        wanted->strides[axis] = is_added ? 1 : description->strides[axis - added];
        wanted->padding_before[axis] = is_added ? 0 : description->padding_before[axis - added];
    }
    wanted->rank = RANK;
    *result = pooling;
    return APUS_SUCCESS;
}

apus_status apus_pooling_run(apus_pooling *pooling, const float *image, const float *values, float *result) {
    const apus_pooling_description *wanted = &pooling->description;
    if (apus_pooling_is_tiled(wanted)) {
        apus_pool_tiles(wanted, image, values, result);
        return APUS_SUCCESS;
    }
    job work = {wanted, image, values, result};
    int64_t rows = wanted->output[0] * wanted->output[1];
    int64_t row_work = wanted->output[2] * product(wanted->window) * wanted->channels;
    if (wanted->kind == APUS_POOLING_MAXIMUM_GRADIENT || wanted->kind == APUS_POOLING_AVERAGE_GRADIENT) {
        int64_t blocks = (wanted->channels + CHANNELS - 1) / CHANNELS;
        apus_parallel(wanted->batch * blocks, APUS_GRAIN / (rows * row_work / blocks + 1), run_samples, &work);
    } else {
        apus_parallel(wanted->batch * rows, APUS_GRAIN / (row_work + 1), run_rows, &work);
    }
    return APUS_SUCCESS;
}

void apus_pooling_destroy(apus_pooling *pooling) { free(pooling); }
