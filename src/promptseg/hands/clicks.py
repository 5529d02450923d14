"""The simulated click: where a person would click next to mend a mask.

A careful one follows the protocol of RITM and its successors (NoC), which SAM's centre-point protocol agrees with: the
click goes to the pixel deepest inside the larger error, "larger" meaning the one with the deepest pixel. The
picture's border counts as outside. A loose hand sees the same error and clicks somewhere in it, more often where it is
deep (as RClicks measures that people do, arXiv 2410.11722); any wrong pixel will do for a hand that clicks anywhere.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, require_ndimage
from promptseg.errors import InputError

Hand = Literal["deep", "loose", "anywhere"]
"""How a simulated person clicks: at the deepest place, somewhere in the same error by depth, or on any wrong pixel."""


def check_hand(hand: str) -> None:
    """Raises InputError unless the hand is one of `Hand`."""
    if hand not in get_args(Hand):
        raise InputError(f"Unknown hand {hand!r}: expected {', '.join(get_args(Hand))}.")


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
class Deepest:
    """The pixel of a region that is farthest from any pixel outside it, column `x` and row `y`; depth 0 is none."""

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
        inside = deepest(missed, passed_over)
        outside = deepest(added, passed_over, at_least=inside.depth)
        if inside.depth > outside.depth:
            return Click(inside.x, inside.y, True)
        if outside.depth > 0:
            return Click(outside.x, outside.y, False)
    return None


def drawn_click(
    prediction: BoolArray | None,
    truth: BoolArray,
    ignore: BoolArray | None,
    clicked: Collection[tuple[int, int]],
    hand: Hand,
    random: np.random.Generator,
) -> Click | None:
    """Returns the next click of a hand.

    Args:
        prediction: as for `next_click`, as the next three.
        truth: see there.
        ignore: see there.
        clicked: see there.
        hand: "deep" draws nothing and clicks as `next_click`; "loose" draws from the region of the error that such a
            click would lie in, each pixel by its depth; "anywhere" draws from all wrong pixels alike.
        random: the generator.

    Raises:
        InputError: the masks differ in shape or are not bool, or the hand is unknown.
        UnavailableError: SciPy is not installed.
    """
    check_hand(hand)
    best = next_click(prediction, truth, ignore, clicked)
    if hand == "deep" or best is None:
        return best
    guess = np.zeros_like(truth) if prediction is None else prediction
    wrong = truth ^ guess if ignore is None else (truth ^ guess) & ~ignore
    if hand == "anywhere":
        weights = wrong.astype(np.float64)
    else:
        ndimage = require_ndimage()
        regions = ndimage.label(wrong & (truth == best.positive), np.ones((3, 3)))[0]
        region = regions == regions[best.y, best.x]
        weights = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    chances = np.cumsum(weights.ravel())
    y, x = divmod(int(np.searchsorted(chances, random.random() * chances[-1], side="right")), truth.shape[1])
    return Click(x, y, bool(truth[y, x]))


def check_masks(prediction: BoolArray, truth: BoolArray, ignore: BoolArray | None) -> None:
    """Raises InputError unless all masks are bool (H, W) of one shape."""
    masks = [mask for mask in (prediction, truth, ignore) if mask is not None]
    shapes = [mask.shape for mask in masks]
    if truth.ndim != 2 or len(set(shapes)) > 1:
        listed = ", ".join("x".join(map(str, shape)) for shape in shapes)
        raise InputError(f"Prediction, truth and ignored pixels must be masks of one height and width, got {listed}.")
    if any(mask.dtype != np.bool_ for mask in masks):
        raise InputError(f"Masks must be bool, got {', '.join(str(mask.dtype) for mask in masks)}.")


def bounds(mask: BoolArray) -> tuple[slice, slice] | None:
    """Returns the rows and columns that hold every true pixel, or None when there is none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


_LAYERS = 12
"""Regions are peeled so many times before they count as large."""

_MOST_LOOKS = 400_000
"""Distances are looked up pixel by pixel where that takes at most so many looks."""


