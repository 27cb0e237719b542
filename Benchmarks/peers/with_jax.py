#!/usr/bin/env python3
"""Milliseconds a training step, a prediction, an epoch in JAX with optax; a line of JSON for each.

A step is forward, backward and the optimizer's update as one compiled function, which takes over the memory of its
weights. Steps are not waited for one by one, only at the end of each block of steps: that is JAX's way.
"""

import functools
import os

import harness

os.environ.setdefault("JAX_PLATFORMS", "cpu")
harness.keep_to_threads()

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax


class Draw:
    """First weights from one key."""

    def __init__(self):
        self.keys = iter(jax.random.split(jax.random.PRNGKey(0), 64))

    def normal(self, *shape):
        return jax.random.normal(next(self.keys), shape) * 0.05

    def dense(self, inputs, outputs):
        return {"kernel": self.normal(inputs, outputs), "bias": jnp.zeros(outputs)}

    def convolution(self, side, inputs, outputs):
        return {"kernel": self.normal(side, side, inputs, outputs), "bias": jnp.zeros(outputs)}


def normalisation(count):
    return {"scale": jnp.ones(count), "offset": jnp.zeros(count)}


def averages(count):
    return {"mean": jnp.zeros(count), "variance": jnp.ones(count)}


def dense(layer, x):
    return x @ layer["kernel"] + layer["bias"]


