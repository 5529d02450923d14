"""Matrices as int8 numbers and a scale for each row."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

SCALE = ".scale"
"""The ending of the tensor that holds, for each row of an int8 matrix, what its numbers are multiplied with."""


def in_int8(
    matrix: npt.NDArray[np.float32], scale: type[np.floating] = np.float16
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.floating]]:
    """Rounds a matrix (or the kernels of a convolution) to int8, row by row.

    Args:
        matrix: (rows, ...) numbers.
        scale: the type of the scales; float16 is too coarse for numbers below 1e-4.

    Returns:
        The numbers, and the scale of each row.
    """
    rows = matrix.reshape(len(matrix), -1)
    scales = (np.abs(rows).max(1) / 127).astype(scale)
    scales[scales == 0] = 1
    numbers = np.round(rows / scales[:, None].astype(np.float32)).clip(-127, 127)
    return numbers.astype(np.int8).reshape(matrix.shape), scales


def from_int8(numbers: npt.NDArray[np.int8], scales: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Returns the matrix that `in_int8` rounded."""
    return numbers.astype(np.float32) * np.asarray(scales, np.float32).reshape(-1, *(1,) * (numbers.ndim - 1))


def widened(stored: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Returns the tensors of a file, int8 matrices as float32 and without their scales."""
    return {
        name: from_int8(tensor, stored[name + SCALE]) if tensor.dtype == np.int8 else tensor
        for name, tensor in stored.items()
        if not name.endswith(SCALE)
    }
