"""Places as they are drawn: on SAM's prompt grid, and at the size at which SEEM sees a picture.

The two round differently, each as its model was trained and measured: SAM's strokes are at least a cell wide and follow
the larger of the two scales, SEEM's follow their mean.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float64, Int64
from promptseg.geometry import ResizeFrame, Size
from promptseg.masks.raster import polygon_to_mask, stroke_to_mask

GRID = 256
"""Side of the mask-prompt grid, which covers the padded 1024 x 1024 model frame."""

DOT = 1
"""Pixels that a touched point reaches beyond its own, in each direction."""

FINEST = 1024
"""Samples along the longer side of a mask prompt on a tile: more than the model takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A filled outline or a stroke.

    Attributes:
        points: (N, 2) x, y, the corners or the way, in pixels of the picture.
        width: how thick the stroke is; None fills the outline.
        compact: whether its middle, not its line, stands for it where it is thinner than a pixel.
    """

    points: Float64
    width: float | None = None
    compact: bool = False

    def on_grid(self, frame: ResizeFrame) -> BoolArray:
        """Draws it on the (256, 256) prompt grid; nothing where it lies beside the picture."""
        scale = GRID / frame.side
        line = frame.to_model(self.points) * scale
        wide = 1.0 if self.width is None else max(1.0, self.width * scale * max(frame.factors))
        middle = (line.min(axis=0) + line.max(axis=0)) / 2
        drawn = self._paint(line, min(wide, 4.0 * GRID), middle, Size(GRID, GRID))  # no wider: it takes time
        height, width = (-(-side * GRID // frame.side) for side in frame.resized)
        drawn[height:], drawn[:, width:] = False, False
        return drawn

    def touched(self, picture: Size, size: Size) -> BoolArray:
        """Draws it on a picture that is resized to `size`; nothing where it lies beside the picture."""
        scale = np.array([size.width / picture.width, size.height / picture.height])
        line = self.points * scale
        wide = 0.0 if self.width is None else self.width * float(np.sqrt(scale.prod()))
        return self._paint(line, wide, line.mean(axis=0), size)

    def _paint(self, line: Float64, width: float, middle: Float64, size: Size) -> BoolArray:
        drawn = polygon_to_mask(line, size) if self.width is None else stroke_to_mask(line, width, size)
        if not drawn.any():  # thinner than a pixel
            rest = middle[None] if self.compact else line
            drawn = stroke_to_mask(np.vstack([rest, rest[:1]]), 1.0, size)
        return drawn

    def along(self, frame: ResizeFrame, count: int) -> list[tuple[float, float]]:
        """Places points of the model's frame at equal distances along the way, start to end, inside the picture."""
        line = frame.to_model(self.points)
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        shares = np.linspace(0, lengths[-1], count)
        places = zip(*(np.interp(shares, lengths, line[:, axis]) for axis in (0, 1)), strict=True)
        height, width = frame.resized
        inside = [(float(x), float(y)) for x, y in places if 0 <= x <= width and 0 <= y <= height]
        return list(dict.fromkeys(inside))


def dot(x: float, y: float, picture: Size, size: Size) -> BoolArray:
    """Draws the square around a point on a picture that is resized to `size`."""
    place = np.array([x, y]) * np.array([size.width / picture.width, size.height / picture.height])
    column, row = np.minimum(place.astype(np.int64), (size.width - 1, size.height - 1)).tolist()
    drawn = np.zeros(size, np.bool_)
    drawn[max(0, row - DOT) : row + DOT + 1, max(0, column - DOT) : column + DOT + 1] = True
    return drawn


def resized(mask: BoolArray, size: Size) -> BoolArray:
    """Brings a mask to another size: a pixel is touched when bilinear interpolation leaves it anything above zero.

    A mask that falls between the samples keeps the pixels that it lies in.
    """
    if mask.shape == size:
        return mask
    rows, columns = (_neighbours(old, new) for old, new in zip(mask.shape, size, strict=True))
    tall = mask[rows[0]] | mask[rows[1]]
    drawn = tall[:, columns[0]] | tall[:, columns[1]]
    if not drawn.any():
        y, x = np.nonzero(mask)
        drawn[y * size.height // mask.shape[0], x * size.width // mask.shape[1]] = True
    return drawn


def _neighbours(old: int, new: int) -> tuple[Int64, Int64]:
    """Returns the two old pixels between whose centres each new centre lies; the same one twice on a centre."""
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)


def samples(first: int, last: int, scale: float, count: int) -> Int64:
    """Returns the rows of a mask (`scale` of them per pixel) that show the pixels from `first` to `last`."""
    step = max(1, math.ceil((last - first) / FINEST))
    centres = np.arange(first, last, step) + step / 2
    return np.minimum((np.minimum(centres, last - 0.5) * scale).astype(np.int64), count - 1)


def box_of(inside: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Returns the box (x0, y0, x1, y1) of a mask's pixels, of which there are some."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
