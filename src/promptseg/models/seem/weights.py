"""A SEEM network from a safetensors file, tensor by tensor: never are there two copies of its numbers in memory.

The table of token vectors, a fifth of the whole, stays on disk where it can: a sentence touches a few rows of it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptseg.errors import WeightsError
from promptseg.models.blocks.hollow import hollow
from promptseg.models.seem.keys import check_state_dict, is_unused
from promptseg.models.seem.seem import Seem, build_seem
from promptseg.models.tensors import read_shapes

_TEXT = "sem_seg_head.predictor.lang_encoder."
_TABLE = f"{_TEXT}lang_encoder.token_embedding.weight"
_TYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


def load_seem(name: str, path: str | os.PathLike[str], dtype: torch.dtype = torch.float32) -> Seem:
    """Builds a network and reads its weights.

    Args:
        name: such as "seem-focal-t".
        path: a safetensors file with the official names.
        dtype: of everything but the text encoder, which is float32 since its vectors are compared by angle.

    Returns:
        The network, in evaluation mode, without gradients.

    Raises:
        WeightsError: the file is missing, damaged, of another network, or holds what is not a finite number.
    """
    check_state_dict(name, read_shapes(path))
    with hollow():
        seem = build_seem(name)
    tensors: dict[str, Tensor] = {}
    for key, tensor in _read(Path(path)):
        tensors[key] = tensor.to(torch.float32 if key.startswith(_TEXT) else dtype)
    seem.load_state_dict(tensors, assign=True)
    return seem.requires_grad_(False).eval()


def _read(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors of a file whose header `read_shapes` has found to be sound."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            for key, entry in header.items():
                if key == "__metadata__" or is_unused(key):
                    continue
                if entry["dtype"] not in _TYPES:
                    raise WeightsError(f"The checkpoint holds {key} as {entry['dtype']}, expected floats.")
                tensor = torch.empty(entry["shape"], dtype=_TYPES[entry["dtype"]])
                start = 8 + length + entry["data_offsets"][0]
                file.seek(start)
                if file.readinto(tensor.view(-1).view(torch.uint8).numpy().data) != tensor.nbytes:
                    raise WeightsError(f"{path} is truncated: {key} is not whole.")
                if not all(bool(bound.isfinite()) for bound in tensor.aminmax()):  # takes no memory
                    raise WeightsError(f"The checkpoint is damaged: {key} holds numbers that are not finite.")
                if key == _TABLE and tensor.dtype == torch.float32:
                    tensor = torch.from_numpy(np.memmap(path, "<f4", "c", start, tuple(entry["shape"])))
                yield key, tensor
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error.strerror or error}.") from error
