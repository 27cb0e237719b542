// One oneDNN primitive with its three arrays, or our own loops. Arrays arrive and leave in
// plain layouts, channels last; where the primitive wants another one for the kernel, a reorder with a buffer of our
// own stands between. Where it multiplies bfloat16 numbers, the other factors are rounded into the engine's scratch
// memory first.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bfloat16_numbers.h"
#include "engine.h"
#include "pairs_filter.h"
#include "pairs_gradient.h"
#include "pairs_spread.h"
#include "rectify.h"
#include "spread_gradient.h"
#include "threads.h"
#include "winograd.h"

/// An array of the caller's, and as the primitive wants it.
typedef struct {
    int kind;  // DNNL_ARG_...
    bool is_output;
    dnnl_memory_t outside;
    dnnl_memory_t inside;     // the same object as `outside` without a reorder
    dnnl_primitive_t reorder;  // NULL where both layouts are one
    void *buffer;              // of what is reordered
    // A factor that is rounded first: its numbers, and the bytes before them in the engine's scratch memory.
    bool is_rounded;
    int64_t count, place;
} operand;

enum { IMAGE, KERNEL, OUTPUT, OPERAND_COUNT };

struct apus_convolution {
    apus_convolution_description description;
    apus_engine *engine;
    dnnl_primitive_t primitive;  // NULL if nothing is to be multiplied
    // In place of the primitive, or NULL.
    apus_winograd *winograd;
    apus_spread_gradient *spread;
    apus_pairs_filter *filter;
    apus_pairs_gradient *gradient;
    apus_pairs_spread *paired_spread;
    operand operands[OPERAND_COUNT];
    dnnl_memory_t bias, scratchpad;
    dnnl_exec_arg_t arguments[OPERAND_COUNT + 2];
    int argument_count;
    int64_t result_count;  // elements of the array that is computed
    int32_t thread_count;  // at creation: the primitive's plan and its scratch memory are for it
    int64_t workspace;  // bytes of the operands' buffers
    int64_t scratch, scratchpad_place;  // bytes of the engine's scratch memory, and those before the scratchpad
    char implementation[64];
};

static int64_t product(int64_t first, const int64_t *sizes, int rank) {
    for (int axis = 0; axis < rank; axis++) first *= sizes[axis];
    return first;
}

/// What the primitive reads or writes as an array. Forward it also stands as a hint for the gradients, all of whose
/// arrays are factors.
static dnnl_data_type_t element_type(const apus_convolution_description *wanted, int place, bool is_hint) {
    static const int results[] = {
        [APUS_CONVOLUTION_FORWARD] = OUTPUT,
        [APUS_CONVOLUTION_IMAGE_GRADIENT] = IMAGE,
        [APUS_CONVOLUTION_KERNEL_GRADIENT] = KERNEL,
    };
    bool is_factor = is_hint || place != results[wanted->kind];
    return wanted->method == APUS_CONVOLUTION_BY_ONEDNN_PAIRS && is_factor ? dnnl_bf16 : dnnl_f32;
}

/// Batch, channels, then the spatial sizes: oneDNN's order of axes, whatever the order in memory.
static apus_status array_layout(
    apus_layout *layout, dnnl_data_type_t type, int rank, int64_t batch, int64_t channels, const int64_t *sizes) {
    dnnl_dims_t dims = {batch, channels}, strides = {0, 1};
    int64_t stride = channels;
    for (int axis = rank - 1; axis >= 0; axis--) {
        dims[axis + 2] = sizes[axis];
        strides[axis + 2] = stride;
        stride *= sizes[axis];
    }
    strides[0] = stride;
    return apus_typed_layout_create(layout, type, rank + 2, dims, strides);
}

/// [spatial..., channels / groups, filters] in memory; to oneDNN (groups,) filters, channels, spatial sizes. Gives the
/// rank.
static int kernel_axes(const apus_convolution_description *wanted, dnnl_dims_t dims, dnnl_dims_t strides) {
    int64_t channels = wanted->channels / wanted->groups, filters = wanted->filters / wanted->groups;
    int first = 0;
    if (wanted->groups > 1) {
        dims[first] = wanted->groups;
        strides[first++] = filters;
    }
    dims[first] = filters;
    strides[first++] = 1;
    dims[first] = channels;
    strides[first++] = wanted->filters;
    int64_t stride = wanted->filters * channels;
    for (int axis = wanted->rank - 1; axis >= 0; axis--) {
        dims[first + axis] = wanted->kernel[axis];
        strides[first + axis] = stride;
        stride *= wanted->kernel[axis];
    }
    return first + wanted->rank;
}

