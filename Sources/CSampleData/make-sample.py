#!/usr/bin/env python3
"""Makes mnist-sample.gz from the published files of MNIST.

Usage: make-sample.py FOLDER    (FOLDER holds the four files, gzip)

The first 6,000 training and 1,000 test samples become four IDX files, written one after another and packed
together. The same input gives the same bytes, whatever the time and the place.
"""

import gzip
import hashlib
import pathlib
import struct
import sys

TRAINING_COUNT = 6_000
TEST_COUNT = 1_000
# File, samples kept, SHA-256 of the unpacked published file.
PARTS = [
    ("train-images-idx3-ubyte", TRAINING_COUNT, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1-ubyte", TRAINING_COUNT, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3-ubyte", TEST_COUNT, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1-ubyte", TEST_COUNT, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
]


def first_samples(content: bytes, count: int) -> bytes:
    """An IDX file of unsigned bytes, cut to its first `count` samples."""
    axis_count = content[3]
    header_length = 4 + 4 * axis_count
    sizes = struct.unpack(f">{axis_count}I", content[4:header_length])
    sample_length = 1
    for size in sizes[1:]:
        sample_length *= size
    header = content[:4] + struct.pack(f">{axis_count}I", count, *sizes[1:])
    return header + content[header_length : header_length + count * sample_length]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    sample = b""
    for name, count, checksum in PARTS:
        content = gzip.decompress((folder / (name + ".gz")).read_bytes())
        if hashlib.sha256(content).hexdigest() != checksum:
            sys.exit(f"{name} is not the published file")
        sample += first_samples(content, count)
    target = pathlib.Path(__file__).parent / "mnist-sample.gz"
    target.write_bytes(gzip.compress(sample, compresslevel=9, mtime=0))
    print(f"{target}: {len(sample)} bytes as {target.stat().st_size}, SHA-256 {hashlib.sha256(sample).hexdigest()}")


if __name__ == "__main__":
    main()
