// Products are oneDNN's, but for some with few rows or columns (thin_product.c, narrow_product.c), and some steps of
// gradient descent (matmul_update.c), whose tiles are used while the next one is multiplied.
//
// Measured on AVX-512 at the sizes of small dense networks (batch 128; also N or K of 1, 2 and 10), its matmul on plain
// layouts is as fast as its inner product, or faster, forward and backward: one primitive serves for all. At the sizes
// of large ones (128 x 784 x 512) loops of ours over packed panels were tried: they were no faster than oneDNN's. Those
// of bfloat16 pairs are ours (pair_product.c, thin_pairs.c): oneDNN wants factors that are stored so.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "instruction_set.h"
#include "lanes_product.h"
#include "narrow_product.h"
#include "pair_product.h"
#include "rectify.h"
#include "thin_pairs.h"
#include "thin_product.h"
#include "threads.h"

struct apus_matmul {
    apus_matmul_description description;
    apus_engine *engine;
    // In place of the primitive, or NULL.
    apus_matmul_update *update;
    apus_pair_product *pairs;
    apus_thin_pairs *thin_pairs;
    apus_thin_product *thin;
    apus_narrow_product *narrow;
    dnnl_primitive_t primitive;  // NULL, too, if nothing is to be multiplied
    dnnl_memory_t left, right, bias, factor, output, scratchpad;
    dnnl_exec_arg_t arguments[6];
    float scale;  // of the run
    int argument_count;
    int32_t thread_count;  // at creation: the primitive's plan and its scratch memory are for it
    int64_t repetitions;  // runs of the primitive, each with the next left, right and output
    int64_t rectified;    // numbers of the output that are rectified after it
    int64_t workspace;  // bytes of zeros
    float *zeros;  // both operands, if the inner axis is empty
    float *scaled;  // the right operand times the run's scale, where oneDNN has no fast product with a scale; or NULL
    int64_t scaled_count;
    char implementation[64];
};

/// One operand's matrices: [batch, height, width], stored [.., width, height] if transposed.
static apus_status operand_layout(
    apus_layout *layout, int64_t batch, int64_t height, int64_t width, bool transposed, int64_t batch_stride) {
    int64_t row = transposed ? 1 : width, column = transposed ? height : 1;
    // A matrix that stays the same in each product is, to oneDNN, a batch of one.
    int64_t distinct = batch_stride == 0 ? 1 : batch;
    if (batch == 1) return apus_layout_create(layout, 2, (dnnl_dims_t){height, width}, (dnnl_dims_t){row, column});
    int64_t stride = batch_stride == 0 ? height * width : batch_stride;
    return apus_layout_create(
        layout, 3, (dnnl_dims_t){distinct, height, width}, (dnnl_dims_t){stride, row, column});
}

static apus_status set_attributes(
    const apus_engine *engine, const apus_matmul_description *description, apus_layout_view factor,
    dnnl_primitive_attr_t attributes, dnnl_post_ops_t operations) {
    apus_status status = apus_set_attributes(engine, attributes);
    if (status) return status;
    if (description->has_scale) APUS_TRY(dnnl_post_ops_append_binary, operations, dnnl_binary_mul, factor);
    status = description->accumulates ? apus_append_sum(operations) : APUS_SUCCESS;
    if (!status) status = apus_append_activation(operations, description->activation, description->activation_alpha);
    if (status) return status;
    APUS_TRY(dnnl_primitive_attr_set_post_ops, attributes, operations);
    return APUS_SUCCESS;
}

static apus_status add_argument(
    apus_matmul *matmul, int kind, apus_layout_view layout, void *handle, dnnl_memory_t *memory) {
    APUS_TRY(dnnl_memory_create, memory, layout, matmul->engine->engine, handle);
    matmul->arguments[matmul->argument_count++] = (dnnl_exec_arg_t){kind, *memory};
    return APUS_SUCCESS;
}

/// What is made while preparing and not needed afterwards.
typedef struct {
    apus_layout left, right, bias, factor, output;
    dnnl_post_ops_t operations;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t description;
} preparation;

