/// The gradient of a convolution with respect to its image, for two axes: a row of the upstream times the whole kernel
/// gives what each result adds to all places under its window, and these are spread over the image.
///
///     image gradient[y stride + ky - top, x stride + kx - left, c] +=
///         sum over f of upstream[y, x, f] kernel[ky, kx, c, f]
///
/// Nothing is multiplied by the zeros beyond the upstream's edge, and the product is one of ordinary matrices. oneDNN's
/// own way takes longer where channels do not fill its vectors; ConvolutionKernel.swift says where this one is taken.
#ifndef APUS_SPREAD_GRADIENT_H
#define APUS_SPREAD_GRADIENT_H

#include "apus_kernels.h"

typedef struct apus_spread_gradient apus_spread_gradient;

apus_status apus_spread_gradient_create(
    apus_engine *engine, const apus_convolution_description *description, apus_spread_gradient **gradient);
void apus_spread_gradient_run(
    apus_spread_gradient *gradient, const float *kernel, const float *upstream, float *result);
void apus_spread_gradient_destroy(apus_spread_gradient *gradient);

#endif
