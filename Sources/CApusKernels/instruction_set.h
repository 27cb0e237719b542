/// Compiling hot functions several times, the processor's best chosen when the program starts.
#ifndef APUS_INSTRUCTION_SET_H
#define APUS_INSTRUCTION_SET_H

#include <stdint.h>

// The choice is made by the loader (an ifunc), which on Linux is glibc's.
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
#define APUS_CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define APUS_HAS_CLONES 1
#else
#define APUS_CLONED
#define APUS_HAS_CLONES 0
#endif

typedef enum { APUS_LEVEL_BASELINE = 0, APUS_LEVEL_AVX2 = 1, APUS_LEVEL_AVX512 = 2 } apus_level;

/// The instructions that our loops use.
apus_level apus_instruction_level(void);

#endif
