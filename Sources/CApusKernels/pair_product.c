// A part of the output is one thread's: it packs what it needs of both sides itself, which takes less time than to wait
// for others. Blocks of rows, in them panels of columns, in them tiles whose sums are in registers.
//
// Measured on two cores of Zen 4 with 128 rows, 784 or 512 terms and 512 columns, packing included: 340 to 375 GFLOP/s
// where oneDNN's float32 products reach 215.
#include "pair_product.h"

#include <stdlib.h>

#include "lanes_product.h"
#include "pairs_packing.h"
#include "pairs_result.h"
#include "status.h"
#include "threads.h"

#if APUS_HAS_VARIANTS

enum {
    FINISHING = 8,  // what a vector of the output takes, in dot products
    PANEL_WIDTH = APUS_PAIRS_TILE_VECTORS * APUS_PAIRS_LANES,
    // Of the left side, packed at once: rows at most, and pairs where there are many terms, half of the second cache.
    BLOCK_ROWS = 64 * APUS_PAIRS_TILE_ROWS,
    BLOCK_PAIRS = 1 << 17,
    PAIRS_BETWEEN = 8,  // that a tile multiplies between two fetches for the next panel
    LINE = 16,          // numbers that come from memory at once
};

/// What the threads divide among them.
typedef enum { BY_ROWS, BY_COLUMNS, BY_MATRICES } division;

struct apus_pair_product {
    apus_matmul_description description;
    division division;
    int64_t items;  // of the division: tiles of rows, vectors of columns, or matrices
    int64_t grain;
    int64_t pairs, block_rows;
    int32_t thread_count;    // at creation
    int64_t workspace_size;  // 32-bit places a thread: a tile, the left side of a block of rows, a panel of the right
};

typedef struct {
    const apus_pair_product *product;
    const float *left, *right, *bias;
    float scale;
    float *output;
    uint32_t *workspaces;
} job;

/// Rows and columns of one matrix of the output.
typedef struct {
    int64_t first_row, rows, first_column, columns;
} part;

/// The rows of one part, and of the columns of another a panel, one of some as equal as can be; none after the last.
static part panel_of(part rows, part columns, int64_t panel, int64_t panels) {
    int64_t vectors = (columns.columns + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES;
    int64_t start = vectors * panel / panels * APUS_PAIRS_LANES;
    int64_t end = panel < panels ? vectors * (panel + 1) / panels * APUS_PAIRS_LANES : start;
    if (end > columns.columns) end = columns.columns;
    return (part){rows.first_row, rows.rows, columns.first_column + start, end > start ? end - start : 0};
}

/// Sums of a tile's rows, `PANEL_WIDTH` apart, go to the output with what follows the product; the function is a
/// constant.
APUS_PAIRS_INLINE void finish_tile(
    const job *work, const float *sums, int64_t rows, float *output, const float *bias, int64_t columns,
    const apus_activation activation) {
    const apus_matmul_description *wanted = &work->product->description;
    for (int64_t j = 0; j < columns; j += APUS_PAIRS_LANES) {
        __m512 shift = bias ? _mm512_maskz_loadu_ps(apus_first_lanes(columns - j), bias + j) : _mm512_setzero_ps();
        for (int64_t r = 0; r < rows; r++)
            apus_store_sums(
                wanted, work->scale, _mm512_loadu_ps(sums + r * PANEL_WIDTH + j), shift,
                output + r * wanted->columns + j, columns - j, activation);
    }
}

/// What the next panel will be packed from: pieces of rows of the right side. It comes from far while this panel is
/// multiplied, which takes a tenth of a product's time from it where the sides are not in the second cache.
typedef struct {
    const float *row;
    int64_t rows, stride;        // that are left, and numbers from one to the next
    int64_t line, lines, share;  // of a row: the next one, and how many; and of all, how many at once
} fetching;

APUS_PAIRS_INLINE void fetch_share(fetching *next) {
    for (int64_t i = 0; i < next->share && next->rows > 0; i++) {
        _mm_prefetch((const char *)(next->row + next->line * LINE), _MM_HINT_T1);
        if (++next->line < next->lines) continue;
        next->line = 0;
        next->row += next->stride;
        next->rows--;
    }
}

/// For a part of the right side, in shares that are enough for the tiles of so many rows.
static fetching fetching_of(const job *work, const float *right, part part) {
    const apus_matmul_description *wanted = &work->product->description;
    bool is_transposed = wanted->transposes_right;
    fetching next = {right + part.first_column, wanted->inner, wanted->columns, 0, part.columns, 0};
    if (is_transposed)
        next = (fetching){right + part.first_column * wanted->inner, part.columns, wanted->inner, 0, wanted->inner, 0};
    next.lines = (next.lines + LINE - 1) / LINE;
    int64_t tiles = (part.rows + APUS_PAIRS_TILE_ROWS - 1) / APUS_PAIRS_TILE_ROWS;
    int64_t turns = tiles * ((work->product->pairs + PAIRS_BETWEEN - 1) / PAIRS_BETWEEN);
    if (turns > 0) next.share = (next.rows * next.lines + turns - 1) / turns;
    return next;
}

/// What sums are added to comes from far while they are computed.
APUS_PAIRS_INLINE void fetch_output(const job *work, const int rows, const int vectors, const float *output) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            _mm_prefetch(
                (const char *)(output + r * work->product->description.columns + v * APUS_PAIRS_LANES), _MM_HINT_T0);
}