/// The layouts that the primitive, or its hint, is asked for: its own choice for the kernel.
static apus_status make_wanted_layouts(
    const apus_convolution_description *wanted, bool is_hint, apus_layout layouts[OPERAND_COUNT]) {
    dnnl_data_type_t types[OPERAND_COUNT];
    for (int place = 0; place < OPERAND_COUNT; place++) types[place] = element_type(wanted, place, is_hint);
    dnnl_dims_t dims = {0}, strides = {0};
    int rank = kernel_axes(wanted, dims, strides);
    apus_status status = apus_layout_create_any(&layouts[KERNEL], types[KERNEL], rank, dims);
    if (status) return status;
    status = array_layout(
        &layouts[IMAGE], types[IMAGE], wanted->rank, wanted->batch, wanted->channels, wanted->image);
    if (status) return status;
    return array_layout(
        &layouts[OUTPUT], types[OUTPUT], wanted->rank, wanted->batch, wanted->filters, wanted->output);
}

/// The layouts of the caller's arrays.
static apus_status make_plain_layouts(
    const apus_convolution_description *wanted, apus_layout layouts[OPERAND_COUNT]) {
    apus_status status =
        array_layout(&layouts[IMAGE], dnnl_f32, wanted->rank, wanted->batch, wanted->channels, wanted->image);
    if (status) return status;
    status = array_layout(&layouts[OUTPUT], dnnl_f32, wanted->rank, wanted->batch, wanted->filters, wanted->output);
    if (status) return status;
    dnnl_dims_t dims = {0}, strides = {0};
    int rank = kernel_axes(wanted, dims, strides);
    return apus_layout_create(&layouts[KERNEL], rank, dims, strides);
}

/// The buffer may be padded, with zeros that stay.
static apus_status add_reorder(
    apus_convolution *convolution, operand *array, apus_layout_view plain, apus_layout_view used) {
    dnnl_engine_t engine = convolution->engine->engine;
    size_t size = (dnnl_memory_desc_get_size(used) + 63) / 64 * 64;
    array->buffer = aligned_alloc(64, size ? size : 64);
    if (!array->buffer) return apus_fail("apus_convolution_create", APUS_OUT_OF_MEMORY);
    convolution->workspace += (int64_t)size;
    // Padding of a blocked layout is read too.
    memset(array->buffer, 0, size);
    APUS_TRY(dnnl_memory_create, &array->inside, used, engine, array->buffer);
    dnnl_primitive_desc_t description = NULL;
    apus_layout_view from = array->is_output ? used : plain, to = array->is_output ? plain : used;
    APUS_TRY(dnnl_reorder_primitive_desc_create, &description, from, engine, to, engine, NULL);
    dnnl_status_t status = dnnl_primitive_create(&array->reorder, description);
    dnnl_primitive_desc_destroy(description);
    return status == dnnl_success ? APUS_SUCCESS : apus_fail("dnnl_primitive_create", (apus_status)status);
}

static apus_status add_operand(
    apus_convolution *convolution, int place, int kind, apus_layout_view plain, dnnl_primitive_desc_t description) {
    operand *array = &convolution->operands[place];
    array->kind = kind;
    array->is_output = kind == DNNL_ARG_DST || kind == DNNL_ARG_DIFF_SRC || kind == DNNL_ARG_DIFF_WEIGHTS;
    apus_layout_view used = dnnl_primitive_desc_query_md(description, dnnl_query_exec_arg_md, kind);
    const apus_convolution_description *wanted = &convolution->description;
    if (place != KERNEL && element_type(wanted, place, false) == dnnl_bf16) {
        array->is_rounded = true;
        array->count = place == IMAGE ? product(wanted->batch * wanted->channels, wanted->image, wanted->rank)
                                      : product(wanted->batch * wanted->filters, wanted->output, wanted->rank);
        array->place = convolution->scratch;
        convolution->scratch += (array->count * (int64_t)sizeof(uint16_t) + 63) / 64 * 64;
        APUS_TRY(dnnl_memory_create, &array->inside, used, convolution->engine->engine, DNNL_MEMORY_NONE);
        convolution->arguments[convolution->argument_count++] = (dnnl_exec_arg_t){kind, array->inside};
        return APUS_SUCCESS;
    }
    APUS_TRY(dnnl_memory_create, &array->outside, plain, convolution->engine->engine, DNNL_MEMORY_NONE);
    if (dnnl_memory_desc_equal(plain, used)) {
        array->inside = array->outside;
    } else {
        apus_status status = add_reorder(convolution, array, plain, used);
        if (status) return status;
    }
    convolution->arguments[convolution->argument_count++] = (dnnl_exec_arg_t){kind, array->inside};
    return APUS_SUCCESS;
}

