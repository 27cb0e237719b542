"""The training samples of MNIST, from a folder or from the part that Apus carries."""

import gzip
import pathlib
import struct

import numpy as np

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "Sources/CSampleData/mnist-sample.gz"
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(content):
    """The array at the front of `content` and what follows it: IDX, unsigned bytes."""
    if content[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of unsigned bytes")
    end = 4 + 4 * content[3]
    shape = struct.unpack(f">{content[3]}I", content[4:end])
    count = int(np.prod(shape))
    if len(content) < end + count:
        raise ValueError("an IDX file that is cut short")
    return np.frombuffer(content, np.uint8, count, end).reshape(shape), content[end + count:]


def training_samples(folder=None):
    """Images, uint8 [n, 784], and labels, uint8 [n].

    From the published files in `folder`, plain or packed; without a folder the first 6,000, which are in the tree.
    """
    if folder is None:
        images, rest = idx(gzip.decompress(SAMPLE.read_bytes()))
        labels, _ = idx(rest)
    else:
        images, labels = (idx(file_content(pathlib.Path(folder), name))[0] for name in (IMAGES, LABELS))
    return images.reshape(len(images), -1), labels


def file_content(folder, name):
    """The unpacked content of a file of MNIST in `folder` or in its subfolder for MNIST."""
    for place in (folder, folder / "mnist", folder / "MNIST", folder / "MNIST/raw"):
        if (place / name).exists():
            return (place / name).read_bytes()
        if (place / f"{name}.gz").exists():
            return gzip.decompress((place / f"{name}.gz").read_bytes())
    raise FileNotFoundError(f"no {name} in {folder}")
