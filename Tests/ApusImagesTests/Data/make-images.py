#!/usr/bin/env python3
"""Makes the JPEG files of this folder, and beside each the pixels that Pillow reads from it (.pixels: bytes, row by
row, the channels of a pixel side by side).

Made with Pillow 13.0.0 and NumPy 2.4.6. usage: make-images.py FOLDER
"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder = Path(sys.argv[1])
y, x = np.mgrid[0:11, 0:19]
color = np.stack([x * 13, y * 23, (x * y) % 256], axis=-1).astype(np.uint8)
gray = (x * 9 + y * 7).astype(np.uint8)
inks = np.stack([x * 13, y * 23, x + y, y * 5], axis=-1).astype(np.uint8)


def save(name, pixels, mode, **settings):
    Image.fromarray(pixels, mode).save(folder / f"{name}.jpg", "JPEG", **settings)
    image = Image.open(folder / f"{name}.jpg")
    if mode != "L":
        image = image.convert("RGB")
    (folder / f"{name}.pixels").write_bytes(np.asarray(image).tobytes())


save("gray", gray, "L", quality=90)
save("color", color, "RGB", quality=75)
save("progressive", color, "RGB", quality=85, progressive=True, subsampling=0)
save("inks", inks, "CMYK", quality=95)
