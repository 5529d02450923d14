"""Who may look at whom in the predictor's self-attention, as boolean matrices.

Shapes: B samples, N tokens of a part, A all tokens, O objects, M memories.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

GraphName = Literal["v0", "v1", "demo"]
Part = Literal["objects", "grounding", "spatial", "memory", "text", "audio", "touch", "visual"]
Edges = dict[Part, tuple[Part, ...]]

ORDER: tuple[Part, ...] = ("objects", "grounding", "spatial", "memory", "text", "audio", "touch", "visual")
"""Order of the parts in every sequence: queries, what else changes from layer to layer, what does not."""
FIXED: tuple[Part, ...] = ("touch", "visual")
"""Parts made anew from every level's features. They are looked at; what they see is never used."""
OWNED: tuple[Part, ...] = ("spatial", "memory", "touch", "visual")
"""Parts whose tokens belong to one object each in graph v1, and ignore all other objects there."""


def attention_edges(graph: GraphName, *, text_sees_regions: bool = False, regions_see_text: bool = False) -> Edges:
    """Returns, for each part, the parts that it may look at.

    Args:
        graph: "v0" and "v1" keep a copy of the queries for each kind of prompt; in "demo" the object queries
            themselves look at every prompt. There the memory is an addition of ours.
        text_sees_regions: v0 and v1: grounding queries also look at region tokens (the official evaluation with
            REF.INPUT.SPATIAL).
        regions_see_text: v0 and v1: spatial queries also look at text tokens (STROKE_SAMPLER.EVAL.GROUNDING).
    """
    if graph == "demo":
        return {
            "objects": ("objects", "text", "touch", "visual", "audio", "memory"),
            "text": ("objects", "text"),
            "audio": ("objects", "audio"),
            "touch": ("touch",),
            "visual": ("visual",),
            "memory": ("memory",),
        }
    grounding: tuple[Part, ...] = ("grounding", "text", "audio")
    spatial: tuple[Part, ...] = ("spatial", "touch", "visual", "memory")
    spoken: tuple[Part, ...] = ("text", "audio")
    return {
        "objects": ("objects",),
        "grounding": grounding + (FIXED if text_sees_regions else ()),
        "spatial": spatial + (spoken if regions_see_text else ()),
        "text": ("grounding", "text"),
        "audio": ("grounding", "audio"),
        "touch": ("touch",),
        "visual": ("visual",),
        "memory": ("memory",),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class PartTokens:
    """The tokens of one part, as the graph sees them.

    Attributes:
        filling_BN: True where a token is mere filling; B may be 1.
        owners_BN: the object of every token, for the parts in `OWNED` of graph v1; B may be 1.
    """

    filling_BN: Tensor
    owners_BN: Tensor | None = None

    @classmethod
    def full(cls, count: int, device: torch.device, owners_N: Tensor | None = None) -> "PartTokens":
        """A part without filling, the same for all samples."""
        filling = torch.zeros(1, count, dtype=torch.bool, device=device)
        return cls(filling_BN=filling, owners_BN=None if owners_N is None else owners_N[None])


def allowed_pairs(edges: Edges, parts: Mapping[Part, PartTokens]) -> Tensor:
    """Returns (B, A, A): True where a token (row) may look at a token (column), parts in the order of `ORDER`.

    Nobody looks at filling. A filling token looks at itself only, so that no row of an attention is empty; what
    comes of it is seen by nobody. Tokens with owners see, among tokens with owners, only those of their object.
    """
    present: list[Part] = [part for part in ORDER if part in parts]
    blocks = [torch.cat([_block(edges, parts, row, column) for column in present], 2) for row in present]
    filling_BA = torch.cat(_same_batch([parts[part].filling_BN for part in present]), 1)
    allowed_BAA = torch.cat(blocks, 1) & ~filling_BA[:, None] & ~filling_BA[..., None]
    return allowed_BAA | torch.diag_embed(filling_BA)


def _block(edges: Edges, parts: Mapping[Part, PartTokens], row: Part, column: Part) -> Tensor:
    looking, seen = parts[row], parts[column]
    batch = max(len(part.filling_BN) for part in parts.values())
    shape = (batch, looking.filling_BN.shape[1], seen.filling_BN.shape[1])
    if column not in edges.get(row, ()):
        return torch.zeros(shape, dtype=torch.bool, device=seen.filling_BN.device)
    if looking.owners_BN is None or seen.owners_BN is None:
        return torch.ones(shape, dtype=torch.bool, device=seen.filling_BN.device)
    return (looking.owners_BN[:, :, None] == seen.owners_BN[:, None]).expand(shape)


def _same_batch(tensors: list[Tensor]) -> list[Tensor]:
    batch = max(len(tensor) for tensor in tensors)
    return [tensor.expand(batch, -1) for tensor in tensors]
