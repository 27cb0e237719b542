#include "engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "threads.h"

apus_status apus_engine_create(apus_engine **engine) {
    *engine = NULL;
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
    free(engine);
}

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

const char *apus_onednn_instruction_set(void) {
#if defined(__x86_64__)
    // The values are bit sets in which a larger set has the bits of the smaller ones, in both versions.
    unsigned bits = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned amx = (unsigned)dnnl_cpu_isa_avx512_core_amx, core = (unsigned)dnnl_cpu_isa_avx512_core;
    if (bits == 0) return "default";
    if ((bits & amx) == amx) return "AVX-512 AMX";
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

#if DNNL_VERSION_MAJOR >= 3

apus_status apus_layout_create(apus_layout *layout, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
    APUS_TRY(dnnl_memory_desc_create_with_strides, layout, rank, dims, dnnl_f32, strides);
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

#else

apus_status apus_layout_create(apus_layout *layout, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
    APUS_TRY(dnnl_memory_desc_init_by_strides, layout, rank, dims, dnnl_f32, strides);
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

#endif
