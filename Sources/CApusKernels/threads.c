// The OpenMP runtime is the one that oneDNN brings into the process, so that two thread pools never fight for the
// processors. It is called by name: that needs neither an OpenMP compiler nor a second library to link.
#define _GNU_SOURCE
#include "threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// libgomp's barriers are system calls of its own, which Thread Sanitizer does not see: it is told of what they order.
// Everything before a fork happens before the loop's body, and every body before what follows the join.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define APUS_RELEASE(address) __tsan_release(address)
#define APUS_ACQUIRE(address) __tsan_acquire(address)
#endif
#endif
#ifndef APUS_RELEASE
#define APUS_RELEASE(address) ((void)0)
#define APUS_ACQUIRE(address) ((void)0)
#endif

typedef struct {
    void (*parallel)(void (*body)(void *), void *data, unsigned threads, unsigned flags);
    int (*thread_number)(void);
    int (*team_size)(void);
    int (*in_parallel)(void);
    void (*set_thread_count)(int);
    int (*maximum_thread_count)(void);
} openmp;

static openmp runtime;
static pthread_once_t runtime_is_found = PTHREAD_ONCE_INIT;
static _Atomic int32_t thread_count = 1;
// OpenMP keeps its setting per thread; this is what this thread's was last made.
static _Thread_local int32_t prepared_thread_count = 0;

static void find_runtime(void) {
    openmp found = {
        .parallel = (__typeof__(found.parallel))dlsym(RTLD_DEFAULT, "GOMP_parallel"),
        .thread_number = (__typeof__(found.thread_number))dlsym(RTLD_DEFAULT, "omp_get_thread_num"),
        .team_size = (__typeof__(found.team_size))dlsym(RTLD_DEFAULT, "omp_get_num_threads"),
        .in_parallel = (__typeof__(found.in_parallel))dlsym(RTLD_DEFAULT, "omp_in_parallel"),
        .set_thread_count = (__typeof__(found.set_thread_count))dlsym(RTLD_DEFAULT, "omp_set_num_threads"),
        .maximum_thread_count = (__typeof__(found.maximum_thread_count))dlsym(RTLD_DEFAULT, "omp_get_max_threads"),
    };
    if (!found.parallel || !found.thread_number || !found.team_size || !found.in_parallel ||
        !found.set_thread_count || !found.maximum_thread_count)
        return;
    runtime = found;
    int count = found.maximum_thread_count();
    atomic_store(&thread_count, count < 1 ? 1 : count);
}

void apus_set_thread_count(int32_t count) {
    pthread_once(&runtime_is_found, find_runtime);
    if (runtime.parallel) atomic_store(&thread_count, count < 1 ? 1 : count);
}

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool may_end;
} gate;

static void *wait_at_gate(void *data) {
    gate *closed = data;
    pthread_mutex_lock(&closed->mutex);
    while (!closed->may_end) pthread_cond_wait(&closed->condition, &closed->mutex);
    pthread_mutex_unlock(&closed->mutex);
    return NULL;
}

/// The threads of this process in the eyes of the system; 0 where that is not known.
static long living_threads(void) {
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? (long)tasks.st_nlink - 2 : 0;
}

int32_t apus_available_thread_count(int32_t wanted) {
    if (wanted <= 1) return 1;
    long before = living_threads();
    pthread_t *threads = malloc((size_t)(wanted - 1) * sizeof *threads);
    if (!threads) return 1;
    gate closed = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    int32_t started = 0;
    while (started < wanted - 1 && pthread_create(&threads[started], NULL, wait_at_gate, &closed) == 0) started++;
    pthread_mutex_lock(&closed.mutex);
    closed.may_end = true;
    pthread_cond_broadcast(&closed.condition);
    pthread_mutex_unlock(&closed.mutex);
    for (int32_t index = 0; index < started; index++) pthread_join(threads[index], NULL);
    free(threads);
    // A thread that was waited for may count for a moment longer, and would take the place of the next.
    for (int tries = 0; tries < 200 && living_threads() > before; tries++) usleep(50);
    return started + 1;
}

static void do_nothing(void *data) { (void)data; }

void apus_start_team(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static _Thread_local int32_t started = 1;
    int32_t count = apus_thread_count();
    if (count <= started || !runtime.parallel || runtime.in_parallel()) return;
    // One at a time: what is available to two may not be available to both.
    pthread_mutex_lock(&mutex);
    int32_t available = apus_available_thread_count(count);
    if (available < count) apus_set_thread_count(available);
    if (available > 1) runtime.parallel(do_nothing, NULL, (unsigned)available, 0);
    pthread_mutex_unlock(&mutex);
    started = available;
}

int32_t apus_thread_count(void) {
    pthread_once(&runtime_is_found, find_runtime);
    return atomic_load_explicit(&thread_count, memory_order_relaxed);
}

