"""SAM's image encoder: a plain ViT with windows and decomposed relative positions (arXiv 2203.16527).

Shapes: B pictures or windows, H W grid (or window), L = H*W, C channels, h heads, d channels of a head,
S side of the attention's square, R = 2 S - 1 relative positions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.mlp import TwoLayerMLP
from promptseg.models.blocks.windows import join_windows, split_windows
from promptseg.models.sam.config import ViTConfig
from promptseg.models.sam.neck import Neck

NORM_EPS = 1e-6
FUSED_FROM = 1024
"""From so many tokens on the attention must not hold its matrix of weights in memory."""


def relative_table(table_Rd: Tensor, side: int) -> Tensor:
    """Lays out a table of relative positions as (S queries, S keys, d), resampled if its length differs."""
    if table_Rd.shape[0] != 2 * side - 1:
        resized = F.interpolate(table_Rd.T.unsqueeze(0), size=2 * side - 1, mode="linear")
        table_Rd = resized.squeeze(0).T
    step = torch.arange(side, device=table_Rd.device)
    return table_Rd[step[:, None] - step + side - 1]


def place_one_hots(height: int, width: int, like: Tensor) -> Tensor:
    """One row per key: a one at its row number, and a one at its column number: (L, H + W)."""
    rows = torch.eye(height, dtype=like.dtype, device=like.device).repeat_interleave(width, 0)
    columns = torch.eye(width, dtype=like.dtype, device=like.device).repeat(height, 1)
    return torch.cat([rows, columns], 1)


class VitAttention(nn.Module):
    """Self-attention over a square, with a bias that depends on the query and on the distance.

    The bias of query q to key k, q.Rh[dy] + q.Rw[dx], is itself a dot product: [q.Rh | q.Rw] with two one-hot
    vectors of the key's place. Appended to q and k it costs no L x L tensor. It takes the unscaled q.
    """

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, channels // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, channels // heads))

    def forward(self, x_BLC: Tensor, size: tuple[int, int]) -> Tensor:
        """Returns (B, L, C) for the L = H * W tokens of a rectangle of `size` (H, W)."""
        cells, channels = x_BLC.shape[1:]
        head = channels // self.heads
        qkv = self.qkv(x_BLC).reshape(-1, cells, 3, self.heads, head)
        q_BhLd, k_BhLd, v_BhLd = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        places = place_one_hots(*size, like=k_BhLd).expand(*k_BhLd.shape[:2], -1, -1)
        queries = torch.cat([q_BhLd * head**-0.5, self._offsets(q_BhLd, size)], -1)
        keys = torch.cat([k_BhLd, places], -1)
        if cells >= FUSED_FROM:  # the fused kernel wants equal widths
            v_BhLd = F.pad(v_BhLd, (0, sum(size)))
        out_BhLd = F.scaled_dot_product_attention(queries, keys, v_BhLd, scale=1.0)[..., :head]
        return self.proj(out_BhLd.transpose(1, 2).reshape(-1, cells, channels))

    def _offsets(self, q_BhLd: Tensor, size: tuple[int, int]) -> Tensor:
        """Returns [q.Rh | q.Rw] for every query: (B, h, L, H + W)."""
        height, width = size
        q_BhHWd = q_BhLd.unflatten(2, size)
        rows = q_BhHWd @ relative_table(self.rel_pos_h, height).transpose(1, 2)
        columns = q_BhHWd.transpose(2, 3) @ relative_table(self.rel_pos_w, width).transpose(1, 2)
        return torch.cat([rows, columns.transpose(2, 3)], -1).flatten(2, 3)


class VitBlock(nn.Module):
    """Attention inside windows or over the whole grid, then an MLP; norms come first."""

    def __init__(self, config: ViTConfig, number: int) -> None:
        super().__init__()
        channels = config.channels
        self.window = 0 if number in config.global_blocks else config.window
        self.norm1 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.attn = VitAttention(channels, config.heads, config.attention_side(number))
        self.norm2 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.mlp = TwoLayerMLP(channels, channels * config.mlp_ratio, F.gelu)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Returns a tensor of the same shape. The zeros that fill the windows enter after the norm."""
        size = (x_BHWC.shape[1], x_BHWC.shape[2])
        normed = self.norm1(x_BHWC)
        if self.window:
            windows = split_windows(normed.flatten(1, 2), self.window, size)
            seen_BLC = join_windows(self.attn(windows, (self.window, self.window)), self.window, size)
        else:
            seen_BLC = self.attn(normed.flatten(1, 2), size)
        x_BHWC = x_BHWC + seen_BLC.unflatten(1, size)
        return x_BHWC + self.mlp(self.norm2(x_BHWC))


class VitPatchEmbed(nn.Module):
    """One token per patch."""

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, patch, stride=patch)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Returns (B, H, W, C)."""
        return self.proj(image_B3HW).permute(0, 2, 3, 1)


class ImageEncoderViT(nn.Module):
    """The encoder of SAM ViT-B, ViT-L and ViT-H."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, config.grid, config.grid, config.channels))
        self.patch_embed = VitPatchEmbed(config.channels, config.patch)
        self.blocks = nn.Sequential(*(VitBlock(config, number) for number in range(config.depth)))
        self.neck = Neck(config.channels, config.outputs)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Embeds normalised, padded pictures (B, 3, 1024, 1024) as (B, 256, 64, 64)."""
        return self.neck(self.blocks(self.patch_embed(image_B3HW) + self.pos_embed))
