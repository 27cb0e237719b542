#!/usr/bin/env python3
"""Writes what PyTorch gives for the layers of LayerAgreementRows.swift: pytorch-VERSION.safetensors beside this file.

Each row is a function that draws inputs and weights in Apus' own layout (channels last; kernels as in Keras), and says
what the output is in PyTorch's words. For the loss `sum(output * cotangent)` with a random cotangent, the file holds
under the row's name:

    ROW/input/0, ROW/input/1 ...          what goes in; whole numbers are written as float32 too
    ROW/weight/kernel ...                 the variables, by their names within the layer
    ROW/cotangent, ROW/output
    ROW/gradient/input/0, ROW/gradient/weight/kernel ...
    ROW/updated/movingMean ...            what a step of training leaves in variables that it moves

All is drawn as float32 and computed in float64. A new row is a function under @row here and a line there.

Usage: make-layer-agreement.py [ROW ...]  (all rows are written; those named are printed too)
"""

import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[2] / "Benchmarks"))
from modules import safetensors  # noqa: E402

ROWS = {}


def row(name):
    def add(function):
        assert name not in ROWS, name
        ROWS[name] = function
        return function
    return add


class Draw:
    """The random numbers of one row, and what it drew."""

    def __init__(self, name):
        self.random = np.random.default_rng(list(name.encode()))
        self.inputs, self.weights, self.updated = [], {}, {}

    def numbers(self, shape, low=-1.0, high=1.0):
        return torch.tensor(self.random.uniform(low, high, shape).astype(np.float32).astype(np.float64))

    def input(self, *shape, low=-1.0, high=1.0):
        self.inputs.append(self.numbers(shape, low, high).requires_grad_())
        return self.inputs[-1]

    def indices(self, *shape, count):
        self.inputs.append(torch.tensor(self.random.integers(0, count, shape)))
        return self.inputs[-1]

    def mask(self, *shape):
        """Zeros and ones, without a gradient."""
        self.inputs.append(torch.tensor(self.random.integers(0, 2, shape).astype(np.float64)))
        return self.inputs[-1]

    def weight(self, name, *shape, low=-0.5, high=0.5):
        self.weights[name] = self.numbers(shape, low, high).requires_grad_()
        return self.weights[name]


    def constant(self, name, *shape, low=0.5, high=1.5):
        """A variable that is not trained: no gradient."""
        self.weights[name] = self.numbers(shape, low, high)
        return self.weights[name]


# MARK: Layouts

def first(x):
    """Channels after the batch, as PyTorch has them."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def kernel_first(kernel):
    """[size..., in, out] as [out, in, size...]."""
    return kernel.movedim(-1, 0).movedim(-1, 1)


def same(sizes, window, strides, dilations):
    """The padding that makes outputs ceil(size / stride) long, as F.pad wants it: the last axis first."""
    padding = []
    for size, places, stride, dilation in zip(sizes, window, strides, dilations):
        reach = (math.ceil(size / stride) - 1) * stride + (places - 1) * dilation + 1
        total = max(reach - size, 0)
        padding = [total // 2, total - total // 2] + padding
    return padding


CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def average_pool(x, window, strides):
    """The mean by sums: PyTorch's own takes no uneven padding."""
    pools = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
    return pools[len(window)](x, window, strides)


# MARK: Convolutions

