"""Prompts of a whole picture as prompts of a part of it."""

import math
from collections.abc import Iterable

import numpy as np

from promptseg.geometry import Size
from promptseg.prompts.types import (
    Box,
    Circle,
    Mask,
    ObjectPrompts,
    Point,
    Polygon,
    Prompt,
    Scribble,
    WordPrompt,
)
from promptseg.segment.tiling.plan import TileBox

FINEST = 1024
"""Samples along the longer side of a mask prompt on a tile: more than the model takes."""

Bounds = tuple[float, float, float, float]


def bounds(prompts: Iterable[Prompt], size: Size) -> Bounds | None:
    """Returns the smallest box (x0, y0, x1, y1) around prompts, within a picture of `size`.

    None when some prompt has no place: one that says what and not where, or an empty mask.
    """
    boxes: list[Bounds] = []
    for prompt in prompts:
        box = _bounds(prompt, size)
        if box is None:
            return None
        boxes.append(box)
    corners = np.array(boxes).reshape(-1, 2, 2).clip(0, (size.width, size.height))
    low, high = corners[:, 0].min(axis=0).tolist(), corners[:, 1].max(axis=0).tolist()
    return low[0], low[1], high[0], high[1]


def _bounds(prompt: Prompt, size: Size) -> Bounds | None:
    if isinstance(prompt, WordPrompt):
        return None
    if isinstance(prompt, Point):
        return prompt.x, prompt.y, prompt.x, prompt.y
    if isinstance(prompt, Box):
        return prompt.xyxy
    if isinstance(prompt, Circle):
        reach = prompt.radius
        return prompt.x - reach, prompt.y - reach, prompt.x + reach, prompt.y + reach
    if isinstance(prompt, Mask):
        return _mask_bounds(prompt, size)
    reach = prompt.width / 2 if isinstance(prompt, Scribble) else 0.0
    vertices = np.array(prompt.points)
    low, high = (vertices.min(axis=0) - reach).tolist(), (vertices.max(axis=0) + reach).tolist()
    return low[0], low[1], high[0], high[1]


def _mask_bounds(prompt: Mask, size: Size) -> Bounds | None:
    inside = prompt.array > 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if len(rows) == 0:
        return None
    x, y = size.width / inside.shape[1], size.height / inside.shape[0]
    return columns[0] * x, rows[0] * y, (columns[-1] + 1) * x, (rows[-1] + 1) * y


def within(prompts: ObjectPrompts, box: TileBox, size: Size) -> ObjectPrompts:
    """Returns prompts of a picture of `size` as prompts of the part inside `box`."""
    return tuple(_within(prompt, box, size) for prompt in prompts)


def _within(prompt: Prompt, box: TileBox, size: Size) -> Prompt:
    x, y = box[:2]
    if isinstance(prompt, Point):
        return Point(prompt.x - x, prompt.y - y, prompt.positive)
    if isinstance(prompt, Box):
        x0, y0, x1, y1 = prompt.xyxy
        return Box(x0 - x, y0 - y, x1 - x, y1 - y, prompt.positive)
    if isinstance(prompt, Circle):
        return Circle(prompt.x - x, prompt.y - y, prompt.radius, prompt.positive)
    if isinstance(prompt, Polygon):
        return Polygon(tuple((px - x, py - y) for px, py in prompt.points), prompt.positive)
    if isinstance(prompt, Scribble):
        points = tuple((px - x, py - y) for px, py in prompt.points)
        return Scribble(points, prompt.width, prompt.positive)
    if isinstance(prompt, Mask):
        height, width = prompt.array.shape
        rows = _samples(box[1], box[3], height / size.height, height)
        columns = _samples(box[0], box[2], width / size.width, width)
        return Mask(prompt.array[np.ix_(rows, columns)], prompt.positive)
    return prompt


def _samples(first: int, last: int, scale: float, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns the rows of a mask (`scale` of them per pixel) that show the pixels from `first` to `last`."""
    step = max(1, math.ceil((last - first) / FINEST))
    centres = np.arange(first, last, step) + step / 2
    return np.minimum((np.minimum(centres, last - 0.5) * scale).astype(np.int64), count - 1)
