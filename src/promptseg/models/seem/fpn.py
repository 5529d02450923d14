"""The pixel decoder of the Focal variants: a transformer over the coarsest map, then a feature pyramid.

Shapes: B pictures, H W grid, L = H*W, C channels.
"""

from collections.abc import Iterable
from functools import partial
from typing import cast

from torch import Tensor, nn

from promptseg.models.blocks.winograd import Conv3x3
from promptseg.models.seem.attention import EncoderLayer, PackedAttention
from promptseg.models.seem.config import CHANNELS, PixelDecoderConfig
from promptseg.models.seem.pixel_features import NormedConv1x1, NormedConv3x3, PixelFeatures, merge
from promptseg.models.seem.positions import sine_positions


class TransformerEncoder(nn.Module):
    """Post-norm layers; positions are added to queries and keys."""

    def __init__(self, config: PixelDecoderConfig) -> None:
        super().__init__()
        layers = (EncoderLayer(PackedAttention(), config.feed_forward) for _ in range(config.depth))
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        position_LC = sine_positions(x_BHWC).flatten(0, 1)
        size = x_BHWC.shape[1:3]
        x_BLC = x_BHWC.flatten(1, 2)
        for layer in cast(Iterable[EncoderLayer], self.encoder["layers"]):
            x_BLC = layer(x_BLC, partial(_attend, layer.self_attn, position_LC))
        return x_BLC.unflatten(1, size)


def _attend(attention: nn.Module, position_LC: Tensor, x_BLC: Tensor) -> Tensor:
    place_BLC = x_BLC + position_LC
    return attention(place_BLC, place_BLC, x_BLC)


class TransformerFPN(nn.Module):
    """Official name: transformer_encoder_fpn."""

    def __init__(self, widths: tuple[int, ...], config: PixelDecoderConfig) -> None:
        super().__init__()
        groups = config.norm_groups
        self.input_proj = nn.Conv2d(widths[-1], CHANNELS, 1)
        self.transformer = TransformerEncoder(config)
        self.adapter_1, self.adapter_2, self.adapter_3 = (NormedConv1x1(w, groups) for w in widths[:3])
        self.layer_1, self.layer_2, self.layer_3, self.layer_4 = (NormedConv3x3(groups) for _ in range(4))
        self.mask_features = Conv3x3(CHANNELS, CHANNELS)

    def forward(self, maps: tuple[Tensor, ...]) -> PixelFeatures:
        """Takes res2 to res5 as (B, C, H, W), finest first."""
        res2, res3, res4, _ = maps
        y5 = self.layer_4.finish(self.layer_4(self.encode(maps)))
        y4 = merge(res4, y5, self.adapter_3, self.layer_3, "nearest")
        y3 = merge(res3, y4, self.adapter_2, self.layer_2, "nearest")
        y2 = merge(res2, y3, self.adapter_1, self.layer_1, "nearest")
        return PixelFeatures(self.mask_features(y2), (y5, y4, y3))

    def encode(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Returns res5 after the transformer, (B, C, H, W)."""
        projected = self.input_proj(maps[-1]).permute(0, 2, 3, 1)
        return self.transformer(projected).permute(0, 3, 1, 2)
