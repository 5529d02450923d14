"""SAM's prompt encoder: clicks, boxes and earlier masks become tokens (SAM paper, appendix A).

Shapes: B objects, N prompt tokens, C channels, H W embedding grid; a mask prompt is 4 H x 4 W.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.geometry import LABEL_ABSENT
from promptseg.models.blocks.norms import LayerNorm2d
from promptseg.models.sam.config import DecoderConfig


class FourierPositions(nn.Module):
    """Positions in the unit square as sines and cosines of random, fixed frequencies."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.empty(2, channels // 2).normal_())

    def forward(self, xy_Z2: Tensor) -> Tensor:
        """Encodes (..., 2) positions x, y in [0, 1] as (..., C)."""
        angles = 2 * math.pi * ((2 * xy_Z2 - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1)


class PromptEncoder(nn.Module):
    """Learned embeddings of prompt kinds, a position encoding and a small encoder of masks."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        channels, inner = config.channels, config.mask_channels
        self.image_side, self.grid = config.image_side, config.grid
        self.pe_layer = FourierPositions(channels)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, channels) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, channels)
        self.no_mask_embed = nn.Embedding(1, channels)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, inner // 4, 2, stride=2),
            LayerNorm2d(inner // 4),
            nn.GELU(),
            nn.Conv2d(inner // 4, inner, 2, stride=2),
            LayerNorm2d(inner),
            nn.GELU(),
            nn.Conv2d(inner, channels, 1),
        )

    def sparse_tokens(self, points_BN2: Tensor, labels_BN: Tensor) -> Tensor:
        """Embeds labelled points as (B, N, C).

        Args:
            points_BN2: x, y in pixels of the 1024 frame, without the half-pixel shift.
            labels_BN: 1 positive, 0 negative, 2 and 3 box corners, -1 pad, -2 absent.
        """
        labels_BN = labels_BN.long()
        none_1C = torch.zeros_like(self.not_a_point_embed.weight)
        positions_BNC = self.pe_layer(((points_BN2 + 0.5) / self.image_side).to(none_1C.dtype))
        kinds = [cast(nn.Embedding, kind).weight for kind in self.point_embeddings]
        kinds_6C = torch.cat([none_1C, self.not_a_point_embed.weight, *kinds])  # label -2 first
        placed_BN1 = (labels_BN >= 0).unsqueeze(-1)
        return torch.where(placed_BN1, positions_BNC, 0.0) + F.embedding(labels_BN - LABEL_ABSENT, kinds_6C)

    def dense_tokens(self, mask_logits_B1HW: Tensor | None) -> Tensor:
        """Embeds mask prompts as (B, C, H, W), or their absence as (1, C, 1, 1)."""
        if mask_logits_B1HW is None:
            return self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return self.mask_downscaling(mask_logits_B1HW)

    def dense_positions(self) -> Tensor:
        """Encodes the centres of the embedding grid, row by row: (1, H*W, C). Depends on no input."""
        matrix = self.pe_layer.positional_encoding_gaussian_matrix
        centre_H = (torch.arange(self.grid, dtype=matrix.dtype, device=matrix.device) + 0.5) / self.grid
        x_HW, y_HW = centre_H.expand(self.grid, -1), centre_H[:, None].expand(-1, self.grid)
        return self.pe_layer(torch.stack([x_HW, y_HW], dim=-1)).reshape(1, self.grid * self.grid, -1)
