"""Which query's mask answers a prompt.

Shapes: B samples, Q queries, O objects, S sentences, C channels, h w mask grid.
"""

import torch
from torch import Tensor

from promptseg.models.seem.prompts import QueryOutput


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
