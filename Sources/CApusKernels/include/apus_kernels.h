/// The CPU kernels: matrix products by oneDNN, and our own loops on oneDNN's OpenMP threads.
///
/// Arrays are packed and row-major unless strides are given; sizes and strides count elements; any size may be 0.
/// Functions that can fail return an `apus_status` (0 is success). Whatever has to be decided or allocated is done
/// in a `_create`; a `_run` allocates nothing. An object serves one `_run` at a time. `_destroy` accepts NULL.
/// Results are bitwise the same in every run, and those of our own loops whatever the number of threads.
#ifndef APUS_KERNELS_H
#define APUS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Status

/// 0 is success; 1...99 are oneDNN's `dnnl_status_t`; the rest is ours.
typedef int32_t apus_status;
enum {
    APUS_SUCCESS = 0,
    APUS_INVALID_DESCRIPTION = 100,  // A rank, size, operand or type that has no meaning.
    // More inputs, outputs, instructions or axes than the APUS_MAXIMUM_... say, or terms than APUS_UPDATE_MOST_TERMS.
    APUS_LIMIT_EXCEEDED = 101,
    APUS_OUT_OF_MEMORY = 102,
    APUS_UNSUPPORTED = 104,         // Possible, but not offered here.
    APUS_INDEX_OUT_OF_RANGE = 103,  // A row index below 0 or not below the table's length.
};

/// The status in a few words, such as "invalid arguments". Never NULL; the text lives for ever.
const char *apus_status_name(apus_status status);

/// The name of the call that failed last on this thread, such as "dnnl_matmul_primitive_desc_create"; "" if none.
const char *apus_last_call(void);

/// The loops' variant in use on this processor: "AVX-512", "AVX2" or "baseline".
const char *apus_instruction_set(void);

/// The linker's hash of this program, as hexadecimal digits (program_build.c); empty where the linker gave it none. The
/// text lives for ever.
const char *apus_program_build(void);

/// Which of the loops' variants may be used; for tests.
typedef enum apus_instruction_limit : int32_t {
    APUS_BEST_INSTRUCTIONS = 0,
    APUS_AVX2_INSTRUCTIONS = 1,
    APUS_PLAIN_INSTRUCTIONS = 2,
} apus_instruction_limit;

typedef enum apus_element_type : int32_t { APUS_FLOAT32 = 0, APUS_INT32 = 1, APUS_UINT8 = 2 } apus_element_type;

enum { APUS_MAXIMUM_RANK = 8 };

// MARK: Threads (threads.c)

/// Sets the number of threads for our loops and for oneDNN, from whichever thread they are called. Values below 1
/// count as 1. An object never uses more threads than there were at its creation, and oneDNN's matrix
/// products just those: their bits may depend on the number. Without an OpenMP runtime in the process the count stays 1.
void apus_set_thread_count(int32_t count);

/// The number of threads in use. At first OpenMP's own (OMP_NUM_THREADS, else the number of processors).
int32_t apus_thread_count(void);

/// How many threads the system gives this process beside those that it has, the caller counted, at most `wanted`: so
/// many are started, and ended. The limits of a user's processes and of a process' memory may leave fewer.
int32_t apus_available_thread_count(int32_t wanted);

/// Work on the items `begin..<end`; `thread` is in `0..<apus_thread_count()` and differs between concurrent calls.
typedef void (*apus_range_body)(void *context, int64_t begin, int64_t end, int32_t thread);

/// Calls `body` on contiguous, equally long ranges that cover `0..<count`, one a thread, and waits. Serial, in the
/// caller, when `count <= grain` or there is one thread; no thread gets much less than `grain` items.
/// A Swift closure passed as `body` must be nonisolated.
void apus_parallel(int64_t count, int64_t grain, apus_range_body body, void *context);

/// The same ranges with a grain of one item, on at most `limit` threads, by work stealing: a thread takes `step` items
/// (at least 1) of its range at a time, and when it is through as many from the end of another's. Cores are not equally
/// fast where other programs run on them, too. Results must depend neither on the thread nor on how ranges are cut. On
/// one thread, and on more than 64, it is as above.
void apus_parallel_balanced(int64_t count, int64_t step, int32_t limit, apus_range_body body, void *context);

// MARK: oneDNN's engine (engine.c)

/// oneDNN's CPU engine and a stream on it, with scratch memory that the objects made with it share: only one of them
/// may run at a time.
typedef struct apus_engine apus_engine;
apus_status apus_engine_create(apus_engine **engine);
void apus_engine_destroy(apus_engine *engine);

/// From now on every factor of a product or convolution that is made with the engine holds bfloat16 numbers, as
/// float32: oneDNN may multiply them by bfloat16 instructions, which gives the same products. It does so where these
/// are faster.
void apus_engine_set_rounded_factors(apus_engine *engine);
bool apus_engine_has_rounded_factors(const apus_engine *engine);

