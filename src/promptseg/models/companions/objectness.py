"""Where small objects are: a tiny convolutional head on a picture's embedding. NumPy alone.

SAM's grid of points finds large objects many times over and small ones by luck. The head was trained on what the full
grid finds (recipe objectness), to tell where a click finds a small mask that passes SAM's filters, so that
the fast mode tries a dense grid only there.

Shapes: C channels, H W embedding grid, D channels inside the head.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, sigmoid
from promptseg.models.tensors import read_safetensors

SCALE = np.float32(5)
"""Brings the embedding, whose values are small, to the size that convolutions are trained with."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectnessHead:
    """Three convolutions (1 x 1, 3 x 3, 3 x 3) and a linear layer."""

    weights: tuple[Float32, ...]
    biases: tuple[Float32, ...]

    @classmethod
    def read(cls, path: Path) -> "ObjectnessHead":
        """Reads its layers.

        Raises:
            WeightsError: the file is damaged.
        """
        tensors = {name: np.asarray(tensor, np.float32) for name, tensor in read_safetensors(path).items()}
        layers = range(sum(name.endswith("weight") for name in tensors))
        return cls(
            tuple(tensors[f"{layer}.weight"] for layer in layers), tuple(tensors[f"{layer}.bias"] for layer in layers)
        )

    def chances(self, features: Float32) -> Float32:
        """Returns, for each cell (H, W), the chance that a click there finds a small, valid mask.

        Args:
            features: (1, C, H, W) embedding.
        """
        x_CHW = features[0] * SCALE
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x_CHW = _gelu(_convolve(x_CHW, weight) + bias[:, None, None])
        logits_HW = np.einsum("chw,c->hw", x_CHW, self.weights[-1][0, :, 0, 0]) + self.biases[-1][0]
        return sigmoid(logits_HW.astype(np.float32))


def sample(chances: Float32, cells: npt.NDArray[np.float64]) -> Float32:
    """Interpolates a map (H, W) bilinearly at positions (N, 2): x, y in cells, centres at halves."""
    height, width = chances.shape
    place = np.clip(cells - 0.5, 0, np.array([width - 1, height - 1], np.float64))
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, [width - 1, height - 1])
    (x0, y0), (x1, y1), (u, v) = low.T, high.T, (place - low).T
    above = chances[y0, x0] * (1 - u) + chances[y0, x1] * u
    below = chances[y1, x0] * (1 - u) + chances[y1, x1] * u
    return (above * (1 - v) + below * v).astype(np.float32)


def _convolve(x_CHW: Float32, weight_DCkk: Float32) -> Float32:
    """A convolution that keeps the size, tap by tap."""
    radius = weight_DCkk.shape[2] // 2
    channels, height, width = x_CHW.shape
    padded = np.pad(x_CHW, ((0, 0), (radius, radius), (radius, radius)))
    out_DP = np.zeros((len(weight_DCkk), height * width), np.float32)
    for row in range(weight_DCkk.shape[2]):
        for column in range(weight_DCkk.shape[3]):
            window = padded[:, row : row + height, column : column + width].reshape(channels, -1)
            out_DP += weight_DCkk[:, :, row, column] @ window
    return out_DP.reshape(-1, height, width)


def _gelu(x: Float32) -> Float32:
    """The tanh form of GELU, which the head was trained with."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    return np.float32(0.5) * x * (1 + np.tanh(inner))
