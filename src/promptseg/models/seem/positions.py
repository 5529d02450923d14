"""Sine positions of a feature grid.

Shapes: H W grid, C channels.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from promptseg.models.seem.config import CHANNELS

_TEMPERATURE = 10000.0
_EPS = 1e-6


def _axis(length: int, features: int, device: torch.device) -> Tensor:
    """One axis: (length, features). Cells count from 1, without a half-cell shift."""
    cell = torch.arange(1, length + 1, dtype=torch.float32, device=device)
    angle = cell / (length + _EPS) * (2 * math.pi)
    index = torch.arange(features, dtype=torch.float32, device=device)
    waves = angle[:, None] / _TEMPERATURE ** (2 * (index // 2) / features)
    return torch.stack([waves[:, 0::2].sin(), waves[:, 1::2].cos()], -1).flatten(1)


@lru_cache(maxsize=16)
def _positions(height: int, width: int, device: torch.device) -> Tensor:
    half = CHANNELS // 2
    rows = _axis(height, half, device)[:, None].expand(-1, width, -1)
    columns = _axis(width, half, device)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], -1)


def sine_positions(like_BHWC: Tensor) -> Tensor:
    """Returns (H, W, C) positions for a channels-last grid, row half first, in its type."""
    height, width = like_BHWC.shape[1:3]
    return _positions(height, width, like_BHWC.device).to(like_BHWC.dtype)
