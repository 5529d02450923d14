"""What seem-tiny is told about its answers.

Shapes: C classes of one picture, D vector length, H W cells, R regions, P phrases.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.train.recipes.seem_tiny.views import UNKNOWN

RARITY = 0.35
"""A class that covers a share a of the picture weighs a to the power of minus this."""
DICE_PIXELS = 20.0
"""Added to both sides of Dice, so that a few pixels cannot decide."""


def classes_loss(logits_CHW: Tensor, truth_HW: Tensor) -> tuple[Tensor, Tensor]:
    """Returns cross entropy and Dice of classes beside a background whose logit is 0.

    Rare classes weigh more in the cross entropy; Dice is the mean over the classes that are there.

    Args:
        logits_CHW: of the classes.
        truth_HW: 0 for the background, 1 to C, 255 where nothing is known.
    """
    both_CHW = torch.cat([torch.zeros_like(logits_CHW[:1]), logits_CHW])
    known_HW = (truth_HW != UNKNOWN).float()
    weights_HW = torch.zeros_like(known_HW)
    present = [int(number) for number in truth_HW.unique() if number != UNKNOWN]
    for number in present:
        there = truth_HW == number
        weights_HW[there] = there.float().mean().clamp(min=1e-4) ** -RARITY
    cross_HW = F.cross_entropy(both_CHW[None], truth_HW[None], ignore_index=UNKNOWN, reduction="none")[0]
    cross = (cross_HW * weights_HW).sum() / weights_HW.sum().clamp(min=1)
    dice: list[Tensor] = []
    for number in filter(None, present):
        guess_HW, there_HW = logits_CHW[number - 1].sigmoid() * known_HW, (truth_HW == number).float()
        overlap = 2 * (guess_HW * there_HW).sum() + DICE_PIXELS
        dice.append(1 - overlap / (guess_HW.sum() + there_HW.sum() + DICE_PIXELS))
    return cross, torch.stack(dice).mean() if dice else logits_CHW.sum() * 0


def everywhere_loss(logits_CHW: Tensor, truth_HW: Tensor) -> Tensor:
    """Returns the cross entropy of classes that cover the picture together (numbered from 0)."""
    if bool((truth_HW == UNKNOWN).all()):
        return logits_CHW.sum() * 0
    return F.cross_entropy(logits_CHW[None], truth_HW[None], ignore_index=UNKNOWN)


def pooled(vectors_DHW: Tensor, shares_RHW: Tensor) -> Tensor:
    """Returns the mean vector of each region, of length 1: (R, D)."""
    sums_RD = torch.einsum("dhw,rhw->rd", vectors_DHW, shares_RHW)
    return F.normalize(sums_RD / shares_RHW.sum((1, 2))[:, None].clamp(min=1e-3), dim=-1)


def region_loss(
    vectors_DHW: Tensor, shares_RHW: Tensor, words_PD: Tensor, labels: Sequence[int], scale: Tensor
) -> Tensor:
    """Returns the cross entropy of naming regions by their mean vectors."""
    logits_RP = pooled(vectors_DHW, shares_RHW) @ words_PD.T * scale
    return F.cross_entropy(logits_RP, torch.tensor(list(labels), device=logits_RP.device))


def somewhere_loss(logits_HW: Tensor, shares_HW: Tensor) -> Tensor:
    """Asks that a class be seen somewhere: the tenth of the cells that shows it best should."""
    inside = logits_HW[shares_HW > 0]
    return F.softplus(-inside.topk(max(1, inside.numel() // 10)).values.mean())


def absent_loss(logits_CHW: Tensor, shares_HW: Tensor) -> Tensor:
    """Asks that classes be seen nowhere."""
    return F.softplus(logits_CHW[:, shares_HW > 0]).mean()


def distillation_loss(guess_RK: Tensor, teacher_RK: Tensor) -> Tensor:
    """Returns the cross entropy between what was known of whole pictures before and what is now (both logits)."""
    return -(teacher_RK.softmax(1) * guess_RK.log_softmax(1)).sum(1).mean()
