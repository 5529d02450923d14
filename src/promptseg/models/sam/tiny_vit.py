"""MobileSAM's image encoder, TinyViT-5M (arXiv 2306.14289, after arXiv 2207.10666).

Shapes: B pictures, C channels, H W grid, L tokens of a window, h heads, d channels of a head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.tokens import as_map, as_tokens
from promptseg.models.blocks.windows import join_windows, split_windows
from promptseg.models.sam.config import TinyViTConfig
from promptseg.models.sam.neck import Neck


def joined(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of `linear` with those of the norm before it worked in, for `F.linear`.

    The weights are small and the tokens many, and engines work it out once: this spares a pass over all tokens.
    """
    return linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias


class ConvBN(nn.Module):
    """A bias-free convolution `c` and its batch normalisation `bn`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the convolved and normalised map."""
        return self.bn(self.c(x_BCHW))


class TinyVitPatchEmbed(nn.Module):
    """Two convolutions of stride 2: a quarter of the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvBN(3, channels // 2, 3, stride=2), nn.GELU(), ConvBN(channels // 2, channels, 3, stride=2)
        )

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Returns (B, C, H/4, W/4)."""
        return self.seq(image_B3HW)


class MBConv(nn.Module):
    """Widen, filter each channel, narrow; the last GELU comes after the shortcut."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        hidden = channels * expand
        self.conv1 = ConvBN(channels, hidden)
        self.conv2 = ConvBN(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvBN(hidden, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns a map of the same shape."""
        hidden = F.gelu(self.conv2(F.gelu(self.conv1(x_BCHW))))
        return F.gelu(self.conv3(hidden) + x_BCHW)


class PatchMerging(nn.Module):
    """The step between two stages: more channels and, with stride 2, half the resolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(inputs, outputs)
        self.conv2 = ConvBN(outputs, outputs, 3, stride=stride, groups=outputs)
        self.conv3 = ConvBN(outputs, outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the map of the next stage."""
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x_BCHW)))))


def offset_index(side: int) -> Tensor:
    """For every pair of cells of a window the place |dy| * side + |dx| in the table of biases: (L, L)."""
    step = torch.arange(side)
    y_L, x_L = step.repeat_interleave(side), step.repeat(side)
    return (y_L[:, None] - y_L).abs() * side + (x_L[:, None] - x_L).abs()


class WindowAttention(nn.Module):
    """Self-attention inside a window, with one learned bias per head and distance.

    The bias is read from the parameter at every call: a cached copy would outlive a change of weights.
    """

    offsets_LL: Tensor

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("offsets_LL", offset_index(window), persistent=False)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Returns a tensor of the same shape; padding cells are ordinary tokens here."""
        cells, channels = x_BLC.shape[1:]
        head = channels // self.heads
        q_hBLd, k_hBLd, v_hBLd = self._project(x_BLC).reshape(3, self.heads, -1, cells, head)
        bias_h1LL = self.attention_biases.index_select(1, self.offsets_LL.flatten()).reshape(-1, 1, cells, cells)
        weights_hBLL = (q_hBLd @ k_hBLd.transpose(2, 3) + bias_h1LL).softmax(-1)
        out_hBLd = weights_hBLL @ v_hBLd
        return self.proj(out_hBLd.permute(1, 2, 0, 3).reshape(-1, cells, channels))

    def _project(self, x_BLC: Tensor) -> Tensor:
        """Returns scaled queries, keys and values of all heads, (3*h, B*L, d).

        The official weights interleave q, k and v inside each head. One product per head puts the heads in front of
        the cells, where attention wants them: this spares the inference engines three transposes per block. The
        scale of the queries is in the weights, which spares a pass.
        """
        channels = x_BLC.shape[2]
        shape = (self.heads, 3, channels // self.heads)
        weight_XC, bias_X = joined(self.norm, self.qkv)
        weight_kCd = weight_XC.reshape(*shape, channels).permute(1, 0, 3, 2).flatten(0, 1)
        bias_k1d = bias_X.reshape(shape).transpose(0, 1).reshape(-1, 1, shape[2])
        scale_k11 = torch.ones(3 * self.heads, 1, 1, dtype=x_BLC.dtype, device=x_BLC.device)
        scale_k11[: self.heads] = shape[2] ** -0.5
        plain = F.layer_norm(x_BLC, (channels,), eps=self.norm.eps)
        return plain.reshape(1, -1, channels) @ (weight_kCd * scale_k11) + bias_k1d * scale_k11


class TinyMLP(nn.Module):
    """Norm, widen, GELU, narrow."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels * ratio)
        self.fc2 = nn.Linear(channels * ratio, channels)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        plain = F.layer_norm(x_BLC, (x_BLC.shape[2],), eps=self.norm.eps)
        return self.fc2(F.gelu(F.linear(plain, *joined(self.norm, self.fc1))))


