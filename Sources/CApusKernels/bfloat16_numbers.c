#include "bfloat16_numbers.h"

#include "threads.h"

#if APUS_HAS_VARIANTS

typedef struct {
    uint16_t *to;
    const float *from;
    int64_t count;
} job;

// Numbers that a thread takes at a time.
enum { BLOCK = 1024 };

APUS_PAIRS_TARGET static void write_blocks(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const job *work = context;
    int64_t first = begin * BLOCK, last = end * BLOCK < work->count ? end * BLOCK : work->count;
    apus_write_numbers(work->to + first, work->from + first, last - first);
}

void apus_write_bfloat16(uint16_t *to, const float *from, int64_t count, int32_t threads) {
    job work = {to, from, count};
    apus_parallel_limited((count + BLOCK - 1) / BLOCK, APUS_GRAIN / BLOCK, threads, write_blocks, &work);
}

#else

void apus_write_bfloat16(uint16_t *to, const float *from, int64_t count, int32_t threads) {
    (void)to, (void)from, (void)count, (void)threads;
}

#endif