/// From now on matrix products that are made with the engine round their factors to bfloat16 themselves, and multiply
/// them by AVX-512's dot products of pairs. The processor must have these. Convolutions go by their method: what they
/// read must be rounded already.
void apus_engine_set_pair_products(apus_engine *engine);
bool apus_engine_has_pair_products(const apus_engine *engine);

/// The bytes of the shared scratch memory: the most that any object made so far needs.
int64_t apus_engine_workspace(const apus_engine *engine);

/// The version of the oneDNN library in the process, such as "2.6.3". The text lives for ever.
const char *apus_onednn_version(void);

/// Whether oneDNN can use AMX for bfloat16 numbers that are stored as float32 (it has learnt that in version 2.7),
/// which multiplies matrices of them many times as fast as AVX-512 does those of float32.
bool apus_has_bfloat16_tiles(void);

/// Whether the processor has AVX-512's dot products of bfloat16 pairs, and oneDNN may use them, too.
bool apus_has_bfloat16_pairs(void);

/// Whether these do more multiply-adds a cycle than float32's instructions: twice as many on AMD's processors, half as
/// many on Intel's (measured on a Zen 4 and on a Xeon of family 6, model 207).
bool apus_has_fast_bfloat16_pairs(void);

/// What oneDNN uses at most on this processor, such as "AVX-512 AMX". The text lives for ever.
const char *apus_onednn_instruction_set(void);

// MARK: Matrix products (matmul.c)

/// What is done to each element of a product; `a` is `activation_alpha`.
typedef enum apus_activation : int32_t {
    APUS_ACTIVATION_NONE = 0,
    APUS_ACTIVATION_RELU = 1,          // max(x, 0) with a = 0; leaky: a x below 0
    APUS_ACTIVATION_SIGMOID = 2,       // 1 / (1 + exp(-x))
    APUS_ACTIVATION_TANH = 3,          // tanh(x)
    APUS_ACTIVATION_GELU = 4,          // x (1 + erf(x / sqrt 2)) / 2
    APUS_ACTIVATION_GELU_TANH = 5,     // GELU's tanh approximation
    APUS_ACTIVATION_ELU = 6,           // x, below 0: a (exp(x) - 1)
    APUS_ACTIVATION_SWISH = 7,         // x sigmoid(a x); SiLU with a = 1
    APUS_ACTIVATION_SOFTPLUS = 8,      // log(1 + exp(x))
    APUS_ACTIVATION_EXP = 9,           // exp(x); of NaN 0 or infinity, as oneDNN has it
    APUS_ACTIVATION_SQUARE = 10,       // x x
    APUS_ACTIVATION_ABSOLUTE = 11,     // |x|
    APUS_ACTIVATION_SQUARE_ROOT = 12,  // sqrt(x)
} apus_activation;

/// output[b] = activation(scale left[b] right[b] + bias (+ output[b] as it was, if `accumulates`)), b in 0..<batch;
/// with a scale there is no bias.
///
/// left[b] is [rows, inner], or stored [inner, rows] if `transposes_left`; right[b] is [inner, columns], or stored
/// [columns, inner] if `transposes_right`; bias is [columns]; output is [batch, rows, columns], packed.
/// With inner = 0 the product is 0.
typedef struct apus_matmul_description {
    int64_t batch;                // 1 for a plain product
    int64_t rows;                 // M
    int64_t columns;              // N
    int64_t inner;                // K
    int64_t left_batch_stride;    // elements from one left matrix to the next; 0: the same each time
    int64_t right_batch_stride;   // likewise
    bool transposes_left;
    bool transposes_right;
    bool has_bias;
    bool accumulates;
    bool has_scale;  // the product is multiplied by the run's `scale` first
    apus_activation activation;
    float activation_alpha;
} apus_matmul_description;

typedef struct apus_matmul apus_matmul;

/// Prepares oneDNN's matmul, its arguments and its scratch memory, or loops of ours that are faster. The engine must outlive the product.
apus_status apus_matmul_create(
    apus_engine *engine, const apus_matmul_description *description, apus_matmul **matmul);

/// `bias` is ignored, and may be NULL, without `has_bias`; so is `scale` without `has_scale`. `output` must not overlap
/// the operands.
apus_status apus_matmul_run(
    apus_matmul *matmul, const float *left, const float *right, const float *bias, float scale, float *output);
void apus_matmul_destroy(apus_matmul *matmul);

/// Rows of bytes that stand for numbers: number i of row r is scale bytes[indices[r] size + i], where rows are `size`
/// bytes long.
typedef struct apus_byte_rows {
    const uint8_t *bytes;
    const int32_t *indices;
    float scale;
} apus_byte_rows;

/// Whether the left side, as it is stored, can be rows of bytes.
bool apus_matmul_reads_byte_rows(const apus_matmul *matmul);

