"""From the detector's levels to boxes, with NumPy alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from promptseg.arrays import Float32, Int64, sigmoid
from promptseg.geometry import box_iou
from promptseg.models.detector.config import BINS, CLASSES, STRIDES

OVERLAP = 0.6
"""Of two boxes of one class whose IoU is above this, the worse is dropped."""
FUSED = 0.55
"""Boxes of one class from several looks whose IoU is above this are of one thing."""
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


def fused(looks: Sequence[Boxes], overlap: float = FUSED) -> Boxes:
    """Fuses the boxes that several looks at a picture found (weighted boxes fusion, arXiv 1910.13302), best first.

    Boxes of one class, at most one of each look, that overlap are one: its corners are their mean, weighted by their
    scores; its score is the mean over all looks, of which those that did not see it count as 0.
    """
    together = Boxes(*(np.concatenate(part) for part in zip(*looks, strict=True)))
    source = np.repeat(np.arange(len(looks)), [len(look.scores) for look in looks])
    corners, scores = np.zeros_like(together.corners), np.zeros_like(together.scores)
    classes = np.zeros_like(together.classes)
    seen = np.zeros((len(scores), len(looks)), np.bool_)
    count = 0
    for row in np.argsort(-together.scores, kind="stable").tolist():
        corner, score, number = together.corners[row], together.scores[row], together.classes[row]
        fits = np.flatnonzero((classes[:count] == number) & ~seen[:count, source[row]])
        shared = box_iou(corner[None], corners[fits])[0]
        if len(fits) and shared.max() > overlap:
            place = int(fits[shared.argmax()])
        else:
            place, count = count, count + 1
            classes[place] = number
        weight = scores[place] + score
        corners[place] = (corners[place] * scores[place] + corner * score) / weight
        scores[place] = weight
        seen[place, source[row]] = True
    order = np.argsort(-scores[:count], kind="stable")
    return Boxes(corners, (scores / len(looks)).astype(np.float32), classes).chosen(order)
