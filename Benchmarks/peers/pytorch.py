#!/usr/bin/env python3
"""Milliseconds a training step, a prediction, an epoch in PyTorch; a line of JSON for each, as `apus bench` prints.

A step is forward, backward, the optimizer's update and the loss read back, on random data that are in memory. Of
PyTorch's own forms these are the fast ones: fused optimizers, images with channels last, and compiled for one shape.
"""

import contextlib

import harness
import torch
from pytorch_workloads import WORKLOADS
from torch.nn import functional as F


class PyTorch:
    description = f"torch {torch.__version__}"
    workloads = list(WORKLOADS)

    def __init__(self, mode, precision):
        self.compiles = mode == "compile"
        self.uses_bfloat16 = precision == "bfloat16"
        torch.set_num_threads(harness.thread_count())
        torch.manual_seed(0)

    def training(self, name, batch):
        step = self.step(WORKLOADS[name])
        images, labels = self.samples(WORKLOADS[name], batch)
        return lambda: step(images, labels).item(), lambda: None

    def step(self, workload):
        """What trains a new network on images (floats, or bytes) and labels, and gives the loss."""
        model = workload.network()
        if workload.is_image:
            model = model.to(memory_format=torch.channels_last)
        optimizer = workload.optimizer(model.parameters())

        def loss_of(images, labels):
            with self.autocast():
                outputs = model(images)
            return workload.loss(outputs, images, labels)

        if self.compiles:
            loss_of = torch.compile(loss_of, dynamic=False)

        def step(images, labels):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(images, labels)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def autocast(self):
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.uses_bfloat16 else contextlib.nullcontext()

    def samples(self, workload, count):
        images = torch.rand(count, *workload.shape)
        if workload.is_image:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, self.labels(workload, count)

    def labels(self, workload, count):
        labels = torch.randint(0, 10, (count,))
        return F.one_hot(labels, 10).float() if workload.takes_one_hot else labels

    def inference(self, name, batch):
        workload = WORKLOADS[name]
        model = workload.network().eval()
        if workload.is_image:
            model = model.to(memory_format=torch.channels_last)
        images, _ = self.samples(workload, batch)
        # For each batch size by itself: what was compiled for two of them is slower for both.
        forward = torch.compile(model, dynamic=False) if self.compiles else model

        def call():
            with torch.inference_mode(), self.autocast():
                return forward(images)

        return call, lambda: None

    def epoch(self, name, batch, step_count):
        """Samples in memory as bytes; each batch is gathered, converted and changed as a whole."""
        workload = WORKLOADS[name]
        if not workload.has_pipeline:
            return None
        step = self.step(workload)
        count = step_count * batch
        pixels = torch.randint(0, 256, (count, *workload.shape), dtype=torch.uint8)
        if workload.is_image:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        labels = self.labels(workload, count)
        ready = self.samples(workload, batch)

        def epoch():
            order = torch.randperm(count) if workload.shuffles else None
            for start in range(0, count, batch):
                part = slice(start, start + batch) if order is None else order[start:start + batch]
                images = pixels[part].to(torch.float32).mul_(1 / 255)
                if workload.augments:
                    images = flipped_and_zoomed(images)
                step(images, labels[part]).item()

        def steps():
            for _ in range(step_count):
                step(*ready).item()

        return epoch, steps


def flipped_and_zoomed(images):
    """Half of the images mirrored, each zoomed by 0.5 to 1.5 in either direction, bilinearly, edges repeated."""
    count = len(images)
    flips = 1 - 2 * torch.randint(0, 2, (count,))
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0] = flips * (0.5 + torch.rand(count))
    maps[:, 1, 1] = 0.5 + torch.rand(count)
    grid = F.affine_grid(maps, images.shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


if __name__ == "__main__":
    chosen = harness.options(["eager", "compile"], ["float32", "bfloat16"], __doc__)
    harness.measure(PyTorch(chosen.mode, chosen.precision), chosen)