/// The same bits as of `apus_matmul_run` on the rows' numbers; `APUS_UNSUPPORTED` where they cannot be read.
apus_status apus_matmul_run_byte_rows(
    apus_matmul *matmul, const apus_byte_rows *left, const float *right, const float *bias, float scale, float *output);

/// The bytes that the object holds for its runs besides what it is given and the engine's scratch memory.
int64_t apus_matmul_workspace(const apus_matmul *matmul);

/// What computes the product, such as "brg:avx512_core", or "none" for an empty one. Lives as long as the object.
const char *apus_matmul_implementation(const apus_matmul *matmul);

// MARK: A parameter's step where its gradient is a product (matmul_update.c)

/// What is done with a gradient g; `rate` is the run's.
typedef enum apus_update_rule : int32_t {
    APUS_UPDATE_DESCENT = 0,   // w - rate g
    APUS_UPDATE_NESTEROV = 1,  // m' = decay m - rate g; w - (rate g - decay m')
    // m' = m + (g - m) momentum_share; v' = v + (g g - v) velocity_share; w - rate m' / (sqrt(v') + epsilon), root and
    // quotient to 2 units in the last place
    APUS_UPDATE_ADAM = 2,
} apus_update_rule;

/// The most terms of a sum: they are added one after the other, so that more would lose digits, and so many of a panel
/// fill the second cache.
enum { APUS_UPDATE_MOST_TERMS = 2048 };

/// The least epsilon of Adam: velocities below the smallest normal number count as 0, which it hides.
#define APUS_UPDATE_LEAST_EPSILON 1e-12f

/// The gradient is the product of left, stored [inner, rows], transposed, and right, [inner, columns].
typedef struct apus_matmul_update_description {
    int64_t rows, columns;
    int64_t inner;  // APUS_UPDATE_MOST_TERMS at most
    apus_update_rule rule;
    float decay;                           // Nesterov's
    float momentum_share, velocity_share;  // Adam's, as is the next
    float epsilon;                         // APUS_UPDATE_LEAST_EPSILON at least
    // Rounds the factors of the gradient to bfloat16; the processor must have dot products of pairs.
    bool multiplies_pairs;
} apus_matmul_update_description;

/// Arrays [rows, columns]; the velocity is Adam's, the momentum not gradient descent's. A new array may be the old one,
/// but must not otherwise overlap any.
typedef struct apus_update_arrays {
    const float *parameter, *momentum, *velocity;
    float *new_parameter, *new_momentum, *new_velocity;
    float rate;
} apus_update_arrays;

typedef struct apus_matmul_update apus_matmul_update;
/// Reserves scratch memory of the engine, which must outlive the object: 514 KiB a thread at most, a tile and what is
/// packed of the right side; 642 KiB where pairs are multiplied, rows of the left side among them.
apus_status apus_matmul_update_create(
    apus_engine *engine, const apus_matmul_update_description *description, apus_matmul_update **update);
void apus_matmul_update_run(
    apus_matmul_update *update, const float *left, const float *right, const apus_update_arrays *arrays);
void apus_matmul_update_destroy(apus_matmul_update *update);

// MARK: Convolutions (convolution.c; spread_gradient.c; winograd.c, winograd_filter.c, winograd_gradient.c,
// winograd_pairs_filter.c, winograd_pairs_gradient.c; pairs_filter.c, pairs_spread.c, pairs_gradient.c)

enum { APUS_MAXIMUM_SPATIAL_RANK = 3 };

typedef enum apus_convolution_kind : int32_t {
    APUS_CONVOLUTION_FORWARD = 0,          // output from image and kernel
    APUS_CONVOLUTION_IMAGE_GRADIENT = 1,   // image from kernel and output
    APUS_CONVOLUTION_KERNEL_GRADIENT = 2,  // kernel from image and output
} apus_convolution_kind;

/// What computes a convolution. Our own loops: bits are the same with any number of threads. APUS_UNSUPPORTED where the
/// functions below say that they cannot.
typedef enum apus_convolution_method : int32_t {
    APUS_CONVOLUTION_BY_ONEDNN = 0,
    // Winograd's minimal filtering F(4x4, 3x3) or F(2x2, 5x5): a quarter of the multiplications, or 0.36, and larger
    // rounding errors. Not where the engine has rounded factors: those that it transforms are others.
    APUS_CONVOLUTION_BY_WINOGRAD = 1,
    // The image's gradient by products that are spread over it (spread_gradient.h).
    APUS_CONVOLUTION_BY_SPREADING = 2,
    // Both factors rounded to bfloat16, by oneDNN's primitives for such numbers. Where the processor has no bfloat16
    // pairs, or oneDNN nothing but its reference code: APUS_UNSUPPORTED.
    APUS_CONVOLUTION_BY_ONEDNN_PAIRS = 3,
    // The same by our own loops: pairs of a window's neighbours, of filters, or of neighbouring results.
    APUS_CONVOLUTION_BY_PAIRS = 4,
    // Winograd's filtering, whose transformed factors are rounded to bfloat16 and multiplied by pairs. Where the
    // processor has no bfloat16 pairs: APUS_UNSUPPORTED.
    APUS_CONVOLUTION_BY_WINOGRAD_PAIRS = 5,
} apus_convolution_method;

