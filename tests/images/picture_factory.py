"""Pictures made on the spot: a gradient with four different corners, in any mode and format."""

import io
from typing import Any

import numpy as np
from PIL import Image as Pillow

READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")


def gradient(height: int = 37, width: int = 53) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 255 // max(height + width - 2, 1)], -1
    ).astype(np.uint8)


def encoded(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def sample(kind: str) -> bytes:
    """A valid file of every readable kind, small enough to be cut everywhere."""
    options: dict[str, Any] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    picture = Pillow.fromarray(gradient(13, 17))
    if kind in ("JPEG", "WEBP", "PNG", "TIFF"):
        exif = Pillow.Exif()
        exif[0x0112] = 1
        exif[0x010E] = "a description"
        options["exif"] = exif
    return encoded(picture, kind, **options)
