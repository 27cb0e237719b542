#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "apus_kernels.h"
#include "instruction_set.h"
#include "lanes.h"
#include "threads.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Each body runs `rounds` rounds and gives a number that depends on all of them, so that none is left out.
typedef float (*arithmetic_body)(int64_t rounds);

// Independent sums: more than the multiply-adds that a processor has under way at once.
enum { SUMS = 12 };

static volatile float factor = 0.999f, summand = 0.001f;

#define ACCUMULATE(type, attributes, name, broadcast, multiply_add, first_lane)    \
    attributes static float name(int64_t rounds) {                                 \
        type x = broadcast(factor), y = broadcast(summand), sums[SUMS];            \
        for (int i = 0; i < SUMS; i++) sums[i] = broadcast(summand * (float)i);    \
        for (int64_t round = 0; round < rounds; round++) {                         \
            _Pragma("clang loop unroll(full)")                                     \
            for (int i = 0; i < SUMS; i++) sums[i] = multiply_add(sums[i], x, y);  \
        }                                                                          \
        for (int i = 1; i < SUMS; i++) sums[0] += sums[i];                         \
        return first_lane(sums[0]);                                                \
    }

#define BROADCAST_LANES(x) ((x) - (apus_lanes){})
#define MULTIPLY_ADD_LANES(sum, x, y) ((sum) * (x) + (y))
#define FIRST_LANE(x) ((x)[0])
ACCUMULATE(apus_lanes, , accumulate_plain, BROADCAST_LANES, MULTIPLY_ADD_LANES, FIRST_LANE)

#if defined(__x86_64__)
ACCUMULATE(
    __m256, __attribute__((target("avx2,fma"))), accumulate_avx2, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)
ACCUMULATE(
    __m512, __attribute__((target("avx512f"))), accumulate_avx512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)

__attribute__((target("avx512f,avx512bw,avx512bf16"))) static float accumulate_dots(int64_t rounds) {
    __m512 sums[SUMS], y = _mm512_set1_ps(summand);
    __m512bh pairs = _mm512_cvtne2ps_pbh(y, y);
    for (int i = 0; i < SUMS; i++) sums[i] = y;
    for (int64_t round = 0; round < rounds; round++) {
        _Pragma("clang loop unroll(full)")
        for (int i = 0; i < SUMS; i++) sums[i] = _mm512_dpbf16_ps(sums[i], pairs, pairs);
    }
    for (int i = 1; i < SUMS; i++) sums[0] += sums[i];
    return _mm512_cvtss_f32(sums[0]);
}
#endif

// Products of 16 x 32 with 32 x 16: two tiles on either side and the four sums of their products.
enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_PRODUCTS = 4 };

#if defined(__x86_64__) && defined(__linux__)
#define HAS_TILES 1

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;

__attribute__((target("amx-tile,amx-bf16"))) static float accumulate_tiles(int64_t rounds) {
    tile_configuration configuration __attribute__((aligned(64))) = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        configuration.row_bytes[tile] = TILE_BYTES;
        configuration.rows[tile] = TILE_ROWS;
    }
    _Alignas(64) float values[TILE_ROWS * TILE_BYTES / sizeof(float)] = {};
    _tile_loadconfig(&configuration);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, values, TILE_BYTES);
    _tile_loadd(5, values, TILE_BYTES);
    _tile_loadd(6, values, TILE_BYTES);
    _tile_loadd(7, values, TILE_BYTES);
    for (int64_t round = 0; round < rounds; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, values, TILE_BYTES);
    _tile_release();
    return values[0];
}

/// Whether the processor has tiles, and the system lets this process keep something in them.
static bool may_use_tiles(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    bool has_bfloat16 = d & (1u << 22), has_tiles = d & (1u << 24);
    enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18 };  // arch_prctl's ARCH_REQ_XCOMP_PERM, Linux 5.16
    return has_bfloat16 && has_tiles && syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
}
#else
#define HAS_TILES 0
#endif

typedef struct {
    arithmetic_body body;
    double operations;  // a round
    int64_t rounds;     // about a millisecond
} arithmetic_loop;

