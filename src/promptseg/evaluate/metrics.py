"""Measures of masks, and of how masks get better (or worse) click by click.

Shapes: T targets, K clicks. A sequence of IoUs is (T, K), column k holding the IoU after k + 1 clicks.
"""

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, require_ndimage
from promptseg.errors import InputError
from promptseg.hands.clicks import bounds, check_masks

Floats = npt.NDArray[np.float64]

BOUNDARY_SHARE = 0.02
"""Width of the boundary band as a share of the picture's diagonal (Boundary IoU paper)."""
DROP_CLICKS = 10
"""A drop is looked for among so many first clicks."""


def iou(prediction: BoolArray, truth: BoolArray, ignore: BoolArray | None = None) -> float:
    """Intersection over union of two masks outside the ignored pixels; 1 when both are empty.

    Raises:
        InputError: the masks differ in shape or are not bool.
    """
    check_masks(prediction, truth, ignore)
    return overlap_of(prediction, truth, ignore)[2]


def overlap_of(mask: BoolArray, truth: BoolArray, ignore: BoolArray | None) -> tuple[int, int, float]:
    """Returns shared pixels, pixels of either, and IoU (1 when both are empty), outside the ignored pixels."""
    shared, union = mask & truth, mask | truth
    if ignore is not None:
        shared, union = shared & ~ignore, union & ~ignore
    both, either = int(np.count_nonzero(shared)), int(np.count_nonzero(union))
    return both, either, both / either if either else 1.0


def boundary_iou(
    prediction: BoolArray, truth: BoolArray, ignore: BoolArray | None = None, *, share: float = BOUNDARY_SHARE
) -> float:
    """IoU of the bands inside the two outlines: pixels within `share` of the picture's diagonal from outside.

    The band is as wide, in 8-neighbour steps, as the rounded share of the diagonal, and at least one pixel.
    The picture's border counts as outside.

    Raises:
        InputError: the masks differ in shape or are not bool.
        UnavailableError: SciPy is not installed.
    """
    check_masks(prediction, truth, ignore)
    width = max(1, round(share * float(np.hypot(*truth.shape))))
    return iou(_band(prediction, width), _band(truth, width), ignore)


def _band(mask: BoolArray, width: int) -> BoolArray:
    box = bounds(mask)
    band = np.zeros_like(mask)
    if box is not None:
        crop = mask[box]
        core = require_ndimage().minimum_filter(crop.astype(np.uint8), 2 * width + 1, mode="constant", cval=0)
        band[box] = crop & (core == 0)
    return band


def iou_at(ious: Floats, clicks: int) -> Floats:
    """IoU of each target after so many clicks (T,)."""
    return _first(ious, clicks)[:, -1]


def clicks_needed(ious: Floats, threshold: float, cap: int | None = None) -> Floats:
    """Number of clicks (NoC) until the IoU first reaches `threshold` (T,); `cap` where it never does."""
    first = _first(ious, cap)
    reached = first >= threshold
    needed = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, first.shape[1])
    return np.asarray(needed, np.float64)


def never_reached(ious: Floats, threshold: float, cap: int | None = None) -> npt.NDArray[np.bool_]:
    """Tells for each target whether the IoU stays below `threshold` for all `cap` clicks (T,)."""
    return np.asarray(_first(ious, cap).max(axis=1) < threshold)


def worst_drop(ious: Floats, clicks: int = DROP_CLICKS) -> Floats:
    """The most that a target's IoU falls below its best so far within the first clicks (T,), at least 0."""
    first = ious[:, :clicks]
    return (np.maximum.accumulate(first, axis=1) - first).max(axis=1)


def _first(ious: Floats, clicks: int | None) -> Floats:
    """Returns the first so many columns, or all."""
    if clicks is None:
        return ious
    if not 1 <= clicks <= ious.shape[1]:
        raise InputError(f"The sequences hold {ious.shape[1]} clicks; {clicks} cannot be asked of them.")
    return ious[:, :clicks]
