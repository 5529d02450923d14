"""From the 256 x 256 logits of the decoder to a mask of the picture, and back.

The official rule (specification A3.4) enlarges twice, bilinearly with half-pixel centres and without
antialiasing: the low-res grid to the padded 1024 frame, then the unpadded part of it to the original picture;
the threshold comes last. Both steps are linear and separable, so this module composes them into one sparse
operator per axis (each output row mixes at most three low-res rows) and applies it only where the result can
exceed the threshold.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import ResizeFrame
from promptseg.masks import runlength
from promptseg.masks.rle import RLE

_CHUNK = 32
"""Output rows at a time: few enough to stay in the processor's cache."""

_SLAB_PIXELS = 2**22
"""Pixels that become run lengths at a time: a mask that fills a very large picture is never held dense."""


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """A sparse interpolation operator: output i is the sum over t of weights[i, t] * input[starts[i] + t]."""

    starts: npt.NDArray[np.int64]
    weights: Float32

    def mix(self, rows: Float32, first: int, last: int, out: Float32) -> Float32:
        """Writes outputs `first:last` of the operator along axis 0 of `rows` into `out`, and returns it.

        Rows are gathered and added tap by tap. A matrix product would be shorter, but its thread pool goes on
        spinning afterwards and takes the processors from the inference engine.
        """
        starts, weights = self.starts[first:last], self.weights[first:last, :, None]
        np.multiply(rows[starts], weights[:, 0], out=out)
        for tap in range(1, weights.shape[1]):
            part = rows[starts + tap]
            part *= weights[:, tap]
            out += part
        return out

    def reached(self, first: int, last: int) -> tuple[int, int]:
        """Returns the range of outputs that inputs `first:last` have any part in."""
        taps = self.weights.shape[1]
        return int(np.searchsorted(self.starts, first - taps, "right")), int(
            np.searchsorted(self.starts, last, "left")
        )


def _linear(inputs: int, outputs: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Returns the lower neighbour and the weight of the upper one, rounded as torch rounds."""
    scale = np.float64(np.float32(inputs) / np.float32(outputs))
    positions = (scale * (np.arange(outputs) + 0.5) - 0.5).astype(np.float32)
    positions = np.maximum(positions, np.float32(0))
    lower = np.minimum(positions.astype(np.int64), inputs - 1)
    return lower, np.clip(positions - lower.astype(np.float32), 0, 1).astype(np.float64)


@functools.lru_cache(maxsize=16)
def _axis(original: int, resized: int, side: int, low: int) -> _Axis:
    lower, upper_weight = _linear(low, side)
    frame_row, next_weight = _linear(resized, original)
    next_row = np.minimum(frame_row + 1, resized - 1)
    taps = min(3, low)
    starts = np.clip(lower[frame_row], 0, low - taps)
    weights = np.zeros((original, taps))
    outputs = np.arange(original)
    for row, weight in ((frame_row, 1 - next_weight), (next_row, next_weight)):
        below = lower[row]
        above = np.minimum(below + 1, low - 1)
        np.add.at(weights, (outputs, below - starts), weight * (1 - upper_weight[row]))
        np.add.at(weights, (outputs, above - starts), weight * upper_weight[row])
    return _Axis(starts, weights.astype(np.float32))


def _axes(logits: Float32, frame: ResizeFrame) -> tuple[_Axis, _Axis]:
    if logits.ndim != 2 or logits.size == 0:
        raise InputError(f"Low-res logits need a (height, width) array, got shape {logits.shape}.")
    rows = _axis(frame.original.height, frame.resized.height, frame.side, logits.shape[0])
    return rows, _axis(frame.original.width, frame.resized.width, frame.side, logits.shape[1])


def _widen(logits: Float32, axis: _Axis, first: int, last: int) -> Float32:
    """Enlarges the columns of `logits` to outputs `first:last` of `axis`."""
    columns = np.ascontiguousarray(logits.T)
    wide = axis.mix(columns, first, last, np.empty((last - first, len(logits)), np.float32))
    return np.ascontiguousarray(wide.T)


def _bands(wide: Float32, axis: _Axis, first: int, last: int) -> Iterator[tuple[int, Float32]]:
    """Enlarges the rows of `wide`; yields (first row, rows), the latter a small buffer that is used again."""
    buffer = np.empty((_CHUNK, wide.shape[1]), np.float32)
    for begin in range(first, last, _CHUNK):
        end = min(begin + _CHUNK, last)
        yield begin, axis.mix(wide, begin, end, buffer[: end - begin])


def upsample_logits(logits: Float32, frame: ResizeFrame) -> Float32:
    """Returns the logits of every pixel of the original picture, as float32 (H, W).

    Args:
        logits: (256, 256) output of the decoder over the padded frame.
        frame: how the picture was fitted into the frame.
    """
    logits = np.asarray(logits, np.float32)
    rows, columns = _axes(logits, frame)
    result = np.empty(frame.original, np.float32)
    wide = _widen(logits, columns, 0, frame.original.width)
    for begin, band in _bands(wide, rows, 0, frame.original.height):
        result[begin : begin + len(band)] = band
    return result


def _reachable(logits: Float32, rows: _Axis, columns: _Axis, threshold: float) -> tuple[int, int, int, int]:
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
        The top-left pixel (x, y) and float32 logits (h, w), the values of `upsample_logits` there; of no pixels when
        nothing exceeds the threshold.
    """
    logits = np.asarray(logits, np.float32)
    rows, columns = _axes(logits, frame)
    x0, y0, x1, y1 = _reachable(logits, rows, columns, threshold)
    if x0 == x1 or y0 == y1:
        return (0, 0), np.empty((0, 0), np.float32)
    x0, y0 = max(0, x0 - margin), max(0, y0 - margin)
    x1, y1 = min(frame.original.width, x1 + margin), min(frame.original.height, y1 + margin)
    result = np.empty((y1 - y0, x1 - x0), np.float32)
    for begin, band in _bands(_widen(logits, columns, x0, x1), rows, y0, y1):
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
        for begin, band in _bands(_widen(logits, columns, left, right), rows, y0, y1):
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