def convolution(name, image, size, filters, strides=1, padding=None, dilations=1, groups=1, bias=True,
                activation=lambda x: x):
    """A row of a convolution layer; `padding` is None, "same" or F.pad's list."""
    rank = len(size)
    strides = [strides] * rank if isinstance(strides, int) else strides
    dilations = [dilations] * rank if isinstance(dilations, int) else dilations

    @row(name)
    def _(draw):
        x = draw.input(*image)
        kernel = draw.weight("kernel", *size, image[-1] // groups, filters)
        offset = draw.weight("bias", filters) if bias else None
        around = same(image[1:-1], size, strides, dilations) if padding == "same" else padding or [0, 0] * rank
        result = CONVOLUTIONS[rank](
            F.pad(first(x), around), kernel_first(kernel), offset, strides, 0, dilations, groups)
        return activation(last(result))


convolution("conv1D", (2, 9, 3), (4,), 5)
convolution("conv1D strided same", (2, 9, 3), (4,), 5, strides=2, padding="same", activation=torch.tanh)
convolution("conv1D dilated causal", (2, 9, 3), (3,), 4, padding=[4, 0], dilations=2)
convolution("conv2D", (2, 7, 6, 3), (3, 3), 4, activation=torch.sigmoid)
convolution("conv2D same", (2, 7, 6, 3), (3, 2), 17, padding="same")
convolution("conv2D strided same", (2, 7, 8, 3), (3, 3), 4, strides=[2, 3], padding="same")
convolution("conv2D grouped", (2, 6, 6, 6), (3, 3), 9, groups=3, bias=False)
convolution("conv2D explicit", (1, 6, 5, 2), (3, 3), 3, strides=2, padding=[1, 0, 0, 2])
convolution("conv2D dilated", (1, 8, 9, 2), (3, 2), 3, dilations=[2, 3])
convolution("conv2D 1x1", (2, 5, 5, 8), (1, 1), 10)
convolution("conv3D", (2, 4, 5, 4, 2), (2, 3, 2), 3)
convolution("conv3D strided same", (1, 5, 4, 6, 2), (3, 2, 3), 3, strides=2, padding="same")


def depthwise(x, kernel, strides, padding, dilations):
    rank = kernel.dim() - 2
    channels, multiplier = kernel.shape[-2:]
    grouped = kernel.reshape(*kernel.shape[:-2], 1, channels * multiplier)
    around = same(x.shape[1:-1], kernel.shape[:-2], strides, dilations) if padding == "same" else [0, 0] * rank
    return last(CONVOLUTIONS[rank](
        F.pad(first(x), around), kernel_first(grouped), None, strides, 0, dilations, channels))


@row("depthwiseConv1D")
def _(draw):
    x = draw.input(2, 9, 3)
    return depthwise(x, draw.weight("kernel", 3, 3, 2), [2], None, [1]) + draw.weight("bias", 6)


@row("depthwiseConv2D same")
def _(draw):
    x = draw.input(2, 6, 7, 4)
    y = depthwise(x, draw.weight("kernel", 3, 3, 4, 2), [1, 1], "same", [1, 1]) + draw.weight("bias", 8)
    return torch.relu(y)


@row("depthwiseConv2D dilated")
def _(draw):
    x = draw.input(2, 6, 7, 4)
    return depthwise(x, draw.weight("kernel", 2, 3, 4, 1), [1, 1], None, [2, 2])


@row("separableConv1D")
def _(draw):
    x = draw.input(2, 9, 3)
    y = depthwise(x, draw.weight("depthwiseKernel", 3, 3, 1), [1], None, [1])
    return y @ draw.weight("pointwiseKernel", 1, 3, 5)[0] + draw.weight("bias", 5)


@row("separableConv2D strided same")
def _(draw):
    x = draw.input(2, 7, 6, 3)
    y = depthwise(x, draw.weight("depthwiseKernel", 3, 3, 3, 2), [2, 2], "same", [1, 1])
    return torch.tanh(y @ draw.weight("pointwiseKernel", 1, 1, 6, 4)[0, 0] + draw.weight("bias", 4))


def transposed(name, image, size, filters, strides=1, is_same=False, added=None, dilations=1, bias=True):
    rank = len(size)

    @row(name)
    def _(draw):
        x = draw.input(*image)
        kernel = draw.weight("kernel", *size, filters, image[-1])
        offset = draw.weight("bias", filters) if bias else None
        y = TRANSPOSED[rank](first(x), kernel_first(kernel.movedim(-1, -2)).movedim(0, 1), None, strides, 0, 0, 1,
                             dilations)
        for axis in range(rank):
            extent = (size[axis] - 1) * dilations + 1
            full = (image[1 + axis] - 1) * strides + extent
            if not is_same:
                out, before = full + (max(strides - extent, 0) if added is None else added), 0
            else:
                out = image[1 + axis] * strides if added is None else full - extent + extent % 2 + added
                # The convolution of an image of `out` places that is transposed pads it so.
                before = max(full - out, 0) // 2
            y = F.pad(y, [0, 0] * (rank - 1 - axis) + [0, max(out + before - full, 0)])
            y = y.narrow(2 + axis, before, out)
        y = last(y)
        return y if offset is None else y + offset


transposed("conv1DTranspose", (2, 5, 3), (4,), 2, strides=3)
transposed("conv2DTranspose", (2, 4, 5, 3), (3, 3), 4)
transposed("conv2DTranspose strided", (2, 4, 5, 3), (3, 2), 4, strides=2)
transposed("conv2DTranspose strided same", (2, 4, 5, 3), (3, 3), 4, strides=2, is_same=True)
transposed("conv2DTranspose wide strides", (1, 3, 4, 2), (2, 2), 3, strides=3, bias=False)
transposed("conv2DTranspose output padding", (1, 4, 3, 2), (4, 4), 3, strides=2, is_same=True, added=1)
transposed("conv2DTranspose dilated", (1, 4, 3, 2), (3, 3), 3, dilations=2)
transposed("conv3DTranspose", (1, 3, 2, 3, 2), (3, 2, 3), 2, strides=2, is_same=True)


# MARK: Pooling

def pooling(name, image, window, strides=None, is_same=False):
    rank, strides = len(window), strides or window

    def around(x):
        return same(image[1:-1], window, strides, [1] * rank) if is_same else [0, 0] * rank

    @row(f"maxPool{name}")
    def _(draw):
        x = first(draw.input(*image))
        return last(MAX_POOLS[rank](F.pad(x, around(x), value=-math.inf), window, strides))

    @row(f"averagePool{name}")
    def _(draw):
        x = first(draw.input(*image))
        # Padding is not counted.
        share = average_pool(F.pad(torch.ones_like(x), around(x)), window, strides)
        return last(average_pool(F.pad(x, around(x)), window, strides) / share)


pooling("1D", (2, 9, 3), [2])
pooling("1D same", (2, 9, 3), [4], [3], is_same=True)
pooling("2D", (2, 6, 7, 3), [2, 2])
pooling("2D overlapping", (2, 6, 7, 3), [3, 2], [2, 1])
pooling("2D same", (2, 7, 6, 17), [3, 3], [2, 2], is_same=True)
pooling("3D", (2, 4, 5, 4, 2), [2, 2, 2])
pooling("3D same", (1, 5, 4, 3, 2), [2, 3, 2], is_same=True)

for rank, sizes in [(1, (7,)), (2, (4, 5)), (3, (3, 4, 2))]:
    axes = tuple(range(1, rank + 1))

    @row(f"globalAveragePool{rank}D")
    def _(draw, sizes=sizes, axes=axes):
        return draw.input(2, *sizes, 3).mean(axes)

    @row(f"globalMaxPool{rank}D")
    def _(draw, sizes=sizes, axes=axes):
        return draw.input(2, *sizes, 3).amax(axes)


# MARK: Sizes of images

@row("upSampling1D")
def _(draw):
    return last(F.interpolate(first(draw.input(2, 5, 3)), scale_factor=3, mode="nearest"))


@row("upSampling2D")
def _(draw):
    return last(F.interpolate(first(draw.input(2, 3, 4, 3)), scale_factor=(2, 3), mode="nearest"))


@row("upSampling2D bilinear")
def _(draw):
    x = first(draw.input(2, 3, 4, 3))
    return last(F.interpolate(x, scale_factor=(2, 3), mode="bilinear", align_corners=False))


@row("upSampling2D bilinear of one row")
def _(draw):
    x = first(draw.input(1, 1, 4, 2))
    return last(F.interpolate(x, scale_factor=(4, 2), mode="bilinear", align_corners=False))


@row("upSampling3D")
def _(draw):
    return last(F.interpolate(first(draw.input(1, 2, 3, 2, 2)), scale_factor=2, mode="nearest"))


@row("zeroPadding1D")
def _(draw):
    return F.pad(draw.input(2, 4, 3), [0, 0, 2, 2])


@row("zeroPadding2D")
def _(draw):
    return F.pad(draw.input(2, 3, 4, 2), [0, 0, 2, 3, 1, 0])


@row("zeroPadding3D")
def _(draw):
    return F.pad(draw.input(1, 2, 3, 2, 2), [0, 0, 1, 1, 1, 1, 1, 1])


@row("cropping1D")
def _(draw):
    return draw.input(2, 6, 3)[:, 1:-1]


@row("cropping2D")
def _(draw):
    return draw.input(2, 5, 6, 2)[:, 1:, 1:-2]


@row("cropping3D")
def _(draw):
    return draw.input(1, 4, 5, 4, 2)[:, 1:-1, 1:-1, 1:-1]


# MARK: Normalization

@row("layerNormalization")
def _(draw):
    x = draw.input(3, 4, 6, low=0, high=3)
    return F.layer_norm(
        x, (6,), draw.weight("gamma", 6, low=0.5, high=2), draw.weight("beta", 6), eps=float(np.float32(0.001)))


@row("layerNormalization of several axes")
def _(draw):
    x = draw.input(3, 4, 6)
    return F.layer_norm(
        x, (4, 6), draw.weight("gamma", 4, 6, low=0.5, high=2), draw.weight("beta", 4, 6),
        eps=float(np.float32(1e-5)))


@row("groupNormalization")
def _(draw):
    x = draw.input(3, 4, 5, 6)
    gamma, beta = draw.weight("gamma", 6, low=0.5, high=2), draw.weight("beta", 6)
    return last(F.group_norm(first(x), 3, gamma, beta, eps=float(np.float32(0.001))))


@row("groupNormalization of each channel")
def _(draw):
    x = draw.input(2, 7, 4)
    return last(F.instance_norm(first(x), eps=float(np.float32(0.001))))


@row("rmsNormalization")
def _(draw):
    x = draw.input(3, 4, 6)
    return F.rms_norm(x, (6,), draw.weight("scale", 6, low=0.5, high=2), eps=float(np.float32(1e-6)))


@row("batchNormalization in training")
def _(draw):
    x = draw.input(4, 3, 2, 5, low=0, high=3)
    gamma, beta = draw.weight("gamma", 5, low=0.5, high=2), draw.weight("beta", 5)
    mean, variance = draw.constant("movingMean", 5), draw.constant("movingVariance", 5)
    moved, spread = mean.clone(), variance.clone()
    y = F.batch_norm(first(x), moved, spread, gamma, beta, True, momentum=0.01, eps=float(np.float32(0.001)))
    # PyTorch moves towards the sum of squares over n - 1, Keras and Apus towards that over n.
    count = x.numel() // 5
    spread = 0.99 * variance + (spread - 0.99 * variance) * (count - 1) / count
    draw.updated = {"movingMean": moved, "movingVariance": spread}
    return last(y)


@row("batchNormalization")
def _(draw):
    x = draw.input(4, 3, 2, 5, low=0, high=3)
    gamma, beta = draw.weight("gamma", 5, low=0.5, high=2), draw.weight("beta", 5)
    mean, variance = draw.constant("movingMean", 5), draw.constant("movingVariance", 5)
    return last(F.batch_norm(first(x), mean, variance, gamma, beta, False, eps=float(np.float32(0.001))))


# MARK: Sequences

@row("embedding")
def _(draw):
    tokens = draw.indices(3, 7, count=11)
    return F.embedding(tokens, draw.weight("embeddings", 11, 5))


def attention(name, queries, keys, features, heads, key_size, value_size, output_size, bias=True, causal=False,
              mask=None, is_self=False):
    """`features` are those of query, value and key."""
    @row(name)
    def _(draw):
        batch = 2
        query = draw.input(batch, queries, features[0])
        value = query if is_self else draw.input(batch, keys, features[1])
        key = value if is_self or features[2] is None else draw.input(batch, keys, features[2])
        shown = None
        if mask:
            if features[2] is None and not is_self:
                draw.inputs.append(key)
            shown = draw.mask(*mask) != 0
            shown = shown[:, None]
        if causal:
            below = torch.ones(queries, keys, dtype=torch.bool).tril()
            shown = below if shown is None else shown & below

        def project(x, role, size):
            y = torch.einsum("bti,ihk->bhtk", x, draw.weight(f"{role}/kernel", x.shape[-1], heads, size))
            return y + draw.weight(f"{role}/bias", heads, size)[:, None] if bias else y
        q, k = project(query, "query", key_size), project(key, "key", key_size)
        v = project(value, "value", value_size)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=shown)
        if shown is not None:
            # Where nothing is shown PyTorch may give NaN, and the layer gives 0.
            y = torch.where(shown.any(-1, keepdim=True), y, torch.zeros_like(y))
        y = torch.einsum("bhtv,hvo->bto", y, draw.weight("output/kernel", heads, value_size, output_size))
        return y + draw.weight("output/bias", output_size) if bias else y


