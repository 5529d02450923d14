"""SEEM's text encoder, a causal transformer like CLIP's (arXiv 2103.00020), and the class bank made with it.

Shapes: S sentences, T tokens, C channels, N names, P prompt templates per name, D different beginnings of
sentences, h heads, d channels of a head.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from promptseg.models.seem.attention import PackedAttention
from promptseg.models.seem.config import CHANNELS, FEED_FORWARD, TextConfig

_TINY = 1e-7
MAX_SCALE = 100.0


def unit(x_ZC: Tensor) -> Tensor:
    """Scales vectors to length 1; a zero vector stays zero."""
    return x_ZC / (x_ZC.norm(dim=-1, keepdim=True) + _TINY)


class TextNorm(nn.LayerNorm):
    """Layer norm in float32 whatever the model's type, with a tiny epsilon."""

    def __init__(self) -> None:
        super().__init__(CHANNELS, eps=1e-12)

    def forward(self, input: Tensor) -> Tensor:
        """Returns a tensor of the same shape and type."""
        normed = F.layer_norm(input.float(), self.normalized_shape, None, None, self.eps)
        return torch.addcmul(self.bias, self.weight, normed.to(input.dtype))


class TextBlock(nn.Module):
    """Causal attention, then an MLP with the quick GELU x * sigmoid(1.702 x); norms come first."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = PackedAttention()
        self.ln_1 = TextNorm()
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(CHANNELS, FEED_FORWARD), "c_proj": nn.Linear(FEED_FORWARD, CHANNELS)}
        )
        self.ln_2 = TextNorm()

    def forward(self, x_STC: Tensor) -> Tensor:
        """Returns a tensor of the same shape."""
        normed = self.ln_1(x_STC)
        return self._think(x_STC + self.attn(normed, normed, normed, causal=True))

    def along(self, x_DC: Tensor, lineage_DT: Tensor, present_DT: Tensor) -> Tensor:
        """The same on the last tokens of beginnings, which look at the last tokens of the beginnings before them."""
        packed = F.linear(self.ln_1(x_DC), self.attn.in_proj_weight, self.attn.in_proj_bias)
        q_Dhd, k_Dhd, v_Dhd = packed.unflatten(1, (3, self.attn.heads, -1)).unbind(1)
        k_DhTd, v_DhTd = (x_Dhd[lineage_DT].transpose(1, 2) for x_Dhd in (k_Dhd, v_Dhd))
        out_Dh1d = F.scaled_dot_product_attention(q_Dhd[:, :, None], k_DhTd, v_DhTd, present_DT[:, None, None])
        return self._think(x_DC + self.attn.out_proj(out_Dh1d.flatten(1)))

    def _think(self, x_ZC: Tensor) -> Tensor:
        inner = self.mlp["c_fc"](self.ln_2(x_ZC))
        return x_ZC + self.mlp["c_proj"](inner * torch.sigmoid(1.702 * inner))


class TextTransformer(nn.Module):
    """Token ids to contextual token vectors."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.empty(config.context, CHANNELS).normal_(std=0.01))
        self.token_embedding = nn.Embedding(config.vocabulary, CHANNELS)
        self.resblocks = nn.ModuleList(TextBlock() for _ in range(config.depth))
        self.ln_final = TextNorm()

    def forward(self, ids_ST: Tensor) -> Tensor:
        """Returns (S, T, C). T may be less than the context: later tokens never influence earlier ones."""
        x_STC = self.token_embedding(ids_ST) + self.positional_embedding[: ids_ST.shape[1]]
        for block in self.resblocks:
            x_STC = block(x_STC)
        return self.ln_final(x_STC)

    def ends(self, ids_ST: Tensor) -> Tensor:
        """Returns (S, C), the vectors of the end tokens, for many sentences that begin alike.

        Attention being causal, equal beginnings have equal vectors; each is computed once.
        """
        known: dict[tuple[int, int], int] = {}
        lineages: list[list[int]] = []
        ends: list[int] = []
        for row in (ids[: end + 1] for ids, end in zip(ids_ST.tolist(), ids_ST.argmax(1).tolist(), strict=True)):
            path: list[int] = []
            for token in row:
                key = (path[-1] if path else -1, token)
                path.append(known.setdefault(key, len(known)))
                if path[-1] == len(lineages):
                    lineages.append(path.copy())
            ends.append(path[-1])
        lineage = pad_sequence([ids_ST.new_tensor(path) for path in lineages], True, padding_value=-1)
        tokens_D = ids_ST.new_tensor([token for _, token in known])
        depths_D = (lineage >= 0).sum(1) - 1
        x_DC = self.token_embedding(tokens_D) + self.positional_embedding[depths_D]
        for block in cast(Iterable[TextBlock], self.resblocks):
            x_DC = block.along(x_DC, lineage.clamp(min=0), lineage >= 0)
        return self.ln_final(x_DC[ids_ST.new_tensor(ends)])


class TextEncoder(nn.Module):
    """Sentences in the space where mask captions are compared with them."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.lang_encoder = TextTransformer(config)
        self.lang_proj = nn.Parameter(torch.empty(CHANNELS, CHANNELS))
        self.logit_scale = nn.Parameter(torch.ones(()))
        nn.init.trunc_normal_(self.lang_proj, std=0.02)

    def forward(self, ids_ST: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes token ids.

        Args:
            ids_ST: rows that begin with the start token and end with the end token, the greatest id of all;
                what follows its first occurrence is filling and may be cut off (`used_part`).

        Returns:
            Token vectors (S, T, C) and sentence vectors (S, C), neither of unit length.
        """
        ids_ST = ids_ST.long()
        tokens_STC = self.lang_encoder(ids_ST) @ self.lang_proj
        rows = torch.arange(len(ids_ST), device=ids_ST.device)
        return tokens_STC, tokens_STC[rows, ids_ST.argmax(1)]

    def class_bank(self, names: Iterable[Tensor]) -> Tensor:
        """Returns one unit vector per class name, (N, C): the mean over its sentences' unit vectors.

        Args:
            names: for each name the token ids (P, T) of its sentences, one per template.
        """
        vectors = (self.lang_encoder.ends(ids_PT.long()) @ self.lang_proj for ids_PT in names)
        means = torch.stack([unit(vectors_PC).mean(0) for vectors_PC in vectors])
        return means / means.norm(dim=-1, keepdim=True)

    def class_logits(self, captions_BQC: Tensor, bank_NC: Tensor) -> Tensor:
        """Returns (B, Q, N): scaled cosine of every caption with every class."""
        return self.logit_scale.exp() * unit(captions_BQC) @ bank_NC.to(captions_BQC.dtype).T


def used_part(ids_ST: Tensor) -> Tensor:
    """Cuts the columns off that are filling in every sentence; attention being causal, nothing changes."""
    return ids_ST[:, : int(ids_ST.argmax(1).max()) + 1]


def phrase_tokens(tokens_STC: Tensor, ids_ST: Tensor) -> Tensor:
    """Strings the used tokens of all sentences together, start and end tokens included: (N, C)."""
    ends = ids_ST.argmax(1).tolist()
    return torch.cat([row_TC[: end + 1] for row_TC, end in zip(tokens_STC, ends, strict=True)])
