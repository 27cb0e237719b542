// A window's places at once: the image, where it is largest, what is spread by it, and what of the places is written.
#include "elementwise_lowering.h"

typedef struct {
    const apus_program *program;
    apus_lowered *lowered;
    int32_t places;
    int32_t image[APUS_MOST_WALKED_PLACES], largest;  // of the image
    int32_t inputs[APUS_MOST_WALKED_PLACES][APUS_MAXIMUM_INPUTS];
    int32_t values[APUS_MOST_WALKED_PLACES][APUS_MAXIMUM_VALUES];
} window;

static int32_t compare(window *self, int32_t condition, int32_t a, int32_t b, int32_t yes, int32_t no) {
    return apus_lower_primitive(self->lowered, APUS_TO_CHOOSE, condition, a, b, yes, no);
}

/// The first of the largest, or the first that is no number.
static int32_t largest(window *self, const int32_t *numbers) {
    int32_t best = numbers[0];
    for (int32_t place = 1; place < self->places; place++)
        best = apus_lower_primitive(self->lowered, APUS_TO_TAKE_LARGER, 0, numbers[place], best, 0, 0);
    // What is no number did not count so far.
    for (int32_t place = self->places - 1; place >= 0; place--)
        best = compare(self, APUS_IF_UNORDERED, numbers[place], numbers[place], numbers[place], best);
    return best;
}

/// The first place with the largest number's bits is the largest's: of equal zeros, the largest is the first.
static void spread(window *self, int32_t input) {
    int32_t rest = input * self->places;
    for (int32_t place = 0; place < self->places; place++) {
        int32_t share = apus_lower_primitive(
            self->lowered, APUS_TO_KEEP, APUS_IF_SAME_BITS, self->image[place], self->largest, rest, 0);
        self->inputs[place][input] = share;
        // The share is all of the rest or nothing.
        rest = apus_lower_primitive(self->lowered, APUS_TO_EXCLUSIVE_OR, 0, rest, share, 0, 0);
    }
}

static int32_t selected(window *self, int32_t value) {
    int32_t result = self->values[self->places - 1][value];
    for (int32_t place = self->places - 2; place >= 0; place--)
        result = compare(
            self, APUS_IF_SAME_BITS, self->image[place], self->largest, self->values[place][value], result);
    return result;
}

static int32_t largest_of(window *self, int32_t value, bool image_is_among_values) {
    if (image_is_among_values && value == self->program->bands.image) return self->largest;
    int32_t numbers[APUS_MOST_WALKED_PLACES];
    for (int32_t place = 0; place < self->places; place++) numbers[place] = self->values[place][value];
    return largest(self, numbers);
}

/// The image, should it be an input or be computed before all else.
static bool find_image(window *self) {
    const apus_program_bands *bands = &self->program->bands;
    for (int32_t place = 0; place < self->places; place++) {
        self->lowered->place = place;
        self->image[place] = bands->image * self->places + place;
        if (!bands->computes_image) continue;
        const apus_program *image = bands->image_program;
        if (!apus_lower_values(image, self->lowered, self->inputs[place], self->values[place])) return false;
        self->image[place] = self->values[place][image->outputs[0].value];
    }
    self->largest = largest(self, self->image);
    return true;
}

bool apus_lower_windows(const apus_program *program, apus_lowered *lowered) {
    const apus_program_bands *bands = &program->bands;
    window self = {.program = program, .lowered = lowered, .places = (int32_t)bands->pooling.places};
    for (int32_t place = 0; place < self.places; place++)
        for (int32_t input = 0; input < program->input_count; input++)
            self.inputs[place][input] = input * self.places + place;
    bool is_image_first = bands->computes_image || (bands->image >= 0 && bands->image < program->input_count);
    if (is_image_first && !find_image(&self)) return false;
    for (int32_t input = 0; input < program->input_count; input++)
        if (program->inputs[input].reading == APUS_READ_SPREAD) spread(&self, input);
    for (int32_t place = 0; place < self.places; place++) {
        lowered->place = place;
        if (!apus_lower_values(program, lowered, self.inputs[place], self.values[place])) return false;
    }
    if (bands->image >= 0 && !is_image_first) {
        for (int32_t place = 0; place < self.places; place++) self.image[place] = self.values[place][bands->image];
        self.largest = largest(&self, self.image);
    }
    // All is computed before anything is stored, since an output may be over an input.
    int32_t pooled[APUS_MAXIMUM_OUTPUTS];
    for (int32_t output = 0; output < program->output_count; output++) {
        const apus_program_target *target = &program->outputs[output];
        if (target->pooling == APUS_WRITE_LARGEST)
            pooled[output] = largest_of(&self, target->value, !is_image_first);
        if (target->pooling == APUS_WRITE_SELECTED) pooled[output] = selected(&self, target->value);
    }
    for (int32_t output = 0; output < program->output_count; output++) {
        const apus_program_target *target = &program->outputs[output];
        bool is_pooled = target->pooling != APUS_WRITE_ALL;
        for (int32_t place = 0; place < (is_pooled ? 1 : self.places); place++) {
            lowered->place = place;
            int32_t value = is_pooled ? pooled[output] : self.values[place][target->value];
            apus_lower_primitive(lowered, APUS_TO_STORE, apus_output_pointer(program, output), value, 0, 0, 0);
        }
    }
    return true;
}
