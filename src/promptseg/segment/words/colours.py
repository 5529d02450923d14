"""The colours of what lies in a mask, by names: each pixel is compared with prototypes in CIELAB.

A name is a handful of prototypes, so that a red thing is red in the sun and in the shade; lightness counts less than
hue, except where there is no hue: there it tells white, grey and black apart.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, Float64
from promptseg.masks.rle import RLE
from promptseg.segment.words.phrases.phrase import COLOURS, Colour, ColourName, Phrase

PROTOTYPES: dict[ColourName, tuple[tuple[int, int, int], ...]] = {
    "red": ((28, 42, 20), (36, 50, 30), (45, 60, 40), (53, 78, 62), (40, 34, 18), (52, 48, 24)),
    "orange": ((55, 42, 55), (62, 40, 60), (72, 25, 66), (68, 32, 44)),
    "yellow": ((94, -18, 70), (88, -4, 78), (80, 6, 76), (72, 2, 62), (86, -4, 46), (64, 2, 56)),
    "green": (
        *((30, -20, 18), (45, -32, 30), (55, -46, 45), (75, -42, 55), (87, -80, 80), (60, -18, 24), (45, -13, 20)),
        *((32, -9, 14), (80, -26, 30), (88, -45, 76), (58, -38, 16)),
    ),
    "cyan": ((48, -24, -6), (65, -30, -10), (84, -44, -10), (90, -26, -6), (74, -26, -16)),
    "blue": (
        *((18, 16, -40), (32, 62, -95), (30, 5, -26), (45, 0, -38), (55, 10, -52), (64, -8, -32), (78, -8, -24)),
        *((40, -3, -18), (22, 1, -15), (55, -5, -18)),
    ),
    "purple": ((20, 25, -22), (33, 40, -30), (45, 62, -58), (48, 26, -22), (70, 22, -24), (35, 20, -14)),
    "pink": ((56, 66, 0), (66, 42, 8), (78, 24, 2), (60, 78, -36), (48, 60, -8), (72, 30, 14)),
    "brown": ((22, 9, 12), (32, 13, 18), (40, 18, 28), (50, 14, 30), (42, 26, 38), (48, 10, 18)),
    "beige": ((66, 6, 22), (76, 4, 18), (85, 2, 15), (70, 12, 26)),
    "white": ((99, 0, 0), (90, 0, 2), (90, 0, -6), (84, 0, 0)),
    "grey": ((36, 0, 0), (48, 0, 0), (60, 0, 0), (70, 0, 0), (58, -1, -7), (50, 2, 6)),
    "black": ((2, 0, 0), (12, 0, 0), (20, 0, -2), (16, 2, 3)),
}
"""L, a, b. The hues follow the xkcd survey of colour names; the muted ones were added after photographs."""
LIGHTNESS = 0.6
"""How much a difference of lightness counts beside one of a or b."""
DOUBT = 5.0
"""A pixel belongs in part to a name that is farther off than the nearest, less by 1/e for each such distance."""
PASSES, LEAST = 0.4, 0.15
"""A thing has a colour if so much of it has; "the red one" may have less if nothing has more, but not below the second.
Chosen on COCO's training pictures."""
TOGETHER = 0.6
"""Of two colours ("black and white") each needs this share of what one alone needs."""
DARK, LIGHT, SOFT = 45.0, 60.0, 6.0
"""What is darker or lighter than these is dark or light, with a soft border."""
_TO_XYZ = np.array(
    [(0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041)]
)
_BITS, _MOST = 5, 20_000


def lab(pixels: npt.NDArray[np.uint8]) -> Float64:
    """Returns CIELAB (D65) of sRGB pixels (..., 3)."""
    values = pixels / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    x, y, z = np.moveaxis(linear @ _TO_XYZ.T / (0.95047, 1.0, 1.08883), -1, 0)
    x, y, z = (np.where(v > 216 / 24389, np.cbrt(v), (24389 / 27 * v + 16) / 116) for v in (x, y, z))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@cache
def _table() -> Float32:
    """Returns how much each colour of a coarse grid of RGB belongs to each name, (cells, names)."""
    steps = (np.arange(2**_BITS) * 2 ** (8 - _BITS) + 2 ** (7 - _BITS)).astype(np.uint8)
    cells = lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3))
    weights = np.array([LIGHTNESS, 1.0, 1.0])
    distances = np.stack(
        [
            np.min([np.linalg.norm((cells - one) * weights, axis=1) for one in PROTOTYPES[name]], axis=0)
            for name in COLOURS
        ],
        axis=1,
    )
    return np.exp(-(distances - distances.min(1, keepdims=True)) / DOUBT).astype(np.float32)


def memberships(pixels: npt.NDArray[np.uint8]) -> Float32:
    """Returns how much pixels (..., 3) belong to each name of `COLOURS`, (..., names), 1 for the nearest."""
    red, green, blue = np.moveaxis(pixels.astype(np.int64) >> (8 - _BITS), -1, 0)
    return _table()[(red << 2 * _BITS) + (green << _BITS) + blue]


def inner_pixels(picture: npt.NDArray[np.uint8], mask: RLE) -> npt.NDArray[np.uint8]:
    """Returns the pixels (N, 3) of a mask, without its border where it is thick enough."""
    x0, y0, x1, y1 = mask.box
    inside = mask.crop()
    core = _eroded(inside)
    chosen = picture[y0:y1, x0:x1][core if core.sum() >= inside.sum() / 2 else inside]
    return chosen[:: max(1, len(chosen) // _MOST)]


def _eroded(mask: BoolArray) -> BoolArray:
    padded = np.pad(mask, 1)
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def colour_fit(picture: npt.NDArray[np.uint8], mask: RLE, phrase: Phrase) -> float:
    """Returns how much of a mask has the colours of a phrase, 0 to 1; 1 without colours."""
    if not phrase.colours:
        return 1.0
    pixels = inner_pixels(picture, mask)
    if not len(pixels):
        return 0.0
    shares = memberships(pixels)
    lightness = lab(pixels)[:, 0]
    fits = [_fit(shares, lightness, colour) for colour in phrase.colours]
    if len(fits) == 1 or phrase.either:
        return max(fits)
    return min(min(fits) / TOGETHER, sum(fits), 1.0)


def _fit(shares: Float32, lightness: Float64, colour: Colour) -> float:
    weights = np.ones(len(lightness)) if colour.name is None else shares[:, COLOURS.index(colour.name)]
    if colour.shade is None or not weights.sum():
        return float(weights.mean())
    mean = float((weights * lightness).sum() / weights.sum())
    away = (DARK - mean if colour.shade == "dark" else mean - LIGHT) / SOFT
    return float(weights.mean()) / (1 + float(np.exp(-np.clip(away, -50, 50))))