/// image [batch, image..., channels], kernel [kernel..., channels / groups, filters], output [batch, output...,
/// filters]; output = (image + before + after - (kernel - 1) dilation - 1) / stride + 1, rounded down. In one axis:
///
///     output[n, o, f] = activation(bias[f] + sum over k, c of image[n, i, c] kernel[k, c, f])
///
/// with i = o stride + k dilation - before,
///
/// and outside the image there is 0. Each gradient is the transposed linear map: with respect to the image or to the
/// kernel of sum(output upstream), given `upstream` as the output.
typedef struct apus_convolution_description {
    apus_convolution_kind kind;
    int32_t rank;      // spatial axes, 1...APUS_MAXIMUM_SPATIAL_RANK
    int64_t batch;     // may be 0, all others are at least 1
    int64_t channels;  // divisible by groups, as are filters
    int64_t filters;
    int64_t groups;
    int64_t image[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t kernel[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t output[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t strides[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t dilations[APUS_MAXIMUM_SPATIAL_RANK];  // 1: neighbours
    int64_t padding_before[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t padding_after[APUS_MAXIMUM_SPATIAL_RANK];
    apus_convolution_method method;
    bool has_bias;             // forward only, as is the activation
    apus_activation activation;
    float activation_alpha;
    apus_instruction_limit instruction_limit;  // of our own loops but those for pairs
} apus_convolution_description;

/// Whether Winograd's filtering can do the convolution: with kernels of 3 x 3 or 5 x 5 places, strides, dilations and
/// groups of 1, and activations up to tanh.
bool apus_winograd_is_possible(const apus_convolution_description *description);

/// The tiles of a sample: of its results, or of the upstream whose products are spread over the image.
typedef struct apus_winograd_tiling {
    bool is_spread;
    int64_t tile_rows, tile_columns;
    int64_t height, width;  // of what is cut into them
    int64_t tile;           // places of a tile along an axis; the last ones may stand over the edge
} apus_winograd_tiling;

/// How Winograd's filtering, where it is possible, cuts the images of the convolution.
apus_winograd_tiling apus_winograd_tiling_of(const apus_convolution_description *description);

/// Whether the convolution is an image's gradient that can be spread: in two axes, with dilations and groups of 1.
bool apus_spread_gradient_is_possible(const apus_convolution_description *description);

/// Whether our loops for bfloat16 pairs can do the convolution: in two axes, with dilations and groups of 1 and
/// activations up to tanh, on processors with such instructions.
bool apus_pairs_convolution_is_possible(const apus_convolution_description *description);

typedef struct apus_convolution apus_convolution;

/// Prepares a convolution, its arguments, reorders and scratch memory. The engine must outlive it.
apus_status apus_convolution_create(
    apus_engine *engine, const apus_convolution_description *description, apus_convolution **convolution);

/// Of `image`, `kernel` and `output` the one that `kind` computes is ignored: it is written to `result`, which must not
/// overlap the others. `bias` is [filters], ignored without `has_bias`.
apus_status apus_convolution_run(
    apus_convolution *convolution, const float *image, const float *kernel, const float *output, const float *bias,
    float *result);
void apus_convolution_destroy(apus_convolution *convolution);

/// The bytes that the object holds for its runs besides what it is given and the engine's scratch memory.
int64_t apus_convolution_workspace(const apus_convolution *convolution);

/// What computes it, such as "brgconv:avx512_core", "winograd:F(4x4,3x3)", "winograd:F(2x2,5x5)", both with
/// ":spread", ":pairs" or both, "spread" or "pairs", or "none" for an empty one. Lives as long as the object.
const char *apus_convolution_implementation(const apus_convolution *convolution);

// MARK: Pooling (pooling.c)

typedef enum apus_pooling_kind : int32_t {
    APUS_POOLING_MAXIMUM = 0,           // image -> output: the largest; NaN if any is
    APUS_POOLING_SELECTION = 1,         // image and values (as image) -> output: the value where image is largest
    APUS_POOLING_MAXIMUM_GRADIENT = 2,  // image and values (as output) -> image: each value where image is largest
    APUS_POOLING_AVERAGE = 3,           // image -> output: the mean
    APUS_POOLING_AVERAGE_GRADIENT = 4,  // values (as output) -> image: each value in equal parts
} apus_pooling_kind;

/// image [batch, image..., channels], output [batch, output..., channels]. Window o covers the places o stride - before
/// ... + window - 1 that are within the image: padding is not counted. The largest is the first of equals in row-major
/// order, or the first NaN.
typedef struct apus_pooling_description {
    apus_pooling_kind kind;
    int32_t rank;      // spatial axes, 1...APUS_MAXIMUM_SPATIAL_RANK
    int64_t batch;     // may be 0, all others are at least 1
    int64_t channels;
    int64_t image[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t window[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t output[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t strides[APUS_MAXIMUM_SPATIAL_RANK];
    int64_t padding_before[APUS_MAXIMUM_SPATIAL_RANK];  // less than the window
} apus_pooling_description;

typedef struct apus_pooling apus_pooling;
apus_status apus_pooling_create(const apus_pooling_description *description, apus_pooling **pooling);

/// `image` or `values` may be NULL where the kind reads none. `result` must not overlap them, but that the gradient of
/// the largest may be written over the image where windows do not overlap.
apus_status apus_pooling_run(apus_pooling *pooling, const float *image, const float *values, float *result);
void apus_pooling_destroy(apus_pooling *pooling);

// MARK: Element-wise programs (elementwise.c, and elementwise_... for its parts)

/// Masks are 1 for true, 0 for false. A comparison with NaN is false; maximum, minimum and relu return NaN for NaN.
typedef enum apus_operation : int32_t {
    // Of one value, a.
    APUS_IDENTITY = 0,
    APUS_NEGATE = 1,
    APUS_ABSOLUTE = 2,
    APUS_SIGN = 3,  // -1, 0 or 1; NaN for NaN
    APUS_EXP = 4,
    APUS_EXP_MINUS_ONE = 5,
    APUS_LOG = 6,
    APUS_LOG_ONE_PLUS = 7,
    APUS_SQUARE_ROOT = 8,
    APUS_RECIPROCAL_SQUARE_ROOT = 9,
    APUS_RECIPROCAL = 10,
    APUS_SQUARE = 11,
    APUS_SIGMOID = 12,
    APUS_TANH = 13,
    APUS_ERF = 14,
    APUS_SIN = 15,
    APUS_COS = 16,
    APUS_FLOOR = 17,
    APUS_RELU = 18,
    APUS_SOFTPLUS = 19,   // log(1 + exp(a))
    APUS_IS_FINITE = 20,  // mask
    APUS_ROUND_TO_BFLOAT16 = 21,  // ties to even
    // Of two values, a and b.
    APUS_ADD = 32,
    APUS_SUBTRACT = 33,
    APUS_MULTIPLY = 34,
    APUS_DIVIDE = 35,
    APUS_MAXIMUM = 36,
    APUS_MINIMUM = 37,
    APUS_POWER = 38,             // as C's powf
    APUS_GREATER = 39,           // mask a > b
    APUS_GREATER_OR_EQUAL = 40,  // mask a >= b
    APUS_EQUAL = 41,             // mask a == b
    // Of three values, a, b and c.
    APUS_SELECT = 64,        // a != 0 ? b : c (NaN counts as true)
    APUS_MULTIPLY_ADD = 65,  // a b + c, rounded once where the processor can. Pairs are fused into it at creation.
} apus_operation;

enum {
    APUS_MAXIMUM_INPUTS = 64,
    APUS_MAXIMUM_CONSTANTS = 64,
    APUS_MAXIMUM_OUTPUTS = 32,
    APUS_MAXIMUM_INSTRUCTIONS = 256
};

/// One step. Operands are numbers of values: first the inputs, then the constants, then the instructions' results,
/// so instruction i is value `input_count + constant_count + i` and may name any value before it.
typedef struct apus_instruction {
    apus_operation operation;
    int32_t a, b, c;  // those beyond the operation's operands are ignored
} apus_instruction;

/// An array read over the domain: element (i0, i1, ...) is at i0 strides[0] + i1 strides[1] + ...; 0 broadcasts.
/// int32 and uint8 become float32 on reading.
typedef struct apus_program_input {
    apus_element_type type;
    int64_t strides[APUS_MAXIMUM_RANK];
    // Instead a number for each window, float32: read where the windows' image is largest, and as 0 elsewhere.
    bool is_spread;
} apus_program_input;

/// What of a value is written: all of it, or a number for each window, float32.
typedef enum apus_program_pooling : int32_t {
    APUS_WRITE_ALL = 0,
    APUS_WRITE_LARGEST = 1,   // the largest of each window
    APUS_WRITE_SELECTED = 2,  // of each window that where the windows' image is largest
} apus_program_pooling;

/// A value written, packed over the domain, as float32, or as int32 (towards zero, saturated; NaN becomes 0).
typedef struct apus_program_output {
    int32_t value;
    apus_element_type type;
    apus_program_pooling pooling;
} apus_program_output;

/// Windows that tile a program's domain, which is seen as [.., columns, channels]: each covers `height` by `width`
/// places and one channel. A band of `height` times `columns` times `channels` elements is a multiple of 64 and divides
/// the domain's count; there are 16 channels at least, and 64 places at most. The largest of a window is the first of
/// equals in row-major order, or the first NaN.
typedef struct apus_program_windows {
    int64_t height, width, columns, channels;  // 0: there are none
    // For spread inputs and selected outputs: an instruction's result that needs no spread input, or, where no output
    // is selected, an input packed over the domain.
    int32_t image;
} apus_program_windows;

/// The sum of a value over all positions that are equal modulo `columns`, as float32: with columns = the length of the
/// domain's last axis the sum down each column, with 1 the sum of everything. `columns` divides the domain's count.
typedef struct apus_program_sum {
    int32_t value;
    int64_t columns;
} apus_program_sum;

/// How a program is carried out. All forms give the same bits where the processor has fused multiply-add, but for the
/// kind of a NaN.
typedef enum apus_program_form : int32_t {
    APUS_FORM_BEST = 0,         // machine code where processor, system and operations allow it
    APUS_FORM_INTERPRETED = 1,  // whatever else cannot be
    APUS_FORM_AVX2 = 2,
    APUS_FORM_AVX512 = 3,
} apus_program_form;

/// A group of element-wise operations done in one pass over memory. The arrays are copied at creation.
typedef struct apus_program_description {
    int32_t rank;  // 0...APUS_MAXIMUM_RANK; rank 0 is one element
    int64_t dimensions[APUS_MAXIMUM_RANK];
    int32_t input_count;
    const apus_program_input *inputs;
    int32_t constant_count;
    const float *constants;
    int32_t instruction_count;
    const apus_instruction *instructions;
    int32_t output_count;
    const apus_program_output *outputs;
    int32_t sum_count;  // APUS_MAXIMUM_OUTPUTS together with the outputs
    const apus_program_sum *sums;
    apus_program_windows windows;
    apus_program_form form;
} apus_program_description;

typedef struct apus_program apus_program;
apus_status apus_program_create(const apus_program_description *description, apus_program **program);

/// `outputs` are those of the description, then the sums. An output of a whole value may be the very array of an input
/// that is read at the same index (float32, packed over the domain); any other overlap of an output with an input or
/// another output is an error that is not noticed. Sums are added in fixed blocks, in double from one short run to the
/// next.
apus_status apus_program_run(apus_program *program, const void *const *inputs, void *const *outputs);
void apus_program_destroy(apus_program *program);

/// The bytes that the object holds for its runs besides what it is given.
int64_t apus_program_workspace(const apus_program *program);

/// The number of instructions after fusing and removing what no output needs; for tests and listings.
int32_t apus_program_instruction_count(const apus_program *program);

/// The form it got, never APUS_FORM_BEST.
apus_program_form apus_program_form_of(const apus_program *program);

// MARK: Reductions (reduction.c)

typedef enum apus_reduction_kind : int32_t {
    APUS_REDUCE_SUM = 0,      // of nothing: 0
    APUS_REDUCE_MAXIMUM = 1,  // NaN if any is; of nothing: -infinity
    APUS_REDUCE_MINIMUM = 2,  // NaN if any is; of nothing: infinity
    APUS_REDUCE_ARGMAX = 3,   // int32 index of the first largest (the first NaN, if any is); of nothing: an error
} apus_reduction_kind;

/// input [outer, reduced, inner] -> output [outer, inner], float32 (argmax: int32). Sums are added in fixed blocks.
typedef struct apus_reduction apus_reduction;
apus_status apus_reduction_create(
    apus_reduction_kind kind, int64_t outer, int64_t reduced, int64_t inner, apus_reduction **reduction);
apus_status apus_reduction_run(apus_reduction *reduction, const float *input, void *output);
void apus_reduction_destroy(apus_reduction *reduction);

/// The bytes that the object holds for its runs besides what it is given.
int64_t apus_reduction_workspace(const apus_reduction *reduction);

// MARK: Softmax over the last axis (softmax.c)

/// output[r, j] = exp(input[r, j] - max input[r]) / sum; input and output [rows, columns], may be the same array.
void apus_softmax(const float *input, float *output, int64_t rows, int64_t columns);

/// output[r, j] = input[r, j] - logsumexp(input[r]); input and output [rows, columns], may be the same array.
void apus_log_softmax(const float *input, float *output, int64_t rows, int64_t columns);

/// loss[r] = sum over j of targets[r, j] (logsumexp(logits[r]) - logits[r, j]); logits, targets [rows, columns].
void apus_softmax_cross_entropy(
    const float *logits, const float *targets, float *loss, int64_t rows, int64_t columns);

// MARK: Movement (movement.c)

/// destination(i0, i1, ...) = source(i0, i1, ...) over `dimensions`, each side with its own strides in elements
/// (source: 0 broadcasts, negative runs backwards). Transposes, slices, parts of a concatenation, padding's inside.
typedef struct apus_copy_description {
    int32_t rank;          // 0...APUS_MAXIMUM_RANK
    int32_t element_size;  // bytes: 1, 4 or 8
    int64_t dimensions[APUS_MAXIMUM_RANK];
    int64_t source_strides[APUS_MAXIMUM_RANK];
    int64_t destination_strides[APUS_MAXIMUM_RANK];
} apus_copy_description;

typedef struct apus_copy apus_copy;
apus_status apus_copy_create(const apus_copy_description *description, apus_copy **copy);

/// The pointers are to the elements of index 0; the arrays must not overlap.
apus_status apus_copy_run(apus_copy *copy, const void *source, void *destination);
void apus_copy_destroy(apus_copy *copy);

/// Writes the `element_size` bytes (1, 4 or 8) at `value` `count` times.
apus_status apus_fill(void *destination, int64_t count, const void *value, int32_t element_size);

// MARK: Indexing (indexing.c)

/// output[i, indices[i]] = 1, else 0; indices [count], output [count, depth]. Outside 0..<depth: a row of zeros.
void apus_one_hot(const int32_t *indices, float *output, int64_t count, int64_t depth);

/// output[i] = table[indices[i]]; table [length, width], indices [count], output [count, width].
/// APUS_INDEX_OUT_OF_RANGE leaves the output as it was.
apus_status apus_gather_rows(
    const float *table, const int32_t *indices, float *output, int64_t count, int64_t length, int64_t width);

/// table[indices[i]] += input[i], in the order of i; shapes as above with input [count, width].
/// APUS_INDEX_OUT_OF_RANGE leaves the table as it was.
apus_status apus_scatter_add_rows(
    const float *input, const int32_t *indices, float *table, int64_t count, int64_t length, int64_t width);

// MARK: Recurrences (recurrence.c, recurrence_gradient.c)

typedef enum apus_cell : int32_t { APUS_CELL_SIMPLE = 0, APUS_CELL_GRU = 1, APUS_CELL_LSTM = 2 } apus_cell;

typedef enum apus_cell_activation : int32_t {
    APUS_CELL_LINEAR = 0,
    APUS_CELL_RELU = 1,
    APUS_CELL_SIGMOID = 2,
    APUS_CELL_TANH = 3,
    APUS_CELL_HARD_SIGMOID = 4,  // slope x + 0.5, held within 0 and 1
} apus_cell_activation;

/// One cell over all steps of each row of the batch. With x the projected input, p the product of the hidden state h
/// and the recurrent kernel, one block each for every gate, f the activation and s the gates' activation:
///
///     simple:  h' = f(x + p)
///     GRU:     z = s(x0 + p0), r = s(x1 + p1), n = f(x2 + r p2), h' = z h + (1 - z) n
///     LSTM:    i = s(x0 + p0), j = s(x1 + p1), g = f(x2 + p2), o = s(x3 + p3), c' = j c + i g, h' = o f(c')
typedef struct apus_recurrence_description {
    apus_cell cell;
    int64_t batch, steps, units;  // the batch may be 0, the others are at least 1
    int64_t features;             // of the inputs; 0 where they come projected
    apus_cell_activation activation, gate_activation;
    float slope, gate_slope;  // of hard sigmoids
    bool is_reversed;         // the last step is taken first; arrays keep their order
    // What enters the products is rounded to bfloat16: h, and on the way back the gradients with respect to x and to p.
    // The kernel is given rounded.
    bool rounds_factors;
    // These products are taken by AVX-512's dot products of bfloat16 pairs: the same, added up in another order. It
    // takes rounded factors, and a processor that has them.
    bool multiplies_pairs;
    // Gates and an LSTM's previous cells, which the way back reads, lie in the order of the walk, so that memory is
    // walked without jumps: for each step in time, each sixteen units (the last are fewer), each row and each block,
    // the units. They overlap nothing then. Else they are as the arrays say.
    bool keeps_by_step;
} apus_recurrence_description;

enum { APUS_RECURRENCE_SUMS = 4 };

/// A sum over all rows and steps that the walk back takes as it goes, in place of a product afterwards:
///
///     result[i, j] = sum over n, t of factors[n, t, i] slopes[n, t, j]
///
/// with slopes the gradient with respect to x, or to p.
typedef struct apus_recurrence_sum {
    int64_t width;     // of the factors [batch, T, width]; 0: a single row of factors 1
    bool is_of_products;
} apus_recurrence_sum;

/// With U units, T steps and G gates (1, 3, 4). Inputs may be NULL from recurrent_bias on, results wherever nobody
/// wants them; no result overlaps an input, but for gates, which may be the projected array of a simple cell or an
/// LSTM.
typedef struct apus_recurrence_arrays {
    const float *projected;       // [batch, T, G U]: x; NULL where the next three give it
    const float *inputs;          // [batch, T, features]
    const float *input_kernel;    // [features, G U]
    const float *bias;            // [G U], may be NULL
    const float *kernel;          // [U, G U]
    const float *recurrent_bias;  // [G U], GRU only: added to the product
    const float *initial_hidden;  // [batch, U]; NULL: 0
    const float *initial_cells;   // [batch, U]; NULL: 0
    const float *mask;            // [batch, T]; where it is 0 the states stay as they are
    float *hidden;                // [batch, T, U], after each step
    float *last_hidden;           // [batch, U]
    float *previous_hidden;       // [batch, T, U], before each step
    float *previous_factors;      // [batch, T, U], the same as it enters the product
    float *last_cells;            // [batch, U], LSTM only, as is the next
    float *previous_cells;        // [batch, T, U], or by step
    float *gates;                 // [batch, T, (1, 4, 4) U], or by step; activated; a GRU's fourth block is p2
} apus_recurrence_arrays;

typedef struct apus_recurrence apus_recurrence;
apus_status apus_recurrence_create(const apus_recurrence_description *description, apus_recurrence **recurrence);
void apus_recurrence_run(apus_recurrence *recurrence, const apus_recurrence_arrays *arrays);
void apus_recurrence_destroy(apus_recurrence *recurrence);

/// The bytes that the object holds for its runs besides what it is given.
int64_t apus_recurrence_workspace(const apus_recurrence *recurrence);

/// The gradient of sum(hidden u) + sum(last_hidden v) + sum(last_cells w), of which some may be NULL. Results may be
/// NULL; none overlaps an input, but for projected, which may be the gates of a simple cell or an LSTM.
typedef struct apus_recurrence_gradient_arrays {
    const float *gates;        // as the recurrence gave them, as are the next
    const float *previous;     // previous_hidden of a GRU, previous_cells of an LSTM
    const float *kernel;       // [U, G U]
    const float *mask;         // [batch, T]; may be NULL
    const float *hidden;       // u [batch, T, U]
    const float *last_hidden;  // v [batch, U]
    const float *last_cells;   // w [batch, U]
    float *projected;          // [batch, T, G U]: with respect to x
    float *products;           // [batch, T, G U]: with respect to p
    float *initial_hidden;     // [batch, U]
    float *initial_cells;      // [batch, U]
    const float *factors[APUS_RECURRENCE_SUMS];
    float *sums[APUS_RECURRENCE_SUMS];  // [width, G U], or [1, G U]
} apus_recurrence_gradient_arrays;

/// Sets factors and result of sum `index`: C's arrays in structs are tuples to Swift.
static inline void apus_recurrence_set_sum(
    apus_recurrence_gradient_arrays *arrays, int32_t index, const float *factors, float *sum) {
    arrays->factors[index] = factors;
    arrays->sums[index] = sum;
}

typedef struct apus_recurrence_gradient apus_recurrence_gradient;
apus_status apus_recurrence_gradient_create(
    const apus_recurrence_description *description, const apus_recurrence_sum *sums, int32_t sum_count,
    apus_recurrence_gradient **gradient);
void apus_recurrence_gradient_run(apus_recurrence_gradient *gradient, const apus_recurrence_gradient_arrays *arrays);
void apus_recurrence_gradient_destroy(apus_recurrence_gradient *gradient);
int64_t apus_recurrence_gradient_workspace(const apus_recurrence_gradient *gradient);

// MARK: Random numbers (random.c), bit-equal to ApusCore's Philox

typedef struct apus_philox {
    uint64_t seed;
    uint64_t step;
    uint32_t stream;
} apus_philox;

/// output[i] = the generator's number `first + i`, i in 0..<count, first >= 0: uniform on [0, 1).
void apus_random_uniform(const apus_philox *philox, int64_t first, int64_t count, float *output);

/// Likewise, standard normal.
void apus_random_normal(const apus_philox *philox, int64_t first, int64_t count, float *output);

/// Likewise, 1 with `probability`, else 0.
void apus_random_bernoulli(
    const apus_philox *philox, int64_t first, int64_t count, float probability, float *output);

// MARK: What the processor reaches (peaks.c)

/// Multiplications with additions, from registers or from the first cache: what no kernel exceeds.
typedef enum apus_arithmetic : int32_t {
    APUS_ARITHMETIC_FLOAT32 = 0,         // multiply-add of vectors
    APUS_ARITHMETIC_BFLOAT16_DOTS = 1,   // AVX-512's dot products of pairs, float32 sums
    APUS_ARITHMETIC_BFLOAT16_TILES = 2,  // AMX's products of tiles, float32 sums
} apus_arithmetic;

/// Measures for some milliseconds the operations a second (a multiplication and an addition are two) that all threads
/// reach together; 0 where the processor has no such instructions or may not use them.
double apus_measure_arithmetic(apus_arithmetic kind);

/// Measures for some milliseconds the bytes a second of passes over memory: two arrays are read and a third is written,
/// by all threads together. `byte_count` is that of the three, at least 3 KiB; 0 where there is no memory for them.
double apus_measure_memory(int64_t byte_count);

#ifdef __cplusplus
}
#endif
#endif
