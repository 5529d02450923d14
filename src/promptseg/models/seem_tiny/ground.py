"""Which kind of stuff the ground is made of: a linear layer over what seem-tiny sees at a cell, around it, everywhere.

Phrases alone tell stuff badly: a lawn is "grass" and "playingfield" alike, and what a wall is shows only beside the
rest of the room. The layer was trained on COCO's 53 kinds and on one more, all things (recipe ground). NumPy alone.

Shapes: D numbers of a vector, H W cells, K kinds.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from promptseg.arrays import Float32
from promptseg.models.registry import packaged
from promptseg.models.seem_tiny.config import CHANNELS
from promptseg.models.tensors import read_safetensors

FILE = "seem_tiny_ground.safetensors"
REACH = 6
"""Cells on each side that count as around a cell."""
PLACES = 3
"""Numbers that say where in the picture a cell is."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundHead:
    """The layer.

    Attributes:
        weight: (K, 3 D + 3) for the cell, its surroundings, the whole picture, and where the cell is.
        bias: (K,).
    """

    weight: Float32 = field(repr=False)
    bias: Float32 = field(repr=False)

    @classmethod
    @cache
    def load(cls) -> "GroundHead":
        """Reads the embedded layer.

        Raises:
            WeightsError: it is missing or damaged.
        """
        tensors = read_safetensors(packaged(FILE))
        return cls(tensors["weight"].astype(np.float32), tensors["bias"].astype(np.float32))

    def chances(self, vectors: Float32) -> Float32:
        """Returns the chance of each kind at each cell, (K, H, W); they add up to 1.

        Args:
            vectors: (D, H, W) pixel vectors of the picture, without cells beside it.
        """
        own, around, whole, place = np.split(self.weight, np.arange(1, 4) * CHANNELS, axis=1)
        flat = vectors.reshape(CHANNELS, -1)
        size = (-1, *vectors.shape[1:])
        logits = (own @ flat).reshape(size) + surroundings((around @ flat).reshape(size))
        logits += np.einsum("kp,phw->khw", place, places(*vectors.shape[1:]))
        logits += (whole @ everywhere(vectors) + self.bias)[:, None, None]
        powers = np.exp(logits - logits.max(0))
        return (powers / powers.sum(0)).astype(np.float32)


def surroundings(maps: Float32) -> Float32:
    """Returns the mean of maps (C, H, W) over the square of cells around each, as far as there are any."""
    for axis in (1, 2):
        length = maps.shape[axis]
        sums = np.concatenate([np.zeros_like(maps.take([0], axis)), maps.cumsum(axis, dtype=np.float64)], axis)
        middle = np.arange(length)
        first, last = np.maximum(middle - REACH, 0), np.minimum(middle + REACH + 1, length)
        counts = (last - first).reshape([-1 if number == axis else 1 for number in range(3)])
        maps = ((sums.take(last, axis) - sums.take(first, axis)) / counts).astype(np.float32)
    return maps


def everywhere(vectors: Float32) -> Float32:
    """Returns the mean vector (D,), of length 1."""
    mean = vectors.mean((1, 2))
    return mean / max(float(np.linalg.norm(mean)), 1e-6)


def places(height: int, width: int) -> Float32:
    """Returns how far down each cell is, the square of it, and how far from the middle; (3, H, W)."""
    down = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    aside = np.abs((np.arange(width, dtype=np.float32)[None] + 0.5) / width - 0.5)
    return np.stack(np.broadcast_arrays(down, down**2, aside)).astype(np.float32)
