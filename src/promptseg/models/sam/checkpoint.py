"""Moves official SAM weights into our modules, which bear the official names. Never unpickles anything."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from promptseg.errors import WeightsError
from promptseg.models.sam.keys import check_state_dict
from promptseg.models.sam.sam import Sam


def load_state_dict(model: Sam, tensors: Mapping[str, npt.NDArray[Any] | Tensor]) -> Sam:
    """Copies a checkpoint of float16 or float32 tensors into a network.

    Args:
        model: the network, as `build_sam` makes it.
        tensors: arrays under their official names.

    Returns:
        The same network, in evaluation mode.

    Raises:
        WeightsError: names the first tensor that is missing, unexpected, of another shape or not a number.
    """
    check_state_dict(model.name, {key: tuple(value.shape) for key, value in tensors.items()})
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
