"""From the 256 x 256 logits of the decoder to a mask of the picture, and back.

The official rule (specification A3.4) enlarges twice, bilinearly with half-pixel centres and without
antialiasing: the low-res grid to the padded 1024 frame, then the unpadded part of it to the original picture;
the threshold comes last. Both steps together are one sparse operator per axis (`promptseg.masks.interpolation`; each
output row mixes at most three low-res rows), which is applied only where the result can exceed the threshold.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import ResizeFrame
from promptseg.masks import runlength
from promptseg.masks.interpolation import BAND, Interpolation, interpolation
from promptseg.masks.rle import RLE

_SLAB_PIXELS = 2**22
"""Pixels that become run lengths at a time: a mask that fills a very large picture is never held dense."""


def _axes(logits: Float32, frame: ResizeFrame) -> tuple[Interpolation, Interpolation]:
    """Returns the operators along the rows and along the columns."""
    if logits.ndim != 2 or logits.size == 0:
        raise InputError(f"Low-res logits need a (height, width) array, got shape {logits.shape}.")
    sides = zip(logits.shape, frame.resized, frame.original, strict=True)
    rows, columns = (interpolation(low, frame.side, resized, original) for low, resized, original in sides)
    return rows, columns


def _bands(wide: Float32, rows: Interpolation, first: int, last: int) -> Iterator[tuple[int, Float32]]:
    """Enlarges the rows of `wide`; yields (first row, rows), the latter a small buffer that is used again."""
    buffer = np.empty((BAND, wide.shape[1]), np.float32)
    for begin in range(first, last, BAND):
        end = min(begin + BAND, last)
        yield begin, rows.mix(wide, begin, end, buffer[: end - begin])


def _reachable(
    logits: Float32, rows: Interpolation, columns: Interpolation, threshold: float
) -> tuple[int, int, int, int]:
    """Returns the box (x0, y0, x1, y1) of picture pixels that can exceed the threshold.

    Interpolation mixes neighbours with weights that add up to one, so a pixel exceeds the threshold only if
    one of the low-res logits it is mixed from does.
    """
    above = logits > threshold
    low_rows, low_columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if len(low_rows) == 0:
        return 0, 0, 0, 0
    top, bottom = rows.reached(int(low_rows[0]), int(low_rows[-1]) + 1)
    left, right = columns.reached(int(low_columns[0]), int(low_columns[-1]) + 1)
    return left, top, max(left, right), max(top, bottom)


def upsample_around(
    logits: Float32, frame: ResizeFrame, threshold: float = 0.0, margin: int = 2
) -> tuple[tuple[int, int], Float32]:
    """Returns the upsampled logits of the part of the picture that can exceed `threshold`, and some around it.

    Args:
        logits: (256, 256) output of the decoder over the padded frame.
        frame: how the picture was fitted into the frame.
        threshold: a logit.
        margin: pixels around that part which are wanted too, as far as the picture goes.

    Returns:
        The top-left pixel (x, y) and float32 logits (h, w), one for each pixel there; of no pixels when nothing
        exceeds the threshold. With `-inf` as threshold they are those of the whole picture.
    """
    logits = np.asarray(logits, np.float32)
    rows, columns = _axes(logits, frame)
    x0, y0, x1, y1 = _reachable(logits, rows, columns, threshold)
    if x0 == x1 or y0 == y1:
        return (0, 0), np.empty((0, 0), np.float32)
    x0, y0 = max(0, x0 - margin), max(0, y0 - margin)
    x1, y1 = min(frame.original.width, x1 + margin), min(frame.original.height, y1 + margin)
    result = np.empty((y1 - y0, x1 - x0), np.float32)
    for begin, band in _bands(columns.widen(logits, x0, x1), rows, y0, y1):
        result[begin - y0 : begin - y0 + len(band)] = band
    return (x0, y0), result


def upsample_to_rle(logits: Float32, frame: ResizeFrame, threshold: float = 0.0) -> RLE:
    """Returns the mask of the original picture where the upsampled logits exceed `threshold`.

    The full-size logits are never held in memory.

    Args:
        logits: (256, 256) output of the decoder over the padded frame.
        frame: how the picture was fitted into the frame.
        threshold: a logit; the official value is 0.
    """
    return upsample_with_stability(logits, frame, threshold, None)[0]


def upsample_with_stability(
    logits: Float32, frame: ResizeFrame, threshold: float = 0.0, offset: float | None = 1.0
) -> tuple[RLE, float]:
    """Returns the mask as `upsample_to_rle` does, and its stability, in one pass.

    Stability is the area above `threshold + offset` over the area above `threshold - offset`, at full
    resolution (specification A3.7): near one when the outline does not depend on the threshold. It is NaN
    when both areas are empty, or when `offset` is None.
    """
    logits = np.asarray(logits, np.float32)
    rows, columns = _axes(logits, frame)
    margin = offset or 0.0
    x0, y0, x1, y1 = _reachable(logits, rows, columns, threshold - margin)
    if x0 == x1 or y0 == y1:
        return RLE.empty(frame.original), float("nan")
    runs: list[tuple[npt.NDArray[np.int64], ...]] = []
    strict = loose = 0
    width = max(1, _SLAB_PIXELS // (y1 - y0))
    for left in range(x0, x1, width):
        right = min(left + width, x1)
        crop = np.empty((y1 - y0, right - left), np.bool_)
        for begin, band in _bands(columns.widen(logits, left, right), rows, y0, y1):
            np.greater(band, threshold, out=crop[begin - y0 : begin - y0 + len(band)])
            if offset is not None:
                strict += int(np.count_nonzero(band > threshold + margin))
                loose += int(np.count_nonzero(band > threshold - margin))
        xs, tops, bottoms = runlength.runs_of_columns(crop)
        runs.append((xs + left, tops + y0, bottoms + y0))
    xs, tops, bottoms = (np.concatenate(part) for part in zip(*runs, strict=True))
    return RLE.from_columns(xs, tops, bottoms, frame.original), strict / loose if loose else float("nan")


def downsample_mask(mask: npt.NDArray[np.floating], frame: ResizeFrame, side: int = 256) -> Float32:
    """Brings a mask of the whole picture to the decoder's prompt grid.

    The mask is resized to the unpadded part of the frame (Pillow's antialiased bilinear filter, in float),
    and every grid cell takes the mean of the frame pixels it covers. Cells in the padding are 0.

    Args:
        mask: (h, w) probabilities over the whole picture, at any resolution.
        frame: how the picture was fitted into the frame.
        side: cells of the grid along each side.

    Returns:
        (side, side) float32 probabilities.
    """
    picture = Image.fromarray(np.ascontiguousarray(mask, np.float32))
    height, width = frame.resized
    resized = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)
    cell = frame.side // side
    resized = np.pad(resized, ((0, -height % cell), (0, -width % cell)), mode="edge")
    rows, columns = resized.shape[0] // cell, resized.shape[1] // cell
    grid = np.zeros((side, side), np.float32)
    grid[:rows, :columns] = resized.reshape(rows, cell, columns, cell).mean(axis=(1, 3), dtype=np.float32)
    return grid
