"""The pixel decoder of the SAM-ViT variants: multi-scale deformable attention (arXiv 2010.04159).

Shapes: B pictures, S levels, H W grid of one, L cells of all, C channels, h heads, d channels of a head, n points.
"""

from collections.abc import Iterable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.tokens import as_tokens
from promptseg.models.seem.attention import EncoderLayer
from promptseg.models.seem.config import CHANNELS, HEADS, PixelDecoderConfig
from promptseg.models.seem.pixel_features import NormedConv1x1, NormedConv3x3, PixelFeatures, merge
from promptseg.models.seem.positions import sine_positions

LEVELS = 3
Sizes = list[tuple[int, int]]


class DeformableAttention(nn.Module):
    """Every cell looks at a few points of every level, at offsets and with weights of its own making."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.points = points
        self.sampling_offsets = nn.Linear(CHANNELS, HEADS * LEVELS * points * 2)
        self.attention_weights = nn.Linear(CHANNELS, HEADS * LEVELS * points)
        self.value_proj = nn.Linear(CHANNELS, CHANNELS)
        self.output_proj = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, query_BLC: Tensor, value_BLC: Tensor, centres_L2: Tensor, sizes: Sizes) -> Tensor:
        """Returns (B, L, C).

        Args:
            query_BLC: cells, positions added.
            value_BLC: cells.
            centres_L2: where each cell lies, (x, y) from 0 to 1.
            sizes: (H, W) of every level.
        """
        offsets = self.sampling_offsets(query_BLC).unflatten(2, (HEADS, LEVELS, self.points, 2))
        weights = self.attention_weights(query_BLC).unflatten(2, (HEADS, -1)).softmax(-1)
        weights_BhLSn = weights.unflatten(3, (LEVELS, self.points)).transpose(1, 2)
        values = self.value_proj(value_BLC).split([height * width for height, width in sizes], 1)
        result = offsets.new_zeros(())
        for level, (height, width) in enumerate(sizes):
            shift = offsets[:, :, :, level] / offsets.new_tensor([width, height])
            place_BLhn2 = centres_L2[:, None, None] + shift
            grid = (2 * place_BLhn2 - 1).transpose(1, 2).flatten(0, 1)
            map_XdHW = values[level].unflatten(2, (HEADS, -1)).permute(0, 2, 3, 1).flatten(0, 1)
            map_XdHW = map_XdHW.unflatten(2, (height, width))
            seen_XdLn = F.grid_sample(map_XdHW, grid, align_corners=False)
            weight_XLn = weights_BhLSn[:, :, :, level].flatten(0, 1)
            result = result + (seen_XdLn * weight_XLn[:, None]).sum(-1)
        out_BLC = result.unflatten(0, (-1, HEADS)).flatten(1, 2).transpose(1, 2)
        return self.output_proj(out_BLC)


class DeformableEncoder(nn.Module):
    """Post-norm layers over the cells of all levels."""

    def __init__(self, config: PixelDecoderConfig) -> None:
        super().__init__()
        self.level_embed = nn.Parameter(torch.empty(LEVELS, CHANNELS).normal_())
        layers = (EncoderLayer(DeformableAttention(config.points), config.feed_forward) for _ in range(config.depth))
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Takes and returns (B, C, H, W) of every level."""
        sizes = [(int(x.shape[2]), int(x.shape[3])) for x in maps]
        places = [sine_positions(x.permute(0, 2, 3, 1)).flatten(0, 1) for x in maps]
        position_LC = torch.cat([place + level for place, level in zip(places, self.level_embed, strict=True)])
        centres_L2 = torch.cat([_centres(size, maps[0]) for size in sizes])
        x_BLC = torch.cat([as_tokens(x) for x in maps], 1)
        for layer in cast(Iterable[EncoderLayer], self.encoder["layers"]):
            x_BLC = layer(x_BLC, partial(_attend, layer.self_attn, position_LC, centres_L2, sizes))
        parts = x_BLC.split([height * width for height, width in sizes], 1)
        return [part.unflatten(1, size).permute(0, 3, 1, 2) for part, size in zip(parts, sizes, strict=True)]


def _attend(attention: nn.Module, position_LC: Tensor, centres_L2: Tensor, sizes: Sizes, x_BLC: Tensor) -> Tensor:
    return attention(x_BLC + position_LC, x_BLC, centres_L2, sizes)


def _centres(size: tuple[int, int], like: Tensor) -> Tensor:
    """Centres of a level's cells, (H*W, 2) as (x, y) from 0 to 1."""
    height, width = size
    rows = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
    columns = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
    y_HW, x_HW = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x_HW, y_HW], -1).flatten(0, 1)


class DeformableDecoder(nn.Module):
    """Official name: transformer_encoder_deform."""

    def __init__(self, widths: tuple[int, ...], config: PixelDecoderConfig) -> None:
        super().__init__()
        groups = config.norm_groups
        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, CHANNELS, 1), nn.GroupNorm(groups, CHANNELS))
            for width in reversed(widths[1:])
        )
        self.transformer = DeformableEncoder(config)
        self.mask_features = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.adapter_1 = NormedConv1x1(widths[0], groups)
        self.layer_1 = NormedConv3x3(groups, fast=False)  # exact: one convolution among much that is slower

    def forward(self, maps: tuple[Tensor, ...]) -> PixelFeatures:
        """Takes res2 to res5 as (B, C, H, W), finest first."""
        res2, *coarser = maps
        projected = [proj(x) for proj, x in zip(self.input_proj, reversed(coarser), strict=True)]
        levels = self.transformer(projected)
        y2 = merge(res2, levels[-1], self.adapter_1, self.layer_1, "bilinear")
        return PixelFeatures(self.mask_features(y2), tuple(levels))