attention("multiHeadAttention", 5, 7, (6, 4, None), 3, 4, 4, 6)
attention("multiHeadAttention of itself, causal", 6, 6, (8, 8, None), 2, 4, 4, 8, causal=True, is_self=True)
attention("multiHeadAttention of sizes", 5, 7, (6, 4, 3), 2, 4, 3, 5, bias=False)
attention("multiHeadAttention masked", 5, 7, (6, 4, 3), 2, 4, 4, 6, mask=(2, 5, 7))
attention("multiHeadAttention masked keys, causal", 5, 5, (6, 4, 3), 2, 4, 4, 6, mask=(2, 1, 5), causal=True)


@row("repeatVector")
def _(draw):
    return draw.input(3, 4)[:, None].expand(3, 5, 4)


@row("permute")
def _(draw):
    return draw.input(2, 3, 4, 5).permute(0, 3, 1, 2)


# MARK: Units and merging

@row("dense")
def _(draw):
    x = draw.input(3, 4, 6)
    return torch.sigmoid(F.linear(x, draw.weight("kernel", 6, 5).T, draw.weight("bias", 5)))


@row("prelu")
def _(draw):
    x, alpha = draw.input(3, 4, 5), draw.weight("alpha", 4, 5)
    return torch.where(x > 0, x, alpha * x)


