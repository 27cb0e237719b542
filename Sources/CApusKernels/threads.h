/// Parallel loops, as the other files of this target use them.
#ifndef APUS_THREADS_H
#define APUS_THREADS_H

#include "apus_kernels.h"

/// Makes `count` OpenMP's setting on the calling thread, which oneDNN reads.
void apus_prepare_thread(int32_t count);

/// Starts OpenMP's threads of the calling thread, where it has fewer: OpenMP ends the program where the system gives
/// none. What the system does not give is done without, from then on.
void apus_start_team(void);

/// `apus_parallel` on at most `limit` threads.
void apus_parallel_limited(int64_t count, int64_t grain, int32_t limit, apus_range_body body, void *context);

/// Elements of easy work (an addition, a copy) worth waking a thread for.
enum { APUS_GRAIN = 32768 };

#endif
