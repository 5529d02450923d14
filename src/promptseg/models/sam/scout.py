"""The decoder for many single clicks on one picture, in two steps and without the padding; and for a mouse that hovers.

Two savings for "segment everything". A picture that is not square leaves up to half of the 64 x 64 cells to padding;
here the padding is condensed into few margin cells, each with the logarithm of how many cells it stands for as bias of
its attention. And the masks are drawn in a step of their own, only for clicks whose predicted IoU deserves it.

Under a moving mouse a coarse mask at once is worth more than a fine one later: `view` prepares a picture and `sketch`
answers with one logit per cell.

Shapes: B clicks, P = H*W cells inside the picture, K margin cells, C channels, M = 3 ambiguity-aware masks, c filter
channels; masks are 4 H x 4 W.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.models.sam.config import BLOCK, NOWHERE
from promptseg.models.sam.sam import Sam


def scout(
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
    image_BPC, filters_BMc, scores_BM = sam.mask_decoder.attend(
        image_1PC,
        positions_1PC,
        sam.prompt_encoder.sparse_tokens(pair_B22, labels_B2),
        torch.zeros_like(points_B2, dtype=torch.bool),
        torch.cat([inside_P, margin_bias_K]),
    )
    seen_BHWC = image_BPC[:, : rows * columns].unflatten(1, (rows, columns))
    return seen_BHWC, filters_BMc[:, 1:], scores_BM[:, 1:]


def paint(sam: Sam, image_BHWC: Tensor, filters_BMc: Tensor) -> Tensor:
    """Returns mask logits (B, M, 4H, 4W) of what `scout` saw."""
    return sam.mask_decoder.paint(image_BHWC, filters_BMc)


def view(
    sam: Sam, features_1CGG: Tensor, rows_H: Tensor, columns_W: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Parts an embedding into the picture and its condensed padding: the first five inputs of `scout` and `sketch`.

    Where no padding is in a block, its margin cell stands for nothing.

    Args:
        sam: the network.
        features_1CGG: the whole embedding.
        rows_H: 0 to H - 1, the rows of cells that the picture reaches into.
        columns_W: 0 to W - 1, its columns.
    """
    grid = features_1CGG.shape[-1]
    positions_1GGC = sam.prompt_encoder.dense_positions().unflatten(1, (grid, grid))
    places_1CGG = positions_1GGC.permute(0, 3, 1, 2)
    cells_G = torch.arange(grid)
    inside_GG = (cells_G[:, None, None] == rows_H[:, None]).any(1) & (cells_G[:, None] == columns_W).any(1)
    outside_GG = 1 - inside_GG.float()
    count_K = F.avg_pool2d(outside_GG[None, None], BLOCK).flatten() * BLOCK**2
    few_K = count_K.clamp(min=1)

    def picture(x_1CGG: Tensor) -> Tensor:
        return x_1CGG.index_select(2, rows_H).index_select(3, columns_W).permute(0, 2, 3, 1)

    def margin(x_1CGG: Tensor) -> Tensor:
        sums_1CK = F.avg_pool2d(x_1CGG * outside_GG, BLOCK).flatten(2) * BLOCK**2
        return (sums_1CK / few_K).transpose(1, 2)

    bias_K = torch.where(count_K > 0, few_K.log(), NOWHERE)
    return picture(features_1CGG), picture(places_1CGG), margin(features_1CGG), margin(places_1CGG), bias_K


def sketch(sam: Sam, *asked: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a logit for every cell of the picture (B, M, H, W), of each click's masks, and predicted IoU (B, M).

    A cell's logit is that of `paint` in the third column of its third row.

    Args:
        sam: the network.
        asked: what `scout` takes.
    """
    seen_BHWC, filters_BMc, scores_BM = scout(sam, *asked)
    logits_BMP = sam.mask_decoder.sketch(seen_BHWC.flatten(1, 2), filters_BMc)
    return logits_BMP.unflatten(2, tuple(seen_BHWC.shape[1:3])), scores_BM
