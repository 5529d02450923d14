"""FocalNet, the backbone of SEEM Focal-T and Focal-L (arXiv 2203.11926).

Everything runs channels-last: a permuted (B, C, H, W) view of such a tensor costs no copy, and depthwise
convolutions, linear layers and norms all like it best.

Shapes: B pictures, H W grid, C channels.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem.config import FocalConfig


def depthwise(conv: nn.Conv2d, x_BHWC: Tensor) -> Tensor:
    """Applies a convolution to a channels-last tensor."""
    return conv(x_BHWC.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class FocalModulation(nn.Module):
    """Gathers context from growing neighbourhoods, gates it, and multiplies it into every query."""

    def __init__(self, channels: int, levels: int, first_kernel: int) -> None:
        super().__init__()
        self.levels = levels
        self.f = nn.Linear(channels, 2 * channels + levels + 1)
        self.h = nn.Conv2d(channels, channels, 1)
        self.proj = nn.Linear(channels, channels)
        kernels = [first_kernel + 2 * level for level in range(levels)]
        self.focal_layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False))
            for kernel in kernels
        )

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        channels = x_BHWC.shape[-1]
        parts = [channels, channels, self.levels + 1]
        weights, biases = self.f.weight.split(parts), self.f.bias.split(parts)
        # three products instead of one: slices of a joint result would have to be copied
        query, context, gates = (F.linear(x_BHWC, w, b) for w, b in zip(weights, biases, strict=True))
        gathered = torch.zeros_like(context)
        for level, layer in enumerate(cast(Iterable[nn.Sequential], self.focal_layers)):
            context = F.gelu(depthwise(cast(nn.Conv2d, layer[0]), context))
            gathered = torch.addcmul(gathered, context, gates[..., level : level + 1])
        everywhere = F.gelu(context.mean((1, 2), keepdim=True))
        gathered = torch.addcmul(gathered, everywhere, gates[..., self.levels :]) / (self.levels + 1)
        return self.proj(query * F.linear(gathered, self.h.weight.flatten(1), self.h.bias))


class FocalMLP(nn.Module):
    """Two linear layers with GELU between them, under FocalNet's names."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        return self.fc2(F.gelu(self.fc1(x_BHWC)))


class FocalBlock(nn.Module):
    """Focal modulation, then an MLP, each with a learned scale per channel; the plain block of Focal-L.

    The norm stands after the branch and inside the residual sum.
    """

    def __init__(self, config: FocalConfig, channels: int) -> None:
        super().__init__()
        self.gamma_1 = nn.Parameter(torch.full((channels,), 1e-4))
        self.gamma_2 = nn.Parameter(torch.full((channels,), 1e-4))
        self.norm1 = nn.LayerNorm(channels)
        self.modulation = FocalModulation(channels, config.levels, config.first_kernel)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = FocalMLP(channels, channels * config.mlp_ratio)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        x_BHWC = torch.addcmul(x_BHWC, self.gamma_1, self.norm1(self.modulation(x_BHWC)))
        return torch.addcmul(x_BHWC, self.gamma_2, self.norm2(self.mlp(x_BHWC)))


class DepthwiseFocalBlock(FocalBlock):
    """The block of Focal-T: a depthwise convolution before either step, and the norm after the residual sum."""

    def __init__(self, config: FocalConfig, channels: int) -> None:
        super().__init__(config, channels)
        self.dw1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.dw2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        x_BHWC = x_BHWC + depthwise(self.dw1, x_BHWC)
        x_BHWC = self.norm1(torch.addcmul(x_BHWC, self.gamma_1, self.modulation(x_BHWC)))
        x_BHWC = x_BHWC + depthwise(self.dw2, x_BHWC)
        return self.norm2(torch.addcmul(x_BHWC, self.gamma_2, self.mlp(x_BHWC)))


class FocalPatchEmbed(nn.Module):
    """An overlapping, strided convolution and a norm; the input is first padded to a multiple of the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.stride = stride
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns (B, H / stride, W / stride, C)."""
        below, beside = -x_BHWC.shape[1] % self.stride, -x_BHWC.shape[2] % self.stride
        if below or beside:
            x_BHWC = F.pad(x_BHWC, (0, 0, 0, beside, 0, below))
        return self.norm(depthwise(self.proj, x_BHWC))


class FocalStage(nn.Module):
    """Blocks of one resolution, and the way down to the next."""

    def __init__(self, config: FocalConfig, stage: int) -> None:
        super().__init__()
        width = config.widths[stage]
        block = DepthwiseFocalBlock if config.depthwise else FocalBlock
        self.blocks = nn.ModuleList(block(config, width) for _ in range(config.depths[stage]))
        last = stage + 1 == len(config.widths)
        self.downsample = None if last else FocalPatchEmbed(width, 2 * width, kernel=3, stride=2, padding=1)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape, not yet downsampled."""
        for block in self.blocks:
            x_BHWC = block(x_BHWC)
        return x_BHWC


class FocalNet(nn.Module):
    """Four stages at strides 4, 8, 16, 32."""

    def __init__(self, config: FocalConfig) -> None:
        super().__init__()
        self.patch_embed = FocalPatchEmbed(3, config.channels, kernel=7, stride=4, padding=config.stem_padding)
        self.layers = nn.ModuleList(FocalStage(config, stage) for stage in range(len(config.widths)))
        self.norm0, self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for width in config.widths)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, ...]:
        """Returns res2, res3, res4, res5, finest first, as (B, C, H, W) in channels-last memory."""
        x_BHWC: Tensor = self.patch_embed(image_B3HW.permute(0, 2, 3, 1))
        maps: list[Tensor] = []
        norms = (self.norm0, self.norm1, self.norm2, self.norm3)
        for stage, norm in zip(cast(Iterable[FocalStage], self.layers), norms, strict=True):
            x_BHWC = stage(x_BHWC)
            maps.append(norm(x_BHWC).permute(0, 3, 1, 2))
            if stage.downsample is not None:
                x_BHWC = stage.downsample(x_BHWC)
        return tuple(maps)
