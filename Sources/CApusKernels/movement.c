// A copy's axes are sorted by the destination's strides and merged where both sides allow it. What is left is runs of
// neighbours, a transpose of the last axis with another, or a loop with strides.
#include <stdlib.h>
#include <string.h>

#include "status.h"
#include "threads.h"

typedef enum { RUNS, TRANSPOSE, STRIDED } copy_way;

typedef struct {
    int64_t length, source, destination;
} axis;

struct apus_copy {
    copy_way way;
    int32_t element_size;
    int32_t rank;        // 1 or more
    axis axes[APUS_MAXIMUM_RANK];
    int64_t items;       // units of parallel work
    int64_t item_count;  // elements in one
    bool is_empty;
};

/// The side of the square that a transpose does at a time: it fits the first-level cache on both sides.
enum { TILE = 32 };

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

static int64_t tiles(int64_t length) { return (length + TILE - 1) / TILE; }

/// Sorts by the destination's strides, the largest first, and merges neighbours; returns the new rank.
static int32_t simplify(axis *axes, int32_t rank) {
    for (int32_t i = 1; i < rank; i++)
        for (int32_t j = i; j > 0 && magnitude(axes[j - 1].destination) < magnitude(axes[j].destination); j--) {
            axis other = axes[j];
            axes[j] = axes[j - 1];
            axes[j - 1] = other;
        }
    int32_t kept = 0;
    for (int32_t i = 0; i < rank; i++) {
        axis *outer = kept > 0 ? &axes[kept - 1] : NULL;
        if (outer && outer->source == axes[i].source * axes[i].length &&
            outer->destination == axes[i].destination * axes[i].length)
            *outer = (axis){outer->length * axes[i].length, axes[i].source, axes[i].destination};
        else
            axes[kept++] = axes[i];
    }
    return kept;
}

static void choose_way(apus_copy *copy) {
    axis *last = &copy->axes[copy->rank - 1];
    copy->way = last->source == 1 && last->destination == 1 ? RUNS : STRIDED;
    copy->items = 1;
    for (int32_t i = 0; i < copy->rank - 1; i++) copy->items *= copy->axes[i].length;
    copy->item_count = last->length;
    if (copy->way == RUNS || last->destination != 1 || last->length < 8) return;
    for (int32_t i = 0; i < copy->rank - 1; i++) {
        if (copy->axes[i].source != 1 || copy->axes[i].length < 8) continue;
        // The axis that the source has as neighbours moves to the place before the last.
        axis partner = copy->axes[i];
        for (int32_t j = i; j < copy->rank - 2; j++) copy->axes[j] = copy->axes[j + 1];
        copy->axes[copy->rank - 2] = partner;
        copy->way = TRANSPOSE;
        copy->items = copy->items / partner.length * tiles(partner.length) * tiles(last->length);
        copy->item_count = TILE * TILE;
        return;
    }
}

apus_status apus_copy_create(const apus_copy_description *description, apus_copy **result) {
    *result = NULL;
    int32_t size = description->element_size;
    if (description->rank < 0 || (size != 1 && size != 4 && size != 8))
        return apus_fail("apus_copy_create", APUS_INVALID_DESCRIPTION);
    if (description->rank > APUS_MAXIMUM_RANK) return apus_fail("apus_copy_create", APUS_LIMIT_EXCEEDED);
    apus_copy *copy = calloc(1, sizeof *copy);
    if (!copy) return apus_fail("apus_copy_create", APUS_OUT_OF_MEMORY);
    copy->element_size = size;
    for (int32_t i = 0; i < description->rank; i++) {
        int64_t length = description->dimensions[i];
        if (length < 0) {
            free(copy);
            return apus_fail("apus_copy_create", APUS_INVALID_DESCRIPTION);
        }
        if (length == 0) copy->is_empty = true;
        if (length != 1)
            copy->axes[copy->rank++] =
                (axis){length, description->source_strides[i], description->destination_strides[i]};
    }
    if (copy->rank == 0) copy->axes[copy->rank++] = (axis){1, 1, 1};
    copy->rank = simplify(copy->axes, copy->rank);
    choose_way(copy);
    *result = copy;
    return APUS_SUCCESS;
}

void apus_copy_destroy(apus_copy *copy) { free(copy); }

typedef struct {
    const apus_copy *copy;
    const char *source;
    char *destination;
} execution;

/// Where an item's part begins on both sides, its number counted over the first `rank` axes.
static void locate(const apus_copy *copy, int32_t rank, int64_t item, int64_t *source, int64_t *destination) {
    *source = *destination = 0;
    for (int32_t i = rank - 1; i >= 0; i--) {
        int64_t index = item % copy->axes[i].length;
        item /= copy->axes[i].length;
        *source += index * copy->axes[i].source;
        *destination += index * copy->axes[i].destination;
    }
}

