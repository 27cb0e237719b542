#!/usr/bin/env python3
"""Makes the NPY and NPZ files of this folder. Made with NumPy 2.4.6. usage: make-arrays.py FOLDER"""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
numbers = np.array([[0, 1, 2], [100, 50, 7]])
for name, dtype in [
    ("f2", "<f2"), ("f4", "<f4"), ("f4-big", ">f4"), ("f8", "<f8"), ("f8-big", ">f8"), ("i1", "i1"), ("i2-big", ">i2"),
    ("i4", "<i4"), ("i8", "<i8"), ("i8-big", ">i8"), ("u1", "u1"), ("u2", "<u2"), ("u4", "<u4"), ("u8-big", ">u8"),
]:
    np.save(folder / f"{name}.npy", numbers.astype(dtype))
np.save(folder / "bool.npy", numbers > 1)
np.save(folder / "signs.npy", np.array([-1.5, -0.0, 65504, 6e-8, np.inf, np.nan], dtype="<f2"))
np.save(folder / "negative.npy", np.array([-1, -128], dtype="i1"))
np.save(folder / "large.npy", np.array([1, 5_000_000_000], dtype="<i8"))
# 2 x 3 x 4, the value of each element its row-major place.
np.save(folder / "fortran.npy", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
np.save(folder / "fortran-big.npy", np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)))
np.save(folder / "scalar.npy", np.array(2.5))
np.save(folder / "empty.npy", np.zeros((0, 3), dtype="<f4"))
for version in [(2, 0), (3, 0)]:
    with open(folder / f"version{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, numbers.astype("<i4"), version=version)
np.save(folder / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
np.save(folder / "texts.npy", np.array(["a", "bc"]))
np.save(folder / "complex.npy", np.array([1j]))
np.save(folder / "records.npy", np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b]", "<f4")]))
arrays = {
    "x_train": np.arange(12, dtype="u1").reshape(3, 2, 2), "y_train": np.array([2, 0, 1]),
    "weights": np.array([0.5, 1, 1.5], dtype="<f4"),
}
np.savez(folder / "stored.npz", **arrays)
np.savez_compressed(folder / "deflated.npz", **arrays)
