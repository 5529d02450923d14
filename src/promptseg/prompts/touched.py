"""Prompts as touched pixels: the one form in which SEEM takes every prompt that says where (specification B1).

All is drawn at the size of the model's input. A point is a square of 3 x 3 pixels around the pixel that holds it, as
the clicks were with which SEEM was trained; a box, polygon, circle or mask is filled; a scribble has its width.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray
from promptseg.errors import PromptError
from promptseg.geometry import Size
from promptseg.masks.raster import polygon_to_mask, stroke_to_mask
from promptseg.prompts.encode import check_inside
from promptseg.prompts.places import Box, Circle, Mask, PlacePrompt, Point, Polygon
from promptseg.prompts.types import Prompt

DOT = 1
"""Pixels that a point reaches beyond its own, in each direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """Where the user touched a picture.

    Attributes:
        positive: (H, W) bool, pixels that belong to the object.
        negative: (H, W) bool, pixels that do not.
    """

    positive: BoolArray
    negative: BoolArray

    def __bool__(self) -> bool:
        return bool(self.positive.any() or self.negative.any())


def touched_pixels(prompts: Iterable[Prompt], picture: tuple[int, int], size: tuple[int, int]) -> Touched:
    """Draws the prompts of one object; those that say what, not where (text and so on), are passed over.

    Args:
        prompts: in pixels of the picture.
        picture: its height and width.
        size: height and width of the resized picture that the model sees, without padding.

    Raises:
        PromptError: a prompt does not touch the picture, or a mask is empty.
    """
    result = Touched(np.zeros(size, np.bool_), np.zeros(size, np.bool_))
    for prompt in prompts:
        if isinstance(prompt, PlacePrompt):
            drawn = draw(prompt, Size(*picture), Size(*size))
            target = result.positive if prompt.positive else result.negative
            target |= drawn
    return result


def draw(prompt: PlacePrompt, picture: Size, size: Size) -> BoolArray:
    """Returns the pixels of a picture resized to `size` that one prompt touches; at least one.

    Raises:
        PromptError: it does not touch the picture, or is an empty mask.
    """
    check_inside(prompt, picture)
    if isinstance(prompt, Mask):
        return _resized(prompt.array > 0.5, size)
    scale = np.array([size.width / picture.width, size.height / picture.height])
    if isinstance(prompt, Point):
        return _dot(np.array([prompt.x, prompt.y]) * scale, size)
    if isinstance(prompt, Box):
        x0, y0, x1, y1 = prompt.xyxy
        line = np.clip([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], 0, (picture.width, picture.height)) * scale
        drawn = polygon_to_mask(line, size)
        line = line.mean(axis=0, keepdims=True)
    elif isinstance(prompt, Polygon):
        line = np.array(prompt.points) * scale
        drawn = polygon_to_mask(line, size)
    else:
        line = np.array([(prompt.x, prompt.y)] if isinstance(prompt, Circle) else prompt.points) * scale
        width = 2 * prompt.radius if isinstance(prompt, Circle) else prompt.width
        drawn = stroke_to_mask(line, width * float(np.sqrt(scale.prod())), size)
    if not drawn.any():  # thinner than a pixel
        drawn = stroke_to_mask(np.vstack([line, line[:1]]), 1.0, size)
    if not drawn.any():
        raise PromptError(
            f"This {prompt.kind} does not touch the picture of {picture.width} x {picture.height} pixels."
        )
    return drawn


def _dot(place: npt.NDArray[np.float64], size: Size) -> BoolArray:
    column, row = np.minimum(place.astype(np.int64), (size.width - 1, size.height - 1)).tolist()
    drawn = np.zeros(size, np.bool_)
    drawn[max(0, row - DOT) : row + DOT + 1, max(0, column - DOT) : column + DOT + 1] = True
    return drawn


def _resized(mask: BoolArray, size: Size) -> BoolArray:
    """Brings a mask to another size: a pixel is touched when bilinear interpolation leaves it anything above zero.

    A mask that falls between the samples keeps the pixels that it lies in.
    """
    if not mask.any():
        raise PromptError("This mask prompt is empty: no pixel is above one half.")
    if mask.shape == size:
        return mask
    rows, columns = (_neighbours(old, new) for old, new in zip(mask.shape, size, strict=True))
    tall = mask[rows[0]] | mask[rows[1]]
    drawn = tall[:, columns[0]] | tall[:, columns[1]]
    if not drawn.any():
        y, x = np.nonzero(mask)
        drawn[y * size.height // mask.shape[0], x * size.width // mask.shape[1]] = True
    return drawn


def _neighbours(old: int, new: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the two old pixels between whose centres each new centre lies; the same one twice on a centre."""
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
