"""Measures of masks, and of how masks get better (or worse) click by click.

Shapes: T targets, K clicks. A sequence of IoUs is (T, K), column k holding the IoU after k + 1 clicks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
_ROUNDS_AT_ONCE = 100


def iou(prediction: BoolArray, truth: BoolArray, ignore: BoolArray | None = None) -> float:
    """Intersection over union of two masks outside the ignored pixels; 1 when both are empty.

    Raises:
        InputError: the masks differ in shape or are not bool.
    """
    check_masks(prediction, truth, ignore)
    union, shared = prediction | truth, prediction & truth
    if ignore is not None:
        union, shared = union & ~ignore, shared & ~ignore
    total = np.count_nonzero(union)
    return np.count_nonzero(shared) / total if total else 1.0


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


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over targets and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap(values: Floats, groups: Sequence[str], *, seed: int = 0, rounds: int = 2000) -> Interval:
    """Mean of `values` with the percentile interval of the bootstrap.

    Whole groups are drawn, not single values: objects on one picture are not independent of each other.

    Args:
        values: one number per target (T,).
        groups: the picture of each target.
        seed: of the random numbers; the same seed gives the same interval.
        rounds: how many samples are drawn.

    Raises:
        InputError: there are no values, or not one group per value.
    """
    if len(values) == 0 or len(values) != len(groups):
        raise InputError(
            f"Need one group for each of at least one value, got {len(values)} and {len(groups)}."
        )
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(index).astype(np.float64)
    sums = np.bincount(index, weights=values)
    random = np.random.default_rng(seed)
    means: list[Floats] = []
    for block in range(0, rounds, _ROUNDS_AT_ONCE):
        drawn = random.integers(sizes.size, size=(min(_ROUNDS_AT_ONCE, rounds - block), sizes.size))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return Interval(float(np.mean(values)), float(low), float(high))
