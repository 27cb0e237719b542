// Windows in an element-wise program: inputs that hold a number for each window are spread to the place where its image
// is largest, and outputs hold but one number of each window. Neither the image nor what is spread is ever in memory as
// a whole: code has a window's places in registers, or else a tile of both is made in the cache, when its turn comes.
#include <string.h>

#include "elementwise_program.h"

bool apus_program_has_image(const apus_program_description *wanted) {
    for (int32_t input = 0; input < wanted->input_count; input++)
        if (wanted->inputs[input].is_spread) return true;
    for (int32_t output = 0; output < wanted->output_count; output++)
        if (wanted->outputs[output].pooling == APUS_WRITE_SELECTED) return true;
    return false;
}

bool apus_program_windows_are_valid(const apus_program_description *wanted, int64_t count) {
    const apus_program_windows *windows = &wanted->windows;
    bool has_spread = false, has_pooled = false, has_selected = false;
    for (int32_t input = 0; input < wanted->input_count; input++) {
        if (!wanted->inputs[input].is_spread) continue;
        has_spread = true;
        if (wanted->inputs[input].type != APUS_FLOAT32) return false;
    }
    for (int32_t output = 0; output < wanted->output_count; output++) {
        const apus_program_output *target = &wanted->outputs[output];
        if (target->pooling < APUS_WRITE_ALL || target->pooling > APUS_WRITE_SELECTED) return false;
        if (target->pooling == APUS_WRITE_ALL) continue;
        has_pooled = true;
        has_selected |= target->pooling == APUS_WRITE_SELECTED;
        if (target->type != APUS_FLOAT32) return false;
    }
    if (!has_spread && !has_pooled) return true;
    if (windows->height < 1 || windows->width < 1 || windows->height > APUS_MOST_TILE_PLACES / windows->width ||
        windows->columns < 1 || windows->columns % windows->width != 0 ||
        windows->channels < APUS_LEAST_TILE_CHANNELS)
        return false;
    int64_t band = windows->height * windows->columns * windows->channels;
    if (band % APUS_SHORTEST_UNIT != 0 || count % band != 0) return false;
    if (!has_spread && !has_selected) return true;
    int32_t given = wanted->input_count + wanted->constant_count;
    if (windows->image < 0 || windows->image >= given + wanted->instruction_count) return false;
    if (windows->image >= given) return true;
    if (windows->image >= wanted->input_count || has_selected) return false;
    const apus_program_input *image = &wanted->inputs[windows->image];
    int64_t stride = 1;
    for (int32_t axis = wanted->rank - 1; axis >= 0; axis--) {
        if (wanted->dimensions[axis] != 1 && image->strides[axis] != stride) return false;
        stride *= wanted->dimensions[axis];
    }
    return image->type == APUS_FLOAT32 && !image->is_spread;
}

void apus_program_choose_bands(apus_program *program, const apus_program_description *wanted) {
    apus_program_bands *bands = &program->bands;
    const apus_program_windows *windows = &wanted->windows;
    bands->image_buffer = -1;
    for (int32_t output = 0; output < program->output_count; output++) {
        if (wanted->outputs[output].pooling == APUS_WRITE_ALL) continue;
        // An image whose largest numbers are written is at hand.
        if (wanted->outputs[output].pooling == APUS_WRITE_LARGEST && wanted->outputs[output].value == windows->image)
            bands->image_buffer = bands->buffer_count;
        bands->has_selection |= wanted->outputs[output].pooling == APUS_WRITE_SELECTED;
        program->outputs[output].pooling = wanted->outputs[output].pooling;
        program->outputs[output].tile_buffer = bands->buffer_count++;
    }
    bool has_spread = false;
    for (int32_t input = 0; input < program->input_count; input++) {
        if (!wanted->inputs[input].is_spread || program->inputs[input].reading == APUS_READ_NEVER) continue;
        has_spread = true;
        program->inputs[input].reading = APUS_READ_SPREAD;
        program->inputs[input].tile_buffer = bands->buffer_count++;
    }
    bands->image = has_spread || bands->has_selection ? windows->image : -1;
    bands->computes_image =
        bands->image >= program->input_count && (has_spread || bands->image_buffer < 0);
    if (bands->computes_image) bands->image_buffer = bands->buffer_count++;
    if (bands->buffer_count == 0) return;
    bands->band = windows->height * windows->columns * windows->channels;
    bands->tile = bands->band < APUS_TILE ? APUS_TILE / bands->band * bands->band : bands->band;
    const apus_pooling_description pooling = {
        .rank = APUS_MAXIMUM_SPATIAL_RANK,
        .batch = program->count / bands->band,
        .channels = windows->channels,
        .image = {1, windows->height, windows->columns},
        .window = {1, windows->height, windows->width},
        .output = {1, 1, windows->columns / windows->width},
        .strides = {1, windows->height, windows->width},
    };
    bands->pooling = apus_tile_pooling_of(&pooling);
}