def convolution(layer, x, padding):
    return lax.conv_general_dilated(
        x, layer["kernel"], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")) + layer["bias"]


def normalised(layer, running, x, is_training):
    """Batch normalisation with ReLU, and the running averages afterwards."""
    if is_training:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.astype(jnp.float32).mean(axes), x.astype(jnp.float32).var(axes)
        running = {
            "mean": 0.99 * running["mean"] + 0.01 * mean, "variance": 0.99 * running["variance"] + 0.01 * variance}
    else:
        mean, variance = running["mean"], running["variance"]
    factor = lax.rsqrt(variance + 1e-3) * layer["scale"]
    y = (x - mean.astype(x.dtype)) * factor.astype(x.dtype) + layer["offset"].astype(x.dtype)
    return jax.nn.relu(y), running


def pooled(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def cross_entropy(scores, images, labels):
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()


# Each network: its weights, its running averages, and the output from (weights, averages, images, key, is_training),
# with the averages afterwards.


def perceptron(draw):
    def apply(weights, running, x, key, is_training):
        return jax.nn.sigmoid(dense(weights, x)), running

    return draw.dense(784, 10), {}, apply


def mlp(draw):
    def apply(weights, running, x, key, is_training):
        for layer in weights[:-1]:
            x = jax.nn.sigmoid(dense(layer, x))
        return dense(weights[-1], x), running

    return [draw.dense(784, 512), draw.dense(512, 512), draw.dense(512, 10)], {}, apply


def vae(draw):
    weights = {
        "hidden": draw.dense(784, 512), "mean": draw.dense(512, 2), "log_variance": draw.dense(512, 2),
        "raised": draw.dense(2, 512), "drawn": draw.dense(512, 784)}

    def apply(weights, running, x, key, is_training):
        hidden = jax.nn.relu(dense(weights["hidden"], x))
        mean, log_variance = dense(weights["mean"], hidden), dense(weights["log_variance"], hidden)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape, mean.dtype)
        raised = jax.nn.relu(dense(weights["raised"], z))
        return (jax.nn.sigmoid(dense(weights["drawn"], raised)), mean, log_variance), running

    return weights, {}, apply


def cnn(draw):
    weights = {
        "first": draw.convolution(5, 1, 24), "first_norm": normalisation(24),
        "second": draw.convolution(5, 24, 48), "second_norm": normalisation(48),
        "hidden": draw.dense(768, 512), "hidden_norm": normalisation(512), "answer": draw.dense(512, 10)}

    def apply(weights, running, x, key, is_training):
        after = {}
        for name in ["first", "second"]:
            x = convolution(weights[name], x, "VALID")
            x, after[name] = normalised(weights[f"{name}_norm"], running[name], x, is_training)
            x = pooled(x)
        x = dense(weights["hidden"], x.reshape(len(x), -1))
        x, after["hidden"] = normalised(weights["hidden_norm"], running["hidden"], x, is_training)
        return dense(weights["answer"], x), after

    return weights, {"first": averages(24), "second": averages(48), "hidden": averages(512)}, apply


def lstm(draw):
    def direction():
        return {"input": draw.normal(28, 512), "state": draw.normal(128, 512), "bias": jnp.zeros(512)}

    def last_output(layer, rows):
        # The input's products of all steps are one product.
        products = rows @ layer["input"] + layer["bias"]
        zeros = jnp.zeros((rows.shape[1], 128), rows.dtype)

        def step(state, product):
            output, cell = state
            i, f, g, o = jnp.split(product + output @ layer["state"], 4, axis=1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(cell), cell), None

        return lax.scan(step, (zeros, zeros), products)[0][0]

    def apply(weights, running, x, key, is_training):
        rows = x.transpose(1, 0, 2)
        outputs = [last_output(weights["forward"], rows), last_output(weights["backward"], rows[::-1])]
        return dense(weights["answer"], jnp.concatenate(outputs, axis=1)), running

    return {"forward": direction(), "backward": direction(), "answer": draw.dense(256, 10)}, {}, apply


def cam(draw):
    channels = [3, 32, 32, 64, 64, 128, 128]
    weights = {
        "convolutions": [draw.convolution(3, *pair) for pair in zip(channels, channels[1:])],
        "norms": [normalisation(count) for count in channels[1:]], "maps": draw.convolution(1, 128, 10)}

    def apply(weights, running, x, key, is_training):
        after = []
        for number, layer in enumerate(weights["convolutions"]):
            x = pooled(x) if number in (2, 4) else x
            x = convolution(layer, x, "SAME")
            x, averages_after = normalised(weights["norms"][number], running[number], x, is_training)
            after.append(averages_after)
        return convolution(weights["maps"], x, "SAME").mean((1, 2)), after

    return weights, [averages(count) for count in channels[1:]], apply


def squared_error(outputs, images, labels):
    return jnp.mean((outputs - jax.nn.one_hot(labels, 10)) ** 2)


def loss_of_autoencoder(outputs, images, labels):
    drawn, mean, log_variance = outputs
    error = ((drawn - images) ** 2).sum(1)
    return (error + (jnp.exp(log_variance) + mean**2 - log_variance - 1).sum(1)).mean()


def nesterov(rate):
    return optax.sgd(rate, momentum=0.9, nesterov=True)


# The network, a sample's shape, the loss, the optimizer, whether epochs are shuffled.
WORKLOADS = {
    "perceptron": (perceptron, (784,), squared_error, optax.sgd(0.5), False),
    "mlp": (mlp, (784,), cross_entropy, optax.sgd(1.0), False),
    "vae": (vae, (784,), loss_of_autoencoder, optax.adam(0.001), True),
    "cnn": (cnn, (28, 28, 1), cross_entropy, nesterov(0.05), True),
    "lstm": (lstm, (28, 28), cross_entropy, nesterov(0.1), True),
    "cam": (cam, (32, 32, 3), cross_entropy, nesterov(0.1), True),
}


def cast(tree, kind):
    return jax.tree.map(lambda leaf: leaf.astype(kind), tree)


def flipped_and_zoomed(images, key):
    """Half of the images mirrored, each zoomed by 0.5 to 1.5 in either direction, bilinearly."""
    flip, zoom = jax.random.split(key)
    flips = jax.random.bernoulli(flip, 0.5, (len(images), 1, 1, 1))
    images = jnp.where(flips, images[:, :, ::-1], images)
    scales = jax.random.uniform(zoom, (len(images), 2), minval=0.5, maxval=1.5)

    def zoomed(image, scale):
        offset = jnp.array(image.shape[:2]) * (1 - scale) / 2
        return jax.image.scale_and_translate(image, image.shape, (0, 1), scale, offset, "bilinear", antialias=False)

    return jax.vmap(zoomed)(images, scales)


class JAX:
    description = f"jax {jax.__version__}, optax {optax.__version__}"
    workloads = list(WORKLOADS)

    def __init__(self, precision):
        self.kind = jnp.bfloat16 if precision == "bfloat16" else jnp.float32

    def trainer(self, name, prepare=lambda images, key: images):
        """What takes a step on images (which `prepare` makes what they must be) and labels, and waits for the last."""
        make, _, loss_of, optimizer, _ = WORKLOADS[name]
        weights, running, apply = make(Draw())
        state = [weights, running, optimizer.init(weights), jnp.uint32(0)]

        @functools.partial(jax.jit, donate_argnums=0)
        def step(state, images, labels):
            weights, running, optimizer_state, number = state
            key = jax.random.fold_in(jax.random.PRNGKey(0), number)
            images = prepare(images, key)

            def loss_and_averages(weights):
                outputs, after = apply(cast(weights, self.kind), running, images.astype(self.kind), key, True)
                return loss_of(cast(outputs, jnp.float32), images, labels), after

            (loss, running), gradients = jax.value_and_grad(loss_and_averages, has_aux=True)(weights)
            changes, optimizer_state = optimizer.update(gradients, optimizer_state, weights)
            return [optax.apply_updates(weights, changes), running, optimizer_state, number + 1], loss

        def take(images, labels):
            nonlocal state
            state, loss = step(state, images, labels)
            return loss

        return take, lambda: jax.block_until_ready(state)

    def training(self, name, batch):
        take, finish = self.trainer(name)
        samples = self.samples(name, batch)
        return lambda: take(*samples), finish

    def samples(self, name, count):
        random = np.random.default_rng(0)
        images = random.random((count, *WORKLOADS[name][1]), np.float32)
        return jnp.asarray(images), jnp.asarray(random.integers(0, 10, count, np.int32))

    def inference(self, name, batch):
        weights, running, apply = WORKLOADS[name][0](Draw())
        images, key = self.samples(name, batch)[0], jax.random.PRNGKey(0)

        @jax.jit
        def forward(images):
            return apply(cast(weights, self.kind), running, images.astype(self.kind), key, False)[0]

        return lambda: jax.block_until_ready(forward(images)), lambda: None

    def epoch(self, name, batch, step_count):
        """Samples in memory as bytes, gathered by numpy; converted and changed within the compiled step."""
        shape, shuffles = WORKLOADS[name][1], WORKLOADS[name][4]
        random = np.random.default_rng(0)
        count = step_count * batch
        pixels = random.integers(0, 256, (count, *shape), np.uint8)
        labels = random.integers(0, 10, count, np.int32)

        def prepare(images, key):
            images = images.astype(jnp.float32) * (1 / 255)
            return flipped_and_zoomed(images, key) if name == "cam" else images

        take, finish = self.trainer(name, prepare)
        take_ready, finish_ready = self.trainer(name)
        ready = self.samples(name, batch)

        def epoch():
            order = random.permutation(count) if shuffles else None
            for start in range(0, count, batch):
                part = slice(start, start + batch) if order is None else order[start:start + batch]
                take(pixels[part], labels[part])
            finish()

        def steps():
            for _ in range(step_count):
                take_ready(*ready)
            finish_ready()

        return epoch, steps


if __name__ == "__main__":
    chosen = harness.options(["jit"], ["float32", "bfloat16"], __doc__)
    harness.measure(JAX(chosen.precision), chosen)
