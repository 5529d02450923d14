"""The decoder of the default model: MobileSAM's, trained further here (recipe sam-clicks), as differences from it.

The file holds, for each tensor that training changed, how much it changed: matrices in int8 with a scale for each row,
vectors in float32. Differences are small, so int8 keeps them closer than float16 would keep the numbers themselves.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.models.int8 import SCALE, in_int8, widened
from promptseg.models.tensors import read_safetensors, write_safetensors

Tensors = Mapping[str, npt.NDArray[Any]]


def trained_decoder(base: Tensors, path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Returns the tensors of a decoder that differ from `base`, by their official names, from a file of differences.

    Raises:
        WeightsError: the file is damaged.
    """
    changes = widened(read_safetensors(path))
    return {name: np.asarray(base[name], np.float32) + change for name, change in changes.items()}


def write_changes(path: Path, base: Tensors, trained: Tensors, share: float, note: str) -> None:
    """Writes a decoder as differences from another.

    Args:
        path: the file.
        base: the tensors that training began with.
        trained: those that it ended with.
        share: how far to go from `base` (0) to `trained` (1). A decoder on the way between them keeps more of what
            the first knew of pictures unlike the second's training pictures (Wortsman et al., 2022, "Robust
            fine-tuning of zero-shot models").
        note: where the numbers come from.
    """
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name, array in trained.items():
        change = share * (np.asarray(array, np.float32) - np.asarray(base[name], np.float32))
        if not change.any():
            continue
        if change.ndim > 1:
            tensors[name], tensors[name + SCALE] = in_int8(change, np.float32)
        else:
            tensors[name] = change
    write_safetensors(path, tensors, {"model": "mobile-sam-clicks", "trained": note})
