"""SAM's two-way transformer: prompt tokens and image tokens attend to each other (SAM paper, appendix A).

Shapes: B objects, b = B or 1 (all objects share the picture), N tokens, P image tokens, Q queries, K keys,
C channels, h heads, d channels of a head.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.mlp import TwoLayerMLP
from promptseg.models.sam.config import DecoderConfig


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than that of its inputs.

    Written as two plain products with broadcasting, so that a picture shared by B objects is never copied.
    """

    def __init__(self, channels: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_channels = heads, inner // heads
        self.q_proj = nn.Linear(channels, inner)
        self.k_proj = nn.Linear(channels, inner)
        self.v_proj = nn.Linear(channels, inner)
        self.out_proj = nn.Linear(inner, channels)

    def forward(self, q_bQC: Tensor, k_bKC: Tensor, v_bKC: Tensor, mask_B11K: Tensor | None = None) -> Tensor:
        """Returns (B, Q, C). The mask is added to the logits of the keys."""
        scale = self.head_channels**-0.5  # on the weights, which are fewer than the queries
        q_bhQd = self._heads(F.linear(q_bQC, self.q_proj.weight * scale, self.q_proj.bias * scale))
        logits_BhQK = q_bhQd @ self._heads(self.k_proj(k_bKC)).transpose(2, 3)
        if mask_B11K is not None:
            logits_BhQK = logits_BhQK + mask_B11K
        out_BhQd = logits_BhQK.softmax(-1) @ self._heads(self.v_proj(v_bKC))
        return self.out_proj(out_BhQd.transpose(1, 2).flatten(2))

    def _heads(self, x_BNC: Tensor) -> Tensor:
        return x_BNC.unflatten(2, (self.heads, self.head_channels)).transpose(1, 2)


def attend_to_shared(attention: Attention, q_BNC: Tensor, k_1PC: Tensor, v_1PC: Tensor) -> Tensor:
    """Attention of B objects to one picture: the keys are projected once and the queries stand in one row."""
    return attention(q_BNC.flatten(0, 1).unsqueeze(0), k_1PC, v_1PC).reshape(q_BNC.shape)


class TwoWayLayer(nn.Module):
    """Tokens among themselves, tokens to picture, MLP, picture to tokens; a norm after each step."""

    def __init__(self, config: DecoderConfig, *, first: bool) -> None:
        super().__init__()
        channels, inner, heads = config.channels, config.attention_channels, config.heads
        self.first = first
        self.self_attn = Attention(channels, channels, heads)
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn_token_to_image = Attention(channels, inner, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = TwoLayerMLP(channels, config.mlp_channels, F.relu)
        self.norm3 = nn.LayerNorm(channels)
        self.norm4 = nn.LayerNorm(channels)
        self.cross_attn_image_to_token = Attention(channels, inner, heads)

    def forward(
        self,
        tokens_BNC: Tensor,
        image_bPC: Tensor,
        prompt_BNC: Tensor,
        positions_1PC: Tensor,
        mask_B11N: Tensor,
        *,
        shared: bool,
    ) -> tuple[Tensor, Tensor]:
        """Returns the new tokens (B, N, C) and the new picture (B, P, C).

        Args:
            tokens_BNC: the tokens so far.
            image_bPC: the picture so far, (1, P, C) if `shared`.
            prompt_BNC: the tokens as they were at first; they serve as positions of the tokens.
            positions_1PC: positions of the image tokens.
            mask_B11N: added to the logits wherever a token is a key.
            shared: all objects still see the very same picture.
        """
        if self.first:  # neither positions nor a shortcut: the result replaces the tokens
            tokens_BNC = self.norm1(self.self_attn(tokens_BNC, tokens_BNC, tokens_BNC, mask_B11N))
        else:
            placed_BNC = tokens_BNC + prompt_BNC
            tokens_BNC = self.norm1(
                tokens_BNC + self.self_attn(placed_BNC, placed_BNC, tokens_BNC, mask_B11N)
            )
        seen_bPC = image_bPC + positions_1PC
        placed_BNC = tokens_BNC + prompt_BNC
        if shared:
            found_BNC = attend_to_shared(self.cross_attn_token_to_image, placed_BNC, seen_bPC, image_bPC)
        else:
            found_BNC = self.cross_attn_token_to_image(placed_BNC, seen_bPC, image_bPC)
        tokens_BNC = self.norm2(tokens_BNC + found_BNC)
        tokens_BNC = self.norm3(tokens_BNC + self.mlp(tokens_BNC))
        told_BPC = self.cross_attn_image_to_token(seen_bPC, tokens_BNC + prompt_BNC, tokens_BNC, mask_B11N)
        return tokens_BNC, self.norm4(image_bPC + told_BPC)


class TwoWayTransformer(nn.Module):
    """The layers, and a last look of the tokens at the picture."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        channels = config.channels
        self.layers = nn.ModuleList(TwoWayLayer(config, first=i == 0) for i in range(config.depth))
        self.final_attn_token_to_image = Attention(channels, config.attention_channels, config.heads)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(
        self,
        prompt_BNC: Tensor,
        image_bPC: Tensor,
        positions_1PC: Tensor,
        mask_B11N: Tensor,
        *,
        shared: bool,
    ) -> tuple[Tensor, Tensor]:
        """Returns the tokens (B, N, C) and the picture (B, P, C) after all layers; see `TwoWayLayer`."""
        tokens_BNC = prompt_BNC
        for layer in self.layers:
            tokens_BNC, image_bPC = layer(
                tokens_BNC, image_bPC, prompt_BNC, positions_1PC, mask_B11N, shared=shared
            )
            shared = False
        found_BNC = self.final_attn_token_to_image(
            tokens_BNC + prompt_BNC, image_bPC + positions_1PC, image_bPC
        )
        return self.norm_final_attn(tokens_BNC + found_BNC), image_bPC
