"""A SEEM network from a safetensors file, without a second copy of its numbers in memory."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from promptseg.errors import WeightsError
from promptseg.models.seem.keys import check_state_dict, is_unused
from promptseg.models.seem.seem import Seem, build_seem
from promptseg.models.tensors import read_shapes


def load_seem(name: str, path: str | os.PathLike[str]) -> Seem:
    """Builds a network whose float32 tensors are views of the file, read by the system when they are needed.

    Files are only ever replaced as a whole by promptseg, never changed in place, so the views stay valid.

    Args:
        name: such as "seem-focal-t".
        path: a safetensors file with the official names; float16 and bfloat16 become float32.

    Raises:
        WeightsError: the file is missing, damaged, of another network, or holds what is not a finite number.
    """
    check_state_dict(name, read_shapes(path))
    with torch.device("meta"):
        seem = build_seem(name)
    try:
        with safe_open(Path(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys() if not is_unused(key)}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error}.") from error
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise WeightsError(f"The checkpoint holds {key} as {tensor.dtype}, expected floats.")
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"The checkpoint is damaged: {key} holds numbers that are not finite.")
    seem.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    for parameter in seem.parameters():
        parameter.requires_grad_(False)
    return seem.eval()