static apus_status add_scratch(apus_convolution *convolution, dnnl_primitive_desc_t description) {
    int64_t size = apus_scratchpad_size(description);
    if (size == 0) return APUS_SUCCESS;
    APUS_TRY(
        dnnl_memory_create, &convolution->scratchpad,
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0), convolution->engine->engine,
        DNNL_MEMORY_NONE);
    convolution->arguments[convolution->argument_count++] =
        (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, convolution->scratchpad};
    convolution->scratchpad_place = convolution->scratch;
    convolution->scratch += size;
    return APUS_SUCCESS;
}

/// What is made while preparing and not needed afterwards.
typedef struct {
    apus_layout wanted[OPERAND_COUNT], hint[OPERAND_COUNT], plain[OPERAND_COUNT], bias;
    dnnl_post_ops_t operations;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t forward, description;
} preparation;

static apus_status describe(apus_convolution *convolution, preparation *parts) {
    const apus_convolution_description *wanted = &convolution->description;
    apus_convolution_geometry geometry = {0};
    for (int axis = 0; axis < wanted->rank; axis++) {
        geometry.strides[axis] = wanted->strides[axis];
        geometry.dilations[axis] = wanted->dilations[axis] - 1;
        geometry.before[axis] = wanted->padding_before[axis];
        // oneDNN wants the padding that is used: rows that no window reaches are cut off.
        int64_t extent = (wanted->kernel[axis] - 1) * wanted->dilations[axis] + 1;
        geometry.after[axis] = (wanted->output[axis] - 1) * wanted->strides[axis] + extent - wanted->image[axis] -
                               wanted->padding_before[axis];
    }
    apus_layout_view views[OPERAND_COUNT], hints[OPERAND_COUNT];
    for (int place = 0; place < OPERAND_COUNT; place++) {
        views[place] = APUS_LAYOUT_VIEW(parts->wanted[place]);
        hints[place] = APUS_LAYOUT_VIEW(parts->hint[place]);
    }
    dnnl_engine_t engine = convolution->engine->engine;
    apus_layout_view bias = wanted->has_bias ? APUS_LAYOUT_VIEW(parts->bias) : NULL;
    bool is_forward = wanted->kind == APUS_CONVOLUTION_FORWARD;
    apus_status status = apus_convolution_describe(
        is_forward ? &parts->description : &parts->forward, engine, APUS_CONVOLUTION_FORWARD,
        is_forward ? views : hints, bias, &geometry, NULL, parts->attributes);
    if (status || is_forward) return status;
    return apus_convolution_describe(
        &parts->description, engine, wanted->kind, views, NULL, &geometry, parts->forward, parts->attributes);
}

