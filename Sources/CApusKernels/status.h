/// How a function of this target reports a failure.
#ifndef APUS_STATUS_H
#define APUS_STATUS_H

#include "apus_kernels.h"

/// Notes `call` for `apus_last_call` and returns `status`.
apus_status apus_fail(const char *call, apus_status status);

#endif
