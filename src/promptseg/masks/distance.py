"""How deep pixels lie inside a mask, and good places to click."""

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray
from promptseg.errors import InputError
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.stopping import check_stop

_MOST_PARTS = 64
"""Masks of more regions than this are worked on as a whole."""

_SMALL = 256 * 256
"""A box of so many pixels or fewer is worked on as a whole, which is then quicker than finding its regions."""

_REVIEW = 8
"""Steps between looks at how far the work area has shrunk."""


def distance_transform(mask: BoolArray | RLE, *, border: bool = True) -> npt.NDArray[np.float64]:
    """Returns the exact Euclidean distance of each pixel of the mask to the nearest pixel outside it.

    Args:
        mask: (H, W) bool or RLE.
        border: whether everything outside the picture counts as outside the mask. Otherwise a mask that fills
            the picture is infinitely deep.
    """
    rle = mask if isinstance(mask, RLE) else RLE.encode(mask)
    result = np.zeros(rle.size)
    if rle.area:
        x0, y0, x1, y1 = rle.box
        result[y0:y1, x0:x1] = _crop_distance(rle, border)
    return result


def _crop_distance(rle: RLE, border: bool) -> npt.NDArray[np.float64]:
    """Returns the distances inside the box, region by region.

    On the way from one region to another a background pixel comes first, so regions do not matter
    to each other; and together they would share one large work area.
    """
    x0, y0, x1, y1 = rle.box
    small = (x1 - x0) * (y1 - y0) <= _SMALL
    parts = () if small else components(rle)
    if not 1 < len(parts) <= _MOST_PARTS:
        return _part_distance(rle, border)
    result = np.zeros((y1 - y0, x1 - x0))
    for part in parts:
        left, top, right, bottom = part.box
        region = result[top - y0 : bottom - y0, left - x0 : right - x0]
        np.maximum(region, _part_distance(part, border), out=region)
    return result


def _part_distance(rle: RLE, border: bool) -> npt.NDArray[np.float64]:
    """Returns the distances inside the box; the nearest outside pixel is in it or in the ring around it."""
    x0, y0, x1, y1 = rle.box
    top, left = border or y0 > 0, border or x0 > 0
    bottom, right = border or y1 < rle.size.height, border or x1 < rle.size.width
    crop = np.pad(rle.crop(), ((int(top), int(bottom)), (int(left), int(right))))
    squared = _squared_distance(crop)[int(top) : int(top) + y1 - y0, int(left) : int(left) + x1 - x0]
    return np.sqrt(squared.astype(np.float64)) if not crop.all() else np.full(squared.shape, np.inf)


def _squared_distance(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Along columns first, then along rows by growing offsets d, which help only where distance exceeds d."""
    height, width = mask.shape
    far = height + width
    vertical = _column_distance(mask, far).astype(np.int64 if far > 30_000 else np.int32) ** 2
    squared = vertical.copy()
    y0, y1, x0, x1 = 0, height, 0, width
    for offset in range(1, width):
        check_stop()
        if (offset - 1) % _REVIEW == 0:
            deep = squared[y0:y1, x0:x1] > offset * offset
            rows, columns = np.flatnonzero(deep.any(axis=1)), np.flatnonzero(deep.any(axis=0))
            if len(rows) == 0:
                break
            y0, y1 = y0 + int(rows[0]), y0 + int(rows[-1]) + 1
            x0, x1 = x0 + int(columns[0]), x0 + int(columns[-1]) + 1
        for shift in (-offset, offset):
            low, high = max(x0, -shift), min(x1, width - shift)
            if low < high:
                target = squared[y0:y1, low:high]
                np.minimum(target, vertical[y0:y1, low + shift : high + shift] + offset * offset, out=target)
    return squared  # type: ignore[return-value]


def _column_distance(mask: BoolArray, far: int) -> npt.NDArray[np.int64]:
    """Returns the distance to the nearest False pixel in the same column, `far` when there is none."""
    height = len(mask)
    rows = np.arange(height)[:, None]
    above = np.maximum.accumulate(np.where(mask, -far, rows), axis=0)
    below = np.minimum.accumulate(np.where(mask, height + far, rows)[::-1], axis=0)[::-1]
    return np.minimum(np.minimum(rows - above, below - rows), far)


def interior_point(mask: BoolArray | RLE) -> tuple[float, float]:
    """Returns the centre (x, y) of the deepest pixel of the mask; of equal ones, the first in reading order.

    Raises:
        InputError: the mask is empty.
    """
    return interior_points(mask, 1)[0]


def interior_points(mask: BoolArray | RLE, count: int) -> list[tuple[float, float]]:
    """Returns up to `count` pixel centres (x, y) that lie deep inside the mask and far from one another.

    The first is `interior_point`; each next one has the greatest product of its depth and its distance to the
    nearest point before it, so that points spread over the whole mask without going to its rim.

    Raises:
        InputError: the mask is empty.
    """
    rle = mask if isinstance(mask, RLE) else RLE.encode(mask)
    if not rle.area:
        raise InputError("An empty mask has no interior point.")
    depth = _crop_distance(rle, border=True)
    worth, apart = depth, np.full(depth.shape, np.inf)
    dy, dx = np.ogrid[: depth.shape[0], : depth.shape[1]]
    points: list[tuple[float, float]] = []
    while len(points) < min(count, rle.area):
        y, x = np.unravel_index(np.argmax(worth), depth.shape)
        points.append((float(x) + rle.box[0] + 0.5, float(y) + rle.box[1] + 0.5))
        if len(points) < count:
            np.minimum(apart, np.hypot(dy - y, dx - x), out=apart)
            worth = depth * apart
    return points
