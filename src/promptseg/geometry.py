"""Coordinates, sizes and the frame that SAM resizes a picture into.

House rules, stated once: coordinates are float pixels (x, y) with the origin at the top-left corner of the
top-left pixel of the original picture, x to the right and y down; boxes are (x0, y0, x1, y1); sizes are
(height, width). The same numbers given to the official SAM predictor give the same mask.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError

LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_BOX_START, LABEL_BOX_END = 0, 1, 2, 3
"""What SAM is told of each point of its frame."""
LABEL_PAD = -1
"""The official "not a point" token, part of every prompt without a box."""
LABEL_ABSENT = -2
"""Fills ragged batches: such a token is masked out of every attention, so it changes nothing."""


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class ResizeFrame:
    """How a picture is fitted into the model's square input (SAM paper, appendix A; specification A3.1-3).

    The longer side becomes `side`; the shorter keeps the proportion, rounded half up, and is padded at the
    bottom or right. Coordinates are scaled per axis by the *rounded* sizes, as the official code does.
    """

    original: Size
    resized: Size
    side: int = 1024

    @classmethod
    def fit(cls, size: tuple[int, int], side: int = 1024) -> "ResizeFrame":
        """Returns the frame of a picture of `size` (height, width).

        Raises:
            InputError: a side is not positive.
        """
        height, width = size
        if height < 1 or width < 1:
            raise InputError(f"A picture must have at least one pixel, got height {height} and width {width}.")
        scale = side * 1.0 / max(height, width)
        # The short side of a 1 x 5000 picture would round to zero: the official code fails there, we keep one row.
        resized = Size(max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))
        return cls(Size(height, width), resized, side)

    @property
    def factors(self) -> tuple[float, float]:
        """Scale factors (x, y) from original to resized pixels."""
        return self.resized.width / self.original.width, self.resized.height / self.original.height

    def to_model(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Maps (..., 2) points of the original picture to the resized frame."""
        return np.asarray(points, np.float64) * np.asarray(self.factors)


class MaskGrid(NamedTuple):
    """How many cells, down and across, a picture has of the grid that SAM predicts masks on.

    The grid covers the padded frame, `SIDE` cells along each side; a cell is `CELL` pixels of SAM's frame long.
    """

    height: int
    width: int

    SIDE = 256
    CELL = 4

    @classmethod
    def of(cls, frame: ResizeFrame) -> "MaskGrid":
        """Returns the part that a picture covers."""
        height, width = (-(-side * cls.SIDE // frame.side) for side in frame.resized)
        return cls(height, width)


def box_area(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Areas of (..., 4) boxes in square pixels; inverted boxes have area zero."""
    boxes_ = np.asarray(boxes, np.float64)
    sides = np.clip(boxes_[..., 2:] - boxes_[..., :2], 0, None)
    return sides[..., 0] * sides[..., 1]


def box_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Pairwise intersection over union of (N, 4) and (M, 4) boxes, as (N, M)."""
    return paired_iou(np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None])


def paired_iou(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Intersection over union of each box with the one in its place, as NumPy broadcasts them."""
    overlap = np.concatenate([np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], -1)
    shared = box_area(overlap)
    return shared / np.maximum(box_area(a) + box_area(b) - shared, np.finfo(np.float64).tiny)
