"""Gradients of grey pictures and probability maps, and the thinning of their ridges to lines (Canny)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32


def sobel(values: Float32) -> tuple[Float32, Float32]:
    """Returns the derivatives (x, y) of (H, W) values by Sobel's 3 x 3 filters; the border repeats itself."""
    height, width = values.shape
    padded = np.pad(values, 1, mode="edge")
    return sobel_of([padded[row : row + height, column : column + width] for row, column in np.ndindex(3, 3)])


def sobel_of(neighbours: Sequence[Float32]) -> tuple[Float32, Float32]:
    """Returns the derivatives (x, y) from the nine pixels around (and at) each place, given row by row."""
    a, b, c, d, _, f, g, h, i = neighbours
    rising, falling, across, along = i - a, c - g, f - d, h - b
    dx, dy = rising + falling + across + across, rising - falling + along + along
    return dx.astype(np.float32, copy=False), dy.astype(np.float32, copy=False)


def suppress(strength: Float32, dx: Float32, dy: Float32) -> Float32:
    """Keeps the pixels that are no weaker than the two points one pixel away across the edge, zeroes the rest.

    Strength between pixels is interpolated bilinearly. Beyond the border there is none.

    Args:
        strength: (H, W), at least 0.
        dx: x part of the direction across the edge, of any length; where both parts are 0 the pixel is kept.
        dy: y part.
    """
    rows, columns = np.nonzero(strength)
    x, y = dx[rows, columns], dy[rows, columns]
    length = np.hypot(x, y)
    some = np.maximum(length, np.finfo(np.float32).tiny)
    x, y = x / some, y / some
    padded = np.pad(strength, 2)
    own = strength[rows, columns]
    first = _between(padded, rows + 2 + y, columns + 2 + x)
    second = _between(padded, rows + 2 - y, columns + 2 - x)
    kept = ((own >= first) & (own >= second)) | (length == 0)
    result = np.zeros_like(strength)
    result[rows[kept], columns[kept]] = own[kept]
    return result


def _between(values: Float32, y: npt.NDArray[np.floating], x: npt.NDArray[np.floating]) -> Float32:
    """Interpolates `values` bilinearly at points that lie inside."""
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    flat, at = values.ravel(), top * values.shape[1] + left
    upper, lower = (flat[start] + (flat[start + 1] - flat[start]) * right for start in (at, at + values.shape[1]))
    return (upper + (lower - upper) * down).astype(np.float32, copy=False)