static apus_status prepare(apus_matmul *matmul, int64_t batch, int64_t rows, preparation *parts) {
    const apus_matmul_description *wanted = &matmul->description;
    int64_t columns = wanted->columns, inner = wanted->inner;
    int rank = batch == 1 ? 2 : 3;
    apus_status status;
    if ((status = operand_layout(
             &parts->left, batch, rows, inner, wanted->transposes_left, wanted->left_batch_stride)) ||
        (status = operand_layout(
             &parts->right, batch, inner, columns, wanted->transposes_right, wanted->right_batch_stride)) ||
        (status = operand_layout(&parts->output, batch, rows, columns, false, rows * columns)))
        return status;
    if (wanted->has_bias) {
        dnnl_dims_t dims = {1, rank == 2 ? columns : 1, columns}, strides = {columns, rank == 2 ? 1 : columns, 1};
        if ((status = apus_layout_create(&parts->bias, rank, dims, strides))) return status;
    }
    dnnl_dims_t ones = {1, 1, 1};
    if (wanted->has_scale && (status = apus_layout_create(&parts->factor, rank, ones, ones))) return status;
    apus_layout_view factor = wanted->has_scale ? APUS_LAYOUT_VIEW(parts->factor) : NULL;
    APUS_TRY(dnnl_post_ops_create, &parts->operations);
    APUS_TRY(dnnl_primitive_attr_create, &parts->attributes);
    if ((status = set_attributes(matmul->engine, wanted, factor, parts->attributes, parts->operations))) return status;

    apus_layout_view left = APUS_LAYOUT_VIEW(parts->left), right = APUS_LAYOUT_VIEW(parts->right);
    apus_layout_view bias = wanted->has_bias ? APUS_LAYOUT_VIEW(parts->bias) : NULL;
    apus_layout_view output = APUS_LAYOUT_VIEW(parts->output);
    if ((status = apus_matmul_describe(
             &parts->description, matmul->engine->engine, left, right, bias, output, parts->attributes)))
        return status;
    const char *name = NULL;
    APUS_TRY(dnnl_primitive_desc_query, parts->description, dnnl_query_impl_info_str, 0, &name);
    snprintf(matmul->implementation, sizeof matmul->implementation, "%s", name ? name : "unknown");
    APUS_TRY(dnnl_primitive_create, &matmul->primitive, parts->description);

    if ((status = add_argument(matmul, DNNL_ARG_SRC, left, DNNL_MEMORY_NONE, &matmul->left)) ||
        (status = add_argument(matmul, DNNL_ARG_WEIGHTS, right, DNNL_MEMORY_NONE, &matmul->right)) ||
        (status = add_argument(matmul, DNNL_ARG_DST, output, DNNL_MEMORY_NONE, &matmul->output)))
        return status;
    if (wanted->has_bias &&
        (status = add_argument(matmul, DNNL_ARG_BIAS, bias, DNNL_MEMORY_NONE, &matmul->bias)))
        return status;
    int kind = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;
    if (wanted->has_scale && (status = add_argument(matmul, kind, factor, &matmul->scale, &matmul->factor)))
        return status;
    int64_t size = apus_scratchpad_size(parts->description);
    if (size == 0) return APUS_SUCCESS;
    if ((status = apus_engine_reserve(matmul->engine, size))) return status;
    return add_argument(
        matmul, DNNL_ARG_SCRATCHPAD, dnnl_primitive_desc_query_md(parts->description, dnnl_query_scratchpad_md, 0),
        DNNL_MEMORY_NONE, &matmul->scratchpad);
}

