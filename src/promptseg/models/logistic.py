"""The logistic function, for logits of any size."""

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def sigmoid(logits: Float32) -> Float32:
    """Returns the probabilities (0 to 1) of logits, of the same shape; a very low logit gives 0, without a warning."""
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, its reciprocal 0
        result = np.exp(-logits)
    result += 1
    return np.reciprocal(result, out=result)
