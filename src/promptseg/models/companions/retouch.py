"""Retouching a corrected mask: what the network sees of a picture, a mask and clicks, and its weights. NumPy alone.

SAM's decoder knows a picture only by an embedding of 64 x 64 cells, and each further click moves the whole mask a
little. The retouching network looks at the pixels around the mask, at all clicks, at SAM's new mask and at the mask so
far, and draws the border anew (recipe retouch; decision 0008). It works on the grid that masks are predicted
on, so that its answer takes the same way as SAM's.

Shapes: H W the picture's part of that grid, h w a window of it (multiples of 16 cells), C clicks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, sigmoid
from promptseg.models.graphs.stored import complete_model
from promptseg.models.int8 import widened
from promptseg.models.tensors import read_safetensors

Shades = npt.NDArray[np.uint8]

NAME = "retouch"
"""The network's name in the manifest of graphs, and that of its one graph."""

PIXELS, MAPS = 12, 10
"""Channels: four RGB pixels to a cell; masks and clicks."""
STEP, MARGIN = 16, 16
"""Windows are so many cells apart and long, or several times as many, and leave so many around mask and clicks."""
LOGIT, MOST = 5.0, 15.0
"""Logits are divided by the first and held within the second."""
OUTSIDE = -10.0
"""The logit of what lies outside the picture."""
NEAR, FAR = 2.0, 12.0
"""How far a click reaches, in cells: a bump of this deviation, and a cone that falls by 1 / e over this distance."""
CELL = 4
"""Cells of the grid along one cell of the embedding."""
_MIDDLE, _SPREAD = 0.45, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class RetouchInputs:
    """What the network sees.

    Attributes:
        pixels: (1, 12, h, w).
        maps: (1, 10, h, w).
        embedding: (1, 256, h / 4, w / 4).
    """

    pixels: Float32
    maps: Float32
    embedding: Float32

    def feeds(self) -> dict[str, Float32]:
        """Returns the inputs by the names that the graph gives them."""
        return {"pixels": self.pixels, "maps": self.maps, "embedding": self.embedding}


@dataclass(frozen=True, eq=False)
class RetouchNetwork:
    """The tensors of the network by name, and its graph.

    Attributes:
        tensors: float32.
    """

    tensors: Mapping[str, npt.NDArray[Any]] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "RetouchNetwork":
        """Reads its tensors.

        Raises:
            WeightsError: the file is damaged.
        """
        return cls(widened(read_safetensors(path)))

    def model(self, graph: str) -> bytes:
        """Returns the complete ONNX model."""
        return complete_model(NAME, graph, self.tensors)


def window(logits: Float32, before: Float32, clicks: Float32) -> tuple[slice, slice]:
    """Returns the rows and columns of the window around two masks and all clicks.

    It may reach beyond the picture at the bottom and on the right.

    Args:
        logits: (H, W) SAM's answer.
        before: (H, W) logits of the mask so far.
        clicks: (C, 3) x, y in cells of the grid, and 1 on the object or 0 beside it.
    """
    either = np.maximum(logits, before) > 0
    lines = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    return _span(lines[0], clicks[:, 1], len(logits)), _span(lines[1], clicks[:, 0], logits.shape[1])


def _span(found: npt.NDArray[np.int64], places: Float32, length: int) -> slice:
    first = min(float(places.min()), *found[:1], length)
    last = max(float(places.max()), *found[-1:], 0)
    start = int(max(0.0, first - MARGIN)) // STEP * STEP
    stop = min(length, math.ceil(last + MARGIN))
    return slice(start, start + max(STEP, -(-(stop - start) // STEP) * STEP))


def retouch_inputs(
    shades: Shades, logits: Float32, before: Float32, clicks: Float32, embedding: Float32, place: tuple[slice, slice]
) -> RetouchInputs:
    """Cuts a window out of everything that is known.

    Args:
        shades: (2 H, 2 W, 3) RGB, the picture at twice the grid.
        logits: (H, W) SAM's answer.
        before: (H, W) logits of the mask so far, as it was retouched.
        clicks: (C, 3) x, y in cells of the grid, and 1 on the object or 0 beside it; the newest last.
        embedding: (1, 256, 64, 64).
        place: see `window`.
    """
    rows, columns = place
    twice = (slice(2 * rows.start, 2 * rows.stop), slice(2 * columns.start, 2 * columns.stop))
    cut = shades[twice].astype(np.float32) / np.float32(255)
    cut = (cut - np.float32(_MIDDLE)) / np.float32(_SPREAD)
    height, width = cut.shape[0] // 2, cut.shape[1] // 2
    pixels = cut.reshape(height, 2, width, 2, 3).transpose(1, 3, 4, 0, 2).reshape(PIXELS, height, width)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    coarse = tuple(slice(part.start // CELL, part.stop // CELL) for part in place)
    moved = clicks - np.array([columns.start, rows.start, 0], np.float32)
    maps = _maps(_padded(logits[place], size, OUTSIDE), _padded(before[place], size, OUTSIDE), moved)
    return RetouchInputs(
        _padded(pixels, size, 0.0)[None],
        maps[None],
        _padded(embedding[0][:, coarse[0], coarse[1]], (size[0] // CELL, size[1] // CELL), 0.0)[None],
    )


def _padded(array: Float32, size: tuple[int, int], fill: float) -> Float32:
    """Fills an array (..., h, w) up to a size at the bottom and on the right."""
    missing = (size[0] - array.shape[-2], size[1] - array.shape[-1])
    around = [(0, 0)] * (array.ndim - 2) + [(0, missing[0]), (0, missing[1])]
    return np.pad(array, around, constant_values=fill).astype(np.float32, copy=False)


def _maps(logits: Float32, before: Float32, clicks: Float32) -> Float32:
    """Returns both masks (logits, and chances about zero), clicks on and beside the object, and the newest click."""
    height, width = logits.shape
    ys, xs = np.arange(height, dtype=np.float32) + 0.5, np.arange(width, dtype=np.float32) + 0.5
    squares = [((ys - y) ** 2)[:, None] + ((xs - x) ** 2)[None] for x, y, _ in clicks]
    maps = np.zeros((MAPS, height, width), np.float32)
    for row, mask in ((0, logits), (2, before)):
        held = mask.clip(-MOST, MOST)
        maps[row], maps[row + 1] = held / LOGIT, sigmoid(held) - 0.5
    for row, sign in ((4, True), (5, False)):
        some = [square for square, click in zip(squares, clicks, strict=True) if (click[2] > 0) == sign]
        if some:
            maps[row], maps[row + 2] = _reach(np.minimum.reduce(some))
    maps[8:] = np.stack(_reach(squares[-1])) * (1 if clicks[-1, 2] > 0 else -1)
    return maps


def _reach(squared_distance: Float32) -> tuple[Float32, Float32]:
    """Returns the bump and the cone of the nearest click."""
    return np.exp(-squared_distance / (2 * NEAR**2)), np.exp(-np.sqrt(squared_distance) / FAR)
