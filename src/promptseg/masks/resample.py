"""From a network's low-resolution logits to the picture, for models that resize and pad (specification B4, B7.1).

The network sees a picture resized and padded at the bottom and right; its logits lie on a coarser grid over all that.
They come back in two steps: to the padded size, and the unpadded part to the picture. Which filter each step uses
differs between SEEM's modes. Both steps are linear and separable, so they are joined into one sparse operator per axis.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE

Filter: TypeAlias = Literal["bilinear", "bicubic", "bicubic-antialias"]
"""PyTorch's interpolation modes, with half-pixel centres."""

_Taps: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""(outputs, taps) indices of inputs, and their weights."""

_BAND = 32
"""Rows at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Enlargement:
    """How low-resolution logits become logits of the picture.

    Attributes:
        padded: size of the network's input.
        resized: size of the picture inside it.
        picture: size of the picture.
        first: filter from the grid to the padded size.
        second: filter from the resized to the original picture.
    """

    padded: Size
    resized: Size
    picture: Size
    first: Filter = "bilinear"
    second: Filter = "bicubic-antialias"

    def __post_init__(self) -> None:
        for name in ("padded", "resized", "picture"):
            object.__setattr__(self, name, Size(*getattr(self, name)))
        fits = all(inner <= outer for inner, outer in zip(self.resized, self.padded, strict=True))
        if not fits or min(*self.resized, *self.picture) < 1:
            raise InputError(
                f"A picture of {tuple(self.picture)} resized to {tuple(self.resized)} does not fit into "
                f"{tuple(self.padded)}."
            )

    def logits(self, low: Float32) -> Float32:
        """Returns the logits of every pixel of the picture, float32 (H, W), from one (h, w) grid."""
        result = np.empty(self.picture, np.float32)
        for first, rows in self.bands(low[None]):
            result[first : first + rows.shape[1]] = rows[0]
        return result

    def mask(self, low: Float32, threshold: float = 0.0) -> RLE:
        """Returns the pixels of the picture whose logit exceeds `threshold`, from one (h, w) grid."""
        return RLE.encode(self.logits(low) > threshold)

    def bands(self, low: Float32) -> Iterator[tuple[int, Float32]]:
        """Enlarges (N, h, w) grids a few rows of the picture at a time.

        Yields:
            The number of the first row, and the logits (N, rows, W).
        """
        if low.ndim != 3 or low.size == 0:
            raise InputError(f"Low-resolution logits need a (masks, height, width) array, got {low.shape}.")
        count, height, width = low.shape
        filters = (self.first, self.second)
        starts, weights = _operator(
            width, self.padded.width, self.resized.width, self.picture.width, *filters
        )
        columns = low.astype(np.float32, copy=False).reshape(count * height, width).T
        wide = np.empty((count, height, self.picture.width), np.float32)
        wide.reshape(count * height, -1)[:] = _mix(np.ascontiguousarray(columns), starts, weights).T
        starts, weights = _operator(
            height, self.padded.height, self.resized.height, self.picture.height, *filters
        )
        for first in range(0, self.picture.height, _BAND):
            part = slice(first, first + _BAND)
            yield first, np.stack([_mix(grid, starts[part], weights[part]) for grid in wide])


def _mix(rows: Float32, starts: npt.NDArray[np.int64], weights: Float32) -> Float32:
    """Returns sums of neighbouring rows: output i is the sum over t of weights[i, t] * rows[starts[i] + t].

    Tap by tap, and not as a matrix product, whose threads would disturb the inference engine (decision 3).
    """
    out = rows[starts] * weights[:, 0, None]
    for tap in range(1, weights.shape[1]):
        part = rows[starts + tap]
        part *= weights[:, tap, None]
        out += part
    return out


@functools.lru_cache(maxsize=32)
def _operator(
    low: int, padded: int, resized: int, picture: int, first: Filter, second: Filter
) -> tuple[npt.NDArray[np.int64], Float32]:
    """Joins both steps along one axis into (picture,) first inputs and (picture, taps) weights."""
    grid_index, grid_weight = _TAPS[first](low, padded)
    frame_index, frame_weight = _TAPS[second](resized, picture)
    dense = np.zeros((picture, low))
    outputs = np.arange(picture)
    for index, weight in zip(frame_index.T, frame_weight.T, strict=True):
        for tap in range(grid_index.shape[1]):
            np.add.at(dense, (outputs, grid_index[index, tap]), weight * grid_weight[index, tap])
    used = dense != 0
    starts = used.argmax(axis=1)
    taps = int((low - used[:, ::-1].argmax(axis=1) - starts).max())
    starts = np.minimum(starts, low - taps)
    weights = np.take_along_axis(dense, starts[:, None] + np.arange(taps), axis=1)
    return starts, weights.astype(np.float32)


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
