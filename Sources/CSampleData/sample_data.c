#include "sample_data.h"
const char *apus_sample(void) { return ""; }
