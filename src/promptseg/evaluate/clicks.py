"""The simulated click: where a careful person would click next to mend a mask.

The protocol of RITM and its successors (NoC), which SAM's centre-point protocol agrees with: the click goes
to the pixel deepest inside the larger error, "larger" meaning the one with the deepest pixel. The
picture's border counts as outside.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.evaluate.samples import BoolArray, require_ndimage


@dataclass(frozen=True, slots=True)
class Click:
    """A click on pixel column `x`, row `y`.

    The numbers are whole pixel indices, as the official protocols give them to a model: a click on the
    top-left pixel is (0, 0). SAM itself adds the half pixel that leads to the pixel's centre.
    """

    x: int
    y: int
    positive: bool


@dataclass(frozen=True, slots=True)
class _Deepest:
    depth: float
    x: int = 0
    y: int = 0


def next_click(
    prediction: BoolArray | None,
    truth: BoolArray,
    ignore: BoolArray | None = None,
    clicked: Collection[tuple[int, int]] = (),
) -> Click | None:
    """Returns the next click: positive inside missed pixels, negative inside wrongly added ones.

    Of equally deep pixels the topmost, then leftmost is taken; between equally deep errors the wrongly
    added one is, as in RITM. Pixels already clicked are passed over unless no other wrong pixel is left.

    Args:
        prediction: the mask so far (H, W), or None before the first click.
        truth: the true mask (H, W).
        ignore: pixels that never count as wrong (H, W), or None.
        clicked: earlier clicks as (x, y).

    Returns:
        The click, or None when no pixel is wrong.

    Raises:
        InputError: the masks differ in shape or are not bool.
        UnavailableError: SciPy is not installed.
    """
    guess = np.zeros_like(truth) if prediction is None else prediction
    check_masks(guess, truth, ignore)
    missed, added = truth & ~guess, guess & ~truth
    if ignore is not None:
        missed, added = missed & ~ignore, added & ~ignore
    for passed_over in (clicked, ()):
        inside = _deepest(missed, passed_over)
        outside = _deepest(added, passed_over, at_least=inside.depth)
        if inside.depth > outside.depth:
            return Click(inside.x, inside.y, True)
        if outside.depth > 0:
            return Click(outside.x, outside.y, False)
    return None


def check_masks(prediction: BoolArray, truth: BoolArray, ignore: BoolArray | None) -> None:
    """Raises InputError unless all masks are bool (H, W) of one shape."""
    masks = [mask for mask in (prediction, truth, ignore) if mask is not None]
    shapes = [mask.shape for mask in masks]
    if truth.ndim != 2 or len(set(shapes)) > 1:
        listed = ", ".join("x".join(map(str, shape)) for shape in shapes)
        raise InputError(
            f"Prediction, truth and ignored pixels must be masks of one height and width, got {listed}."
        )
    if any(mask.dtype != np.bool_ for mask in masks):
        raise InputError(f"Masks must be bool, got {', '.join(str(mask.dtype) for mask in masks)}.")


def bounds(mask: BoolArray) -> tuple[slice, slice] | None:
    """Returns the rows and columns that hold every true pixel, or None when there is none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _deepest(region: BoolArray, passed_over: Collection[tuple[int, int]], at_least: float = 0.0) -> _Deepest:
    """Returns the pixel of `region` farthest from any pixel outside it; depth 0 when there is none.

    A region whose bounding box is too narrow to be as deep as `at_least` is not measured.
    """
    box = bounds(region)
    if box is None:
        return _Deepest(0.0)
    rows, columns = box
    crop = region[rows, columns]
    if (min(crop.shape) + 1) // 2 < at_least:
        return _Deepest(0.0)
    # All around the bounding box is outside the region, so one ring of it is enough to measure against.
    distance: npt.NDArray[np.float64] = require_ndimage().distance_transform_edt(np.pad(crop, 1))[1:-1, 1:-1]
    for x, y in passed_over:
        if rows.start <= y < rows.stop and columns.start <= x < columns.stop:
            distance[y - rows.start, x - columns.start] = 0.0
    flat = int(distance.argmax())
    y, x = divmod(flat, crop.shape[1])
    return _Deepest(float(distance[y, x]), x + columns.start, y + rows.start)
