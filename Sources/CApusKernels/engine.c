#include "engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "instruction_set.h"
#include "rectify.h"
#include "threads.h"

apus_status apus_engine_create(apus_engine **engine) {
    *engine = NULL;
    apus_start_team();
    apus_prepare_thread(apus_thread_count());
    apus_engine *made = calloc(1, sizeof *made);
    if (!made) return apus_fail("apus_engine_create", APUS_OUT_OF_MEMORY);
    dnnl_status_t status = dnnl_engine_create(&made->engine, dnnl_cpu, 0);
    const char *call = "dnnl_engine_create";
    if (status == dnnl_success) {
        status = dnnl_stream_create(&made->stream, made->engine, dnnl_stream_default_flags);
        call = "dnnl_stream_create";
    }
    if (status != dnnl_success) {
        apus_engine_destroy(made);
        return apus_fail(call, (apus_status)status);
    }
    *engine = made;
    return APUS_SUCCESS;
}

void apus_engine_destroy(apus_engine *engine) {
    if (!engine) return;
    if (engine->stream) dnnl_stream_destroy(engine->stream);
    if (engine->engine) dnnl_engine_destroy(engine->engine);
    free(engine->scratch);
    free(engine);
}

apus_status apus_engine_reserve(apus_engine *engine, int64_t size) {
    size = (size + 63) / 64 * 64;
    if (size <= engine->scratch_size) return APUS_SUCCESS;
    void *larger = aligned_alloc(64, (size_t)size);
    if (!larger) return apus_fail("apus_engine_reserve", APUS_OUT_OF_MEMORY);
    free(engine->scratch);
    engine->scratch = larger;
    engine->scratch_size = size;
    return APUS_SUCCESS;
}

void apus_engine_set_rounded_factors(apus_engine *engine) { engine->has_rounded_factors = true; }

bool apus_engine_has_rounded_factors(const apus_engine *engine) { return engine->has_rounded_factors; }

void apus_engine_set_pair_products(apus_engine *engine) { engine->has_pair_products = true; }

bool apus_engine_has_pair_products(const apus_engine *engine) { return engine->has_pair_products; }

apus_status apus_set_attributes(const apus_engine *engine, dnnl_primitive_attr_t attributes) {
    APUS_TRY(dnnl_primitive_attr_set_scratchpad_mode, attributes, dnnl_scratchpad_mode_user);
    // Rounding again what is rounded changes nothing, so that oneDNN may do it.
    if (engine->has_rounded_factors)
        APUS_TRY(dnnl_primitive_attr_set_fpmath_mode, attributes, dnnl_fpmath_mode_bf16);
    return APUS_SUCCESS;
}

int64_t apus_engine_workspace(const apus_engine *engine) { return engine->scratch_size; }

static char version_text[48];
static pthread_once_t version_is_written = PTHREAD_ONCE_INIT;

static void write_version(void) {
    const dnnl_version_t *version = dnnl_version();
    snprintf(version_text, sizeof version_text, "%d.%d.%d", version->major, version->minor, version->patch);
}

const char *apus_onednn_version(void) {
    pthread_once(&version_is_written, write_version);
    return version_text;
}

#if defined(__x86_64__)
static bool has_amx(void) {
    unsigned amx = (unsigned)dnnl_cpu_isa_avx512_core_amx;
    return ((unsigned)dnnl_get_effective_cpu_isa() & amx) == amx;
}
#else
static bool has_amx(void) { return false; }
#endif

bool apus_has_bfloat16_tiles(void) {
    const dnnl_version_t *version = dnnl_version();
    return has_amx() && (version->major > 2 || (version->major == 2 && version->minor >= 7));
}

