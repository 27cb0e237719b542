// Every number is read once and written once, sixteen channels at a time. Where channels are no multiple of 16, the
// last sixteen overlap those before, and are done twice. A gradient may be written over its image: a window is read
// before it is written, and what overlaps then stays as it is.
#include "pooling_tiles.h"

#include "instruction_set.h"
#include "lanes.h"
#include "math_functions.h"
#include "threads.h"

enum { LANES = APUS_LEAST_TILE_CHANNELS, RANK = APUS_MAXIMUM_SPATIAL_RANK };

typedef struct {
    const apus_tile_pooling *tiles;
    apus_pooling_kind kind;
    apus_tile_arrays arrays;
} job;

static int64_t product(const int64_t sizes[RANK]) { return sizes[0] * sizes[1] * sizes[2]; }

bool apus_pooling_is_tiled(const apus_pooling_description *pooling) {
    if (pooling->kind != APUS_POOLING_MAXIMUM && pooling->kind != APUS_POOLING_SELECTION &&
        pooling->kind != APUS_POOLING_MAXIMUM_GRADIENT)
        return false;
    if (pooling->channels < LANES || product(pooling->window) > APUS_MOST_TILE_PLACES) return false;
    if (!apus_windows_are_apart(pooling)) return false;
    for (int axis = 0; axis < RANK; axis++)
        if (pooling->padding_before[axis] != 0 ||
            (pooling->output[axis] - 1) * pooling->strides[axis] + pooling->window[axis] > pooling->image[axis])
            return false;
    return true;
}

#define LANES_AT(x) (*(const apus_lanes *)(x))

/// A window's numbers, in registers where their count is a constant.
typedef struct {
    apus_lanes numbers[APUS_MOST_TILE_PLACES], largest;
    bool is_ordered;  // false if one may be NaN, as their sum is then
    apus_lane_masks place;  // where they are not ordered: that of the largest, or of the first NaN
} window_numbers;

APUS_INLINE void read_window(const float *x, const int64_t *offsets, int64_t places, window_numbers *read) {
    apus_lanes best = LANES_AT(x), sum = best;
    read->numbers[0] = best;
    for (int64_t place = 1; place < places; place++) {
        apus_lanes next = LANES_AT(x + offsets[place]);
        read->numbers[place] = next;
        best = APUS_BLEND(next > best, next, best);
        sum += next;
    }
    read->largest = best;
    read->is_ordered = __builtin_reduce_and(sum == sum) != 0;
    if (__builtin_expect(read->is_ordered, 1)) return;
    best = read->numbers[0];
    read->place = (apus_lane_masks){0};
    for (int64_t place = 1; place < places; place++) {
        apus_lanes next = read->numbers[place];
        apus_lane_masks is_better = (next > best) | ((next != next) & (best == best));
        best = APUS_BLEND(is_better, next, best);
        read->place = (is_better & (int32_t)place) | (~is_better & read->place);
    }
    read->largest = best;
}

/// Whether the place, after those before have been asked for, is the one.
#define IS_TAKEN(read, index)                                                         \
    (__builtin_expect((read).is_ordered, 1) ? (read).numbers[index] == (read).largest \
                                            : (read).place == (int32_t)(index))

APUS_INLINE void take_maximum(const float *x, const int64_t *offsets, int64_t places, float *result) {
    window_numbers read;
    read_window(x, offsets, places, &read);
    *(apus_lanes *)result = read.largest;
}

/// `values` where the window's number is largest; the largest itself too, unless `largest` is NULL.
APUS_INLINE void take_selected(
    const float *x, const float *values, const int64_t *offsets, int64_t places, float *largest, float *result) {
    window_numbers read;
    read_window(x, offsets, places, &read);
    apus_lanes selected = LANES_AT(values + offsets[places - 1]);
    // From the last to the first, which wins.
    for (int64_t place = places - 2; place >= 0; place--)
        selected = APUS_BLEND(IS_TAKEN(read, place), LANES_AT(values + offsets[place]), selected);
    if (largest) *(apus_lanes *)largest = read.largest;
    *(apus_lanes *)result = selected;
}

