"""The decoder for many single clicks on one picture, in two steps and without the padding.

Two savings for "segment everything". A picture that is not square leaves up to half of the 64 x 64 cells to padding;
here the padding is condensed into few margin cells, each with the logarithm of how many cells it stands for as bias of
its attention. And the masks are drawn in a step of their own, only for clicks whose predicted IoU deserves it.

Shapes: B clicks, P = H*W cells inside the picture, K margin cells, C channels, M = 3 ambiguity-aware masks, c filter
channels; masks are 4 H x 4 W.
"""

import torch
from torch import Tensor

from promptseg.models.sam.sam import Sam


def look(
    sam: Sam,
    image_1HWC: Tensor,
    positions_1HWC: Tensor,
    margin_1KC: Tensor,
    margin_positions_1KC: Tensor,
    margin_bias_K: Tensor,
    points_B2: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the picture as each click left it (B, H, W, C), filters (B, M, c) and predicted IoU (B, M).

    Args:
        sam: the network.
        image_1HWC: the embedding inside the picture.
        positions_1HWC: positions of its cells.
        margin_1KC: condensed embedding of the padding.
        margin_positions_1KC: its positions.
        margin_bias_K: logarithm of how many cells each margin cell stands for.
        points_B2: one positive click per object, x, y in pixels of the 1024 frame.
    """
    rows, columns = image_1HWC.shape[1:3]
    absent = sam.prompt_encoder.dense_tokens(None).flatten(1)  # (1, C): the embedding of no mask prompt
    image_1PC = torch.cat([image_1HWC.flatten(1, 2), margin_1KC], 1) + absent
    positions_1PC = torch.cat([positions_1HWC.flatten(1, 2), margin_positions_1KC], 1)
    inside_P = torch.zeros_like(image_1HWC[0, :, :, 0]).flatten()
    pair_B22 = torch.stack([points_B2, torch.zeros_like(points_B2)], 1)
    labels_B2 = torch.tensor([1, -1]).expand(points_B2.shape[0], 2)  # the click and the pad of every prompt
    image_BPC, filters_BMc, scores_BM = sam.mask_decoder.look(
        image_1PC,
        positions_1PC,
        sam.prompt_encoder.sparse_tokens(pair_B22, labels_B2),
        torch.zeros_like(points_B2, dtype=torch.bool),
        torch.cat([inside_P, margin_bias_K]),
    )
    seen_BHWC = image_BPC[:, : rows * columns].unflatten(1, (rows, columns))
    return seen_BHWC, filters_BMc[:, 1:], scores_BM[:, 1:]


def paint(sam: Sam, image_BHWC: Tensor, filters_BMc: Tensor) -> Tensor:
    """Returns mask logits (B, M, 4H, 4W) of what `look` saw."""
    return sam.mask_decoder.paint(image_BHWC, filters_BMc)