/// `rows` and `vectors` are constants.
APUS_PAIRS_INLINE void run_tile(
    const job *work, fetching *next, const int rows, const int vectors, apus_left_pairs left, apus_right_pairs right,
    float *sums, float *output, const float *bias, int64_t columns) {
    __m512 tile[APUS_PAIRS_TILE_ROWS][APUS_PAIRS_TILE_VECTORS];
    if (work->product->description.accumulates) fetch_output(work, rows, vectors, output);
    apus_clear_pairs(rows, vectors, tile);
    for (int64_t k = 0; k < right.pairs; k += PAIRS_BETWEEN) {
        int64_t rest = right.pairs - k;
        apus_left_pairs factors = {left.start + k * left.pair_stride, left.row_stride, left.pair_stride};
        apus_right_pairs terms = {
            right.start + k * right.stride, right.stride, rest < PAIRS_BETWEEN ? rest : PAIRS_BETWEEN};
        apus_add_pairs(rows, vectors, factors, terms, tile);
        fetch_share(next);
    }
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(sums + r * PANEL_WIDTH + v * APUS_PAIRS_LANES, tile[r][v]);
    switch (work->product->description.activation) {
        case APUS_ACTIVATION_SIGMOID:
            finish_tile(work, sums, rows, output, bias, columns, APUS_ACTIVATION_SIGMOID);
            break;
        case APUS_ACTIVATION_TANH:
            finish_tile(work, sums, rows, output, bias, columns, APUS_ACTIVATION_TANH);
            break;
        case APUS_ACTIVATION_RELU:
            finish_tile(work, sums, rows, output, bias, columns, APUS_ACTIVATION_RELU);
            break;
        default: finish_tile(work, sums, rows, output, bias, columns, APUS_ACTIVATION_NONE);
    }
}

/// A block of rows times a panel; `vectors` is a constant.
APUS_PAIRS_INLINE void run_tiles(
    const job *work, fetching *next, const int vectors, int64_t rows, apus_left_pairs left, apus_right_pairs right,
    float *sums, float *output, const float *bias, int64_t columns) {
    int64_t stride = work->product->description.columns;
    for (int64_t row = 0, step; row < rows; row += step) {
        apus_left_pairs part = {left.start + row * left.row_stride, left.row_stride, left.pair_stride};
        float *target = output + row * stride;
        step = rows - row >= APUS_PAIRS_TILE_ROWS ? APUS_PAIRS_TILE_ROWS : rows - row >= 2 ? 2 : 1;
        if (step == APUS_PAIRS_TILE_ROWS)
            run_tile(work, next, APUS_PAIRS_TILE_ROWS, vectors, part, right, sums, target, bias, columns);
        else if (step == 2)
            run_tile(work, next, 2, vectors, part, right, sums, target, bias, columns);
        else
            run_tile(work, next, 1, vectors, part, right, sums, target, bias, columns);
    }
}

