"""Painting outlines: which pixels a polygon or a stroke covers.

A pixel belongs to a polygon when its centre lies inside, by the even-odd rule; centres exactly on an edge
belong to the polygon on their right (or, on horizontal edges, below), so that polygons that share an edge
share no pixel.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE

Points = npt.ArrayLike
"""(N, 2) x, y pixels."""

_MOST_CROSSINGS = 50_000_000
"""Bounds memory: a zigzag of few corners over a wide picture crosses very many columns."""

_PIECE = 64.0
"""Strokes are painted in pieces of at most this many pixels, so that work follows the length, not the box."""


def rings_to_rle(rings: Sequence[Points], size: tuple[int, int]) -> RLE:
    """Returns the pixels inside an odd number of the closed rings (an outline with its holes, for one).

    Raises:
        InputError: a ring is not a list of finite (x, y) pairs, or too intricate for the picture.
    """
    height, width = size
    crossings = [_crossings(_checked(ring), height, width) for ring in rings]
    keys = np.sort(np.concatenate(crossings)) if crossings else np.empty(0, np.int64)
    # A column holds an even number of crossings: pixels between the first and second are inside, and so on.
    columns, rows = np.divmod(keys, height + 1)
    columns, tops, bottoms = columns[0::2], rows[0::2], rows[1::2]
    some = tops < bottoms
    return RLE.from_columns(columns[some], tops[some], bottoms[some], Size(*size))


def _crossings(ring: npt.NDArray[np.float64], height: int, width: int) -> npt.NDArray[np.int64]:
    """Returns column * (height + 1) + row of the first centre at or below each edge, column by column."""
    start, end = ring, np.roll(ring, -1, axis=0)
    swap = start[:, 0] > end[:, 0]
    low, high = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    first = np.ceil(np.clip(low[:, 0], 0, width) - 0.5).astype(np.int64)
    last = np.ceil(np.clip(high[:, 0], 0, width) - 0.5).astype(np.int64)
    counts = np.maximum(last - first, 0)
    if counts.sum() > _MOST_CROSSINGS:
        raise InputError(f"This outline crosses too many columns of pixels: {counts.sum()}. Simplify it.")
    edge = np.repeat(np.arange(len(ring)), counts)
    columns = np.arange(len(edge)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    step = high[edge] - low[edge]
    y = low[edge, 1] + (columns + 0.5 - low[edge, 0]) / step[:, 0] * step[:, 1]
    rows = np.ceil(np.clip(y, 0, height) - 0.5).astype(np.int64)
    return columns * (height + 1) + rows


def polygon_to_rle(points: Points, size: tuple[int, int]) -> RLE:
    """Returns the pixels of a picture of `size` (height, width) whose centre lies inside the polygon."""
    return rings_to_rle([points], size)


def polygon_to_mask(points: Points, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns the same as `polygon_to_rle`, as a (H, W) bool array of its own."""
    return polygon_to_rle(points, size).dense()


def stroke_to_mask(points: Points, width: float, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns the pixels whose centre is at most `width / 2` away from the line through the points.

    The pixels that hold the points themselves are always painted, however thin the stroke.

    Args:
        points: (N, 2) x, y pixels, at least one.
        width: thickness of the stroke in pixels.
        size: height and width of the picture.

    Raises:
        InputError: the points are not finite (x, y) pairs.
    """
    line = _checked(points)
    mask = np.zeros(size, np.bool_)
    radius = width / 2
    for start, end in zip(line, line[1:] if len(line) > 1 else line, strict=False):
        clipped = _clip(start, end, radius, size)
        if clipped is not None:
            _paint(mask, *clipped, radius)
    inside = ((line >= 0) & (line <= (size[1], size[0]))).all(axis=1)
    columns, rows = np.minimum(line[inside].astype(np.int64), (size[1] - 1, size[0] - 1)).T
    mask[rows, columns] = True
    return mask


_Point = npt.NDArray[np.float64]


def _clip(start: _Point, end: _Point, radius: float, size: tuple[int, int]) -> tuple[_Point, _Point] | None:
    """Returns the part of a line within `radius` of the picture, or None."""
    step = end - start
    low, high = np.full(2, -radius), np.array([size[1] + radius, size[0] + radius])
    begin, stop = 0.0, 1.0
    for axis in (0, 1):
        if step[axis] == 0:
            if not low[axis] <= start[axis] <= high[axis]:
                return None
            continue
        bounds = sorted(((low[axis] - start[axis]) / step[axis], (high[axis] - start[axis]) / step[axis]))
        begin, stop = max(begin, bounds[0]), min(stop, bounds[1])
    return (start + begin * step, start + stop * step) if begin <= stop else None


def _paint(mask: npt.NDArray[np.bool_], start: _Point, end: _Point, radius: float) -> None:
    pieces = max(1, int(np.ceil(np.abs(end - start).max() / _PIECE)))
    marks = np.linspace(start, end, pieces + 1)
    for a, b in itertools.pairwise(marks):
        x0, y0 = np.maximum(np.floor(np.minimum(a, b) - radius), 0).astype(int)
        x1, y1 = np.ceil(np.maximum(a, b) + radius).astype(int) + 1
        region = mask[y0:y1, x0:x1]
        dx = np.arange(x0, x0 + region.shape[1])[None] + 0.5 - a[0]
        dy = np.arange(y0, y0 + region.shape[0])[:, None] + 0.5 - a[1]
        along, length = b - a, float(((b - a) ** 2).sum())
        share = np.clip((dx * along[0] + dy * along[1]) / length, 0, 1) if length else np.zeros(region.shape)
        region |= (dx - share * along[0]) ** 2 + (dy - share * along[1]) ** 2 <= radius**2


def _checked(points: Points) -> npt.NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"An outline needs finite (x, y) pairs, got an array of shape {array.shape}.")
    return array