/// The case distinctions before `prepare`: nothing to do, batches that are one matrix, an empty inner axis.
static apus_status prepare_product(apus_matmul *matmul) {
    apus_matmul_description *wanted = &matmul->description;
    int64_t batch = wanted->batch, rows = wanted->rows;
    matmul->repetitions = 1;
    if (batch == 0 || rows == 0 || wanted->columns == 0) return APUS_SUCCESS;
    apus_matmul_description original = *wanted;
    if (wanted->inner == 0) {
        // oneDNN refuses an empty inner axis: a product of zeros of ours takes its place.
        int64_t length = rows * batch > wanted->columns ? rows * batch : wanted->columns;
        matmul->zeros = calloc((size_t)length, sizeof *matmul->zeros);
        matmul->workspace = length * (int64_t)sizeof *matmul->zeros;
        if (!matmul->zeros) return apus_fail("apus_matmul_create", APUS_OUT_OF_MEMORY);
        wanted->inner = 1;
        rows *= batch;
        batch = 1;
    } else if (batch > 1 && wanted->right_batch_stride == 0) {
        if (!wanted->transposes_left && wanted->left_batch_stride == rows * wanted->inner) {
            rows *= batch;  // one matrix of all the rows
            batch = 1;
        } else if (wanted->left_batch_stride == 0) {
            matmul->repetitions = batch;  // the same product each time
            batch = 1;
        }
    }
    // Where factors are bfloat16 numbers, oneDNN may multiply them by AMX.
    bool may_be_ours = !matmul->zeros && batch == 1 && !matmul->engine->has_rounded_factors;
    if (may_be_ours && apus_thin_product_is_faster(wanted, rows)) {
        snprintf(matmul->implementation, sizeof matmul->implementation, "thin:avx512");
        return apus_thin_product_create(wanted, rows, &matmul->thin);
    }
    if (may_be_ours && apus_narrow_product_is_faster(wanted, rows)) {
        snprintf(matmul->implementation, sizeof matmul->implementation, "narrow:avx512");
        return apus_narrow_product_create(wanted, rows, &matmul->narrow);
    }
    preparation parts = {0};
    apus_status status = prepare(matmul, batch, rows, &parts);
    *wanted = original;
    if (apus_is_rectifier(wanted->activation, wanted->activation_alpha))
        matmul->rectified = wanted->batch * wanted->rows * wanted->columns;
    if (parts.description) dnnl_primitive_desc_destroy(parts.description);
    if (parts.attributes) dnnl_primitive_attr_destroy(parts.attributes);
    if (parts.operations) dnnl_post_ops_destroy(parts.operations);
    apus_layout_destroy(&parts.left);
    apus_layout_destroy(&parts.right);
    apus_layout_destroy(&parts.bias);
    apus_layout_destroy(&parts.factor);
    apus_layout_destroy(&parts.output);
    return status;
}

static bool is_valid(const apus_matmul_description *wanted) {
    return wanted->batch >= 0 && wanted->rows >= 0 && wanted->columns >= 0 && wanted->inner >= 0 &&
           wanted->left_batch_stride >= 0 && wanted->right_batch_stride >= 0 && wanted->activation >= 0 &&
           wanted->activation <= APUS_ACTIVATION_SQUARE_ROOT && !(wanted->has_bias && wanted->has_scale);
}

static void release_primitive(apus_matmul *matmul) {
    for (int index = 0; index < matmul->argument_count; index++)
        dnnl_memory_destroy(matmul->arguments[index].memory);
    matmul->argument_count = 0;
    if (matmul->primitive) dnnl_primitive_destroy(matmul->primitive);
    matmul->primitive = NULL;
    matmul->left = matmul->right = matmul->bias = matmul->factor = matmul->output = matmul->scratchpad = NULL;
}

/// Without AVX-512, oneDNN's product with a scale is a plain loop, a hundred times slower than that without: the scale
/// then goes to the right operand.
static apus_status prepare_scaled(apus_matmul *matmul) {
    apus_matmul_description *wanted = &matmul->description;
    release_primitive(matmul);
    int64_t matrix = wanted->inner * wanted->columns;
    matmul->scaled_count = matrix + (wanted->batch - 1) * wanted->right_batch_stride;
    matmul->scaled = aligned_alloc(64, ((size_t)matmul->scaled_count * sizeof(float) + 63) / 64 * 64);
    if (!matmul->scaled) return apus_fail("apus_matmul_create", APUS_OUT_OF_MEMORY);
    matmul->workspace += matmul->scaled_count * (int64_t)sizeof *matmul->scaled;
    wanted->has_scale = false;
    return prepare_product(matmul);
}

#if APUS_HAS_VARIANTS
static bool is_amd(void) { return __builtin_cpu_is("amd"); }
#else
static bool is_amd(void) { return false; }
#endif