static apus_status prepare(apus_convolution *convolution, preparation *parts) {
    const apus_convolution_description *wanted = &convolution->description;
    apus_status status;
    if ((status = make_wanted_layouts(wanted, false, parts->wanted)) ||
        (status = make_wanted_layouts(wanted, true, parts->hint)) ||
        (status = make_plain_layouts(wanted, parts->plain)))
        return status;
    if (wanted->has_bias &&
        (status = apus_layout_create(&parts->bias, 1, (dnnl_dims_t){wanted->filters}, (dnnl_dims_t){1})))
        return status;
    APUS_TRY(dnnl_post_ops_create, &parts->operations);
    APUS_TRY(dnnl_primitive_attr_create, &parts->attributes);
    if ((status = apus_set_attributes(convolution->engine, parts->attributes)) ||
        (status = apus_append_activation(parts->operations, wanted->activation, wanted->activation_alpha)))
        return status;
    APUS_TRY(dnnl_primitive_attr_set_post_ops, parts->attributes, parts->operations);
    status = describe(convolution, parts);
    if (status == dnnl_unimplemented && wanted->method == APUS_CONVOLUTION_BY_ONEDNN_PAIRS) status = APUS_UNSUPPORTED;
    if (status) return status;

    const char *name = NULL;
    APUS_TRY(dnnl_primitive_desc_query, parts->description, dnnl_query_impl_info_str, 0, &name);
    snprintf(convolution->implementation, sizeof convolution->implementation, "%s", name ? name : "unknown");
    // oneDNN's reference code goes one number at a time.
    if (wanted->method == APUS_CONVOLUTION_BY_ONEDNN_PAIRS && strncmp(convolution->implementation, "ref", 3) == 0)
        return apus_fail("apus_convolution_create", APUS_UNSUPPORTED);
    APUS_TRY(dnnl_primitive_create, &convolution->primitive, parts->description);

    bool gives_image = wanted->kind == APUS_CONVOLUTION_IMAGE_GRADIENT;
    bool gives_kernel = wanted->kind == APUS_CONVOLUTION_KERNEL_GRADIENT;
    int kinds[OPERAND_COUNT] = {
        gives_image ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, gives_kernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
        gives_image || gives_kernel ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST};
    for (int place = 0; place < OPERAND_COUNT; place++) {
        status = add_operand(
            convolution, place, kinds[place], APUS_LAYOUT_VIEW(parts->plain[place]), parts->description);
        if (status) return status;
    }
    if (wanted->has_bias) {
        APUS_TRY(
            dnnl_memory_create, &convolution->bias, APUS_LAYOUT_VIEW(parts->bias), convolution->engine->engine,
            DNNL_MEMORY_NONE);
        convolution->arguments[convolution->argument_count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, convolution->bias};
    }
    if ((status = add_scratch(convolution, parts->description))) return status;
    return apus_engine_reserve(convolution->engine, convolution->scratch);
}

static bool is_valid(const apus_convolution_description *wanted) {
    if (wanted->rank < 1 || wanted->rank > APUS_MAXIMUM_SPATIAL_RANK || wanted->batch < 0 || wanted->groups < 1 ||
        wanted->channels < 1 || wanted->filters < 1 || wanted->channels % wanted->groups != 0 ||
        wanted->filters % wanted->groups != 0 || wanted->kind < APUS_CONVOLUTION_FORWARD ||
        wanted->kind > APUS_CONVOLUTION_KERNEL_GRADIENT)
        return false;
    if (wanted->kind != APUS_CONVOLUTION_FORWARD && (wanted->has_bias || wanted->activation != APUS_ACTIVATION_NONE))
        return false;
    for (int axis = 0; axis < wanted->rank; axis++) {
        int64_t stride = wanted->strides[axis], dilation = wanted->dilations[axis];
        int64_t before = wanted->padding_before[axis], after = wanted->padding_after[axis];
        if (wanted->image[axis] < 1 || wanted->kernel[axis] < 1 || stride < 1 || dilation < 1 || before < 0 ||
            after < 0)
            return false;
        int64_t room = wanted->image[axis] + before + after - (wanted->kernel[axis] - 1) * dilation - 1;
        if (room < 0 || wanted->output[axis] != room / stride + 1) return false;
    }
    return true;
}

static apus_status create_pairs(apus_convolution *convolution) {
    const apus_convolution_description *wanted = &convolution->description;
    switch (wanted->kind) {
        case APUS_CONVOLUTION_FORWARD:
            return apus_pairs_filter_create(convolution->engine, wanted, &convolution->filter);
        case APUS_CONVOLUTION_IMAGE_GRADIENT:
            return apus_pairs_spread_create(convolution->engine, wanted, &convolution->paired_spread);
        case APUS_CONVOLUTION_KERNEL_GRADIENT:
            return apus_pairs_gradient_create(convolution->engine, wanted, &convolution->gradient);
    }
    return apus_fail("apus_convolution_create", APUS_INVALID_DESCRIPTION);
}

