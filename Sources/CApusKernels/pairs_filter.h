/// A convolution by bfloat16 pairs, on processors that have them.
#ifndef APUS_PAIRS_FILTER_H
#define APUS_PAIRS_FILTER_H

#include "apus_kernels.h"

typedef struct apus_pairs_filter apus_pairs_filter;

/// For what `apus_pairs_convolution_is_possible` says.
apus_status apus_pairs_filter_create(
    apus_engine *engine, const apus_convolution_description *description, apus_pairs_filter **filter);
void apus_pairs_filter_run(
    apus_pairs_filter *filter, const float *image, const float *kernel, const float *bias, float *result);
void apus_pairs_filter_destroy(apus_pairs_filter *filter);

#endif