class TinyViTBlock(nn.Module):
    """Window attention, a 3x3 filter per channel without shortcut, then the MLP."""

    def __init__(self, channels: int, heads: int, window: int, mlp_ratio: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(channels, heads, window)
        self.local_conv = ConvBN(channels, channels, 3, groups=channels)
        self.mlp = TinyMLP(channels, mlp_ratio)

    def forward(self, x_BLC: Tensor, size: tuple[int, int]) -> Tensor:
        """Returns a tensor of the same shape, the tokens of a grid of `size` (H, W).

        The zeros that fill the windows enter before the attention's norm.
        """
        windows = self.attn(split_windows(x_BLC, self.window, size))
        x_BLC = x_BLC + join_windows(windows, self.window, size)
        x_BLC = as_tokens(self.local_conv(as_map(x_BLC, size)))
        return x_BLC + self.mlp(x_BLC)


class ConvStage(nn.Module):
    """Stage 0: convolutions only."""

    def __init__(self, config: TinyViTConfig) -> None:
        super().__init__()
        channels = config.channels[0]
        self.blocks = nn.Sequential(*(MBConv(channels, config.expand) for _ in range(config.depths[0])))
        self.downsample = PatchMerging(channels, config.channels[1], config.strides[0])

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the map (B, C, H, W) of stage 1."""
        return self.downsample(self.blocks(x_BCHW))


class AttentionStage(nn.Module):
    """Stages 1 to 3; the last has no `downsample`."""

    def __init__(self, config: TinyViTConfig, stage: int) -> None:
        super().__init__()
        channels, heads, window = config.channels[stage], config.heads[stage], config.windows[stage]
        self.blocks = nn.Sequential(
            *(TinyViTBlock(channels, heads, window, config.mlp_ratio) for _ in range(config.depths[stage]))
        )
        self.downsample: PatchMerging | None = None
        if stage + 1 < len(config.channels):
            self.downsample = PatchMerging(channels, config.channels[stage + 1], config.strides[stage])

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the map (B, C, H, W) of the next stage."""
        size = (x_BCHW.shape[2], x_BCHW.shape[3])
        x_BLC = as_tokens(x_BCHW)
        for block in self.blocks:
            x_BLC = block(x_BLC, size)
        x_BCHW = as_map(x_BLC, size)
        return x_BCHW if self.downsample is None else self.downsample(x_BCHW)


class TinyViT(nn.Module):
    """The encoder. `norm_head` and `head` are never used; they keep the official checkpoint's names."""

    def __init__(self, config: TinyViTConfig) -> None:
        super().__init__()
        self.patch_embed = TinyVitPatchEmbed(config.channels[0])
        stages = (AttentionStage(config, stage) for stage in range(1, len(config.channels)))
        self.layers = nn.Sequential(ConvStage(config), *stages)
        self.norm_head = nn.LayerNorm(config.channels[-1])
        self.head = nn.Linear(config.channels[-1], config.classes)
        self.neck = Neck(config.channels[-1], config.outputs)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Embeds normalised, padded pictures (B, 3, 1024, 1024) as (B, 256, 64, 64)."""
        return self.neck(self.layers(self.patch_embed(image_B3HW)).permute(0, 2, 3, 1))
