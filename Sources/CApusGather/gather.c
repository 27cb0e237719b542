#include "gather.h"

#include <string.h>

enum {
    LINE = 64,
    AHEAD = 3072,  // bytes asked for before they are read; measured: 4 rows of 784, 2 to 8 are as good
};

#define INLINE static inline __attribute__((always_inline))

/// Asks for the row that is read `AHEAD` bytes after row r, as far as that (the processor sees by itself how a long row
/// goes on).
INLINE void fetch_ahead(const uint8_t *source, const int32_t *indices, int64_t r, int64_t count, int64_t size) {
    int64_t next = r + (size < AHEAD ? AHEAD / (size < 1 ? 1 : size) : 1);
    if (next >= count) return;
    const uint8_t *row = source + indices[next] * size;
    for (int64_t i = 0; i < size && i < AHEAD; i += LINE) __builtin_prefetch(row + i);
}

INLINE void gather_bytes(
    float *restrict target, const uint8_t *restrict source, const int32_t *indices, int64_t count, int64_t size,
    float scale) {
    for (int64_t r = 0; r < count; r++) {
        const uint8_t *row = source + indices[r] * size;
        float *result = target + r * size;
        fetch_ahead(source, indices, r, count, size);
        for (int64_t i = 0; i < size; i++) result[i] = (float)row[i] * scale;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void gather_bytes_avx2(
    float *target, const uint8_t *source, const int32_t *indices, int64_t count, int64_t size, float scale) {
    gather_bytes(target, source, indices, count, size, scale);
}
#endif

void apus_gather_byte_samples(
    float *target, const uint8_t *source, const int32_t *indices, int64_t count, int64_t size, float scale) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return gather_bytes_avx2(target, source, indices, count, size, scale);
#endif
    gather_bytes(target, source, indices, count, size, scale);
}

void apus_gather_samples(void *target, const void *source, const int32_t *indices, int64_t count, int64_t size) {
    for (int64_t r = 0, rows; r < count; r += rows) {
        fetch_ahead(source, indices, r, count, size);
        // Neighbours at once: in their natural order, all rows.
        for (rows = 1; r + rows < count && indices[r + rows] == indices[r] + rows;) rows++;
        memcpy((uint8_t *)target + r * size, (const uint8_t *)source + indices[r] * size, (size_t)(rows * size));
    }
}
