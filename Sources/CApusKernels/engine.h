/// oneDNN's engine, and version 2 and 3 of its C interface behind one.
#ifndef APUS_ENGINE_H
#define APUS_ENGINE_H

#include <dnnl.h>

#include "apus_kernels.h"
#include "status.h"

struct apus_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    void *scratch;
    int64_t scratch_size;  // bytes
    bool has_rounded_factors, has_pair_products;
};

/// What every product and convolution has: scratch memory of ours, and leave to use bfloat16 instructions.
apus_status apus_set_attributes(const apus_engine *engine, dnnl_primitive_attr_t attributes);

/// Makes the scratch memory at least `size` bytes. It may move: its address is good for one run only.
apus_status apus_engine_reserve(apus_engine *engine, int64_t size);

/// Calls a oneDNN function; on failure notes its name and leaves with its status.
#define APUS_TRY(function, ...)                                                                 \
    do {                                                                                        \
        dnnl_status_t status_ = function(__VA_ARGS__);                                          \
        if (status_ != dnnl_success) return apus_fail(#function, (apus_status)status_);         \
    } while (0)

// Version 3 made memory descriptions opaque objects that are created and destroyed; in version 2 they are values.
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t apus_layout;
typedef const_dnnl_memory_desc_t apus_layout_view;
#define APUS_LAYOUT_VIEW(layout) (layout)
#else
typedef dnnl_memory_desc_t apus_layout;
typedef const dnnl_memory_desc_t *apus_layout_view;
#define APUS_LAYOUT_VIEW(layout) (&(layout))
#endif

/// An array's layout by strides; rank up to DNNL_MAX_NDIMS.
apus_status apus_typed_layout_create(
    apus_layout *layout, dnnl_data_type_t type, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides);
/// An array in whatever layout the primitive prefers.
apus_status apus_layout_create_any(apus_layout *layout, dnnl_data_type_t type, int rank, const dnnl_dims_t dims);
/// A float32 array's layout by strides.
static inline apus_status apus_layout_create(
    apus_layout *layout, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
    return apus_typed_layout_create(layout, dnnl_f32, rank, dims, strides);
}
void apus_layout_destroy(apus_layout *layout);

/// The scratchpad's size in bytes that a primitive asks for.
int64_t apus_scratchpad_size(const_dnnl_primitive_desc_t primitive_description);

apus_status apus_append_sum(dnnl_post_ops_t operations);
apus_status apus_append_eltwise(dnnl_post_ops_t operations, dnnl_alg_kind_t kind, float alpha, float beta);
/// Of ReLU without a slope nothing: `apus_rectify` follows the primitive.
apus_status apus_append_activation(dnnl_post_ops_t operations, apus_activation activation, float alpha);

/// The description of output[M, N] = left[M, K] right[K, N] (+ bias) by the matmul primitive; `bias` may be NULL.
apus_status apus_matmul_describe(
    dnnl_primitive_desc_t *result, dnnl_engine_t engine, apus_layout_view left, apus_layout_view right,
    apus_layout_view bias, apus_layout_view output, const_dnnl_primitive_attr_t attributes);

typedef struct {
    // Along each spatial axis. Dilations count what lies between, so 0 is none; padding is what windows reach.
    dnnl_dims_t strides, dilations, before, after;
} apus_convolution_geometry;

/// The description of a convolution primitive on `arrays`: the image, the kernel, the output, of which `kind` says
/// which one is computed. `bias` may be NULL; `forward` is a hint for the gradients, else NULL.
apus_status apus_convolution_describe(
    dnnl_primitive_desc_t *result, dnnl_engine_t engine, apus_convolution_kind kind, const apus_layout_view arrays[3],
    apus_layout_view bias, const apus_convolution_geometry *geometry, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes);

#endif
