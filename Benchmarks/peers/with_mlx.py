#!/usr/bin/env python3
"""Milliseconds a training step and a prediction in MLX on the processor; a line of JSON for each.

A step is forward, backward, the optimizer's update and the loss read back, as one compiled function.
"""

import functools

import harness

harness.keep_to_threads()

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

mx.set_default_device(mx.cpu)


class Network(nn.Module):
    """Layers one after another; a function may stand for a layer."""

    def __init__(self, *parts):
        super().__init__()
        self.layers = [part for part in parts if isinstance(part, nn.Module)]
        self._parts = parts

    def __call__(self, x):
        for part in self._parts:
            x = part(x)
        return x


def perceptron():
    return Network(nn.Linear(784, 10), mx.sigmoid)


def mlp():
    return Network(nn.Linear(784, 512), mx.sigmoid, nn.Linear(512, 512), mx.sigmoid, nn.Linear(512, 10))


def cnn():
    return Network(
        nn.Conv2d(1, 24, 5), nn.BatchNorm(24, 1e-3, 0.01), nn.relu, nn.MaxPool2d(2, 2),
        nn.Conv2d(24, 48, 5), nn.BatchNorm(48, 1e-3, 0.01), nn.relu, nn.MaxPool2d(2, 2),
        lambda x: x.reshape(len(x), -1), nn.Linear(768, 512), nn.BatchNorm(512, 1e-3, 0.01), nn.relu,
        nn.Linear(512, 10))


def cam():
    parts, channels = [], 3
    for filters in [32, 64, 128]:
        if channels > 3:
            parts.append(nn.MaxPool2d(2, 2))
        for _ in range(2):
            parts += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm(filters, 1e-3, 0.01), nn.relu]
            channels = filters
    return Network(*parts, nn.Conv2d(128, 10, 1), lambda x: x.mean((1, 2)))


class RowsLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.forth, self.back, self.answer = nn.LSTM(28, 128), nn.LSTM(28, 128), nn.Linear(256, 10)

    def __call__(self, rows):
        outputs = [self.forth(rows)[0], self.back(rows[:, ::-1])[0]]
        return self.answer(mx.concatenate([output[:, -1] for output in outputs], 1))


class Autoencoder(nn.Module):
    """784 -> 512 -> 2 means and 2 logarithms of variances -> 2 -> 512 -> 784."""

    def __init__(self):
        super().__init__()
        self.hidden, self.mean, self.log_variance = nn.Linear(784, 512), nn.Linear(512, 2), nn.Linear(512, 2)
        self.raised, self.drawn = nn.Linear(2, 512), nn.Linear(512, 784)

    def __call__(self, images):
        hidden = nn.relu(self.hidden(images))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + mx.exp(0.5 * log_variance) * mx.random.normal(mean.shape)
        return mx.sigmoid(self.drawn(nn.relu(self.raised(z)))), mean, log_variance


def squared_error(outputs, images, labels):
    return ((outputs - mx.eye(10)[labels]) ** 2).mean()


def cross_entropy(scores, images, labels):
    return nn.losses.cross_entropy(scores, labels, reduction="mean")


def loss_of_autoencoder(outputs, images, labels):
    drawn, mean, log_variance = outputs
    error = ((drawn - images) ** 2).sum(1)
    return (error + (mx.exp(log_variance) + mean**2 - log_variance - 1).sum(1)).mean()


def nesterov(rate):
    return lambda: optim.SGD(rate, momentum=0.9, nesterov=True)


# The network, a sample's shape, the loss, the optimizer.
WORKLOADS = {
    "perceptron": (perceptron, (784,), squared_error, lambda: optim.SGD(0.5)),
    "mlp": (mlp, (784,), cross_entropy, lambda: optim.SGD(1.0)),
    "vae": (Autoencoder, (784,), loss_of_autoencoder, lambda: optim.Adam(0.001)),
    "cnn": (cnn, (28, 28, 1), cross_entropy, nesterov(0.05)),
    "lstm": (RowsLSTM, (28, 28), cross_entropy, nesterov(0.1)),
    "cam": (cam, (32, 32, 3), cross_entropy, nesterov(0.1)),
}


class MLX:
    description = f"mlx {mx.__version__}"
    workloads = list(WORKLOADS)

    def training(self, name, batch):
        step, samples = self.step(name), self.samples(name, batch)
        return lambda: step(*samples), lambda: None

    def step(self, name):
        """What takes a step on images and labels, and gives the loss."""
        make, _, loss_of, make_optimizer = WORKLOADS[name]
        model, optimizer = make(), make_optimizer()
        mx.eval(model.parameters())
        optimizer.init(model.trainable_parameters())
        state = [model.state, optimizer.state, mx.random.state]
        loss_and_gradients = nn.value_and_grad(
            model, lambda images, labels: loss_of(model(images), images, labels))

        @functools.partial(mx.compile, inputs=state, outputs=state)
        def compiled(images, labels):
            loss, gradients = loss_and_gradients(images, labels)
            optimizer.update(model, gradients)
            return loss

        def step(images, labels):
            loss = compiled(images, labels)
            mx.eval(state, loss)
            return loss.item()

        return step

    def samples(self, name, count):
        return mx.random.uniform(shape=(count, *WORKLOADS[name][1])), mx.random.randint(0, 10, (count,))

    def inference(self, name, batch):
        model, (images, _) = WORKLOADS[name][0](), self.samples(name, batch)
        model.eval()
        mx.eval(model.parameters(), images)
        forward = mx.compile(lambda images: model(images), inputs=[model.state, mx.random.state],
                             outputs=[mx.random.state])
        return lambda: mx.eval(forward(images)), lambda: None

    def epoch(self, name, batch, step_count):
        """Not measured: a step takes too long."""
        return None


if __name__ == "__main__":
    chosen = harness.options(["compile"], ["float32"], __doc__)
    harness.measure(MLX(), chosen)