bool apus_has_bfloat16_pairs(void) {
#if APUS_HAS_VARIANTS
    unsigned pairs = (unsigned)dnnl_cpu_isa_avx512_core_bf16;
    return ((unsigned)dnnl_get_effective_cpu_isa() & pairs) == pairs &&
           apus_instruction_level() == APUS_LEVEL_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

bool apus_has_fast_bfloat16_pairs(void) {
#if APUS_HAS_VARIANTS
    return apus_has_bfloat16_pairs() && __builtin_cpu_is("amd");
#else
    return false;
#endif
}

const char *apus_onednn_instruction_set(void) {
#if defined(__x86_64__)
    // The values are bit sets in which a larger set has the bits of the smaller ones, in both versions.
    unsigned bits = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned core = (unsigned)dnnl_cpu_isa_avx512_core;
    if (bits == 0) return "default";
    if (has_amx()) return "AVX-512 AMX";
    if ((bits & (unsigned)dnnl_cpu_isa_avx512_core_bf16) == (unsigned)dnnl_cpu_isa_avx512_core_bf16)
        return "AVX-512 bfloat16";
    if ((bits & (unsigned)dnnl_cpu_isa_avx512_core_vnni) == (unsigned)dnnl_cpu_isa_avx512_core_vnni)
        return "AVX-512 VNNI";
    if ((bits & core) == core) return "AVX-512";
    if ((bits & (unsigned)dnnl_cpu_isa_avx2_vnni) == (unsigned)dnnl_cpu_isa_avx2_vnni) return "AVX2 VNNI";
    if ((bits & (unsigned)dnnl_cpu_isa_avx2) == (unsigned)dnnl_cpu_isa_avx2) return "AVX2";
    if ((bits & (unsigned)dnnl_cpu_isa_avx) == (unsigned)dnnl_cpu_isa_avx) return "AVX";
    return "SSE4.1";
#else
    return "default";
#endif
}

apus_status apus_append_sum(dnnl_post_ops_t operations) {
#if DNNL_VERSION_MAJOR >= 3
    APUS_TRY(dnnl_post_ops_append_sum, operations, 1.0f, 0, dnnl_data_type_undef);
#else
    APUS_TRY(dnnl_post_ops_append_sum, operations, 1.0f);
#endif
    return APUS_SUCCESS;
}

apus_status apus_append_eltwise(dnnl_post_ops_t operations, dnnl_alg_kind_t kind, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
    APUS_TRY(dnnl_post_ops_append_eltwise, operations, kind, alpha, beta);
#else
    APUS_TRY(dnnl_post_ops_append_eltwise, operations, 1.0f, kind, alpha, beta);
#endif
    return APUS_SUCCESS;
}

apus_status apus_append_activation(dnnl_post_ops_t operations, apus_activation activation, float alpha) {
    switch (activation) {
        case APUS_ACTIVATION_NONE: return APUS_SUCCESS;
        case APUS_ACTIVATION_RELU:
            if (apus_is_rectifier(activation, alpha)) return APUS_SUCCESS;
            return apus_append_eltwise(operations, dnnl_eltwise_relu, alpha, 0);
        case APUS_ACTIVATION_SIGMOID: return apus_append_eltwise(operations, dnnl_eltwise_logistic, 0, 0);
        case APUS_ACTIVATION_TANH: return apus_append_eltwise(operations, dnnl_eltwise_tanh, 0, 0);
        case APUS_ACTIVATION_GELU: return apus_append_eltwise(operations, dnnl_eltwise_gelu_erf, 0, 0);
        case APUS_ACTIVATION_GELU_TANH: return apus_append_eltwise(operations, dnnl_eltwise_gelu_tanh, 0, 0);
        case APUS_ACTIVATION_ELU: return apus_append_eltwise(operations, dnnl_eltwise_elu, alpha, 0);
        case APUS_ACTIVATION_SWISH: return apus_append_eltwise(operations, dnnl_eltwise_swish, alpha, 0);
        // Version 3 computes log(1 + exp(alpha x)) / alpha, version 2 ignores alpha.
        case APUS_ACTIVATION_SOFTPLUS: return apus_append_eltwise(operations, dnnl_eltwise_soft_relu, 1, 0);
        case APUS_ACTIVATION_EXP: return apus_append_eltwise(operations, dnnl_eltwise_exp, 0, 0);
        case APUS_ACTIVATION_SQUARE: return apus_append_eltwise(operations, dnnl_eltwise_square, 0, 0);
        case APUS_ACTIVATION_ABSOLUTE: return apus_append_eltwise(operations, dnnl_eltwise_abs, 0, 0);
        case APUS_ACTIVATION_SQUARE_ROOT: return apus_append_eltwise(operations, dnnl_eltwise_sqrt, 0, 0);
    }
    return apus_fail("apus_append_activation", APUS_INVALID_DESCRIPTION);
}

#if DNNL_VERSION_MAJOR >= 3

apus_status apus_typed_layout_create(
    apus_layout *layout, dnnl_data_type_t type, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
    APUS_TRY(dnnl_memory_desc_create_with_strides, layout, rank, dims, type, strides);
    return APUS_SUCCESS;
}

void apus_layout_destroy(apus_layout *layout) {
    if (*layout) dnnl_memory_desc_destroy(*layout);
    *layout = NULL;
}

int64_t apus_scratchpad_size(const_dnnl_primitive_desc_t primitive_description) {
    const_dnnl_memory_desc_t scratchpad =
        dnnl_primitive_desc_query_md(primitive_description, dnnl_query_scratchpad_md, 0);
    return scratchpad ? (int64_t)dnnl_memory_desc_get_size(scratchpad) : 0;
}

apus_status apus_matmul_describe(
    dnnl_primitive_desc_t *result, dnnl_engine_t engine, apus_layout_view left, apus_layout_view right,
    apus_layout_view bias, apus_layout_view output, const_dnnl_primitive_attr_t attributes) {
    APUS_TRY(dnnl_matmul_primitive_desc_create, result, engine, left, right, bias, output, attributes);
    return APUS_SUCCESS;
}

apus_status apus_layout_create_any(apus_layout *layout, dnnl_data_type_t type, int rank, const dnnl_dims_t dims) {
    APUS_TRY(dnnl_memory_desc_create_with_tag, layout, rank, dims, type, dnnl_format_tag_any);
    return APUS_SUCCESS;
}

apus_status apus_convolution_describe(
    dnnl_primitive_desc_t *result, dnnl_engine_t engine, apus_convolution_kind kind, const apus_layout_view arrays[3],
    apus_layout_view bias, const apus_convolution_geometry *geometry, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
    const int64_t *strides = geometry->strides, *dilations = geometry->dilations;
    const int64_t *before = geometry->before, *after = geometry->after;
    switch (kind) {
        case APUS_CONVOLUTION_FORWARD:
            APUS_TRY(
                dnnl_convolution_forward_primitive_desc_create, result, engine, dnnl_forward_training,
                dnnl_convolution_direct, arrays[0], arrays[1], bias, arrays[2], strides, dilations, before, after,
                attributes);
            break;
        case APUS_CONVOLUTION_IMAGE_GRADIENT:
            APUS_TRY(
                dnnl_convolution_backward_data_primitive_desc_create, result, engine, dnnl_convolution_direct,
                arrays[0], arrays[1], arrays[2], strides, dilations, before, after, forward, attributes);
            break;
        case APUS_CONVOLUTION_KERNEL_GRADIENT:
            APUS_TRY(
                dnnl_convolution_backward_weights_primitive_desc_create, result, engine, dnnl_convolution_direct,
                arrays[0], arrays[1], NULL, arrays[2], strides, dilations, before, after, forward, attributes);
            break;
    }
    return APUS_SUCCESS;
}

#else

apus_status apus_typed_layout_create(
    apus_layout *layout, dnnl_data_type_t type, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
    APUS_TRY(dnnl_memory_desc_init_by_strides, layout, rank, dims, type, strides);
    return APUS_SUCCESS;
}

void apus_layout_destroy(apus_layout *layout) { (void)layout; }

int64_t apus_scratchpad_size(const_dnnl_primitive_desc_t primitive_description) {
    const dnnl_memory_desc_t *scratchpad =
        dnnl_primitive_desc_query_md(primitive_description, dnnl_query_scratchpad_md, 0);
    return scratchpad ? (int64_t)dnnl_memory_desc_get_size(scratchpad) : 0;
}

apus_status apus_matmul_describe(
    dnnl_primitive_desc_t *result, dnnl_engine_t engine, apus_layout_view left, apus_layout_view right,
    apus_layout_view bias, apus_layout_view output, const_dnnl_primitive_attr_t attributes) {
    dnnl_matmul_desc_t operation;
    APUS_TRY(dnnl_matmul_desc_init, &operation, left, right, bias, output);
    APUS_TRY(dnnl_primitive_desc_create, result, &operation, attributes, engine, NULL);
    return APUS_SUCCESS;
}

apus_status apus_layout_create_any(apus_layout *layout, dnnl_data_type_t type, int rank, const dnnl_dims_t dims) {
    APUS_TRY(dnnl_memory_desc_init_by_tag, layout, rank, dims, type, dnnl_format_tag_any);
    return APUS_SUCCESS;
}

apus_status apus_convolution_describe(
    dnnl_primitive_desc_t *result, dnnl_engine_t engine, apus_convolution_kind kind, const apus_layout_view arrays[3],
    apus_layout_view bias, const apus_convolution_geometry *geometry, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
    const int64_t *strides = geometry->strides, *dilations = geometry->dilations;
    const int64_t *before = geometry->before, *after = geometry->after;
    dnnl_convolution_desc_t operation;
    switch (kind) {
        case APUS_CONVOLUTION_FORWARD:
            APUS_TRY(
                dnnl_dilated_convolution_forward_desc_init, &operation, dnnl_forward_training,
                dnnl_convolution_direct, arrays[0], arrays[1], bias, arrays[2], strides, dilations, before, after);
            break;
        case APUS_CONVOLUTION_IMAGE_GRADIENT:
            APUS_TRY(
                dnnl_dilated_convolution_backward_data_desc_init, &operation, dnnl_convolution_direct, arrays[0],
                arrays[1], arrays[2], strides, dilations, before, after);
            break;
        case APUS_CONVOLUTION_KERNEL_GRADIENT:
            APUS_TRY(
                dnnl_dilated_convolution_backward_weights_desc_init, &operation, dnnl_convolution_direct, arrays[0],
                arrays[1], NULL, arrays[2], strides, dilations, before, after);
            break;
    }
    APUS_TRY(dnnl_primitive_desc_create, result, &operation, attributes, engine, forward);
    return APUS_SUCCESS;
}

#endif
