"""The transformer layers that SEEM is made of, under the names of `torch.nn.MultiheadAttention`.

Shapes: B samples, Q queries, K keys, L tokens, C channels, h heads, d channels of a head.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem.config import CHANNELS, FEED_FORWARD, HEADS


class PackedAttention(nn.Module):
    """Multi-head attention whose three input projections share one matrix."""

    def __init__(self, channels: int = CHANNELS, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(
        self,
        query_BQC: Tensor,
        key_BKC: Tensor,
        value_BKC: Tensor,
        allowed_BQK: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """Returns (B, Q, C). Keys and values may have B = 1 to serve every sample.

        Args:
            query_BQC: queries, positions added.
            key_BKC: keys, positions added.
            value_BKC: values.
            allowed_BQK: True where a query may look at a key. Every query needs at least one key.
            causal: whether query i looks at keys 0 to i only.
        """
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        given = (query_BQC, key_BKC, value_BKC)
        q, k, v = (
            F.linear(x, w, b).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip(given, weights, biases, strict=True)
        )
        if k.shape[0] != q.shape[0]:
            k, v = k.expand(q.shape[0], -1, -1, -1), v.expand(q.shape[0], -1, -1, -1)
        mask = None if allowed_BQK is None else allowed_BQK.unsqueeze(1)
        out_BhQd = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
        return self.out_proj(out_BhQd.transpose(1, 2).flatten(2))


class SelfAttentionLayer(nn.Module):
    """Attention among prompts and queries, residual sum, norm."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = PackedAttention()
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(
        self, x_BQC: Tensor, position_BQC: Tensor, fixed_BKC: Tensor | None = None, allowed_BQK: Tensor | None = None
    ) -> Tensor:
        """Returns (B, Q, C).

        Args:
            x_BQC: tokens that look and are looked at.
            position_BQC: added to them as queries and keys.
            fixed_BKC: tokens that are only looked at. Being their own positions, they count twice as keys.
            allowed_BQK: over the keys x, then fixed.
        """
        place_BQC = x_BQC + position_BQC
        keys, values = place_BQC, x_BQC
        if fixed_BKC is not None:
            keys, values = torch.cat([keys, 2 * fixed_BKC], 1), torch.cat([values, fixed_BKC], 1)
        return self.norm(x_BQC + self.self_attn(place_BQC, keys, values, allowed_BQK))


class CrossAttentionLayer(nn.Module):
    """Attention from queries to picture features, residual sum, norm."""

    def __init__(self) -> None:
        super().__init__()
        self.multihead_attn = PackedAttention()
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(
        self, x_BQC: Tensor, position_BQC: Tensor, keys_BKC: Tensor, values_BKC: Tensor, allowed_BQK: Tensor
    ) -> Tensor:
        """Returns (B, Q, C)."""
        seen_BQC = self.multihead_attn(x_BQC + position_BQC, keys_BKC, values_BKC, allowed_BQK)
        return self.norm(x_BQC + seen_BQC)


class FeedForwardLayer(nn.Module):
    """Two linear layers with ReLU between them, residual sum, norm."""

    def __init__(self, hidden: int = FEED_FORWARD) -> None:
        super().__init__()
        self.linear1 = nn.Linear(CHANNELS, hidden)
        self.linear2 = nn.Linear(hidden, CHANNELS)
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x_BQC: Tensor) -> Tensor:
        """Returns (B, Q, C)."""
        return self.norm(x_BQC + self.linear2(F.relu(self.linear1(x_BQC))))


class EncoderLayer(nn.Module):
    """A post-norm transformer layer around any attention; the pixel decoders' building block."""

    def __init__(self, attention: nn.Module, hidden: int) -> None:
        super().__init__()
        self.self_attn = attention
        self.linear1 = nn.Linear(CHANNELS, hidden)
        self.linear2 = nn.Linear(hidden, CHANNELS)
        self.norm1 = nn.LayerNorm(CHANNELS)
        self.norm2 = nn.LayerNorm(CHANNELS)

    def forward(self, x_BLC: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns (B, L, C); `attend` calls the layer's attention with whatever it needs."""
        x_BLC = self.norm1(x_BLC + attend(x_BLC))
        return self.norm2(x_BLC + self.linear2(F.relu(self.linear1(x_BLC))))
