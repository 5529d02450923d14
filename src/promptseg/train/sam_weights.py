"""The parts of a SAM network that are trained, and the files that they become."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from promptseg.models.network import Network
from promptseg.models.sam.checkpoint import load_state_dict
from promptseg.models.sam.sam import Sam, build_sam
from promptseg.models.tensors import write_safetensors
from promptseg.train.adapters import merged_state


def trainable(network: Network, parts: tuple[str, ...]) -> Sam:
    """Returns the network that answers prompts in torch, with `parts` to be trained; batch norms stay as they are."""
    sam = load_state_dict(build_sam(network.base), network.answering)
    for name, parameter in sam.named_parameters():
        parameter.requires_grad_(name.startswith(parts))
    return sam


def stored(tensor: Tensor) -> npt.NDArray[np.floating]:
    """Returns a tensor as weights are stored: matrices in float16, vectors and single numbers in float32."""
    array = tensor.detach().float().cpu().numpy()
    return array.astype(np.float16) if array.ndim > 1 else array


def whole_writer(sam: Sam, network: Network, note: str) -> Callable[[Path], None]:
    """Returns a function that writes all tensors under the official names, for `--weights`."""

    def write(path: Path) -> None:
        trained = merged_state(sam)
        tensors = {
            name: array if np.array_equal(array.astype(np.float32), value.float().cpu().numpy()) else stored(value)
            for (name, array), value in ((item, trained[item[0]]) for item in network.answering.items())
        }
        write_safetensors(path, tensors, {"model": network.name, "trained": note})

    return write


def changed_writer(sam: Sam, parts: tuple[str, ...], note: str) -> Callable[[Path], None]:
    """Returns a function that writes only the tensors of `parts`."""

    def write(path: Path) -> None:
        tensors = {name: stored(value) for name, value in sam.state_dict().items() if name.startswith(parts)}
        write_safetensors(path, tensors, {"trained": note})

    return write