static arithmetic_loop loop_of(apus_arithmetic kind) {
    switch (kind) {
        case APUS_ARITHMETIC_FLOAT32:
#if defined(__x86_64__)
            if (apus_instruction_level() >= APUS_LEVEL_AVX512)
                return (arithmetic_loop){accumulate_avx512, 2 * 16 * SUMS, 400000};
            if (apus_instruction_level() >= APUS_LEVEL_AVX2)
                return (arithmetic_loop){accumulate_avx2, 2 * 8 * SUMS, 400000};
#endif
            return (arithmetic_loop){accumulate_plain, 2 * 16 * SUMS, 40000};
        case APUS_ARITHMETIC_BFLOAT16_DOTS:
#if defined(__x86_64__)
            if (apus_instruction_level() >= APUS_LEVEL_AVX512 && __builtin_cpu_supports("avx512bf16"))
                return (arithmetic_loop){accumulate_dots, 2 * 32 * SUMS, 300000};
#endif
            break;
        case APUS_ARITHMETIC_BFLOAT16_TILES:
#if HAS_TILES
            if (apus_instruction_level() >= APUS_LEVEL_AVX512 && may_use_tiles())
                return (arithmetic_loop){accumulate_tiles, 2.0 * 16 * 32 * 16 * TILE_PRODUCTS, 40000};
#endif
            break;
    }
    return (arithmetic_loop){};
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Other programs take a share of some passes: the best of several counts.
enum { REPEATS = 12 };

static _Thread_local volatile float kept;

static void accumulate(void *context, int64_t begin, int64_t end, int32_t thread) {
    const arithmetic_loop *loop = context;
    for (int64_t i = begin; i < end; i++) kept = loop->body(loop->rounds);
    (void)thread;
}

double apus_measure_arithmetic(apus_arithmetic kind) {
    arithmetic_loop loop = loop_of(kind);
    if (!loop.body) return 0;
    int64_t threads = apus_thread_count();
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = now();
        apus_parallel(threads, 1, accumulate, &loop);
        double rate = (double)threads * (double)loop.rounds * loop.operations / (now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

typedef struct {
    float *values;  // three arrays of `count`
    int64_t count;
    int64_t passes;
} memory_loop;

APUS_VARIANTS(
    static, void, scale_and_add, (float *sums, const float *x, const float *y, int64_t count),
    (sums, x, y, count)) {
    for (int64_t i = 0; i < count; i++) sums[i] = x[i] * 0.5f + y[i];
}

static void pass_over(void *context, int64_t begin, int64_t end, int32_t thread) {
    const memory_loop *loop = context;
    float *x = loop->values, *y = x + loop->count, *sums = y + loop->count;
    for (int64_t pass = 0; pass < loop->passes; pass++)
        scale_and_add(sums + begin, x + begin, y + begin, end - begin);
    (void)thread;
}

static void clear(void *context, int64_t begin, int64_t end, int32_t thread) {
    const memory_loop *loop = context;
    for (int array = 0; array < 3; array++)
        for (int64_t i = begin; i < end; i++) loop->values[array * loop->count + i] = 0;
    (void)thread;
}

double apus_measure_memory(int64_t byte_count) {
    // Whole cache lines.
    int64_t count = (byte_count < 3072 ? 3072 : byte_count) / 3 / 64 * 16;
    int64_t bytes = 3 * count * (int64_t)sizeof(float);
    int64_t passes = (16 << 20) / bytes;
    memory_loop loop = {NULL, count, passes < 1 ? 1 : passes};
    if (posix_memalign((void **)&loop.values, 4096, (size_t)bytes)) return 0;
    // Threads take the same parts each time.
    int64_t grain = count / apus_thread_count() / 16 * 16;
    apus_parallel(count, grain, clear, &loop);
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = now();
        apus_parallel(count, grain, pass_over, &loop);
        double rate = (double)bytes * (double)loop.passes / (now() - start);
        if (rate > best) best = rate;
    }
    free(loop.values);
    return best;
}
