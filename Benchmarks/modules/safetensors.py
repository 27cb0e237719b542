"""Named float32 arrays in a file of the safetensors format.

Eight bytes (the header's length, little-endian), the header as JSON (for each name its dtype, shape and
data_offsets), then the values, row-major and without gaps.
"""

import json
import pathlib
import struct

import numpy as np


def write(path, tensors):
    """Writes `tensors`, a dictionary of float32 arrays."""
    header, values, offset = {}, [], 0
    for name, value in tensors.items():
        content = np.ascontiguousarray(value, dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32", "shape": list(value.shape), "data_offsets": [offset, offset + len(content)]}
        values.append(content)
        offset += len(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(values))


def read(path):
    """The arrays of a file by name. Raises ValueError for one that is cut short or holds other types."""
    content = pathlib.Path(path).read_bytes()
    if len(content) < 8:
        raise ValueError(f"{path} is cut short")
    (length,) = struct.unpack("<Q", content[:8])
    values = content[8 + length:]
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} holds {entry['dtype']}, not F32")
        if end > len(values):
            raise ValueError(f"{path} is cut short")
        tensors[name] = np.frombuffer(values[first:end], "<f4").reshape(entry["shape"])
    return tensors
