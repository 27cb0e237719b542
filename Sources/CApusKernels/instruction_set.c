#include "instruction_set.h"

#include <dnnl.h>

_Atomic apus_level apus_known_level = APUS_LEVEL_UNKNOWN;

apus_level apus_find_level(void) {
    apus_level level = APUS_LEVEL_BASELINE;
#if APUS_HAS_VARIANTS
    // Bit sets in which a larger set has the bits of the smaller ones.
    unsigned bits = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned avx2 = (unsigned)dnnl_cpu_isa_avx2, avx512 = (unsigned)dnnl_cpu_isa_avx512_core;
    if ((bits & avx512) == avx512 && __builtin_cpu_supports("x86-64-v4")) level = APUS_LEVEL_AVX512;
    else if ((bits & avx2) == avx2 && __builtin_cpu_supports("x86-64-v3")) level = APUS_LEVEL_AVX2;
#endif
    atomic_store_explicit(&apus_known_level, level, memory_order_relaxed);
    return level;
}
