"""Moves official SAM weights into our modules, which bear the official names. Never unpickles anything."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from promptseg.errors import WeightsError
from promptseg.models.blocks.hollow import hollow
from promptseg.models.sam.keys import Shape, check_state_dict
from promptseg.models.sam.sam import Sam, build_sam

__all__ = ["check_state_dict", "expected_shapes", "load_state_dict"]


def expected_shapes(name: str) -> dict[str, Shape]:
    """Returns the names and shapes of the module itself; `keys.expected_shapes` knows them without torch.

    Raises:
        WeightsError: there is no such network.
    """
    with hollow():
        sam = build_sam(name)
    return {key: tuple(tensor.shape) for key, tensor in sam.state_dict().items()}


def load_state_dict(
    model: Sam, tensors: Mapping[str, npt.NDArray[Any] | Tensor], *, unused_may_miss: bool = False
) -> Sam:
    """Copies a checkpoint of float16 or float32 tensors into a network.

    Args:
        model: the network, as `build_sam` makes it.
        tensors: arrays under their official names.
        unused_may_miss: whether tensors that no prediction depends on may be absent.

    Returns:
        The same network, in evaluation mode.

    Raises:
        WeightsError: names the first tensor that is missing, unexpected, of another shape or not a number.
    """
    check_state_dict(
        model.name, {key: tuple(value.shape) for key, value in tensors.items()}, unused_may_miss=unused_may_miss
    )
    own = model.state_dict()
    for key, value in tensors.items():
        given = _tensor(key, value)
        if given.is_floating_point() and not bool(torch.isfinite(given).all()):
            raise WeightsError(f"The checkpoint is damaged: {key} holds numbers that are not finite.")
        own[key].copy_(given)
    return model.eval()


def _tensor(key: str, value: npt.NDArray[Any] | Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if value.dtype.kind not in "fi":
        raise WeightsError(f"The checkpoint holds {key} as {value.dtype}, expected float16 or float32.")
    return torch.tensor(value)
