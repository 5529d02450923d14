"""Moves official SEEM weights into our modules, which bear the official names. Never unpickles anything."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from promptseg.errors import WeightsError
from promptseg.models.blocks.hollow import hollow
from promptseg.models.seem.keys import Shape, check_state_dict, is_unused
from promptseg.models.seem.seem import Seem, build_seem

__all__ = ["check_state_dict", "expected_shapes", "load_state_dict"]


def expected_shapes(name: str) -> dict[str, Shape]:
    """Returns the names and shapes of the module itself; `keys.expected_shapes` knows them without torch.

    Raises:
        WeightsError: there is no such network.
    """
    with hollow():
        seem = build_seem(name)
    return {key: tuple(tensor.shape) for key, tensor in seem.state_dict().items()}


def load_state_dict(model: Seem, tensors: Mapping[str, npt.NDArray[Any] | Tensor]) -> Seem:
    """Copies a checkpoint of float16 or float32 tensors into a network.

    Args:
        model: the network, as `build_seem` makes it.
        tensors: arrays under their official names. Buffers of the official training code are passed over.

    Returns:
        The same network, in evaluation mode.

    Raises:
        WeightsError: names the first tensor that is missing, unexpected, of another shape or not a number.
    """
    check_state_dict(model.name, {key: tuple(value.shape) for key, value in tensors.items()})
    own = model.state_dict()
    for key, value in tensors.items():
        if is_unused(key):
            continue
        given = _tensor(key, value)
        if not bool(torch.isfinite(given).all()):
            raise WeightsError(f"The checkpoint is damaged: {key} holds numbers that are not finite.")
        own[key].copy_(given)
    return model.eval()


def _tensor(key: str, value: npt.NDArray[Any] | Tensor) -> Tensor:
    kind = value.dtype
    if isinstance(value, Tensor):
        if value.is_floating_point():
            return value.detach()
    elif value.dtype.kind == "f":
        return torch.tensor(value)
    raise WeightsError(f"The checkpoint holds {key} as {kind}, expected float16 or float32.")
