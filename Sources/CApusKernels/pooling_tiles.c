// Every number is read once and written once, sixteen channels at a time. Where channels are no multiple of 16, the
// last sixteen overlap those before. A gradient may be written over its image: a window is read before it is written,
// and what overlaps stays as it is.
#include "pooling_tiles.h"

#include "instruction_set.h"
#include "lanes.h"
#include "math_functions.h"
#include "threads.h"

enum { LANES = 16, MOST_PLACES = 64, RANK = APUS_MAXIMUM_SPATIAL_RANK };

typedef struct {
    const apus_pooling_description *pooling;
    const float *image, *values;
    float *result;
    int64_t places;
    int64_t offsets[MOST_PLACES];  // of a window's places from its first, in row-major order
} tiles;

static int64_t product(const int64_t sizes[RANK]) { return sizes[0] * sizes[1] * sizes[2]; }

bool apus_pooling_is_tiled(const apus_pooling_description *pooling) {
    if (pooling->kind != APUS_POOLING_MAXIMUM && pooling->kind != APUS_POOLING_MAXIMUM_GRADIENT) return false;
    if (pooling->channels < LANES || product(pooling->window) > MOST_PLACES) return false;
    if (!apus_windows_are_apart(pooling)) return false;
    for (int axis = 0; axis < RANK; axis++)
        if (pooling->padding_before[axis] != 0 ||
            (pooling->output[axis] - 1) * pooling->strides[axis] + pooling->window[axis] > pooling->image[axis])
            return false;
    return true;
}

#define LANES_AT(x) (*(const apus_lanes *)(x))

APUS_INLINE void take_maximum(const tiles *work, const float *x, int64_t places, float *result) {
    apus_lanes best = LANES_AT(x);
    for (int64_t place = 1; place < places; place++) {
        apus_lanes next = LANES_AT(x + work->offsets[place]);
        best = APUS_LANES_MAXIMUM(best, next);
    }
    *(apus_lanes *)result = best;
}

/// Of the sixteen channels the first `known` have been done.
APUS_INLINE void spread(
    const tiles *work, const float *x, const float *upstream, int64_t places, const int64_t known, float *result) {
    apus_lanes best = LANES_AT(x), value = LANES_AT(upstream);
    apus_lane_masks largest = {0};
    for (int64_t place = 1; place < places; place++) {
        apus_lanes next = LANES_AT(x + work->offsets[place]);
        apus_lane_masks is_better = (next > best) | ((next != next) & (best == best));
        best = APUS_BLEND(is_better, next, best);
        largest = (is_better & (int32_t)place) | (~is_better & largest);
    }
    apus_lane_masks is_known = {0};
    if (known > 0)
        for (int lane = 0; lane < LANES; lane++) is_known[lane] = lane < known ? -1 : 0;
    for (int64_t place = 0; place < places; place++) {
        apus_lanes *target = (apus_lanes *)(result + work->offsets[place]);
        apus_lanes share = (apus_lanes)((largest == (int32_t)place) & (apus_lane_masks)value);
        *target = known > 0 ? APUS_BLEND(is_known, *target, share) : share;
    }
}

/// The windows of row `row` of the output, counted over all samples.
APUS_INLINE void run_row(const tiles *work, int64_t row, int64_t places) {
    const apus_pooling_description *pooling = work->pooling;
    int64_t channels = pooling->channels, columns = pooling->output[2];
    int64_t rows = pooling->output[0] * pooling->output[1];
    int64_t first = row % rows / pooling->output[1] * pooling->strides[0];
    int64_t second = row % pooling->output[1] * pooling->strides[1];
    int64_t image =
        ((row / rows * pooling->image[0] + first) * pooling->image[1] + second) * pooling->image[2] * channels;
    int64_t output = row * columns * channels;
    for (int64_t column = 0; column < columns; column++) {
        for (int64_t next = 0; next < channels; next += LANES) {
            int64_t channel = next + LANES <= channels ? next : channels - LANES;
            const float *x = work->image + image + channel, *values = work->values + output + channel;
            float *gradient = work->result + image + channel;
            if (pooling->kind == APUS_POOLING_MAXIMUM)
                take_maximum(work, x, places, work->result + output + channel);
            else if (channel == next)
                spread(work, x, values, places, 0, gradient);
            else
                spread(work, x, values, places, next - channel, gradient);
        }
        image += pooling->strides[2] * channels;
        output += channels;
    }
}

/// Items are rows of the output.
APUS_VARIANTS(
    static, void, run_rows,
    (void *context, int64_t begin, int64_t end, int32_t thread),
    (context, begin, end, thread)) {
    (void)thread;
    const tiles *work = context;
    for (int64_t row = begin; row < end; row++) {
        if (work->places == 4)
            run_row(work, row, 4);
        else
            run_row(work, row, work->places);
    }
}

/// Items are samples of the image that windows do not cover wholly.
static void clear_samples(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const tiles *work = context;
    const int64_t channels = work->pooling->channels, count = product(work->pooling->image) * channels;
    for (int64_t sample = begin; sample < end; sample++)
        apus_clear_uncovered(work->pooling, work->result + sample * count, channels);
}

void apus_pool_tiles(
    const apus_pooling_description *pooling, const float *image, const float *values, float *result) {
    tiles work = {.pooling = pooling, .image = image, .values = values, .result = result};
    for (int64_t i = 0; i < pooling->window[0]; i++)
        for (int64_t j = 0; j < pooling->window[1]; j++)
            for (int64_t k = 0; k < pooling->window[2]; k++)
                work.offsets[work.places++] =
                    ((i * pooling->image[1] + j) * pooling->image[2] + k) * pooling->channels;
    int64_t covered = product(pooling->output) * work.places;
    if (pooling->kind == APUS_POOLING_MAXIMUM_GRADIENT && covered < product(pooling->image))
        apus_parallel(
            pooling->batch, APUS_GRAIN / (product(pooling->image) * pooling->channels) + 1, clear_samples, &work);
    int64_t row_work = pooling->output[2] * work.places * pooling->channels;
    apus_parallel(
        pooling->batch * pooling->output[0] * pooling->output[1], APUS_GRAIN / row_work + 1, run_rows, &work);
}
