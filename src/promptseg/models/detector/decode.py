"""From the detector's levels to boxes, with NumPy alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from promptseg.arrays import Float32, Int64, sigmoid
from promptseg.geometry import box_iou
from promptseg.models.detector.config import BINS, CLASSES, STRIDES

OVERLAP = 0.6
"""Of two boxes of one class whose IoU is above this, the worse is dropped."""
MOST = 100
"""Boxes kept of a picture."""
_TRIED = 1000


class Boxes(NamedTuple):
    """Things found in a picture, best first.

    Attributes:
        corners: (N, 4) x0, y0, x1, y1 in pixels.
        scores: (N,) from 0 to 1.
        classes: (N,) numbers of COCO's 80 things, from 0.
    """

    corners: Float32
    scores: Float32
    classes: Int64

    def chosen(self, rows: Int64) -> "Boxes":
        """Returns some of them."""
        return Boxes(self.corners[rows], self.scores[rows], self.classes[rows])

    def of(self, number: int) -> "Boxes":
        """Returns those of one class."""
        return self.chosen(np.flatnonzero(self.classes == number))


def decoded(levels: Sequence[Float32], least: float) -> Boxes:
    """Returns the boxes of cells and classes with a score above `least`, before any is compared with another.

    Args:
        levels: the network's outputs for one picture, (80 + 4 * 11, h, w) each.
        least: a probability.
    """
    floor = np.log(least / (1 - least))
    found: list[Boxes] = []
    for level, stride in zip(levels, STRIDES, strict=True):
        classes, rows, columns = np.nonzero(level[:CLASSES] > floor)
        sides = level[CLASSES:, rows, columns].T.reshape(-1, 4, BINS)
        powers = np.exp(sides - sides.max(-1, keepdims=True))
        reach = (powers @ np.arange(BINS, dtype=np.float32)) / powers.sum(-1) * stride
        centres = np.stack([columns, rows], 1).astype(np.float32) * stride + stride / 2
        corners = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], 1).astype(np.float32)
        found.append(Boxes(corners, sigmoid(level[classes, rows, columns]), classes.astype(np.int64)))
    together = Boxes(*(np.concatenate(part) for part in zip(*found, strict=True)))
    return together.chosen(np.argsort(-together.scores, kind="stable")[:_TRIED])


def apart(boxes: Boxes, overlap: float = OVERLAP, most: int = MOST) -> Boxes:
    """Drops every box that overlaps a better one of its class, and all beyond the best `most`."""
    meets = (box_iou(boxes.corners, boxes.corners) > overlap) & (boxes.classes[:, None] == boxes.classes)
    alive = np.ones(len(boxes.scores), np.bool_)
    for row in range(len(alive)):
        if alive[row]:
            alive[row + 1 :] &= ~meets[row, row + 1 :]
    return boxes.chosen(np.flatnonzero(alive)[:most])