#define DEFINE_LOOPS(type)                                                                                   \
    static void copy_strided_##type(                                                                         \
        const type *source, type *destination, int64_t source_stride, int64_t stride, int64_t count) {       \
        if (source_stride == 0 && stride == 1) {                                                             \
            type value = *source;                                                                            \
            for (int64_t i = 0; i < count; i++) destination[i] = value;                                      \
        } else {                                                                                             \
            for (int64_t i = 0; i < count; i++) destination[i * stride] = source[i * source_stride];         \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    /* destination[i][j] = source[j][i] */                                                                   \
    static void copy_tile_##type(                                                                            \
        const type *restrict source, type *restrict destination, int64_t source_stride, int64_t stride,      \
        int64_t rows, int64_t columns) {                                                                     \
        for (int64_t i = 0; i < rows; i++)                                                                   \
            for (int64_t j = 0; j < columns; j++) destination[i * stride + j] = source[j * source_stride + i]; \
    }                                                                                                        \
                                                                                                             \
    static void fill_##type(type *destination, int64_t count, const void *value) {                           \
        type element;                                                                                        \
        memcpy(&element, value, sizeof element);                                                             \
        for (int64_t i = 0; i < count; i++) destination[i] = element;                                        \
    }
DEFINE_LOOPS(uint8_t)
DEFINE_LOOPS(uint32_t)
DEFINE_LOOPS(uint64_t)

static void copy_items(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_copy *copy = work->copy;
    const axis *last = &copy->axes[copy->rank - 1];
    int64_t size = copy->element_size;
    for (int64_t item = begin; item < end; item++) {
        int64_t source, destination;
        locate(copy, copy->rank - 1, item, &source, &destination);
        const void *from = work->source + source * size;
        void *to = work->destination + destination * size;
        if (copy->way == RUNS)
            memcpy(to, from, (size_t)(last->length * size));
        else if (size == 4)
            copy_strided_uint32_t(from, to, last->source, last->destination, last->length);
        else if (size == 1)
            copy_strided_uint8_t(from, to, last->source, last->destination, last->length);
        else
            copy_strided_uint64_t(from, to, last->source, last->destination, last->length);
    }
}

static void copy_tiles(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    const apus_copy *copy = work->copy;
    const axis *last = &copy->axes[copy->rank - 1], *partner = &copy->axes[copy->rank - 2];
    int64_t size = copy->element_size, tile_columns = tiles(last->length), tile_rows = tiles(partner->length);
    for (int64_t item = begin; item < end; item++) {
        int64_t column = item % tile_columns * TILE, row = item / tile_columns % tile_rows * TILE;
        int64_t columns = last->length - column < TILE ? last->length - column : TILE;
        int64_t rows = partner->length - row < TILE ? partner->length - row : TILE;
        int64_t source, destination;
        locate(copy, copy->rank - 2, item / (tile_columns * tile_rows), &source, &destination);
        const void *from = work->source + (source + column * last->source + row) * size;
        void *to = work->destination + (destination + column + row * partner->destination) * size;
        if (size == 4)
            copy_tile_uint32_t(from, to, last->source, partner->destination, rows, columns);
        else if (size == 1)
            copy_tile_uint8_t(from, to, last->source, partner->destination, rows, columns);
        else
            copy_tile_uint64_t(from, to, last->source, partner->destination, rows, columns);
    }
}

/// Items are elements of the only axis, packed on both sides.
static void copy_bytes(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    int64_t size = work->copy->element_size;
    memcpy(work->destination + begin * size, work->source + begin * size, (size_t)((end - begin) * size));
}

apus_status apus_copy_run(apus_copy *copy, const void *source, void *destination) {
    if (copy->is_empty) return APUS_SUCCESS;
    execution work = {copy, source, destination};
    if (copy->rank == 1 && copy->way == RUNS)
        apus_parallel(copy->axes[0].length, APUS_GRAIN * 2, copy_bytes, &work);
    else
        apus_parallel(
            copy->items, APUS_GRAIN / (copy->item_count + 8) + 1, copy->way == TRANSPOSE ? copy_tiles : copy_items,
            &work);
    return APUS_SUCCESS;
}

typedef struct {
    char *destination;
    const void *value;
    int32_t element_size;
} filling;

static void fill_range(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const filling *work = context;
    void *destination = work->destination + begin * work->element_size;
    switch (work->element_size) {
        case 1: fill_uint8_t(destination, end - begin, work->value); break;
        case 4: fill_uint32_t(destination, end - begin, work->value); break;
        default: fill_uint64_t(destination, end - begin, work->value); break;
    }
}

apus_status apus_fill(void *destination, int64_t count, const void *value, int32_t element_size) {
    if (count < 0 || (element_size != 1 && element_size != 4 && element_size != 8))
        return apus_fail("apus_fill", APUS_INVALID_DESCRIPTION);
    filling work = {destination, value, element_size};
    apus_parallel(count, APUS_GRAIN * 2, fill_range, &work);
    return APUS_SUCCESS;
}
