/// An element-wise program as prepared by elementwise.c for elementwise_run.c and elementwise_compiler.c.
#ifndef APUS_ELEMENTWISE_PROGRAM_H
#define APUS_ELEMENTWISE_PROGRAM_H

#include <stddef.h>

#include "apus_kernels.h"
#include "elementwise_instructions.h"
#include "pooling_tiles.h"

enum {
    APUS_MOST_WALKED_PLACES = 4,
    APUS_FEWEST_WALKED_LANES = 8,
    APUS_MOST_WALKED_STEPS = 64,  // so that all places' primitives fit
    // Besides the caller's, one that copies for each output or sum which is an input or a constant.
    APUS_MAXIMUM_STEPS = APUS_MAXIMUM_INSTRUCTIONS + APUS_MAXIMUM_OUTPUTS,
    APUS_MAXIMUM_VALUES = APUS_MAXIMUM_INPUTS + APUS_MAXIMUM_CONSTANTS + APUS_MAXIMUM_STEPS
};

typedef enum {
    APUS_READ_IN_PLACE,   // float32, packed: by pointer
    APUS_READ_CONVERTED,  // packed, but another type
    APUS_READ_ONCE,       // the same element everywhere
    APUS_READ_PERIODIC,  // the same run of elements over and over, which every unit holds whole times
    APUS_READ_STRIDED,
    APUS_READ_SPREAD,  // from a tile's buffer, or where windows are walked by pointer
    APUS_READ_NEVER,  // no instruction or output uses it
} apus_reading;

typedef struct {
    apus_reading reading;
    apus_element_type type;
    int64_t strides[APUS_MAXIMUM_RANK];
    int64_t period;    // the length of the run that repeats; 0 if none does
    int64_t frame_offset;  // of a single element or a unit
    int32_t last_use;  // step
    int32_t tile_buffer;   // of a spread input
    bool is_for_image;     // nothing else is made of it
} apus_program_source;

/// Operands and results are numbers of values, as in the description.
typedef struct {
    apus_operation operation;
    int32_t result, a, b, c;
} apus_step;

typedef struct {
    int32_t value;
    apus_element_type type;
    int32_t step;  // that computes the value and may write the output itself; -1 if none may
    apus_program_pooling pooling;
    int32_t tile_buffer;  // that it is written to, instead of the caller's array; -1: none
} apus_program_target;

typedef struct {
    int32_t value;
    int64_t columns;
    int64_t offset;    // of its columns in a block's partial sums
    bool is_by_lanes;  // the columns divide the unit
} apus_program_total;

/// Machine code for whole units, or for windows, if it could be made.
typedef struct {
    apus_program_form form;
    void (*function)(void *frame, int64_t byte_count);  // NULL: the program is interpreted
    size_t mapped_size;
    uint32_t *constants;  // bits; sixteen times each in the frames
    int32_t constant_count;
    int64_t constant_offset;
} apus_program_code;

/// Windows that tile the domain (elementwise_windows.c). Bands, a row of windows each, lie one after the other in
/// memory; as many as make up a tile are worked on before the next.
typedef struct {
    int64_t band, tile;  // elements; 0: there are no windows
    apus_tile_pooling pooling;   // of bands; of which kind, whoever runs it says
    int32_t image;               // the value; -1 where nothing asks for it
    int32_t image_buffer;        // where it is computed to; -1 where it is an input
    bool has_selection, computes_image;
    // Code has all places of a window in registers, and needs no tiles; a call is for a few windows of a band. Sums
    // have lanes for each place and channel, whichever the form.
    bool are_walked;
    struct apus_program *image_program;  // what computes the image before all else, if that is needed
    int32_t buffer_count;
    float *buffers;  // [thread_count, buffer_count, tile]
} apus_program_bands;

/// Elements are taken in units, after which each periodic input and each sum's columns start anew; units make up
/// chunks, chunks make up blocks. What is no whole unit at the end is a chunk of its own.
struct apus_program {
    int32_t rank;  // after merging axes
    int64_t dimensions[APUS_MAXIMUM_RANK];
    int64_t count;
    int64_t unit;         // elements, a multiple of APUS_LANES
    int64_t whole;        // elements in whole units
    int64_t chunk;        // elements, a multiple of the unit
    int64_t chunk_count;  // the last one included, be it whole units or not
    int64_t buffer_length;  // elements of a chunk's buffers
    int64_t chunk_grain;  // chunks worth a thread
    int64_t run;          // chunks that a lane adds in float32, before they go on in double
    int64_t block;        // chunks whose partial sums are one row of `partial`; a multiple of the run
    int64_t block_count;
    int64_t column_count;  // of all sums together
    int32_t input_count, constant_count, step_count, output_count, sum_count;
    apus_program_source inputs[APUS_MAXIMUM_INPUTS];
    apus_step steps[APUS_MAXIMUM_STEPS];
    apus_program_target outputs[APUS_MAXIMUM_OUTPUTS];
    apus_program_total sums[APUS_MAXIMUM_OUTPUTS];
    int32_t registers[APUS_MAXIMUM_VALUES];  // of each value that an instruction computes
    int32_t register_count, thread_count;
    float constants[APUS_MAXIMUM_CONSTANTS];
    float *constant_rows;  // [constant_count, buffer_length]
    float *buffers;        // [thread_count, input_count + register_count, buffer_length]
    double *partial;       // [block_count, column_count]
    uint8_t *frames;       // [thread_count, frame_size]
    apus_program_bands bands;
    // A thread's frame: pointers to what is read and written, from the chunk's begin on; single elements sixteen
    // times; a unit of each periodic input; the sums so far, [sum_count, unit], in float32 and in double; the code's.
    int64_t lanes_offset, wide_offset, frame_size;  // bytes, multiples of 64
    apus_program_code code;
};

/// Whether code walks the windows; else an interpreter goes through tiles, also where they might have been walked.
static inline bool apus_program_is_walked(const apus_program *program) {
    return program->bands.are_walked && program->code.function != NULL;
}

// The frame's pointers, by number: inputs, outputs, sums.
static inline int32_t apus_output_pointer(const apus_program *program, int32_t output) {
    return program->input_count + output;
}
/// For a sum that is not by lanes.
static inline int32_t apus_sum_pointer(const apus_program *program, int32_t sum) {
    return program->input_count + program->output_count + sum;
}

/// Chooses units, chunks and blocks, and the place of everything in memory (elementwise_layout.c). A program that
/// another runs for itself has its units, chunks and threads.
void apus_program_choose_layout(apus_program *program, const apus_program *user);
apus_status apus_program_allocate(apus_program *program);

/// The windows and the tiles' buffers, before the layout is chosen (elementwise_windows.c).
bool apus_program_windows_are_valid(const apus_program_description *wanted, int64_t count);
/// Whether something is spread or selected by the windows' image.
bool apus_program_has_image(const apus_program_description *wanted);
void apus_program_choose_bands(apus_program *program, const apus_program_description *wanted);
/// Whether code may walk such windows, and whether it may in this program; units are chosen in between.
bool apus_program_suits_walks(const apus_program_bands *bands);
void apus_program_choose_walk(apus_program *program);
/// Before and after a tile's chunks: spreads inputs into its buffers, and pools outputs from there.
void apus_program_spread(
    const apus_program *program, const void *const *inputs, float *buffers, int64_t begin, int64_t end);
void apus_program_pool(
    const apus_program *program, const void *const *inputs, void *const *outputs, const float *buffers, int64_t begin,
    int64_t end);

#endif
