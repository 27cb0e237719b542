/// One instruction of an element-wise program over a chunk.
#ifndef APUS_ELEMENTWISE_INSTRUCTIONS_H
#define APUS_ELEMENTWISE_INSTRUCTIONS_H

#include "apus_kernels.h"

enum {
    APUS_LANES = 16,   // chunks are whole multiples of this, so that no element needs other code
    APUS_CHUNK = 512,  // elements; some ten of them stay in the first-level cache
    APUS_SHORTEST_UNIT = 64,    // elements; a sum's lanes are far enough apart not to wait for each other
    APUS_LONGEST_UNIT = 2048,   // where that spares reading a short input again and again
    APUS_LONGEST_RUN = 8,       // numbers that a sum's lane adds in float32
    APUS_MOST_BLOCKS = 64,      // of partial sums
    APUS_TILE = 2048,           // elements of bands of windows that are worked on together, where a band has fewer
};

/// destination[i] = operation(a[i], b[i], c[i]), i in 0..<count, a multiple of APUS_LANES. The destination may be
/// one of the operands; those beyond the operation's are not read.
void apus_execute(
    apus_operation operation, float *destination, const float *a, const float *b, const float *c, int64_t count);

/// The number of operands, 1 to 3, or 0 if there is no such operation.
int apus_operand_count(apus_operation operation);

/// A measure of the time for one element; an addition has 1.
int apus_operation_cost(apus_operation operation);

#endif
