// Philox 4x32 with 10 rounds: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
#include <math.h>
#include <string.h>

#include "instruction_set.h"
#include "threads.h"

/// A batch: sixteen blocks of four words.
enum { BLOCKS = 16, WORDS = 4 * BLOCKS };

typedef enum { UNIFORM, NORMAL, BERNOULLI } distribution;

typedef struct {
    apus_philox philox;
    int64_t first, count;
    distribution distribution;
    float probability;
    float *output;
} execution;

/// The words of the blocks from number `block` on.
APUS_VARIANTS(
    static, void, draw_words, (const apus_philox *philox, uint32_t block, uint32_t *words),
    (philox, block, words)) {
    uint32_t counter[4][BLOCKS];
    for (uint32_t i = 0; i < BLOCKS; i++) {
        counter[0][i] = block + i;
        counter[1][i] = philox->stream;
        counter[2][i] = (uint32_t)philox->step;
        counter[3][i] = (uint32_t)(philox->step >> 32);
    }
    uint32_t low = (uint32_t)philox->seed, high = (uint32_t)(philox->seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            uint64_t first = (uint64_t)0xD2511F53u * counter[0][i], second = (uint64_t)0xCD9E8D57u * counter[2][i];
            counter[0][i] = (uint32_t)(second >> 32) ^ counter[1][i] ^ low;
            counter[1][i] = (uint32_t)second;
            counter[2][i] = (uint32_t)(first >> 32) ^ counter[3][i] ^ high;
            counter[3][i] = (uint32_t)first;
        }
        low += 0x9E3779B9u;
        high += 0xBB67AE85u;
    }
    for (int i = 0; i < BLOCKS; i++)
        for (int word = 0; word < 4; word++) words[4 * i + word] = counter[word][i];
}

static float unit_interval(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

/// Box and Muller: numbers 2 i and 2 i + 1 from the words of the same numbers.
static void write_normal_pair(const uint32_t *words, float *pair) {
    double radius = sqrt(-2.0 * log(1.0 - (double)unit_interval(words[0])));
    double angle = 2.0 * M_PI * (double)unit_interval(words[1]);
    pair[0] = (float)(radius * cos(angle));
    pair[1] = (float)(radius * sin(angle));
}

/// numbers[begin..<end] of a batch.
static void convert(const execution *work, const uint32_t *words, int64_t begin, int64_t end, float *numbers) {
    switch (work->distribution) {
        case UNIFORM:
            for (int64_t i = begin; i < end; i++) numbers[i] = unit_interval(words[i]);
            break;
        case BERNOULLI:
            for (int64_t i = begin; i < end; i++)
                numbers[i] = unit_interval(words[i]) < work->probability ? 1.0f : 0.0f;
            break;
        case NORMAL:
            for (int64_t i = begin / 2 * 2; i < end; i += 2) write_normal_pair(words + i, numbers + i);
            break;
    }
}

/// Items are batches, the first of which begins with the block of number `first`.
static void draw(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const execution *work = context;
    int64_t origin = work->first / 4 * 4, limit = work->first + work->count;
    for (int64_t batch = begin; batch < end; batch++) {
        int64_t number = origin + batch * WORDS;
        uint32_t words[WORDS];
        float numbers[WORDS];
        draw_words(&work->philox, (uint32_t)(number / 4), words);
        int64_t from = number < work->first ? work->first - number : 0;
        int64_t to = limit - number < WORDS ? limit - number : WORDS;
        convert(work, words, from, to, numbers);
        memcpy(work->output + (number + from - work->first), numbers + from, (size_t)(to - from) * sizeof(float));
    }
}

static void run(execution work) {
    if (work.count <= 0) return;
    int64_t batches = (work.first % 4 + work.count + WORDS - 1) / WORDS;
    apus_parallel(batches, work.distribution == NORMAL ? 16 : 128, draw, &work);
}

void apus_random_uniform(const apus_philox *philox, int64_t first, int64_t count, float *output) {
    run((execution){*philox, first, count, UNIFORM, 0, output});
}

void apus_random_normal(const apus_philox *philox, int64_t first, int64_t count, float *output) {
    run((execution){*philox, first, count, NORMAL, 0, output});
}

void apus_random_bernoulli(
    const apus_philox *philox, int64_t first, int64_t count, float probability, float *output) {
    run((execution){*philox, first, count, BERNOULLI, probability, output});
}