apus_status apus_convolution_create(
    apus_engine *engine, const apus_convolution_description *description, apus_convolution **result) {
    *result = NULL;
    if (!engine || !is_valid(description)) return apus_fail("apus_convolution_create", APUS_INVALID_DESCRIPTION);
    // Its transformed factors are not rounded.
    if (description->method == APUS_CONVOLUTION_BY_WINOGRAD && engine->has_rounded_factors)
        return apus_fail("apus_convolution_create", APUS_UNSUPPORTED);
    bool needs_pairs = description->method == APUS_CONVOLUTION_BY_ONEDNN_PAIRS ||
                       description->method == APUS_CONVOLUTION_BY_WINOGRAD_PAIRS;
    if (needs_pairs && !apus_has_bfloat16_pairs())
        return apus_fail("apus_convolution_create", APUS_UNSUPPORTED);
    if (description->method == APUS_CONVOLUTION_BY_PAIRS && !apus_pairs_convolution_is_possible(description))
        return apus_fail("apus_convolution_create", APUS_UNSUPPORTED);
    apus_convolution *convolution = calloc(1, sizeof *convolution);
    if (!convolution) return apus_fail("apus_convolution_create", APUS_OUT_OF_MEMORY);
    convolution->engine = engine;
    convolution->thread_count = apus_thread_count();
    apus_prepare_thread(convolution->thread_count);
    convolution->description = *description;
    snprintf(convolution->implementation, sizeof convolution->implementation, "none");
    const apus_convolution_description *wanted = &convolution->description;
    // Without samples only the kernel's gradient has elements, all 0.
    if (wanted->kind == APUS_CONVOLUTION_KERNEL_GRADIENT)
        convolution->result_count =
            product(wanted->channels / wanted->groups * wanted->filters, wanted->kernel, wanted->rank);
    apus_status status = APUS_SUCCESS;
    bool has_pairs = wanted->method == APUS_CONVOLUTION_BY_WINOGRAD_PAIRS;
    if (wanted->batch > 0 && (has_pairs || wanted->method == APUS_CONVOLUTION_BY_WINOGRAD)) {
        snprintf(
            convolution->implementation, sizeof convolution->implementation, "winograd:F(%s)%s%s",
            wanted->kernel[0] == 5 ? "2x2,5x5" : "4x4,3x3",
            apus_winograd_tiling_of(wanted).is_spread ? ":spread" : "", has_pairs ? ":pairs" : "");
        status = apus_winograd_create(engine, wanted, &convolution->winograd);
    } else if (wanted->batch > 0 && wanted->method == APUS_CONVOLUTION_BY_SPREADING) {
        snprintf(convolution->implementation, sizeof convolution->implementation, "spread");
        status = apus_spread_gradient_create(engine, wanted, &convolution->spread);
    } else if (wanted->batch > 0 && wanted->method == APUS_CONVOLUTION_BY_PAIRS) {
        snprintf(convolution->implementation, sizeof convolution->implementation, "pairs");
        status = create_pairs(convolution);
    } else if (wanted->batch > 0) {
        preparation parts = {0};
        status = prepare(convolution, &parts);
        if (parts.description) dnnl_primitive_desc_destroy(parts.description);
        if (parts.forward) dnnl_primitive_desc_destroy(parts.forward);
        if (parts.attributes) dnnl_primitive_attr_destroy(parts.attributes);
        if (parts.operations) dnnl_post_ops_destroy(parts.operations);
        for (int place = 0; place < OPERAND_COUNT; place++) {
            apus_layout_destroy(&parts.wanted[place]);
            apus_layout_destroy(&parts.hint[place]);
            apus_layout_destroy(&parts.plain[place]);
        }
        apus_layout_destroy(&parts.bias);
    }
    if (status) {
        apus_convolution_destroy(convolution);
        return status;
    }
    *result = convolution;
    return APUS_SUCCESS;
}

static apus_status reorder(apus_convolution *convolution, operand *array) {
    dnnl_exec_arg_t arguments[2] = {
        {DNNL_ARG_FROM, array->is_output ? array->inside : array->outside},
        {DNNL_ARG_TO, array->is_output ? array->outside : array->inside}};
    APUS_TRY(dnnl_primitive_execute, array->reorder, convolution->engine->stream, 2, arguments);
    return APUS_SUCCESS;
}