void apus_prepare_thread(int32_t count) {
    if (count == prepared_thread_count || !runtime.parallel) return;
    runtime.set_thread_count(count);
    prepared_thread_count = count;
}

typedef struct {
    apus_range_body body;
    void *context;
    int64_t count;
    /// How many of the team's threads have a share.
    int64_t threads;
} loop;

static void run_share(void *data) {
    const loop *work = data;
    APUS_ACQUIRE(data);
    // The runtime may give fewer threads than asked for.
    int64_t threads = runtime.team_size(), thread = runtime.thread_number();
    if (threads > work->threads) threads = work->threads;
    if (thread < threads) {
        int64_t share = work->count / threads, longer = work->count % threads;
        int64_t begin = thread * share + (thread < longer ? thread : longer);
        int64_t end = begin + share + (thread < longer ? 1 : 0);
        if (begin < end) work->body(work->context, begin, end, (int32_t)thread);
    }
    // A thread without a share has looked at the work, too.
    APUS_RELEASE(data);
}

void apus_parallel_limited(int64_t count, int64_t grain, int32_t limit, apus_range_body body, void *context) {
    if (count <= 0) return;
    if (grain < 1) grain = 1;
    int64_t threads = apus_thread_count();
    if (threads > limit) threads = limit;
    if (threads > 1 && threads > (count - 1) / grain + 1) threads = (count - 1) / grain + 1;
    if (threads <= 1 || runtime.in_parallel()) {
        body(context, 0, count, 0);
        return;
    }
    // Always the whole team: libgomp ends the threads that a smaller one has no use for, and starts them again.
    loop work = {body, context, count, threads};
    APUS_RELEASE(&work);
    runtime.parallel(run_share, &work, (unsigned)apus_thread_count(), 0);
    APUS_ACQUIRE(&work);
}

enum { MOST_BALANCED_THREADS = 64, LINE = 64 };

/// What is left of a thread's range: its begin in the upper half, its end in the lower one. In a line of the cache of
/// its own, as its thread writes it again and again.
typedef struct {
    _Alignas(LINE) _Atomic uint64_t ends;
} range_left;

typedef struct {
    apus_range_body body;
    void *context;
    int64_t step, threads;
    range_left left[MOST_BALANCED_THREADS];
} balanced_loop;

static uint64_t packed(uint64_t begin, uint64_t end) { return begin << 32 | end; }

/// Takes items off one end of a range and runs them; false where none are left.
static bool take_and_run(balanced_loop *loop, int64_t range, bool takes_first, int32_t thread) {
    _Atomic uint64_t *ends = &loop->left[range].ends;
    uint64_t old = atomic_load_explicit(ends, memory_order_relaxed), begin, end, count, rest;
    do {
        begin = old >> 32;
        end = old & UINT32_MAX;
        if (begin >= end) return false;
        count = end - begin < (uint64_t)loop->step ? end - begin : (uint64_t)loop->step;
        rest = takes_first ? packed(begin + count, end) : packed(begin, end - count);
    } while (!atomic_compare_exchange_weak_explicit(ends, &old, rest, memory_order_relaxed, memory_order_relaxed));
    int64_t first = (int64_t)(takes_first ? begin : end - count);
    loop->body(loop->context, first, first + (int64_t)count, thread);
    return true;
}

/// Items are threads' ranges: one, or more where the runtime gives fewer threads than asked for.
static void run_balanced(void *context, int64_t begin, int64_t end, int32_t thread) {
    balanced_loop *loop = context;
    for (int64_t own = begin; own < end; own++)
        while (take_and_run(loop, own, true, thread)) {}
    for (int64_t other = 0; other < loop->threads; other++)
        while (take_and_run(loop, (end + other) % loop->threads, false, thread)) {}
}

void apus_parallel_balanced(int64_t count, int64_t step, int32_t limit, apus_range_body body, void *context) {
    if (count <= 0) return;
    int64_t threads = apus_thread_count();
    if (threads > limit) threads = limit;
    if (threads > count) threads = count;
    if (threads < 2 || threads > MOST_BALANCED_THREADS || count > UINT32_MAX) {
        apus_parallel_limited(count, 1, limit, body, context);
        return;
    }
    balanced_loop loop;
    loop.body = body;
    loop.context = context;
    loop.step = step < 1 ? 1 : step;
    loop.threads = threads;
    for (int64_t thread = 0, begin = 0, end; thread < threads; thread++, begin = end) {
        end = begin + count / threads + (thread < count % threads ? 1 : 0);
        atomic_init(&loop.left[thread].ends, packed((uint64_t)begin, (uint64_t)end));
    }
    apus_parallel_limited(threads, 1, limit, run_balanced, &loop);
}

void apus_parallel(int64_t count, int64_t grain, apus_range_body body, void *context) {
    apus_parallel_limited(count, grain, INT32_MAX, body, context);
}
