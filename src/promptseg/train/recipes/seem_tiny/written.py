"""The file that training ends in: what `TinyNetwork.load` reads."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from promptseg.errors import WeightsError
from promptseg.models.int8 import SCALE, in_int8
from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.seem_tiny.config import SIXTEENTH
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.models.tensors import write_safetensors
from promptseg.train.recipes.seem_tiny.namer import NamerNetwork
from promptseg.train.recipes.seem_tiny.pixels import PixelNetwork

Arrays = Mapping[str, npt.NDArray[Any]]

NAMER = ("namer.", "log_name_scale")
INT8_LEAST = 4000
"""Smaller matrices, and kernels of single channels, stay in float16."""


def namer_arrays(network: NamerNetwork, backbone: EfficientNetLite) -> dict[str, npt.NDArray[Any]]:
    """Returns the namer with the untouched late layers as it is stored: large matrices in int8."""
    tensors = {f"namer.{name}": value for name, value in network.tensors().items()}
    for name, value in backbone.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "blocks":
            number, _, rest = rest.partition(".")
            if int(number) > SIXTEENTH:
                tensors[f"namer.blocks.{int(number) - SIXTEENTH - 1}.{rest}"] = value
        elif part == "wide":
            tensors[f"namer.{name}"] = value
    stored: dict[str, npt.NDArray[Any]] = {"log_name_scale": half(network.log_scale)}
    for name, value in tensors.items():
        if value.ndim >= 2 and value.numel() > INT8_LEAST and "depthwise" not in name:
            stored[name], stored[name + SCALE] = in_int8(value.detach().numpy().astype(np.float32))
        else:
            stored[name] = half(value)
    return stored


def half(tensor: Tensor) -> npt.NDArray[np.float16]:
    """Returns a tensor in float16."""
    return tensor.detach().float().cpu().contiguous().numpy().astype(np.float16)


def writer(network: PixelNetwork, namer: Arrays, note: str) -> Callable[[Path], None]:
    """Returns a function that writes both tasks' results as one file."""

    def write(path: Path) -> None:
        pixels = {name: half(value) for name, value in network.state_dict().items()}
        write_safetensors(path, {**pixels, **namer}, {"model": "seem-tiny", "trained": note})

    return write


def take_over(network: PixelNetwork, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Loads the pixels' part of an earlier result into a network.

    Returns:
        The namer's part, as it is stored.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    earlier = TinyNetwork.load(path)
    state = network.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if name in earlier.tensors:
                value.copy_(torch.from_numpy(np.array(earlier.tensor(name), np.float32)))
            elif name != "log_region_scale":  # absent from files of before there was a recipe
                raise WeightsError(f"{path} lacks the tensor {name!r}.")
    return {name: array for name, array in earlier.tensors.items() if name.startswith(NAMER)}