bool apus_program_suits_walks(const apus_program_bands *bands) {
    return bands->band > 0 && bands->pooling.places <= APUS_MOST_WALKED_PLACES &&
           bands->pooling.pooling.channels % APUS_FEWEST_WALKED_LANES == 0;
}

static bool can_be_walked(const apus_program *program) {
    const apus_program_bands *bands = &program->bands;
    int64_t places = bands->pooling.places, channels = bands->pooling.pooling.channels;
    if (!apus_program_suits_walks(bands) || program->unit % (places * channels) != 0 ||
        program->step_count > APUS_MOST_WALKED_STEPS)
        return false;
    for (int32_t input = 0; input < program->input_count; input++) {
        const apus_program_source *source = &program->inputs[input];
        if (source->reading == APUS_READ_CONVERTED || source->reading == APUS_READ_STRIDED ||
            (source->reading == APUS_READ_PERIODIC && channels % source->period != 0))
            return false;
    }
    for (int32_t output = 0; output < program->output_count; output++)
        if (program->outputs[output].type != APUS_FLOAT32) return false;
    for (int32_t sum = 0; sum < program->sum_count; sum++)
        if (channels % program->sums[sum].columns != 0) return false;
    return true;
}

void apus_program_choose_walk(apus_program *program) {
    program->bands.are_walked = can_be_walked(program);
    // Else the image's own program reads what it is made of.
    for (int32_t input = 0; !program->bands.are_walked && input < program->input_count; input++)
        if (program->inputs[input].is_for_image) program->inputs[input].reading = APUS_READ_NEVER;
}

/// The next tile of the first array that is read where it is, if there is all of one: it comes from memory while this
/// one is pooled.
static const float *next_tile(const apus_program *program, const void *const *inputs, int64_t begin, int64_t end) {
    for (int32_t input = 0; input < program->input_count && 2 * end - begin <= program->count; input++)
        if (program->inputs[input].reading == APUS_READ_IN_PLACE) return (const float *)inputs[input] + end;
    return NULL;
}

void apus_program_spread(
    const apus_program *program, const void *const *inputs, float *buffers, int64_t begin, int64_t end) {
    const apus_program_bands *bands = &program->bands;
    const float *ahead = next_tile(program, inputs, begin, end);
    int64_t rows = (end - begin) / bands->band, windows = bands->band / bands->pooling.places;
    for (int32_t input = 0; input < program->input_count; input++) {
        const apus_program_source *source = &program->inputs[input];
        if (source->reading != APUS_READ_SPREAD) continue;
        const float *image = bands->image_program ? buffers + bands->image_buffer * bands->tile
                                          : (const float *)inputs[bands->image] + begin;
        const float *values = (const float *)inputs[input] + begin / bands->band * windows;
        float *spread = buffers + source->tile_buffer * bands->tile;
        const apus_tile_arrays arrays = {.image = image, .values = values, .result = spread, .ahead = ahead};
        apus_pool_tile_rows(&bands->pooling, APUS_POOLING_MAXIMUM_GRADIENT, arrays, rows);
        ahead = NULL;
    }
}

/// Whether the output is the image's largest numbers, and some other is selected by them.
static bool is_with_selection(const apus_program *program, int32_t output) {
    return program->bands.has_selection && program->outputs[output].tile_buffer >= 0 &&
           program->outputs[output].tile_buffer == program->bands.image_buffer;
}

void apus_program_pool(
    const apus_program *program, const void *const *inputs, void *const *outputs, const float *buffers, int64_t begin,
    int64_t end) {
    const apus_program_bands *bands = &program->bands;
    const float *ahead = next_tile(program, inputs, begin, end);
    int64_t rows = (end - begin) / bands->band, windows = bands->band / bands->pooling.places;
    // The image's largest numbers are written with the first selection by it.
    float *largest = NULL;
    for (int32_t output = 0; output < program->output_count; output++)
        if (is_with_selection(program, output)) largest = (float *)outputs[output] + begin / bands->band * windows;
    for (int32_t output = 0; output < program->output_count; output++) {
        const apus_program_target *target = &program->outputs[output];
        if (target->tile_buffer < 0 || is_with_selection(program, output)) continue;
        const float *value = buffers + target->tile_buffer * bands->tile;
        apus_tile_arrays arrays = {
            .image = value, .result = (float *)outputs[output] + begin / bands->band * windows, .ahead = ahead};
        if (target->pooling == APUS_WRITE_SELECTED) {
            arrays.image = buffers + bands->image_buffer * bands->tile;
            arrays.values = value;
            arrays.largest = largest;
            largest = NULL;
        }
        apus_pooling_kind kind =
            target->pooling == APUS_WRITE_SELECTED ? APUS_POOLING_SELECTION : APUS_POOLING_MAXIMUM;
        apus_pool_tile_rows(&bands->pooling, kind, arrays, rows);
        ahead = NULL;
    }
}
