"""What the predictor takes and gives, as typed values, and which query's mask answers a prompt.

Shapes: B samples, N tokens, O objects, C channels, Q queries, K classes, H W pixels, h w mask grid, M memories.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptTokens:
    """Prompt tokens of every sample, filled up to the same number.

    Attributes:
        values_BNC: the tokens.
        filling_BN: True where a token is mere filling.
        owners_BN: the object that a token speaks of; -1 for filling.
    """

    values_BNC: Tensor
    filling_BN: Tensor
    owners_BN: Tensor

    @classmethod
    def of(cls, samples: Sequence[Tensor], owners: Sequence[Tensor] | None = None) -> "PromptTokens":
        """Puts tokens (N_i, C) of several samples side by side; without `owners` all belong to object 0."""
        if owners is None:
            owners = [torch.zeros(len(sample), dtype=torch.long, device=sample.device) for sample in samples]
        owners_BN = pad_sequence(list(owners), batch_first=True, padding_value=-1)
        return cls(
            values_BNC=pad_sequence(list(samples), batch_first=True), filling_BN=owners_BN < 0, owners_BN=owners_BN
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Touch:
    """Touched pixels: points, boxes, strokes, shapes and masks alike.

    Attributes:
        positive: for each sample (O, H, W) bool, in pixels of the network's input. A mask smaller than the
            padded input is filled up at the bottom and on the right.
        negative: likewise, as many objects; None means that nothing was touched negatively.
    """

    positive: Sequence[Tensor]
    negative: Sequence[Tensor] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TouchedRegion:
    """What a picture shows at touched pixels. It can be taken from one picture and used on another.

    Attributes:
        levels: tokens per feature level.
        positive_BOC: mean mask feature of the positive pixels, per object.
        negative_BOC: of the negative ones.
    """

    levels: tuple[PromptTokens, ...]
    positive_BOC: Tensor
    negative_BOC: Tensor

    @property
    def objects(self) -> int:
        """The number of objects, of the sample with most of them."""
        return self.positive_BOC.shape[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeemPrompts:
    """Everything said about a batch of samples; each kind may be absent.

    Attributes:
        touch: touched pixels of the picture itself.
        visual: a region of another picture (official: "Example", "refimg").
        text: contextual tokens of the phrases, as `phrase_tokens` strings them together.
        audio: the same, made from speech.
        previous_BOhw: logits of the masks of the round before; the spatial memory is active if it is given.
    """

    touch: Touch | None = None
    visual: TouchedRegion | None = None
    text: PromptTokens | None = None
    audio: PromptTokens | None = None
    previous_BOhw: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """What the official code leaves to chance. Without any of these everything is evenly spread: deterministic.

    Attributes:
        generator: draws what is not given below, as the official code does.
        query_choice: indices of the object queries copied as spatial queries in graph v1, object by object.
        memory_owners_LM: for each layer the objects that own the memories in graph v1, in any order.
    """

    generator: torch.Generator | None = None
    query_choice: Tensor | None = None
    memory_owners_LM: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryOutput:
    """What a group of queries says.

    Attributes:
        masks_BQhw: mask logits at stride 4.
        captions_BQC: vectors to compare with text, not of unit length.
        mask_embeddings_BQC: vectors to compare with pooled mask features.
    """

    masks_BQhw: Tensor
    captions_BQC: Tensor
    mask_embeddings_BQC: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One of the ten predictions: the first before layer 0, the last after the last layer.

    Attributes:
        class_logits_BQK: of the object queries; None without a class bank.
        objects: the 101 object queries.
        grounding: their copies that listen to text; graphs v0 and v1 with text or audio.
        spatial: their copies that look at regions; graphs v0 and v1 with touched pixels or a reference. In v1
            three per object, object by object.
    """

    class_logits_BQK: Tensor | None
    objects: QueryOutput
    grounding: QueryOutput | None = None
    spatial: QueryOutput | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SeemOutput:
    """The predictor's answer.

    Attributes:
        last: the final prediction.
        earlier: the nine before it, if every layer was asked for.
        touch: the region of the touched pixels.
    """

    last: Prediction
    earlier: tuple[Prediction, ...] = field(default=())
    touch: TouchedRegion | None = None


def region_scores(queries: QueryOutput, positive_BOC: Tensor) -> Tensor:
    """Returns (B, Q, O): the mean mask logit of every query at the touched pixels of every object."""
    return queries.mask_embeddings_BQC @ positive_BOC.transpose(1, 2)


def choose_by_region(queries: QueryOutput, positive_BOC: Tensor, *, per_object: bool) -> Tensor:
    """Returns (B, O): the query with the highest score at the object's touched pixels.

    Args:
        queries: the spatial queries; in the demo graph the object queries.
        positive_BOC: the pooled feature of every object.
        per_object: graph v1: every object has queries of its own, and only those may answer for it.
    """
    scores_BQO = region_scores(queries, positive_BOC)
    if per_object:
        count, objects = scores_BQO.shape[1:]
        owners_Q = torch.arange(objects, device=scores_BQO.device).repeat_interleave(count // objects)
        foreign_QO = owners_Q[:, None] != torch.arange(objects, device=scores_BQO.device)
        scores_BQO = scores_BQO.masked_fill(foreign_QO, -torch.inf)
    return scores_BQO.argmax(1)


def masks_of(queries: QueryOutput, index_BO: Tensor) -> Tensor:
    """Returns (B, O, h, w): the mask logits of the chosen queries."""
    rows = torch.arange(len(index_BO), device=index_BO.device)[:, None]
    return queries.masks_BQhw[rows, index_BO]
