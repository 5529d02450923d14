"""SAM's two-way transformer: prompt tokens and image tokens attend to each other (SAM paper, appendix A).

Shapes: B objects, b = B or 1 (all objects share the picture), N tokens, P image tokens, Q queries, K keys,
C channels, h heads, d channels of a head, R = h*N rows of all heads.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.mlp import TwoLayerMLP
from promptseg.models.sam.config import DecoderConfig


class TokenAttention(nn.Module):
    """Multi-head attention whose inner width may be smaller than that of its inputs."""

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

    def _per_head(self, projection: nn.Linear) -> tuple[Tensor, Tensor]:
        weight_hdC = projection.weight.unflatten(0, (self.heads, self.head_channels))
        return weight_hdC, projection.bias.reshape(self.heads, 1, self.head_channels)


class TokenToImage(TokenAttention):
    """Attention of few tokens to many image cells, without ever projecting the cells.

    The product q (W k)^T is (q W) k^T, and attention times (W v) is W times (attention times v): with 7 tokens and 8
    heads that is 56 rows instead of 128 columns at each of 4,096 cells. The bias of the keys adds the same to all
    logits of a query and falls out of the softmax; that of the values passes through it unchanged.
    """

    def forward(  # type: ignore[override]
        self, q_BNC: Tensor, k_bPC: Tensor, v_bPC: Tensor, bias_P: Tensor | None = None
    ) -> Tensor:
        """Returns (B, N, C). The bias is added to the logits of the cells."""
        batch, tokens, _ = q_BNC.shape
        key_hdC, _ = self._per_head(self.k_proj)
        value_hdC, bias_h1d = self._per_head(self.v_proj)
        q_BhNd = self._heads(self.q_proj(q_BNC))
        probe_BRC = (q_BhNd @ (key_hdC * self.head_channels**-0.5)).flatten(1, 2)  # R = heads * tokens rows
        if k_bPC.shape[0] == 1:  # one picture for all objects: their rows stand below each other
            probe_BRC = probe_BRC.flatten(0, 1).unsqueeze(0)
        logits_BRP = probe_BRC @ k_bPC.transpose(1, 2)
        found_BRC = _weighted(logits_BRP if bias_P is None else logits_BRP + bias_P, v_bPC)
        found_BhNC = found_BRC.reshape(batch, self.heads, tokens, -1)
        out_BhNd = found_BhNC @ value_hdC.transpose(1, 2) + bias_h1d
        return self.out_proj(out_BhNd.transpose(1, 2).flatten(2))


class ImageToToken(TokenAttention):
    """Attention of many image cells to few tokens; the same rearrangement seen from the other side.

    The cells stay the last axis up to the final product: the softmax over a handful of tokens is then a few sums of
    long rows, where the other way round it is thousands of sums of seven numbers.
    """

    def forward(self, q_bPC: Tensor, k_BNC: Tensor, v_BNC: Tensor, mask_B11N: Tensor) -> Tensor:  # type: ignore[override]
        """Returns (B, P, C). The mask is added to the logits of the tokens."""
        batch, tokens, _ = k_BNC.shape
        query_hdC, bias_h1d = self._per_head(self.q_proj)
        k_BhNd = self._heads(self.k_proj(k_BNC)) * self.head_channels**-0.5
        probe_BRC = (k_BhNd @ query_hdC).flatten(1, 2)
        offset_BR1 = ((k_BhNd * bias_h1d).sum(-1) + mask_B11N[:, :, 0]).reshape(batch, -1, 1)
        logits_BRP = probe_BRC @ q_bPC.transpose(1, 2) + offset_BR1
        weights_BRP = _softmax_over_tokens(logits_BRP.unflatten(1, (self.heads, tokens))).flatten(1, 2)
        out_hdC = self.out_proj.weight.t().unflatten(0, (self.heads, self.head_channels))
        said_BRC = (self._heads(self.v_proj(v_BNC)) @ out_hdC).flatten(1, 2)
        return weights_BRP.transpose(1, 2) @ said_BRC + self.out_proj.bias


def _weighted(logits_BRP: Tensor, v_bPC: Tensor) -> Tensor:
    """The softmax over the cells times the values, (B, R, C); divided last.

    OpenVINO would take the usual order for one operator of attention, which is twice as slow for so few rows.
    """
    raised_BRP = (logits_BRP - logits_BRP.amax(-1, keepdim=True)).exp()
    return (raised_BRP @ v_bPC) / raised_BRP.sum(-1, keepdim=True)


def _softmax_over_tokens(logits_BhNP: Tensor) -> Tensor:
    """Spelt out: engines turn the softmax of a middle axis into thousands of short rows and back again."""
    raised_BhNP = (logits_BhNP - logits_BhNP.amax(2, keepdim=True)).exp()
    return raised_BhNP / raised_BhNP.sum(2, keepdim=True)


class TwoWayLayer(nn.Module):
    """Tokens among themselves, tokens to picture, MLP, picture to tokens; a norm after each step."""

    def __init__(self, config: DecoderConfig, *, first: bool) -> None:
        super().__init__()
        channels, inner, heads = config.channels, config.attention_channels, config.heads
        self.first = first
        self.self_attn = TokenAttention(channels, channels, heads)
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn_token_to_image = TokenToImage(channels, inner, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = TwoLayerMLP(channels, config.mlp_channels, F.relu)
        self.norm3 = nn.LayerNorm(channels)
        self.norm4 = nn.LayerNorm(channels)
        self.cross_attn_image_to_token = ImageToToken(channels, inner, heads)

    def forward(
        self,
        tokens_BNC: Tensor,
        image_bPC: Tensor,
        prompt_BNC: Tensor,
        positions_1PC: Tensor,
        mask_B11N: Tensor,
        bias_P: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the new tokens (B, N, C) and the new picture (B, P, C).

        Args:
            tokens_BNC: the tokens so far.
            image_bPC: the picture so far, (1, P, C) while all objects still see the very same one.
            prompt_BNC: the tokens as they were at first; they serve as positions of the tokens.
            positions_1PC: positions of the image tokens.
            mask_B11N: added to the logits wherever a token is a key.
            bias_P: added to the logits wherever a cell is a key; the logarithm of how many cells it stands for.
        """
        if self.first:  # neither positions nor a shortcut: the result replaces the tokens
            tokens_BNC = self.norm1(self.self_attn(tokens_BNC, tokens_BNC, tokens_BNC, mask_B11N))
        else:
            placed_BNC = tokens_BNC + prompt_BNC
            tokens_BNC = self.norm1(tokens_BNC + self.self_attn(placed_BNC, placed_BNC, tokens_BNC, mask_B11N))
        seen_bPC = image_bPC + positions_1PC
        placed_BNC = tokens_BNC + prompt_BNC
        found_BNC = self.cross_attn_token_to_image(placed_BNC, seen_bPC, image_bPC, bias_P)
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
        self.final_attn_token_to_image = TokenToImage(channels, config.attention_channels, config.heads)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(
        self,
        prompt_BNC: Tensor,
        image_bPC: Tensor,
        positions_1PC: Tensor,
        mask_B11N: Tensor,
        bias_P: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the tokens (B, N, C) and the picture (B, P, C) after all layers; see `TwoWayLayer`."""
        tokens_BNC = prompt_BNC
        for layer in self.layers:
            tokens_BNC, image_bPC = layer(tokens_BNC, image_bPC, prompt_BNC, positions_1PC, mask_B11N, bias_P)
        found_BNC = self.final_attn_token_to_image(
            tokens_BNC + prompt_BNC, image_bPC + positions_1PC, image_bPC, bias_P
        )
        return self.norm_final_attn(tokens_BNC + found_BNC), image_bPC