/// Packs a panel of columns and multiplies a block of rows by it.
APUS_PAIRS_TARGET static void run_panel(
    const job *work, fetching *next, apus_left_pairs left, const float *right, float *sums, uint32_t *packed,
    part part, float *output) {
    const apus_matmul_description *wanted = &work->product->description;
    int64_t width = apus_rounded_up(part.columns, APUS_PAIRS_LANES);
    if (wanted->transposes_right)
        apus_pack_columns_of_pairs(
            packed, width, right + part.first_column * wanted->inner, wanted->inner, wanted->inner, part.columns);
    else
        apus_pack_terms(
            packed, width, right + part.first_column, wanted->columns, wanted->inner, part.columns);
    apus_right_pairs columns = {packed, width, work->product->pairs};
    output += part.first_row * wanted->columns + part.first_column;
    const float *bias = work->bias ? work->bias + part.first_column : NULL;
    APUS_PAIRS_FOR_VECTORS(
        width / APUS_PAIRS_LANES,
        run_tiles(work, next, vectors, part.rows, left, columns, sums, output, bias, part.columns))
}

/// A part of one matrix of the output.
APUS_PAIRS_TARGET static void run_part(const job *work, int64_t matrix, part whole, int32_t thread) {
    const apus_pair_product *product = work->product;
    const apus_matmul_description *wanted = &product->description;
    uint32_t *own = work->workspaces + thread * product->workspace_size;
    float *sums = (float *)(void *)own;
    uint32_t *packed_left = own + APUS_PAIRS_TILE_ROWS * PANEL_WIDTH;
    uint32_t *packed_right = packed_left + product->pairs * apus_rounded_up(product->block_rows, APUS_PAIRS_LANES);
    const float *left = work->left + matrix * wanted->left_batch_stride;
    const float *right = work->right + matrix * wanted->right_batch_stride;
    float *output = work->output + matrix * wanted->rows * wanted->columns;
    int64_t last_row = whole.first_row + whole.rows;
    // As equal as can be, like the panels below.
    int64_t tiles = (whole.rows + APUS_PAIRS_TILE_ROWS - 1) / APUS_PAIRS_TILE_ROWS;
    int64_t blocks = (whole.rows + product->block_rows - 1) / product->block_rows;
    for (int64_t block = 0; block < blocks; block++) {
        int64_t row = whole.first_row + tiles * block / blocks * APUS_PAIRS_TILE_ROWS;
        int64_t end_row = whole.first_row + tiles * (block + 1) / blocks * APUS_PAIRS_TILE_ROWS;
        part rows = {row, (end_row < last_row ? end_row : last_row) - row, 0, 0};
        apus_left_pairs factors;
        if (wanted->transposes_left) {
            int64_t width = apus_rounded_up(rows.rows, APUS_PAIRS_LANES);
            apus_pack_terms(packed_left, width, left + row, wanted->rows, wanted->inner, rows.rows);
            factors = (apus_left_pairs){packed_left, 1, width};
        } else {
            apus_pack_rows_of_pairs(
                packed_left, product->pairs, left + row * wanted->inner, wanted->inner, rows.rows, wanted->inner);
            factors = (apus_left_pairs){packed_left, product->pairs, 1};
        }
        int64_t vectors = (whole.columns + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES;
        int64_t panels = (vectors + APUS_PAIRS_TILE_VECTORS - 1) / APUS_PAIRS_TILE_VECTORS;
        part panel = panel_of(rows, whole, 0, panels);
        for (int64_t index = 0; index < panels; index++) {
            part following = panel_of(rows, whole, index + 1, panels);
            fetching next = fetching_of(work, right, following);
            run_panel(work, &next, factors, right, sums, packed_right, panel, output);
            panel = following;
        }
    }
}

/// Items of the division.
static void run_items(void *context, int64_t begin, int64_t end, int32_t thread) {
    unsigned mode = apus_begin_flushing();
    const job *work = context;
    const apus_pair_product *product = work->product;
    const apus_matmul_description *wanted = &product->description;
    part whole = {0, wanted->rows, 0, wanted->columns};
    int64_t first = 0, last_matrix = wanted->batch;
    if (product->division == BY_MATRICES) {
        first = begin;
        last_matrix = end;
    } else if (product->division == BY_ROWS) {
        int64_t last = end * APUS_PAIRS_TILE_ROWS;
        whole.first_row = begin * APUS_PAIRS_TILE_ROWS;
        whole.rows = (last < wanted->rows ? last : wanted->rows) - whole.first_row;
    } else {
        int64_t last = end * APUS_PAIRS_LANES;
        whole.first_column = begin * APUS_PAIRS_LANES;
        whole.columns = (last < wanted->columns ? last : wanted->columns) - whole.first_column;
    }
    for (int64_t matrix = first; matrix < last_matrix; matrix++) run_part(work, matrix, whole, thread);
    apus_end_flushing(mode);
}

apus_status apus_pair_product_create(const apus_matmul_description *wanted, apus_pair_product **result) {
    *result = NULL;
    if (!apus_pairs_know(wanted->activation) || !apus_has_bfloat16_pairs())
        return apus_fail("apus_pair_product_create", APUS_UNSUPPORTED);
    apus_pair_product *product = calloc(1, sizeof *product);
    if (!product) return apus_fail("apus_pair_product_create", APUS_OUT_OF_MEMORY);
    product->description = *wanted;
    product->thread_count = apus_thread_count();
    product->pairs = apus_pair_count(wanted->inner);
    int64_t tiles = (wanted->rows + APUS_PAIRS_TILE_ROWS - 1) / APUS_PAIRS_TILE_ROWS;
    int64_t vectors = (wanted->columns + APUS_PAIRS_LANES - 1) / APUS_PAIRS_LANES;
    int64_t effort;  // vectors of pairs, packed, multiplied or stored, an item
    if (wanted->batch >= product->thread_count && wanted->batch > 1) {
        product->division = BY_MATRICES;
        product->items = wanted->batch;
        effort = vectors * wanted->rows * (product->pairs + FINISHING);
    } else if (vectors < 2 * product->thread_count || wanted->rows > wanted->columns) {
        // Each thread packs all of the right side.
        product->division = BY_ROWS;
        product->items = tiles;
        effort = vectors * APUS_PAIRS_TILE_ROWS * (product->pairs + FINISHING);
    } else {
        product->division = BY_COLUMNS;
        product->items = vectors;
        effort = wanted->rows * (product->pairs + FINISHING);
    }
    product->grain = 1 + APUS_GRAIN / 4 / (effort + 1);
    product->block_rows = BLOCK_PAIRS / (product->pairs + 1) / APUS_PAIRS_TILE_ROWS * APUS_PAIRS_TILE_ROWS;
    if (product->block_rows > BLOCK_ROWS) product->block_rows = BLOCK_ROWS;
    if (product->block_rows > wanted->rows) product->block_rows = apus_rounded_up(wanted->rows, APUS_PAIRS_TILE_ROWS);
    if (product->block_rows < APUS_PAIRS_TILE_ROWS) product->block_rows = APUS_PAIRS_TILE_ROWS;
    product->workspace_size = APUS_PAIRS_TILE_ROWS * PANEL_WIDTH +
                              (apus_rounded_up(product->block_rows, APUS_PAIRS_LANES) + PANEL_WIDTH) * product->pairs;
    *result = product;
    return APUS_SUCCESS;
}

void apus_pair_product_run(
    const apus_pair_product *product, const float *left, const float *right, const float *bias, float scale,
    float *output, void *workspace) {
    job work = {product, left, right, product->description.has_bias ? bias : NULL, scale, output, workspace};
    if (product->description.batch > 0)
        apus_parallel_limited(product->items, product->grain, product->thread_count, run_items, &work);
}

void apus_pair_product_destroy(apus_pair_product *product) {
    free(product);
}

int64_t apus_pair_product_workspace(const apus_pair_product *product) {
    return product->thread_count * product->workspace_size * (int64_t)sizeof(uint32_t);
}

#else

apus_status apus_pair_product_create(const apus_matmul_description *wanted, apus_pair_product **result) {
    (void)wanted;
    *result = NULL;
    return apus_fail("apus_pair_product_create", APUS_UNSUPPORTED);
}

void apus_pair_product_run(
    const apus_pair_product *product, const float *left, const float *right, const float *bias, float scale,
    float *output, void *workspace) {
    (void)product, (void)left, (void)right, (void)bias, (void)scale, (void)output, (void)workspace;
}

void apus_pair_product_destroy(apus_pair_product *product) { (void)product; }

int64_t apus_pair_product_workspace(const apus_pair_product *product) {
    (void)product;
    return 0;
}

#endif
