#ifndef APUS_SAMPLE_DATA_H
#define APUS_SAMPLE_DATA_H

#include <stddef.h>

/// The first 6,000 training and 1,000 test samples of MNIST: four IDX files one after another (training images and
/// labels, test images and labels), packed together by gzip. The bytes live as long as the program.
const unsigned char *apus_mnist_sample(size_t *byte_count);

#endif
