"""Average recall of masks without classes, as COCO measures proposals (AR@100, AR@1000, by size of the object).

Shapes: A size ranges, L limits, T IoU thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import Float64, Int64
from promptseg.errors import InputError
from promptseg.masks.overlap import iou_matrix
from promptseg.masks.rle import RLE

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""(T,) a mask of the truth is found when a proposal overlaps it by this IoU."""

LIMITS = (100, 1000)
"""Proposals per picture that count, the best first."""

SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of area in pixels, both ends included, as COCO has them."""


@dataclass(frozen=True, slots=True, eq=False)
class RecallCounts:
    """The counts of one picture, or sums of them.

    Attributes:
        limits: the L numbers of proposals.
        found: (A, L, T) masks of the truth that have a proposal of their own.
        wanted: (A,) masks of the truth.
    """

    limits: tuple[int, ...]
    found: Int64
    wanted: Int64

    def __add__(self, other: "RecallCounts") -> "RecallCounts":
        if self.limits != other.limits:
            raise InputError(f"Counts with the limits {self.limits} and {other.limits} cannot be added.")
        return RecallCounts(self.limits, self.found + other.found, self.wanted + other.wanted)

    def average_recall(self) -> dict[str, dict[int, float]]:
        """Returns the recall, averaged over the IoU thresholds, by size and limit; NaN where nothing is wanted."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.found.mean(axis=2) / self.wanted[:, None]
        return {name: dict(zip(self.limits, row.tolist(), strict=True)) for name, row in zip(SIZES, means, strict=True)}


def count_recall(
    truth: Sequence[RLE], areas: Sequence[float], proposals: Sequence[RLE], *, limits: Sequence[int] = LIMITS
) -> RecallCounts:
    """Counts which true masks of one picture are among the proposals.

    The rule is COCO's: the proposals choose in turn, best first; each takes the true mask that it overlaps most among
    those still free, provided the IoU reaches the threshold.

    Args:
        truth: the true masks, no crowds.
        areas: their areas as annotated, which decide about their size range.
        proposals: the proposed masks, best first.
        limits: numbers of proposals that count.

    Raises:
        InputError: there is not one area per mask, a limit is not positive, or masks are of different pictures.
    """
    if len(areas) != len(truth):
        raise InputError(f"{len(truth)} true masks need as many areas, got {len(areas)}.")
    if not limits or min(limits) < 1:
        raise InputError(f"The numbers of proposals must be positive, got {tuple(limits)}.")
    overlaps = iou_matrix(truth, proposals[: max(limits)])
    sizes = np.asarray(areas, np.float64)
    found = np.zeros((len(SIZES), len(limits), len(IOU_THRESHOLDS)), np.int64)
    wanted = np.zeros(len(SIZES), np.int64)
    for number, (least, most) in enumerate(SIZES.values()):
        rows = overlaps[(sizes >= least) & (sizes <= most)]
        wanted[number] = len(rows)
        for column, threshold in enumerate(IOU_THRESHOLDS.tolist()):
            taken_by = _choose(rows, threshold)
            for position, limit in enumerate(limits):
                found[number, position, column] = np.count_nonzero(taken_by < limit)
    return RecallCounts(tuple(limits), found, wanted)


def _choose(overlaps: Float64, threshold: float) -> Int64:
    """Returns for each true mask (row) the number of the proposal (column) that takes it, or a very large one."""
    taken_by = np.full(len(overlaps), np.iinfo(np.int64).max)
    free = np.ones(len(overlaps), np.bool_)
    # Only few proposals reach the threshold with any mask.
    for column in np.flatnonzero((overlaps >= threshold).any(axis=0)).tolist():
        values = np.where(free, overlaps[:, column], -1.0)
        # Of equal overlaps COCO takes the last.
        best = len(values) - 1 - int(np.argmax(values[::-1]))
        if values[best] >= threshold:
            taken_by[best], free[best] = column, False
    return taken_by
