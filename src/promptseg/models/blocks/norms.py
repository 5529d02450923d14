"""Normalisation over the channels of image-shaped tensors.

Shapes: B pictures or prompts, C channels, H W grid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """Layer normalisation over C of a (B, C, H, W) tensor, at every grid cell on its own."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the normalised tensor, same shape."""
        return self.channels_last(x_BCHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def channels_last(self, x_ZC: Tensor) -> Tensor:
        """Normalises a tensor whose channels are the last axis; spares two transposes where that is so."""
        return F.layer_norm(x_ZC, self.weight.shape, self.weight, self.bias, self.eps)
