#include "sample_data.h"

static const unsigned char mnist_sample[] = {
#embed "mnist-sample.gz"
};

const unsigned char *apus_mnist_sample(size_t *byte_count) {
    *byte_count = sizeof mnist_sample;
    return mnist_sample;
}
