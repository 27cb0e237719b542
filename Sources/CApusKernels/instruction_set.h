/// Compiling hot functions several times; the best variant for this processor is taken.
#ifndef APUS_INSTRUCTION_SET_H
#define APUS_INSTRUCTION_SET_H

#include <stdatomic.h>
#include <stdint.h>

#if defined(__x86_64__)
#define APUS_HAS_VARIANTS 1
#else
#define APUS_HAS_VARIANTS 0
#endif

typedef enum {
    APUS_LEVEL_UNKNOWN = -1,
    APUS_LEVEL_BASELINE = 0,
    APUS_LEVEL_AVX2 = 1,
    APUS_LEVEL_AVX512 = 2
} apus_level;

/// Looked up once; `apus_instruction_level` gives it.
extern _Atomic apus_level apus_known_level;
apus_level apus_find_level(void);

/// The instructions that our loops use: what the processor has, and no more than oneDNN uses, which
/// ONEDNN_MAX_CPU_ISA limits.
static inline apus_level apus_instruction_level(void) {
    apus_level level = atomic_load_explicit(&apus_known_level, memory_order_relaxed);
    return level == APUS_LEVEL_UNKNOWN ? apus_find_level() : level;
}

/// Stands before a function's body: defines `name` with one variant of the body for each level. `storage` is `static`
/// or `extern`, `parameters` as in a declaration, `arguments` their names. Functions that the body calls belong into
/// the variants only where they are always inlined.
#if APUS_HAS_VARIANTS
#define APUS_VARIANTS(storage, type, name, parameters, arguments)                                                      \
    static inline __attribute__((always_inline)) type name##_body parameters;                                          \
    __attribute__((target("arch=x86-64-v4,tune=x86-64"))) static type name##_v4 parameters {                          \
        return name##_body arguments;                                                                                  \
    }                                                                                                                  \
    __attribute__((target("arch=x86-64-v3"))) static type name##_v3 parameters { return name##_body arguments; }       \
    static __attribute__((noinline)) type name##_plain parameters { return name##_body arguments; }                    \
    storage type name parameters {                                                                                     \
        apus_level level = apus_instruction_level();                                                                   \
        if (level == APUS_LEVEL_AVX512) return name##_v4 arguments;                                                    \
        if (level == APUS_LEVEL_AVX2) return name##_v3 arguments;                                                      \
        return name##_plain arguments;                                                                                 \
    }                                                                                                                  \
    static inline __attribute__((always_inline)) type name##_body parameters
#else
#define APUS_VARIANTS(storage, type, name, parameters, arguments) storage type name parameters
#endif

#endif
