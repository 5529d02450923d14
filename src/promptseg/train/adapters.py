"""Low-rank adapters (arXiv 2106.09685): small additions to the linear layers of an encoder, merged when written.

Shapes: O outputs, I inputs, R rank.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from promptseg.errors import InputError


class LowRank(nn.Module):
    """Adds the product of two thin matrices to a weight; the sum starts as the weight itself."""

    def __init__(self, weight_OI: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight_OI.shape
        self.down_RI = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
        self.up_OR = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, weight_OI: Tensor) -> Tensor:
        """Returns the adapted weight."""
        return weight_OI + self.up_OR @ self.down_RI


def add_adapters(module: nn.Module, rank: int) -> int:
    """Adapts every attention and MLP weight below `module`; the weights themselves are frozen.

    Returns:
        How many layers were adapted.

    Raises:
        InputError: the rank is out of range, or there is no linear layer.
    """
    if not 1 <= rank <= 64:
        raise InputError(f"Adapters have a rank from 1 to 64, got {rank}.")
    chosen = [
        layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and (".attn." in name or ".mlp." in name)
    ]
    if not chosen:
        raise InputError("This network has no attention or MLP layer to adapt.")
    for layer in chosen:
        layer.weight.requires_grad_(False)
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))
    return len(chosen)


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """Returns the state dict as if there were no adapters: their sums, under the plain names."""
    state: dict[str, Tensor] = {}
    for name, value in module.state_dict().items():
        if ".parametrizations.weight." not in name:
            state[name] = value
        elif name.endswith(".original"):
            layer = cast(nn.Linear, module.get_submodule(name.split(".parametrizations.")[0]))
            state[name.replace(".parametrizations.weight.original", ".weight")] = layer.weight.detach()
    return state