/// Whether a product is what gradient descent takes from a parameter, and the loops of matmul_update.c, which divide
/// rows among the threads, are faster than others.
///
/// Measured on two cores of Zen 4 with 784 or 512 rows and 512 columns. Of pairs with 128 terms 0.9 of the time of
/// pair_product.c, 0.7 where the parameter comes from memory. In float32 0.94 to 0.99 of oneDNN's with 32 and 128
/// terms, 0.85 where the parameter comes from memory, but 1.12 with 100 columns, which do not fill vectors; with 512
/// terms mlp's step took 1.03 of its time. On other processors float32 was not measured.
static bool is_step_down(const apus_engine *engine, const apus_matmul_description *wanted) {
    enum { LEAST_ROWS = 64, LEAST_COLUMNS = 17, MOST_TERMS = 256, LARGE = 65536 };
    if (wanted->batch != 1 || !wanted->accumulates || !wanted->has_scale || !wanted->transposes_left ||
        wanted->transposes_right || wanted->activation != APUS_ACTIVATION_NONE || wanted->rows < LEAST_ROWS ||
        wanted->columns < LEAST_COLUMNS || wanted->inner > MOST_TERMS)
        return false;
    if (engine->has_pair_products) return true;
    int64_t padding = -wanted->columns & (APUS_LANE_COUNT - 1);
    return !engine->has_rounded_factors && apus_instruction_level() == APUS_LEVEL_AVX512 && is_amd() &&
           padding * 16 <= wanted->columns && wanted->rows * wanted->columns >= LARGE;
}

typedef struct {
    const float *from;
    float *to, scale;
} scaling;

static void scale_range(void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const scaling *work = context;
    for (int64_t i = begin; i < end; i++) work->to[i] = work->from[i] * work->scale;
}

apus_status apus_matmul_create(
    apus_engine *engine, const apus_matmul_description *description, apus_matmul **result) {
    *result = NULL;
    if (!engine || !is_valid(description)) return apus_fail("apus_matmul_create", APUS_INVALID_DESCRIPTION);
    apus_matmul *matmul = calloc(1, sizeof *matmul);
    if (!matmul) return apus_fail("apus_matmul_create", APUS_OUT_OF_MEMORY);
    matmul->engine = engine;
    matmul->thread_count = apus_thread_count();
    apus_prepare_thread(matmul->thread_count);
    matmul->description = *description;
    snprintf(matmul->implementation, sizeof matmul->implementation, "none");
    apus_status status;
    if (is_step_down(engine, description)) {
        snprintf(
            matmul->implementation, sizeof matmul->implementation, "%s",
            engine->has_pair_products ? "tiles:avx512_bf16" : "tiles:avx512");
        apus_matmul_update_description update = {
            .rows = description->rows, .columns = description->columns, .inner = description->inner,
            .rule = APUS_UPDATE_DESCENT, .multiplies_pairs = engine->has_pair_products};
        status = apus_matmul_update_create(engine, &update, &matmul->update);
    } else if (engine->has_pair_products && apus_thin_pairs_are_faster(description)) {
        snprintf(matmul->implementation, sizeof matmul->implementation, "pairs:thin");
        status = apus_thin_pairs_create(description, &matmul->thin_pairs);
    } else if (engine->has_pair_products) {
        if (description->batch > 0 && description->rows > 0 && description->columns > 0)
            snprintf(matmul->implementation, sizeof matmul->implementation, "pairs:avx512_bf16");
        status = apus_pair_product_create(description, &matmul->pairs);
        if (!status) status = apus_engine_reserve(engine, apus_pair_product_workspace(matmul->pairs));
    } else {
        status = prepare_product(matmul);
    }
    if (!status && description->has_scale && !matmul->zeros && strncmp(matmul->implementation, "ref", 3) == 0)
        status = prepare_scaled(matmul);
    if (status) {
        apus_matmul_destroy(matmul);
        return status;
    }
    *result = matmul;
    return APUS_SUCCESS;
}

