"""Any Pillow mode and any sensible array to (H, W, 3) uint8 RGB.

Rules, stated once:
- transparency is laid over white;
- 16-bit values keep their high byte, as Pillow does for 16-bit RGB;
- 32-bit integers count as 8-bit or 16-bit ones when they all fit; otherwise they are stretched, so that the
  least becomes black and the greatest white;
- floats within 0..1 are scaled by 255; in a file, those within 0..255 are kept and others stretched (NaN is
  black); in an array they are refused;
- CMYK, YCbCr and HSV use Pillow's conversion, LAB its colour engine. Embedded ICC profiles are ignored, as
  in the official SAM code.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.errors import ImageError

Pixels = npt.NDArray[np.uint8]
_Converter = Callable[[Pillow.Image], Pixels]
_STRIP_PIXELS = 2**22  # pictures are converted in strips, so that a large one is never held three times
_ALPHA_MODES = {"LA", "La", "PA", "RGBA", "RGBa"}
_ARRAYS = "Expected (H, W, 3) RGB, (H, W, 4) RGBA, (H, W) or (H, W, 1) grey, of uint8, uint16, bool or float in [0, 1]"


def to_rgb(picture: Pillow.Image, orientation: int = 1) -> Pixels:
    """Returns the loaded `picture` as upright (H, W, 3) RGB; `orientation` is EXIF's number, 1 to 8."""
    width, height = picture.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = _as_stored(upright, orientation)
    convert = _strip_converter(picture)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        stored[top:bottom] = convert(picture.crop((0, top, width, bottom)))
    return upright


def array_to_rgb(array: npt.NDArray[Any]) -> Pixels:
    """Returns a fresh (H, W, 3) uint8 copy of an array of one of the accepted forms.

    Raises:
        ImageError: the shape, the type or the range is another.
    """
    given = f"Got an array of shape {array.shape} and type {array.dtype}"
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ImageError(f"{given}. {_ARRAYS}.")
    if array.size == 0:
        raise ImageError(f"{given}, which has no pixels. {_ARRAYS}.")
    bytes_ = _array_to_bytes(array, given)
    if channels == 4:
        return to_rgb(Pillow.fromarray(np.ascontiguousarray(bytes_)))
    if bytes_.ndim == 2:
        bytes_ = bytes_[:, :, None]
    return np.array(np.broadcast_to(bytes_, (*bytes_.shape[:2], 3)), order="C")


def _array_to_bytes(array: npt.NDArray[Any], given: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind != "f":
        raise ImageError(f"{given}. {_ARRAYS}; convert it with .astype(numpy.uint8) if its values are 0 to 255.")
    least, greatest = float(array.min()), float(array.max())
    if not (least >= 0 and greatest <= 1):
        raise ImageError(
            f"{given} with values from {least:g} to {greatest:g}. Floats must lie in [0, 1]; "
            "divide by 255 or convert to uint8."
        )
    return np.rint(array * 255).astype(np.uint8)


def _as_stored(upright: Pixels, orientation: int) -> Pixels:
    """Returns a view of `upright` in the order in which the file stores its pixels."""
    views: dict[int, Callable[[], Pixels]] = {
        2: lambda: upright[:, ::-1],
        3: lambda: upright[::-1, ::-1],
        4: lambda: upright[::-1],
        5: lambda: upright.swapaxes(0, 1),
        6: lambda: np.rot90(upright),
        7: lambda: upright[::-1, ::-1].swapaxes(0, 1),
        8: lambda: np.rot90(upright, -1),
    }
    return views[orientation]() if orientation in views else upright


def _strip_converter(picture: Pillow.Image) -> _Converter:
    mode = picture.mode
    if mode.startswith("I;16"):
        return _deep_grey(picture.info.get("transparency"))
    if mode in ("I", "F"):
        return _wide_grey(picture)
    if mode == "LAB":
        return _lab
    if mode in _ALPHA_MODES or _has_colour_key(picture):
        return _over_white
    if mode in ("1", "L"):
        return lambda strip: np.asarray(strip.convert("L"))[:, :, None]
    return lambda strip: np.asarray(strip.convert("RGB"))


def _has_colour_key(picture: Pillow.Image) -> bool:
    """Tells whether a PNG or GIF names a transparent colour that fits the decoded depth."""
    key = picture.info.get("transparency")
    if key is None or picture.mode not in ("1", "L", "P", "RGB"):
        return False
    values = key if isinstance(key, tuple) else () if isinstance(key, bytes) else (key,)
    return all(isinstance(value, int) and 0 <= value <= 255 for value in values)


def _over_white(strip: Pillow.Image) -> Pixels:
    if strip.mode == "La":
        strip = strip.convert("LA")
    clear = strip.convert("RGBA")
    page = Pillow.new("RGB", strip.size, "white")
    page.paste(clear.convert("RGB"), mask=clear.getchannel("A"))
    return np.asarray(page)


def _deep_grey(key: Any) -> _Converter:
    def convert(strip: Pillow.Image) -> Pixels:
        values = np.asarray(strip)
        grey = (values >> 8).astype(np.uint8)
        if isinstance(key, int):
            grey[values == key] = 255
        return grey[:, :, None]

    return convert


def _wide_grey(picture: Pillow.Image) -> _Converter:
    """Returns the converter of 32-bit integers or floats, with one scale for the whole picture."""
    whole = np.asarray(picture)
    finite = whole[np.isfinite(whole)]
    least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if least >= 0 and greatest <= 1 and picture.mode == "F":
        offset, factor = 0.0, 255.0
    elif least >= 0 and greatest <= 255:
        offset, factor = 0.0, 1.0
    elif least >= 0 and greatest <= 65535 and picture.mode == "I":
        offset, factor = 127.5, 1 / 256  # rounds to the high byte
    else:
        offset, factor = least, 255 / (greatest - least) if greatest > least else 0.0

    def convert(strip: Pillow.Image) -> Pixels:
        values = np.nan_to_num(np.asarray(strip, np.float64), nan=least, posinf=greatest, neginf=least)
        return np.rint((values - offset) * factor).clip(0, 255).astype(np.uint8)[:, :, None]

    return convert


def _lab(strip: Pillow.Image) -> Pixels:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    converted = ImageCms.applyTransform(strip, transform)
    assert converted is not None  # noqa: S101 - only an in-place transform returns nothing
    return np.asarray(converted)
