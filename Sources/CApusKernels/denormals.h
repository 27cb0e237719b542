/// Numbers below the smallest normal one, 1.2e-38, as 0: processors multiply them many times as slowly, and a sum of
/// products is none the better for them. The gradients of a network that has learnt its data get there.
#ifndef APUS_DENORMALS_H
#define APUS_DENORMALS_H

/// From here on this thread takes such numbers for 0, as factors and as results. Gives what `apus_end_flushing` needs.
static inline unsigned apus_begin_flushing(void) {
#if defined(__x86_64__)
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZEROS = 0x0040 };
    unsigned mode = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(mode | FLUSH_TO_ZERO | DENORMALS_ARE_ZEROS);
    __asm__ volatile("" ::: "memory");
    return mode;
#else
    return 0;
#endif
}

/// As before `apus_begin_flushing`, which gave `mode`.
static inline void apus_end_flushing(unsigned mode) {
#if defined(__x86_64__)
    __asm__ volatile("" ::: "memory");
    __builtin_ia32_ldmxcsr(mode);
#else
    (void)mode;
#endif
}

#endif
