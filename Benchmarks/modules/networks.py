"""The experiments written a second time, in PyTorch: weights by Apus' names, the loss of a batch, the optimizer."""

import dataclasses
import math
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F


@dataclasses.dataclass
class Network:
    """An experiment: how its weights are drawn, its loss, and the update of its weights."""

    # Shapes by name, as in Apus' weight files; a kernel is [inputs, outputs].
    shapes: dict[str, tuple[int, ...]]
    # The limit of uniform first kernels, by name: the same for all, or Glorot's or He's.
    kernel_limit: Callable[[str, tuple[int, int]], float]
    # The mean loss of a batch from `Weights`, images [n, 784], one-hot labels [n, 10] and normal numbers [n, 2].
    loss: Callable
    optimizer: Callable
    uses_noise: bool = False

    def draw(self, seed):
        """First weights: uniform kernels, and biases that are small but not zero, so that their places count."""
        random = np.random.default_rng(seed)
        return {
            name: random.uniform(-limit, limit, shape).astype(np.float32)
            for name, shape in self.shapes.items()
            for limit in [self.kernel_limit(name, shape) if len(shape) == 2 else 0.01]
        }


class RoundedProduct(torch.autograd.Function):
    """x @ w with factors rounded to bfloat16, forward and backward; sums are as exact as the arrays' type."""

    @staticmethod
    def forward(context, x, w):
        x, w = rounded(x), rounded(w)
        context.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(context, gradient):
        (x, w), gradient = context.saved_tensors, rounded(gradient)
        return gradient @ w.T, x.T @ gradient


def rounded(x):
    return x.to(torch.float32).to(torch.bfloat16).to(x.dtype)


class Weights(dict):
    """Weights by their names, and how they are multiplied."""

    def __init__(self, weights, precision):
        super().__init__(weights)
        self.product = {"float32": torch.matmul, "bfloat16": RoundedProduct.apply}[precision]


def dense(weights, name, x):
    return weights.product(x, weights[f"{name}/kernel"]) + weights[f"{name}/bias"]


def layers(**sizes):
    """The shapes of dense layers; two underscores stand for a slash."""
    shapes = {}
    for name, (inputs, outputs) in sizes.items():
        path = name.replace("__", "/")
        shapes[f"{path}/kernel"] = (inputs, outputs)
        shapes[f"{path}/bias"] = (outputs,)
    return shapes


def perceptron_loss(weights, images, labels, noise):
    return ((torch.sigmoid(dense(weights, "dense", images)) - labels) ** 2).mean()


def mlp_loss(weights, images, labels, noise):
    hidden = torch.sigmoid(dense(weights, "dense", images))
    hidden = torch.sigmoid(dense(weights, "dense2", hidden))
    return F.cross_entropy(dense(weights, "dense3", hidden), labels.argmax(1))


def vae_loss(weights, images, labels, noise):
    hidden = torch.relu(dense(weights, "encoder/dense", images))
    mean = dense(weights, "encoder/z_mean", hidden)
    log_variance = dense(weights, "encoder/z_log_var", hidden)
    z = mean + torch.exp(0.5 * log_variance) * noise
    raised = torch.relu(dense(weights, "decoder/dense", z))
    drawn = torch.sigmoid(dense(weights, "decoder/dense2", raised))
    error = 784 * ((drawn - images) ** 2).mean(1)
    divergence = 0.5 * 2 * (torch.exp(log_variance) + mean**2 - log_variance - 1).sum(1)
    return (error + divergence).mean()


def sgd(rate):
    return lambda parameters: torch.optim.SGD(parameters, lr=rate)


class KerasAdam(torch.optim.Adam):
    """PyTorch's Adam with Keras' epsilon.

    Keras and Apus divide by sqrt(v) + epsilon and correct v afterwards, PyTorch divides by
    sqrt(v / (1 - beta2^t)) + epsilon: the same step where PyTorch's epsilon is epsilon / sqrt(1 - beta2^t).
    """

    def __init__(self, parameters, lr, epsilon=1e-7):
        super().__init__(parameters, lr=lr, betas=(0.9, 0.999))
        self.epsilon = epsilon
        self.step_count = 0

    def step(self, closure=None):
        self.step_count += 1
        for group in self.param_groups:
            group["eps"] = self.epsilon / math.sqrt(1 - 0.999**self.step_count)
        return super().step(closure)


def glorot_or_he(name, shape):
    is_followed_by_relu = name in ("encoder/dense/kernel", "decoder/dense/kernel")
    return math.sqrt(6 / shape[0]) if is_followed_by_relu else math.sqrt(6 / sum(shape))


NETWORKS = {
    "perceptron": Network(
        layers(dense=(784, 10)), lambda name, shape: 0.01, perceptron_loss, sgd(0.5)),
    "mlp": Network(
        layers(dense=(784, 512), dense2=(512, 512), dense3=(512, 10)), lambda name, shape: 0.01, mlp_loss, sgd(1.0)),
    "vae": Network(
        layers(
            encoder__dense=(784, 512), encoder__z_mean=(512, 2), encoder__z_log_var=(512, 2),
            decoder__dense=(2, 512), decoder__dense2=(512, 784)),
        glorot_or_he, vae_loss, lambda parameters: KerasAdam(parameters, lr=0.001), uses_noise=True),
}
