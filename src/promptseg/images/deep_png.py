"""PNG files of 16 bits: Pillow's reader keeps the high bytes of colours and of grey with alpha; here are both."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import PngImagePlugin

from promptseg.images.bands import Bands

_GREY_ALPHA, _RGB, _RGBA = 4, 2, 6
_BANDS = {_GREY_ALPHA: 2, _RGB: 3, _RGBA: 4}


def is_deep(data: bytes) -> bool:
    """Tells whether a PNG file has colours, or grey with alpha, of 16 bits."""
    return data[24:25] == b"\x10" and data[25:26] in (b"\2", b"\4", b"\6")


def read_bands(data: bytes) -> Bands:
    """Reads them; whoever calls has checked the size."""
    colour = data[25]
    if colour == _GREY_ALPHA:  # two numbers of two bytes look like one of four
        raw = _decoded(data, "RGBA", "RGBA")
        values = np.ascontiguousarray(raw).view(">u2").astype(np.uint16)
    else:
        mode = "RGB" if colour == _RGB else "RGBA"
        high, low = (_decoded(data, mode, f"{mode};16{order}") for order in "BL")
        values = high.astype(np.uint16) << 8 | low
    key = PngImagePlugin.PngImageFile(io.BytesIO(data)).info.get("transparency")
    if colour == _RGB and isinstance(key, tuple) and len(key) == 3:
        opaque = (values != np.array(key, np.uint16)).any(axis=2, keepdims=True)
        values = np.concatenate([values, opaque.astype(np.uint16) * np.uint16(65535)], axis=2)
    bands = values.shape[2]
    return Bands(values, 1 if bands == 2 else 3, "straight" if bands in (2, 4) else "", bits=16)


def _decoded(data: bytes, mode: str, raw: str) -> npt.NDArray[np.uint8]:
    """Decodes with another unpacker of as many bits than Pillow would take."""
    picture: Any = PngImagePlugin.PngImageFile(io.BytesIO(data))
    picture._mode = mode
    picture.tile = [tile._replace(args=raw) for tile in picture.tile]
    loaded: Pillow.Image = picture
    loaded.load()
    return np.asarray(loaded)
