"""MiniLM: a small BERT (6 layers) whose mean token is the vector of a phrase (all-MiniLM-L6-v2).

Shapes: B phrases, T tokens, C channels (384), H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS, DEPTH, HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 384, 6, 12, 1536, 30522, 64
NORM_EPS = 1e-12


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each followed by a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(CHANNELS, CHANNELS)
        self.key = nn.Linear(CHANNELS, CHANNELS)
        self.value = nn.Linear(CHANNELS, CHANNELS)
        self.out = nn.Linear(CHANNELS, CHANNELS)
        self.norm1 = nn.LayerNorm(CHANNELS, NORM_EPS)
        self.lin1 = nn.Linear(CHANNELS, FEED_FORWARD)
        self.lin2 = nn.Linear(FEED_FORWARD, CHANNELS)
        self.norm2 = nn.LayerNorm(CHANNELS, NORM_EPS)

    def forward(self, x_BTC: Tensor, bias_B11T: Tensor) -> Tensor:
        """Returns the next tokens (B, T, C); `bias_B11T` is very negative where padding is."""
        q_BHTD, k_BHTD, v_BHTD = (
            part(x_BTC).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        weights_BHTT = (q_BHTD @ k_BHTD.transpose(-1, -2) / (CHANNELS // HEADS) ** 0.5 + bias_B11T).softmax(-1)
        x_BTC = self.norm1(x_BTC + self.out((weights_BHTT @ v_BHTD).transpose(1, 2).flatten(2)))
        return self.norm2(x_BTC + self.lin2(F.gelu(self.lin1(x_BTC))))


class SentenceEncoder(nn.Module):
    """Turns token ids into one vector of length 1 per phrase."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, CHANNELS)
        self.positions = nn.Embedding(CONTEXT, CHANNELS)
        self.kind = nn.Parameter(torch.zeros(CHANNELS))
        self.norm = nn.LayerNorm(CHANNELS, NORM_EPS)
        self.layers = nn.ModuleList(Layer() for _ in range(DEPTH))

    def forward(self, ids_BT: Tensor, present_BT: Tensor) -> Tensor:
        """Returns (B, C) vectors.

        Args:
            ids_BT: token ids.
            present_BT: 1 where a token is, 0 where padding is.
        """
        x_BTC = self.words(ids_BT) + self.positions.weight[: ids_BT.shape[1]] + self.kind
        x_BTC = self.norm(x_BTC)
        there_BT = present_BT.to(x_BTC.dtype)
        bias_B11T = ((there_BT - 1) * 1e9)[:, None, None, :]
        for layer in self.layers:
            x_BTC = layer(x_BTC, bias_B11T)
        sum_BC = (x_BTC * there_BT[..., None]).sum(1)
        return F.normalize(sum_BC / there_BT.sum(1, keepdim=True), dim=-1)


def from_bert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames the tensors of a BERT checkpoint to those of `SentenceEncoder`."""
    names = {
        "attention.self.query": "query",
        "attention.self.key": "key",
        "attention.self.value": "value",
        "attention.output.dense": "out",
        "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "lin1",
        "output.dense": "lin2",
        "output.LayerNorm": "norm2",
    }
    renamed = {
        "words.weight": tensors["embeddings.word_embeddings.weight"],
        "positions.weight": tensors["embeddings.position_embeddings.weight"][:CONTEXT],
        "kind": tensors["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": tensors["embeddings.LayerNorm.weight"],
        "norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    for layer in range(DEPTH):
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                renamed[f"layers.{layer}.{ours}.{part}"] = tensors[f"encoder.layer.{layer}.{theirs}.{part}"]
    return renamed
