"""Sparse interpolation along one axis: two filters in a row, joined into one operator that mixes a few rows each.

A network's logits come back to the picture in two steps: the coarse grid to the padded size of the network's input, and
the unpadded part of that to the picture. Both are linear, so few rows of the grid decide each row of the picture.
"""

import functools
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32

Filter: TypeAlias = Literal["bilinear", "bicubic", "bicubic-antialias"]
"""PyTorch's interpolation modes, with half-pixel centres."""

BAND = 32
"""Rows to mix at a time: few enough to stay in the processor's cache."""

_Taps: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""(outputs, taps) indices of inputs, and their weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Interpolation:
    """A sparse operator: output i is the sum over t of weights[i, t] * input[starts[i] + t]; starts never fall."""

    starts: npt.NDArray[np.int64]
    weights: Float32

    def mix(self, rows: Float32, first: int, last: int, out: Float32) -> Float32:
        """Writes outputs `first:last` of the operator along axis 0 of `rows` into `out`, and returns it.

        Rows are gathered and added tap by tap. A matrix product would be shorter, but its thread pool goes on
        spinning afterwards and takes the processors from the inference engine (decision 3).
        """
        starts, weights = self.starts[first:last], self.weights[first:last, :, None]
        np.multiply(rows[starts], weights[:, 0], out=out)
        for tap in range(1, weights.shape[1]):
            part = rows[starts + tap]
            part *= weights[:, tap]
            out += part
        return out

    def widen(self, rows: Float32, first: int, last: int) -> Float32:
        """Returns outputs `first:last` along axis 1 of `rows`."""
        columns = np.ascontiguousarray(rows.T)
        wide = self.mix(columns, first, last, np.empty((last - first, len(rows)), np.float32))
        return np.ascontiguousarray(wide.T)

    def reached(self, first: int, last: int) -> tuple[int, int]:
        """Returns the range of outputs that inputs `first:last` have any part in."""
        taps = self.weights.shape[1]
        return int(np.searchsorted(self.starts, first - taps, "right")), int(np.searchsorted(self.starts, last, "left"))


@functools.lru_cache(maxsize=32)
def interpolation(
    low: int, padded: int, resized: int, picture: int, first: Filter = "bilinear", second: Filter = "bilinear"
) -> Interpolation:
    """Joins both steps along one axis.

    Args:
        low: inputs, the cells of the grid.
        padded: pixels of the network's input.
        resized: pixels of the picture in it.
        picture: outputs, the pixels of the picture.
        first: filter from the grid to the padded size.
        second: filter from the resized to the original picture.
    """
    grid_index, grid_weight = _TAPS[first](low, padded)
    frame_index, frame_weight = _TAPS[second](resized, picture)
    inputs = grid_index[frame_index].reshape(picture, -1)
    shares = (frame_weight[..., None] * grid_weight[frame_index]).reshape(picture, -1)
    used = shares != 0
    starts = np.where(used, inputs, low).min(axis=1)
    taps = int((np.where(used, inputs, 0).max(axis=1) - starts).max()) + 1
    starts = np.minimum(starts, low - taps)
    places = np.clip(inputs - starts[:, None], 0, taps - 1)  # what lies outside weighs nothing
    weights = np.zeros((picture, taps))
    for place, share in zip(places.T, shares.T, strict=True):
        weights[np.arange(picture), place] += share
    return Interpolation(starts, weights.astype(np.float32))


def _centres(inputs: int, outputs: int) -> npt.NDArray[np.float64]:
    """Where output centres lie among input centres, rounded as torch rounds."""
    scale = np.float64(np.float32(inputs) / np.float32(outputs))
    return (scale * (np.arange(outputs) + 0.5) - 0.5).astype(np.float32).astype(np.float64)


def _bilinear(inputs: int, outputs: int) -> _Taps:
    centres = np.maximum(_centres(inputs, outputs), 0)
    lower = np.minimum(centres.astype(np.int64), inputs - 1)
    share = np.clip(centres - lower, 0, 1)
    return np.stack([lower, np.minimum(lower + 1, inputs - 1)], 1), np.stack([1 - share, share], 1)


def _bicubic(inputs: int, outputs: int) -> _Taps:
    """Keys' kernel with a = -0.75; beyond the border the border pixel goes on."""
    centres = _centres(inputs, outputs)
    index = np.floor(centres).astype(np.int64)[:, None] + np.arange(-1, 3)
    return np.clip(index, 0, inputs - 1), _keys(index - centres[:, None], -0.75)


def _bicubic_antialias(inputs: int, outputs: int) -> _Taps:
    """Keys' kernel with a = -0.5, as wide as an output pixel needs; weights beyond the border are given to the rest."""
    scale = np.float64(np.float32(inputs) / np.float32(outputs))
    width = max(scale, 1.0)
    centres = (scale * (np.arange(outputs) + 0.5)).astype(np.float32).astype(np.float64)  # as torch rounds
    first = np.maximum((centres - 2 * width + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + 2 * width + 0.5).astype(np.int64), inputs)
    index = first[:, None] + np.arange((last - first).max())
    weights = _keys((index + 0.5 - centres[:, None]) / width, -0.5) * (index < last[:, None])
    return np.minimum(index, inputs - 1), weights / weights.sum(axis=1, keepdims=True)


def _keys(distance: npt.NDArray[np.float64], a: float) -> npt.NDArray[np.float64]:
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


_TAPS = {"bilinear": _bilinear, "bicubic": _bicubic, "bicubic-antialias": _bicubic_antialias}
