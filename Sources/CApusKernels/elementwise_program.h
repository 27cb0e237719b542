/// An element-wise program as prepared by elementwise.c for elementwise_run.c.
#ifndef APUS_ELEMENTWISE_PROGRAM_H
#define APUS_ELEMENTWISE_PROGRAM_H

#include "apus_kernels.h"
#include "elementwise_instructions.h"

enum {
    // Besides the caller's, one that copies for each output which is an input or a constant.
    APUS_MAXIMUM_STEPS = APUS_MAXIMUM_INSTRUCTIONS + APUS_MAXIMUM_OUTPUTS,
    APUS_MAXIMUM_VALUES = APUS_MAXIMUM_INPUTS + APUS_MAXIMUM_CONSTANTS + APUS_MAXIMUM_STEPS
};

typedef enum {
    APUS_READ_IN_PLACE,   // float32, packed: by pointer
    APUS_READ_CONVERTED,  // packed, but another type
    APUS_READ_ONCE,       // the same element everywhere
    APUS_READ_PERIODIC,  // the same run of elements over and over, which every chunk holds whole times
    APUS_READ_STRIDED,
    APUS_READ_NEVER,  // no instruction or output uses it
} apus_reading;

typedef struct {
    apus_reading reading;
    apus_element_type type;
    int64_t strides[APUS_MAXIMUM_RANK];
    int64_t period;    // the length of the run that repeats; 0 if none does
    int32_t last_use;  // step
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
} apus_program_target;

typedef struct {
    int32_t value;
    int64_t columns;
    int64_t offset;  // of its columns in a block's partial sums
} apus_program_total;

struct apus_program {
    int32_t rank;  // after merging axes
    int64_t dimensions[APUS_MAXIMUM_RANK];
    int64_t count;
    int64_t chunk;        // elements, a multiple of APUS_LANES
    int64_t chunk_grain;  // chunks worth a thread
    int64_t block;        // chunks whose partial sums are one row of `partial`
    int64_t block_count;
    int64_t column_count;  // of all sums together
    int32_t input_count, constant_count, step_count, output_count, sum_count;
    apus_program_source inputs[APUS_MAXIMUM_INPUTS];
    apus_step steps[APUS_MAXIMUM_STEPS];
    apus_program_target outputs[APUS_MAXIMUM_OUTPUTS];
    apus_program_total sums[APUS_MAXIMUM_OUTPUTS];
    int32_t registers[APUS_MAXIMUM_VALUES];  // of each value that an instruction computes
    int32_t register_count, thread_count;
    float *constants;  // [constant_count, chunk]
    float *buffers;    // [thread_count, input_count + register_count, chunk]
    double *partial;   // [block_count, column_count]
};

#endif
