#include <dnnl.h>
#include <stdlib.h>

#include "apus_kernels.h"
#include "instruction_set.h"
#include "status.h"

static _Thread_local const char *last_call = "";

const char *apus_last_call(void) { return last_call; }

apus_status apus_fail(const char *call, apus_status status) {
    last_call = call;
    return status;
}

const char *apus_status_name(apus_status status) {
    switch (status) {
        case APUS_SUCCESS: return "success";
        case APUS_INVALID_DESCRIPTION: return "invalid description";
        case APUS_LIMIT_EXCEEDED: return "limit exceeded";
        case APUS_OUT_OF_MEMORY:
        case dnnl_out_of_memory: return "out of memory";
        case APUS_UNSUPPORTED: return "unsupported";
        case APUS_INDEX_OUT_OF_RANGE: return "index out of range";
        case dnnl_invalid_arguments: return "invalid arguments";
        case dnnl_unimplemented: return "unimplemented";
        case dnnl_runtime_error: return "runtime error";
        case dnnl_not_required: return "not required";
        default: return "unknown status";
    }
}

const char *apus_instruction_set(void) {
    switch (apus_instruction_level()) {
        case APUS_LEVEL_AVX512: return "AVX-512";
        case APUS_LEVEL_AVX2: return "AVX2";
        default: return "baseline";
    }
}
