"""Multi-layer perceptrons, with the attribute names that SAM's checkpoints use.

Shapes: Z any leading axes, C channels, B prompts, M perceptrons side by side.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TwoLayerMLP(nn.Module):
    """lin1, activation, lin2."""

    def __init__(self, channels: int, hidden: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.lin1 = nn.Linear(channels, hidden)
        self.lin2 = nn.Linear(hidden, channels)
        self.activation = activation

    def forward(self, x_ZC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        return self.lin2(self.activation(self.lin1(x_ZC)))


class ReluMLP(nn.Module):
    """Linear layers with ReLU between them and nothing after the last."""

    def __init__(self, inputs: int, hidden: int, outputs: int, depth: int) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (depth - 1), outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x_ZC: Tensor) -> Tensor:
        """Returns the last layer's output."""
        *inner, last = self.layers
        for layer in inner:
            x_ZC = F.relu(layer(x_ZC))
        return last(x_ZC)


def side_by_side(mlps: Sequence[nn.Module], x_MBC: Tensor) -> Tensor:
    """Runs M equally shaped `ReluMLP`s, each on its own (B, C), as batched products: (M, B, outputs)."""
    columns = zip(*(cast(ReluMLP, mlp).layers for mlp in mlps), strict=True)
    steps = [cast(tuple[nn.Linear, ...], column) for column in columns]
    for number, layers in enumerate(steps):
        weight_MOC = torch.stack([layer.weight for layer in layers])
        bias_M1O = torch.stack([layer.bias for layer in layers]).unsqueeze(1)
        x_MBC = x_MBC @ weight_MOC.transpose(1, 2) + bias_M1O
        if number < len(steps) - 1:
            x_MBC = F.relu(x_MBC)
    return x_MBC