apus_status apus_convolution_run(
    apus_convolution *convolution, const float *image, const float *kernel, const float *output, const float *bias,
    float *result) {
    if (convolution->winograd) {
        apus_winograd_run(convolution->winograd, image, kernel, output, bias, result);
        return APUS_SUCCESS;
    }
    if (convolution->spread) {
        apus_spread_gradient_run(convolution->spread, kernel, output, result);
        return APUS_SUCCESS;
    }
    if (convolution->filter) {
        apus_pairs_filter_run(convolution->filter, image, kernel, bias, result);
        return APUS_SUCCESS;
    }
    if (convolution->gradient) {
        apus_pairs_gradient_run(convolution->gradient, image, output, result);
        return APUS_SUCCESS;
    }
    if (convolution->paired_spread) {
        apus_pairs_spread_run(convolution->paired_spread, kernel, output, result);
        return APUS_SUCCESS;
    }
    if (!convolution->primitive) {
        if (convolution->result_count) memset(result, 0, (size_t)convolution->result_count * sizeof *result);
        return APUS_SUCCESS;
    }
    apus_prepare_thread(convolution->thread_count);
    const float *given[OPERAND_COUNT] = {image, kernel, output};
    if (convolution->scratchpad)
        APUS_TRY(
            dnnl_memory_set_data_handle, convolution->scratchpad,
            (char *)convolution->engine->scratch + convolution->scratchpad_place);
    for (int place = 0; place < OPERAND_COUNT; place++) {
        operand *array = &convolution->operands[place];
        if (array->is_rounded) {
            void *rounded = (char *)convolution->engine->scratch + array->place;
            apus_write_bfloat16(rounded, given[place], array->count, convolution->thread_count);
            APUS_TRY(dnnl_memory_set_data_handle, array->inside, rounded);
            continue;
        }
        // oneDNN's handles are not const, its inputs are only read.
        void *handle = array->is_output ? (void *)result : (void *)(uintptr_t)given[place];
        APUS_TRY(dnnl_memory_set_data_handle, array->outside, handle);
        apus_status status = array->reorder && !array->is_output ? reorder(convolution, array) : APUS_SUCCESS;
        if (status) return status;
    }
    if (convolution->bias) APUS_TRY(dnnl_memory_set_data_handle, convolution->bias, (void *)(uintptr_t)bias);
    APUS_TRY(
        dnnl_primitive_execute, convolution->primitive, convolution->engine->stream, convolution->argument_count,
        convolution->arguments);
    for (int place = 0; place < OPERAND_COUNT; place++) {
        operand *array = &convolution->operands[place];
        apus_status status = array->reorder && array->is_output ? reorder(convolution, array) : APUS_SUCCESS;
        if (status) return status;
    }
    APUS_TRY(dnnl_stream_wait, convolution->engine->stream);
    const apus_convolution_description *wanted = &convolution->description;
    if (apus_is_rectifier(wanted->activation, wanted->activation_alpha))
        apus_rectify(
            result, wanted->batch * wanted->filters * product(1, wanted->output, wanted->rank),
            convolution->thread_count);
    return APUS_SUCCESS;
}

void apus_convolution_destroy(apus_convolution *convolution) {
    if (!convolution) return;
    for (int place = 0; place < OPERAND_COUNT; place++) {
        operand *array = &convolution->operands[place];
        if (array->inside && array->inside != array->outside) dnnl_memory_destroy(array->inside);
        if (array->outside) dnnl_memory_destroy(array->outside);
        if (array->reorder) dnnl_primitive_destroy(array->reorder);
        free(array->buffer);
    }
    apus_winograd_destroy(convolution->winograd);
    apus_spread_gradient_destroy(convolution->spread);
    apus_pairs_filter_destroy(convolution->filter);
    apus_pairs_gradient_destroy(convolution->gradient);
    apus_pairs_spread_destroy(convolution->paired_spread);
    if (convolution->bias) dnnl_memory_destroy(convolution->bias);
    if (convolution->scratchpad) dnnl_memory_destroy(convolution->scratchpad);
    if (convolution->primitive) dnnl_primitive_destroy(convolution->primitive);
    free(convolution);
}

int64_t apus_convolution_workspace(const apus_convolution *convolution) { return convolution->workspace; }

const char *apus_convolution_implementation(const apus_convolution *convolution) {
    return convolution->implementation;
}
