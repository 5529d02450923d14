"""Frames between two key frames: masks are carried over by block matching, from both sides, without any network."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.arrays import Float32, Int64
from promptseg.images import Image
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE

SIDE = 256
"""The longer side of the pictures that are matched."""
REACH = 8
"""How far blocks may move, in pixels of half that side; a finer search follows."""
BLOCK = 5
"""The side of blocks, in pixels of either size."""
STILL = 0.02
"""What it costs a block to move by a pixel, as a share of the range of brightness: flat ground stays where it is."""
AGREE = 0.7
"""Masks carried over from both sides that overlap by less are not believed: the frame becomes a key frame (chosen, not
measured)."""


def matched(image: Image) -> tuple[Float32, Float32]:
    """Returns a picture in grey, from 0 to 1, at the two sizes that are matched, the finer first."""
    scale = SIDE / max(image.size)
    height, width = (max(8, round(side * scale / 2) * 2) for side in image.size)
    grey = Pillow.fromarray(image.pixels).convert("L")
    fine = np.asarray(grey.resize((width, height), Pillow.Resampling.BOX), np.float32) / np.float32(255)
    return fine, fine.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


Flow: TypeAlias = tuple[Int64, Int64]
"""Row and column (H, W each) at which each pixel of a frame was on another."""


def flow(now: Image, then: Image) -> Flow:
    """Finds where the pixels of a frame were on another one, by block matching."""
    (fine, coarse), (fine_then, coarse_then) = matched(now), matched(then)
    rows, columns = _motion(coarse, coarse_then, None, REACH)
    found = (np.kron(2 * rows, np.ones((2, 2), np.int64)), np.kron(2 * columns, np.ones((2, 2), np.int64)))
    rows, columns = _motion(fine, fine_then, found, 1)
    (height, width), (high, wide) = now.size, rows.shape
    away = [
        np.asarray(
            Pillow.fromarray(_smooth(each.astype(np.float32))).resize((width, height), Pillow.Resampling.BILINEAR)
        )
        * scale
        for each, scale in ((rows, height / high), (columns, width / wide))
    ]
    ys, xs = np.mgrid[:height, :width]
    return (
        np.clip(np.rint(ys + away[0]), 0, height - 1).astype(np.int64),
        np.clip(np.rint(xs + away[1]), 0, width - 1).astype(np.int64),
    )


def carried(mask: RLE, moved: Flow) -> Float32:
    """Returns a mask of another frame where its pixels are now, (H, W) from 0 to 1, soft at its border."""
    if not mask.area:
        return np.zeros(mask.size, np.float32)
    return _smooth(mask.dense()[moved].astype(np.float32))


def between(first: tuple[RLE, Flow], last: tuple[RLE, Flow]) -> tuple[RLE, float]:
    """Carries masks of two frames over to one between them.

    Args:
        first: the object's mask on the key frame before, and where the frame's pixels were there.
        last: the same of the key frame after.

    Returns:
        The mask, and how far both sides agree on it (IoU).
    """
    sides = [carried(mask, moved) for mask, moved in (first, last)]
    if not any(mask.any() for mask in sides):
        return RLE.empty(first[0].size), 1.0
    both = [RLE.encode(mask > 0.5) for mask in sides]
    mask = RLE.encode(sides[0] + sides[1] > 1)  # both are soft, so that their mean has a line between them
    return mask, iou(*both)


def _motion(now: Float32, then: Float32, around: tuple[Int64, Int64] | None, reach: int) -> tuple[Int64, Int64]:
    """Returns where each pixel was (rows, columns away), as its block fits best, near what is known coarsely."""
    height, width = now.shape
    ys, xs = np.mgrid[:height, :width]
    down, right = around or (np.zeros((height, width), np.int64), np.zeros((height, width), np.int64))
    best = np.full((height, width), np.inf, np.float32)
    rows, columns = down.copy(), right.copy()
    span = range(-reach, reach + 1)
    steps = sorted(((y, x) for y in span for x in span), key=lambda step: abs(step[0]) + abs(step[1]))
    for y, x in steps:
        there = then[np.clip(ys + down + y, 0, height - 1), np.clip(xs + right + x, 0, width - 1)]
        price = _boxed(np.abs(now - there)) + STILL * np.float32(np.hypot(y, x)) / reach
        better = price < best
        best[better], rows[better], columns[better] = price[better], (down + y)[better], (right + x)[better]
    return rows, columns


def _boxed(values: Float32) -> Float32:
    """Returns the mean of each pixel's block."""
    reach = BLOCK // 2
    sums = np.pad(values, ((reach + 1, reach), (reach + 1, reach)), mode="edge").cumsum(0).cumsum(1)
    whole = sums[BLOCK:, BLOCK:] - sums[:-BLOCK, BLOCK:] - sums[BLOCK:, :-BLOCK] + sums[:-BLOCK, :-BLOCK]
    return np.asarray(whole / BLOCK**2, np.float32)


def _smooth(values: Float32) -> npt.NDArray[np.float32]:
    return _boxed(_boxed(values))
