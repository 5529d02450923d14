"""Masks at low resolution, held by the logits around them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32
from promptseg.geometry import MaskGrid

OUTSIDE = np.float32(-32)
"""Logit of everything that is too far from a mask to be held: surely not the object."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldLogits:
    """The part of a mask's logits that matters.

    Attributes:
        values: (h, w) logits around the mask.
        top: the row of the grid that they begin at.
        left: its column.
    """

    values: npt.NDArray[np.floating]
    top: int
    left: int

    def whole(self) -> Float32:
        """Returns the logits on the whole grid, surely negative where they are not held."""
        grid = np.full((MaskGrid.SIDE, MaskGrid.SIDE), OUTSIDE)
        height, width = self.values.shape
        grid[self.top : self.top + height, self.left : self.left + width] = self.values
        return grid


def span(mask: BoolArray) -> tuple[int, int, int, int]:
    """Returns top, bottom, left, right of a mask, the second and fourth not included; zeros when it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return 0, 0, 0, 0
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
