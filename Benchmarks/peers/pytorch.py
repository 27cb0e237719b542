#!/usr/bin/env python3
"""Milliseconds a training step of the experiments in PyTorch; a line of JSON for each, as `apus bench` prints.

A step is forward, backward, the optimizer's update and the loss read back, on random data that are in memory. It
is run 3 times to warm up, then in 4 blocks of many steps; the time is that of the best block.
"""

import argparse
import json
import os
import time

import torch
from torch import nn
from torch.nn import functional as F


class Autoencoder(nn.Module):
    """784 -> 512 -> 2 means and 2 logarithms of variances -> 2 -> 512 -> 784; its output is its loss."""

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
        drawn = torch.sigmoid(self.drawn(F.relu(self.raised(z))))
        error = ((drawn - images) ** 2).sum(1)
        divergence = (torch.exp(log_variance) + mean**2 - log_variance - 1).sum(1)
        return (error + divergence).mean()


class RowsLSTM(nn.Module):
    """The 28 rows of an image through an LSTM in both directions, and 10 classes from their last outputs."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(28, 128, batch_first=True, bidirectional=True)
        self.answer = nn.Linear(256, 10)

    def forward(self, images):
        _, (hidden, _) = self.lstm(images.reshape(-1, 28, 28))
        return self.answer(torch.cat([hidden[0], hidden[1]], 1))


WORKLOADS = {}


def workload(name, block_size, optimizer, pixels=784):
    """Registers a function that makes a model and its loss of (images, labels, one-hot labels)."""
    def register(make):
        WORKLOADS[name] = (make, block_size, optimizer, pixels)
        return make
    return register


@workload("perceptron", 400, lambda parameters: torch.optim.SGD(parameters, lr=0.5))
def perceptron():
    model = nn.Sequential(nn.Linear(784, 10), nn.Sigmoid())
    return model, lambda images, labels, one_hot: F.mse_loss(model(images), one_hot)


@workload("mlp", 150, lambda parameters: torch.optim.SGD(parameters, lr=1.0))
def mlp():
    model = nn.Sequential(
        nn.Linear(784, 512), nn.Sigmoid(), nn.Linear(512, 512), nn.Sigmoid(), nn.Linear(512, 10))
    return model, lambda images, labels, one_hot: F.cross_entropy(model(images), labels)


@workload("lstm", 15, lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True))
def lstm():
    model = RowsLSTM()
    return model, lambda images, labels, one_hot: F.cross_entropy(model(images), labels)


@workload("vae", 120, lambda parameters: torch.optim.Adam(parameters, lr=0.001))
def vae():
    model = Autoencoder()
    return model, lambda images, labels, one_hot: model(images)


@workload("cnn", 15, lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True))
def cnn():
    model = nn.Sequential(
        nn.Conv2d(1, 24, 5), nn.BatchNorm2d(24, eps=1e-3, momentum=0.01), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 48, 5), nn.BatchNorm2d(48, eps=1e-3, momentum=0.01), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(768, 512), nn.BatchNorm1d(512, eps=1e-3, momentum=0.01), nn.ReLU(), nn.Linear(512, 10))
    return model, lambda images, labels, one_hot: F.cross_entropy(model(images.view(-1, 1, 28, 28)), labels)


@workload(
    "cam", 5, lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True), pixels=3 * 32 * 32)
def cam():
    layers, channels = [], 3
    for filters in [32, 64, 128]:
        if channels > 3:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2):
            layers += [
                nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01),
                nn.ReLU()]
            channels = filters
    model = nn.Sequential(*layers, nn.Conv2d(channels, 10, 1))

    def loss(images, labels, one_hot):
        return F.cross_entropy(model(images.view(-1, 3, 32, 32)).mean((2, 3)), labels)

    return model, loss


def best_milliseconds(name, batch_size, compiles):
    make, block_size, optimizer_for, pixels = WORKLOADS[name]
    model, loss_of = make()
    if compiles:
        loss_of = torch.compile(loss_of)
    optimizer = optimizer_for(model.parameters())
    images = torch.rand(batch_size, pixels)
    labels = torch.randint(0, 10, (batch_size,))
    one_hot = F.one_hot(labels, 10).float()

    def run(count):
        start = time.perf_counter()
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(images, labels, one_hot)
            loss.backward()
            optimizer.step()
            loss.item()
        return (time.perf_counter() - start) / count * 1000

    run(3)
    return min(run(block_size) for _ in range(4))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    for name in options.workloads:
        if name not in WORKLOADS:
            parser.error(f"no workload '{name}'; there are {', '.join(WORKLOADS)}")
    torch.set_num_threads(int(os.environ.get("THREADS", os.cpu_count())))
    torch.manual_seed(0)
    for name in options.workloads or WORKLOADS:
        milliseconds = best_milliseconds(name, options.batch, options.mode == "compile")
        print(json.dumps({
            "peer": f"torch {torch.__version__}", "workload": name, "precision": "float32", "mode": options.mode,
            "device": "cpu", "batch": options.batch, "ms_per_step": round(milliseconds, 4)}), flush=True)


main()