def deepest(region: BoolArray, passed_over: Collection[tuple[int, int]] = (), at_least: float = 0.0) -> Deepest:
    """Returns the pixel of `region` farthest from any pixel outside it; depth 0 when there is none.

    A region that cannot be as deep as `at_least` is not measured. Most errors are thin rims that run all around an
    object: peeling them layer by layer leaves few pixels to measure, which is many times quicker than the distance of
    every pixel. A pixel that c layers cover is between c and c times the root of two deep.
    """
    box = bounds(region)
    if box is None:
        return Deepest(0.0)
    rows, columns = box
    crop = region[rows, columns]
    if (min(crop.shape) + 1) // 2 < at_least:
        return Deepest(0.0)
    # All around the bounding box is outside the region, so one ring of it is enough to measure against.
    padded = np.pad(crop, 1)
    corner = (columns.start - 1, rows.start - 1)
    if any(region[y, x] for x, y in passed_over if 0 <= y < region.shape[0] and 0 <= x < region.shape[1]):
        # The deepest of the other pixels may lie anywhere.
        return _measured(padded, corner, passed_over)
    layers = _peeled(padded)
    count = len(layers) - 1
    if count * np.sqrt(2) < at_least:
        return Deepest(0.0)
    needed = int(np.ceil(count / np.sqrt(2)))
    ys, xs = np.nonzero(layers[needed])
    ys, xs = ys + needed, xs + needed
    if count < _LAYERS and len(ys) * (2 * np.sqrt(2) * count + 1) ** 2 <= _MOST_LOOKS:
        return _looked_up(padded, ys, xs, int(np.sqrt(2) * count), corner)
    # Whatever decides about these pixels is not farther from the nearest of them than this.
    reach = int(np.ceil(np.sqrt(2) * needed)) + 1
    top, left = max(0, int(ys.min()) - reach), max(0, int(xs.min()) - reach)
    part = padded[top : int(ys.max()) + reach + 1, left : int(xs.max()) + reach + 1]
    depths = require_ndimage().distance_transform_edt(part)[ys - top, xs - left]
    best = int(depths.argmax())
    return Deepest(float(depths[best]), int(xs[best]) + corner[0], int(ys[best]) + corner[1])


def _peeled(padded: BoolArray) -> list[BoolArray]:
    """Returns the region, and what is left after each of up to `_LAYERS` layers, the last not empty.

    Number k is k pixels smaller on each side, and holds the pixels that at least k layers cover.
    """
    layers = [padded]
    inner = padded[1:-1, 1:-1]
    while len(layers) <= _LAYERS and min(inner.shape) > 0 and inner.any():
        layers.append(inner)
        across = inner[:, 1:-1] & inner[:, :-2] & inner[:, 2:]
        inner = across[1:-1] & across[:-2] & across[2:]
    return layers


def _looked_up(
    padded: BoolArray, ys: npt.NDArray[np.int64], xs: npt.NDArray[np.int64], reach: int, corner: tuple[int, int]
) -> Deepest:
    """Measures some pixels, none of which is deeper than `reach`, by looking at all around them."""
    span = np.arange(-reach, reach + 1)
    down, right = (grid.ravel() for grid in np.meshgrid(span, span, indexing="ij"))
    squares = down**2 + right**2
    order = np.argsort(squares, kind="stable")
    order = order[squares[order] <= 2 * reach**2]
    wide = np.pad(padded, reach)
    flat, width = wide.ravel(), wide.shape[1]
    at = (ys + reach) * width + xs + reach
    outside = ~flat[at[:, None] + (down * width + right)[order]]
    # The offsets are sorted, so the first pixel outside is the nearest.
    depths = squares[order][outside.argmax(axis=1)]
    best = int(depths.argmax())
    return Deepest(float(np.sqrt(depths[best])), int(xs[best]) + corner[0], int(ys[best]) + corner[1])


def _measured(part: BoolArray, corner: tuple[int, int], passed_over: Collection[tuple[int, int]]) -> Deepest:
    """Measures every pixel of a part of the picture whose top-left pixel is `corner` (x, y)."""
    distance: npt.NDArray[np.float64] = require_ndimage().distance_transform_edt(part)
    for x, y in passed_over:
        if 0 <= y - corner[1] < part.shape[0] and 0 <= x - corner[0] < part.shape[1]:
            distance[y - corner[1], x - corner[0]] = 0.0
    y, x = divmod(int(distance.argmax()), part.shape[1])
    if not distance[y, x]:  # all were passed over
        return Deepest(0.0)
    return Deepest(float(distance[y, x]), x + corner[0], y + corner[1])