@row("prelu shared")
def _(draw):
    x, alpha = draw.input(2, 4, 5, 3), draw.weight("alpha", 1, 1, 3)
    return last(F.prelu(first(x), alpha.reshape(3)))


@row("subtract")
def _(draw):
    return draw.input(3, 4) - draw.input(3, 4)


@row("multiply")
def _(draw):
    return draw.input(3, 4) * draw.input(3, 4) * draw.input(3, 4)


@row("average")
def _(draw):
    return torch.stack([draw.input(3, 4) for _ in range(3)]).mean(0)


@row("maximum")
def _(draw):
    return torch.stack([draw.input(3, 4) for _ in range(3)]).amax(0)


@row("minimum")
def _(draw):
    return torch.stack([draw.input(3, 4) for _ in range(3)]).amin(0)


@row("dot")
def _(draw):
    return torch.einsum("bik,bkj->bij", draw.input(2, 3, 4), draw.input(2, 4, 5))


@row("dot normalized")
def _(draw):
    return F.cosine_similarity(draw.input(3, 4), draw.input(3, 4))[:, None]


# MARK: The file

def tensors(name):
    draw = Draw(name)
    output = ROWS[name](draw)
    cotangent = draw.numbers(output.shape)
    (output * cotangent).sum().backward()
    result = {}
    for index, value in enumerate(draw.inputs):
        result[f"input/{index}"] = value
        if value.grad is not None:
            result[f"gradient/input/{index}"] = value.grad
    for weight, value in draw.weights.items():
        result[f"weight/{weight}"] = value
        if value.grad is not None:
            result[f"gradient/weight/{weight}"] = value.grad
    result |= {f"updated/{weight}": value for weight, value in draw.updated.items()}
    result |= {"cotangent": cotangent, "output": output}
    return {f"{name}/{key}": value.detach().numpy().astype(np.float32) for key, value in result.items()}


def main():
    result = {}
    for name in ROWS:
        found = tensors(name)
        if name in sys.argv[1:]:
            for key, value in found.items():
                print(key, value.shape, value, sep="\n")
        result |= found
    path = here / f"pytorch-{torch.__version__.split('+')[0]}.safetensors"
    safetensors.write(path, result)
    print(f"{path.name}: {len(ROWS)} rows, {len(result)} tensors, {path.stat().st_size:,} bytes")


main()
