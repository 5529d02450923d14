"""How a person first touches an object for SEEM: dots, a scribble, a circle or a filled shape (specification B3).

All masks are bool (H, W) in pixels of the network's input; what is touched lies on the object. Chance comes from the
generator alone.
"""

from collections.abc import Callable, Mapping

import numpy as np

from promptseg.arrays import BoolArray, Float64
from promptseg.geometry import Size
from promptseg.hands import prompts
from promptseg.masks.polygons import polygon_to_mask
from promptseg.masks.raster import stroke_to_mask

Random = np.random.Generator

MOST_DOTS = 20
WIDEST = 0.15
"""The widest line, as a part of the square root of the object's area."""
SHRUNK = (0.3, 0.9)
"""Circles and shapes lie so far from the object's centre, as a part of the way to its border."""


def first_touch(mask: BoolArray, random: Random, kind: str | None = None) -> BoolArray:
    """Returns what is touched (H, W): at least one pixel of the mask.

    Args:
        mask: not empty.
        random: the generator.
        kind: "dots", "shape", "scribble" or "circle"; by default each is as likely.

    Raises:
        InputError: the mask is empty.
        UnavailableError: SciPy is not installed.
    """
    chosen = kind or str(random.choice(list(KINDS)))
    touched = KINDS[chosen](mask, random) & mask
    return touched if touched.any() else click(mask)


def click(mask: BoolArray) -> BoolArray:
    """Returns the square of 3 x 3 pixels about the mask's deepest pixel, as far as it lies on the mask.

    Raises:
        InputError: the mask is empty.
        UnavailableError: SciPy is not installed.
    """
    (x, y), _ = prompts.deepest_point(mask)
    touched = np.zeros_like(mask)
    row, column = int(y), int(x)
    touched[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    return touched & mask


def _dots(mask: BoolArray, random: Random) -> BoolArray:
    found = np.flatnonzero(mask)
    touched = np.zeros(mask.size, np.bool_)
    touched[random.choice(found, min(len(found), 1 + int(random.integers(MOST_DOTS))), replace=False)] = True
    return touched.reshape(mask.shape)


def _shape(mask: BoolArray, random: Random) -> BoolArray:
    return polygon_to_mask(_inner_ring(mask, random), Size(*mask.shape))


def _scribble(mask: BoolArray, random: Random) -> BoolArray:
    return stroke_to_mask(prompts.scribble(mask, random), _width(mask, random), mask.shape)


def _circle(mask: BoolArray, random: Random) -> BoolArray:
    ring = _inner_ring(mask, random)
    return stroke_to_mask(np.concatenate([ring, ring[:1]]), _width(mask, random), mask.shape)


def _inner_ring(mask: BoolArray, random: Random) -> Float64:
    ring = prompts.rough_polygon(mask, random)
    centre = ring.mean(0)
    return centre + (ring - centre) * random.uniform(*SHRUNK)


def _width(mask: BoolArray, random: Random) -> float:
    return float(random.uniform(1, max(2.0, WIDEST * np.sqrt(mask.sum()))))


KINDS: Mapping[str, Callable[[BoolArray, Random], BoolArray]] = {
    "dots": _dots,
    "shape": _shape,
    "scribble": _scribble,
    "circle": _circle,
}
"""What a first touch can be."""
