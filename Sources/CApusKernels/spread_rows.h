/// The second half of a spread gradient: products are added to the image.
#ifndef APUS_SPREAD_ROWS_H
#define APUS_SPREAD_ROWS_H

#include "apus_kernels.h"
#include "math_functions.h"

/// Adds what the results of a row give to the places in row `ky` of their windows to a row of the image; a window's
/// places in a row are neighbours.
APUS_INLINE void apus_spread_row(
    const apus_convolution_description *wanted, const float *products, int64_t stride, float *row) {
    const int64_t channels = wanted->channels, width = wanted->image[1] * channels;
    const int64_t terms = wanted->kernel[1] * channels;
    for (int64_t x = 0; x < wanted->output[1]; x++, products += stride) {
        int64_t first = (x * wanted->strides[1] - wanted->padding_before[1]) * channels;
        int64_t begin = first < 0 ? -first : 0, end = width - first < terms ? width - first : terms;
        if (begin >= end) continue;
        float *restrict target = row + (first + begin);
        for (int64_t t = begin; t < end; t++) *target++ += products[t];
    }
}

/// Adds the products of rows `first..<first + rows` of a sample's results, `stride` numbers from one result's to the
/// next one's, to the sample's image.
APUS_INLINE void apus_spread_rows(
    const apus_convolution_description *wanted, int64_t first, int64_t rows, const float *products, int64_t stride,
    float *image) {
    const int64_t line = wanted->output[1] * stride, terms = wanted->kernel[1] * wanted->channels;
    for (int64_t y = first; y < first + rows; y++, products += line)
        for (int64_t ky = 0; ky < wanted->kernel[0]; ky++) {
            int64_t place = y * wanted->strides[0] + ky - wanted->padding_before[0];
            if (place < 0 || place >= wanted->image[0]) continue;
            apus_spread_row(
                wanted, products + ky * terms, stride, image + place * wanted->image[1] * wanted->channels);
        }
}

#endif
