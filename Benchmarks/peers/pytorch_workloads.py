"""The networks of `apus bench` in PyTorch, with losses and optimizers."""

import dataclasses
from typing import Callable

import torch
from torch import nn
from torch.nn import functional as F


def cross_entropy(scores, images, labels):
    return F.cross_entropy(scores.float(), labels)


def squared_error(outputs, images, one_hot):
    return F.mse_loss(outputs.float(), one_hot)


def sum_of_autoencoder(outputs, images, labels):
    drawn, mean, log_variance = (output.float() for output in outputs)
    error = ((drawn - images) ** 2).sum(1)
    divergence = (torch.exp(log_variance) + mean**2 - log_variance - 1).sum(1)
    return (error + divergence).mean()


def sgd(rate):
    return lambda parameters: torch.optim.SGD(parameters, lr=rate, fused=True)


def nesterov(rate):
    return lambda parameters: torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True, fused=True)


def adam(rate):
    return lambda parameters: torch.optim.Adam(parameters, lr=rate, fused=True)


@dataclasses.dataclass
class Workload:
    # Makes the network.
    network: Callable
    # Of a sample.
    shape: tuple[int, ...]
    optimizer: Callable
    # From the network's output, its input and the labels.
    loss: Callable = cross_entropy
    # Whether labels are one-hot vectors.
    takes_one_hot: bool = False
    # Whether there is an epoch of it to be timed, and how that goes.
    has_pipeline: bool = False
    shuffles: bool = True
    augments: bool = False

    @property
    def is_image(self):
        return len(self.shape) == 3


def dense_layers(*sizes):
    """Sigmoids between the layers."""
    layers = [nn.Linear(*pair) for pair in zip(sizes, sizes[1:])]
    return nn.Sequential(*[part for layer in layers for part in (layer, nn.Sigmoid())][:-1])


def normalisation(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def convolution(inputs, outputs):
    """With batch normalisation and ReLU, size kept."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1), normalisation(outputs), nn.ReLU()]


def digits_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 24, 5), normalisation(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 48, 5), normalisation(48), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(768, 512), nn.BatchNorm1d(512, eps=1e-3, momentum=0.01), nn.ReLU(), nn.Linear(512, 10))


def class_activation_maps():
    layers, channels = [], 3
    for filters in [32, 64, 128]:
        if channels > 3:
            layers.append(nn.MaxPool2d(2))
        layers += convolution(channels, filters) + convolution(filters, filters)
        channels = filters
    return nn.Sequential(*layers, nn.Conv2d(channels, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def convolution_stack(channels):
    return nn.Sequential(
        *convolution(3, channels), *convolution(channels, channels), nn.MaxPool2d(2),
        *convolution(channels, channels), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class Autoencoder(nn.Module):
    """784 -> 512 -> 2 means and 2 logarithms of variances -> 2 -> 512 -> 784."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 512)
        self.mean = nn.Linear(512, 2)
        self.log_variance = nn.Linear(512, 2)
        self.raised = nn.Linear(2, 512)
        self.drawn = nn.Linear(512, 784)

    def forward(self, images):
        hidden = F.relu(self.hidden(images))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return torch.sigmoid(self.drawn(F.relu(self.raised(z)))), mean, log_variance


class Rows(nn.Module):
    """The 28 rows of an image through `recurrence` in both directions, and 10 classes from their last outputs."""

    def __init__(self, recurrence):
        super().__init__()
        self.recurrence = recurrence(28, 128, batch_first=True, bidirectional=True)
        self.answer = nn.Linear(256, 10)

    def forward(self, images):
        _, hidden = self.recurrence(images)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.answer(torch.cat([hidden[0], hidden[1]], 1))


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), normalisation(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), normalisation(outputs))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), normalisation(outputs))

    def forward(self, images):
        return F.relu(self.body(images) + self.shortcut(images))


def resnet20():
    """He and others, Deep Residual Learning for Image Recognition, 2015, section 4.2, with n = 3."""
    layers, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False), normalisation(16), nn.ReLU()], 16
    for filters in [16, 32, 64]:
        for block in range(3):
            layers.append(ResidualBlock(channels, filters, 2 if block == 0 and filters > 16 else 1))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Transformer(nn.Module):
    """The 28 rows of an image through two encoder blocks, normalised after each sum, and 10 classes from their mean."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Linear(28, 128)
        block = nn.TransformerEncoderLayer(128, 4, 256, dropout=0, activation="relu", batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.answer = nn.Linear(128, 10)

    def forward(self, images):
        return self.answer(self.blocks(self.rows(images)).mean(1))


WORKLOADS = {
    "perceptron": Workload(
        lambda: nn.Sequential(nn.Linear(784, 10), nn.Sigmoid()), (784,), sgd(0.5), squared_error,
        takes_one_hot=True, has_pipeline=True, shuffles=False),
    "mlp": Workload(lambda: dense_layers(784, 512, 512, 10), (784,), sgd(1.0), has_pipeline=True, shuffles=False),
    "vae": Workload(Autoencoder, (784,), adam(0.001), sum_of_autoencoder, has_pipeline=True),
    "cnn": Workload(digits_cnn, (1, 28, 28), nesterov(0.05), has_pipeline=True),
    "lstm": Workload(lambda: Rows(nn.LSTM), (28, 28), nesterov(0.1), has_pipeline=True),
    "cam": Workload(class_activation_maps, (3, 32, 32), nesterov(0.1), has_pipeline=True, augments=True),
    "wide-100": Workload(lambda: dense_layers(784, 100, 100, 10), (784,), sgd(1.0)),
    "wide-1000": Workload(lambda: dense_layers(784, 1000, 1000, 10), (784,), sgd(1.0)),
    "convolution-48": Workload(lambda: convolution_stack(48), (3, 32, 32), nesterov(0.05)),
    "convolution-200": Workload(lambda: convolution_stack(200), (3, 32, 32), nesterov(0.05)),
    "gru": Workload(lambda: Rows(nn.GRU), (28, 28), nesterov(0.1)),
    "resnet20": Workload(resnet20, (3, 32, 32), nesterov(0.1)),
    "transformer": Workload(Transformer, (28, 28), adam(0.001)),
}
