"""Brushes: colours, tinted masks with smooth outlines, and antialiased marks on a PIL picture."""

import colorsys
import functools
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE

UInt8 = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, from 0 to 255."""

_GOLDEN_RATIO = 0.618033988749895
_FIRST_HUE = 0.58
_FINE = 4
"""Marks are drawn this many times larger and reduced, which smooths their edges."""
_MOST_FINE_PIXELS = 16_000_000


def distinct_colours(count: int) -> list[Colour]:
    """Returns vivid colours whose hues lie a golden angle apart, so that neighbours look unlike."""
    colours: list[Colour] = []
    for index in range(count):
        hue = (_FIRST_HUE + index * _GOLDEN_RATIO) % 1.0
        saturation, value = (0.84, 0.70, 0.95)[index % 3], (1.0, 0.95, 0.86)[index % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
        colours.append((round(red * 255), round(green * 255), round(blue * 255)))
    return colours


def as_pixels(image: Any, size: tuple[int, int] | None = None) -> UInt8:
    """Returns (H, W, 3) uint8 RGB of a PIL image, an array or anything with `.pixels`.

    Raises:
        InputError: it is not a picture, or not of the given size.
    """
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    pixels = np.asarray(getattr(image, "pixels", image))
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InputError(f"Drawing needs a uint8 (H, W, 3) picture, got {pixels.dtype} of shape {pixels.shape}.")
    if size is not None and pixels.shape[:2] != tuple(size):
        raise InputError(f"The masks are of size {tuple(size)}, but the picture is of size {pixels.shape[:2]}.")
    return pixels


def line_width(size: tuple[int, int]) -> float:
    """Returns a line width in pixels that looks the same on small and on large pictures."""
    return max(1.5, max(size) / 400)


def tint(canvas: UInt8, mask: RLE, colour: Colour, alpha: float, outline: bool) -> None:
    """Blends a colour into the pixels of a mask, in place, and draws its outline."""
    if not mask.area:
        return
    x0, y0, x1, y1 = mask.box
    inside, region = mask.crop(), canvas[y0:y1, x0:x1]
    for channel, value in enumerate(colour):
        table = np.round(np.arange(256) * (1 - alpha) + value * alpha).astype(np.uint8)
        layer = region[..., channel]
        layer[inside] = table[layer[inside]]
    if outline:
        _draw_outline(canvas, mask, inside, colour)


def _draw_outline(canvas: UInt8, mask: RLE, inside: npt.NDArray[np.bool_], colour: Colour) -> None:
    width = line_width(mask.size)
    reach = int(2 * width) + 2
    x0, y0, x1, y1 = mask.box
    left, top = min(reach, x0), min(reach, y0)
    right, bottom = min(reach, mask.size.width - x1), min(reach, mask.size.height - y1)
    soft = Image.fromarray(np.pad(inside, ((top, bottom), (left, right))).astype(np.uint8) * 255)
    blurred = np.asarray(soft.filter(ImageFilter.GaussianBlur(_softness(width))))
    strength = _stroke_table(width)[blurred]
    touched = strength > 0
    region = canvas[y0 - top : y1 + bottom, x0 - left : x1 + right]
    under, cover = region[touched].astype(np.float32), strength[touched][:, None]
    region[touched] = np.round(under + (np.asarray(colour, np.float32) - under) * cover).astype(np.uint8)


def _softness(width: float) -> float:
    return max(0.9, 0.5 * width)


@functools.lru_cache(maxsize=32)
def _stroke_table(width: float) -> npt.NDArray[np.float32]:
    """Returns how opaque the outline is where the blurred mask has each value.

    Across a straight rim a Gaussian blur turns distance into the normal distribution; its inverse turns the
    blurred value back into the distance to the rim, and that into the coverage of a line.
    """
    normal = NormalDist()
    distance = np.array([abs(normal.inv_cdf((value + 0.5) / 256)) for value in range(256)]) * _softness(width)
    table = np.clip(width / 2 + 0.5 - distance, 0, 1).astype(np.float32)
    table[[0, 255]] = 0
    return table


def stamp(
    picture: Image.Image, box: tuple[float, float, float, float], paint: Callable[[ImageDraw.ImageDraw, "Pen"], None]
) -> None:
    """Draws on a transparent layer over `box` (x0, y0, x1, y1), smooths it, and lays it over the picture."""
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = min(picture.width, int(np.ceil(box[2]))), min(picture.height, int(np.ceil(box[3])))
    if x0 >= x1 or y0 >= y1:
        return
    fine = _FINE if (x1 - x0) * (y1 - y0) * _FINE**2 <= _MOST_FINE_PIXELS else 1
    layer = Image.new("RGBA", ((x1 - x0) * fine, (y1 - y0) * fine), (0, 0, 0, 0))
    paint(ImageDraw.Draw(layer), Pen(x0, y0, fine))
    smooth = layer.reduce(fine) if fine > 1 else layer
    picture.paste(smooth, (x0, y0), smooth)


class Pen:
    """Turns picture coordinates into those of a layer made by `stamp`."""

    def __init__(self, x: int, y: int, scale: int) -> None:
        self.origin = Size(y, x)
        self.scale = scale

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Returns where (x, y) of the picture is on the layer."""
        return (x - self.origin.width) * self.scale, (y - self.origin.height) * self.scale

    def disc(self, x: float, y: float, radius: float) -> tuple[float, float, float, float]:
        """Returns the box of a disc, as PIL draws it; one thinner than a pixel has no extent."""
        left, top = self.at(x - radius, y - radius)
        right, bottom = self.at(x + radius, y + radius)
        return left, top, max(left, right - 1), max(top, bottom - 1)