apus_status apus_matmul_run(
    apus_matmul *matmul, const float *left, const float *right, const float *bias, float scale, float *output) {
    if (matmul->update) {
        apus_update_arrays arrays = {.parameter = output, .new_parameter = output, .rate = -scale};
        apus_matmul_update_run(matmul->update, left, right, &arrays);
        return APUS_SUCCESS;
    }
    if (matmul->pairs) {
        apus_pair_product_run(matmul->pairs, left, right, bias, scale, output, matmul->engine->scratch);
        return APUS_SUCCESS;
    }
    if (matmul->thin_pairs) {
        apus_thin_pairs_run(matmul->thin_pairs, left, right, bias, scale, output);
        return APUS_SUCCESS;
    }
    int64_t size = matmul->description.rows * matmul->description.columns;
    if (matmul->thin) {
        for (int64_t run = 0; run < matmul->repetitions; run++)
            apus_thin_product_run(matmul->thin, left, right, scale, output + run * size);
        return APUS_SUCCESS;
    }
    if (matmul->narrow) {
        for (int64_t run = 0; run < matmul->repetitions; run++)
            apus_narrow_product_run(matmul->narrow, left, right, bias, scale, output + run * size);
        return APUS_SUCCESS;
    }
    if (!matmul->primitive) return APUS_SUCCESS;
    matmul->scale = scale;
    apus_prepare_thread(matmul->thread_count);
    if (matmul->zeros) left = right = matmul->zeros;
    if (matmul->scaled) {
        scaling work = {right, matmul->scaled, scale};
        apus_parallel_limited(matmul->scaled_count, APUS_GRAIN, matmul->thread_count, scale_range, &work);
        right = matmul->scaled;
    }
    // oneDNN's handles are not const, its inputs are only read.
    APUS_TRY(dnnl_memory_set_data_handle, matmul->left, (void *)(uintptr_t)left);
    APUS_TRY(dnnl_memory_set_data_handle, matmul->right, (void *)(uintptr_t)right);
    if (matmul->bias) APUS_TRY(dnnl_memory_set_data_handle, matmul->bias, (void *)(uintptr_t)bias);
    if (matmul->scratchpad)
        APUS_TRY(dnnl_memory_set_data_handle, matmul->scratchpad, matmul->engine->scratch);
    for (int64_t run = 0; run < matmul->repetitions; run++) {
        APUS_TRY(dnnl_memory_set_data_handle, matmul->output, output + run * size);
        APUS_TRY(
            dnnl_primitive_execute, matmul->primitive, matmul->engine->stream, matmul->argument_count,
            matmul->arguments);
    }
    APUS_TRY(dnnl_stream_wait, matmul->engine->stream);
    apus_rectify(output, matmul->rectified, matmul->thread_count);
    return APUS_SUCCESS;
}

bool apus_matmul_reads_byte_rows(const apus_matmul *matmul) {
    return (matmul->thin && apus_thin_product_reads_byte_rows(matmul->thin)) || matmul->narrow;
}

apus_status apus_matmul_run_byte_rows(
    apus_matmul *matmul, const apus_byte_rows *left, const float *right, const float *bias, float scale,
    float *output) {
    if (!apus_matmul_reads_byte_rows(matmul)) return apus_fail("apus_matmul_run_byte_rows", APUS_UNSUPPORTED);
    int64_t size = matmul->description.rows * matmul->description.columns;
    for (int64_t run = 0; run < matmul->repetitions; run++) {
        if (matmul->thin) apus_thin_product_run_byte_rows(matmul->thin, left, right, scale, output + run * size);
        else apus_narrow_product_run_byte_rows(matmul->narrow, left, right, bias, scale, output + run * size);
    }
    return APUS_SUCCESS;
}

void apus_matmul_destroy(apus_matmul *matmul) {
    if (!matmul) return;
    release_primitive(matmul);
    apus_matmul_update_destroy(matmul->update);
    apus_pair_product_destroy(matmul->pairs);
    apus_thin_pairs_destroy(matmul->thin_pairs);
    apus_thin_product_destroy(matmul->thin);
    apus_narrow_product_destroy(matmul->narrow);
    free(matmul->zeros);
    free(matmul->scaled);
    free(matmul);
}

int64_t apus_matmul_workspace(const apus_matmul *matmul) {
    return matmul->workspace + (matmul->thin_pairs ? apus_thin_pairs_workspace(matmul->thin_pairs) : 0) +
           (matmul->thin ? apus_thin_product_workspace(matmul->thin) : 0) +
           (matmul->narrow ? apus_narrow_product_workspace(matmul->narrow) : 0);
}

const char *apus_matmul_implementation(const apus_matmul *matmul) { return matmul->implementation; }
