"""Types of arrays by their elements, and the one formula that turns logits into probabilities. The ground floor."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import UnavailableError

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Float16: TypeAlias = npt.NDArray[np.float16]
Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Int32: TypeAlias = npt.NDArray[np.int32]
Int64: TypeAlias = npt.NDArray[np.int64]


def sigmoid(logits: Float32) -> Float32:
    """Returns the probabilities (0 to 1) of logits, of the same shape; a very low logit gives 0, without a warning."""
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, its reciprocal 0
        result = np.exp(-logits)
    result += 1
    return np.reciprocal(result, out=result)


def require_ndimage() -> Any:
    """Returns `scipy.ndimage`.

    Raises:
        UnavailableError: SciPy is not installed.
    """
    try:
        from scipy import ndimage
    except ImportError as error:
        raise UnavailableError.extra("SciPy", "evaluate") from error
    return ndimage
