"""A small network of fully connected layers, in NumPy: what chooses among masks needs no engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptseg.arrays import Float32


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """Layers with ReLU between them.

    Attributes:
        mean: (F,) of the features in training.
        deviation: (F,) of the features in training.
        weights: matrices (outputs, inputs) of the layers.
        biases: vectors (outputs,).
    """

    mean: Float32
    deviation: Float32
    weights: tuple[Float32, ...]
    biases: tuple[Float32, ...]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Perceptron":
        """Makes it of plain numbers."""
        return cls(
            np.array(record["mean"], np.float32),
            np.array(record["deviation"], np.float32),
            tuple(np.array(each, np.float32) for each in record["weights"]),
            tuple(np.array(each, np.float32) for each in record["biases"]),
        )

    def __call__(self, features: Float32) -> Float32:
        """Returns the outputs (..., outputs) for features (..., F)."""
        x = (features - self.mean) / self.deviation
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight.T + bias, 0)
        return x @ self.weights[-1].T + self.biases[-1]