/// Of the sixteen channels the first `known` have been done.
APUS_INLINE void spread(
    const float *x, const float *upstream, const int64_t *offsets, int64_t places, const int64_t known,
    float *result) {
    window_numbers read;
    read_window(x, offsets, places, &read);
    apus_lanes value = LANES_AT(upstream), nothing = {0};
    apus_lane_masks is_known = {0};
    if (known > 0)
        for (int lane = 0; lane < LANES; lane++) is_known[lane] = lane < known ? -1 : 0;
    for (int64_t place = 0; place < places; place++) {
        apus_lanes *target = (apus_lanes *)(result + offsets[place]);
        apus_lane_masks is_taken = IS_TAKEN(read, place);
        apus_lanes share = APUS_BLEND(is_taken, value, nothing);
        // The first of equals takes it.
        value = APUS_BLEND(is_taken, nothing, value);
        *target = known > 0 ? APUS_BLEND(is_known, *target, share) : share;
    }
}

/// The windows of row `row` of the output, counted over all samples.
APUS_INLINE void run_row(const job *work, int64_t row, int64_t places) {
    const apus_pooling_description *pooling = &work->tiles->pooling;
    const apus_tile_arrays arrays = work->arrays;
    // Where the compiler sees that nothing written changes them.
    int64_t offsets[APUS_MOST_TILE_PLACES];
    for (int64_t place = 0; place < places; place++) offsets[place] = work->tiles->offsets[place];
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
            int64_t from = image + channel, to = output + channel;
            const float *x = arrays.image + from;
            for (int64_t place = 0; arrays.ahead && place < places; place++)
                __builtin_prefetch(arrays.ahead + from + offsets[place]);
            if (work->kind == APUS_POOLING_MAXIMUM)
                take_maximum(x, offsets, places, arrays.result + to);
            else if (work->kind == APUS_POOLING_SELECTION)
                take_selected(
                    x, arrays.values + from, offsets, places, arrays.largest ? arrays.largest + to : NULL,
                    arrays.result + to);
            else if (channel == next || arrays.result != arrays.image)
                spread(x, arrays.values + to, offsets, places, 0, arrays.result + from);
            else
                spread(x, arrays.values + to, offsets, places, next - channel, arrays.result + from);
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
    const job *work = context;
    for (int64_t row = begin; row < end; row++) {
        if (work->tiles->places == 4)
            run_row(work, row, 4);
        else
            run_row(work, row, work->tiles->places);
    }
}

/// Items are samples of the image that windows do not cover wholly.
static void clear_samples(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    const apus_pooling_description *pooling = &work->tiles->pooling;
    const int64_t channels = pooling->channels, count = product(pooling->image) * channels;
    for (int64_t sample = begin; sample < end; sample++)
        apus_clear_uncovered(pooling, work->arrays.result + sample * count, channels);
}

apus_tile_pooling apus_tile_pooling_of(const apus_pooling_description *pooling) {
    apus_tile_pooling tiles = {.pooling = *pooling};
    for (int64_t i = 0; i < pooling->window[0]; i++)
        for (int64_t j = 0; j < pooling->window[1]; j++)
            for (int64_t k = 0; k < pooling->window[2]; k++)
                tiles.offsets[tiles.places++] =
                    ((i * pooling->image[1] + j) * pooling->image[2] + k) * pooling->channels;
    return tiles;
}

void apus_pool_tile_rows(
    const apus_tile_pooling *tiles, apus_pooling_kind kind, apus_tile_arrays arrays, int64_t count) {
    job work = {tiles, kind, arrays};
    run_rows(&work, 0, count, 0);
}

void apus_pool_tiles(
    const apus_pooling_description *pooling, const float *image, const float *values, float *result) {
    const apus_tile_pooling tiles = apus_tile_pooling_of(pooling);
    job work = {&tiles, pooling->kind, {.image = image, .values = values, .result = result}};
    int64_t covered = product(pooling->output) * tiles.places;
    if (pooling->kind == APUS_POOLING_MAXIMUM_GRADIENT && covered < product(pooling->image))
        apus_parallel(
            pooling->batch, APUS_GRAIN / (product(pooling->image) * pooling->channels) + 1, clear_samples, &work);
    int64_t row_work = pooling->output[2] * tiles.places * pooling->channels;
    apus_parallel(
        pooling->batch * pooling->output[0] * pooling->output[1], APUS_GRAIN / row_work + 1, run_rows, &work);
}
