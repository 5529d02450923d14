"""The simulated user of SEEM's interactive evaluation and training: where to click next.

Shapes: N objects, H W pixels, h w mask grid.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_REACH = 0.35
"""How softly the distance takes the minimum over neighbours."""
_GOOD_ENOUGH = 0.925
"""From this overlap on nobody clicks."""


def soft_distance(sources_NHW: Tensor) -> Tensor:
    """Returns an approximate distance of every pixel to the nearest source, (N, H, W).

    It grows by one pixel per round: a pixel that a round reaches first lies as far as the rounds before, plus the
    soft minimum over the distances to its reached neighbours. The official code clicks where this is greatest,
    which is not always where the exact distance is (kornia's approximation, arXiv 2106.10297 and its errors).

    Args:
        sources_NHW: bool.
    """
    offset = torch.arange(-1.0, 2.0, device=sources_NHW.device)
    kernel = torch.exp(-torch.sqrt(offset[:, None] ** 2 + offset**2) / _REACH)[None, None]
    reached = sources_NHW[:, None].float()
    distance = torch.zeros_like(reached)
    for round_ in range(max(sources_NHW.shape[1:])):
        near = F.conv2d(F.pad(reached, (1, 1, 1, 1), mode="replicate"), kernel)
        step = torch.where(near > 0, -_REACH * torch.log(near), 0.0)
        new = step > 0
        if not bool(new.any()):
            break
        distance = torch.where(new, distance + round_ + step, distance)
        reached = reached.masked_fill(new, 1.0)
    return distance[:, 0]


@dataclass(frozen=True, kw_only=True, slots=True)
class NextClick:
    """The touched pixels after another click per object.

    Attributes:
        positive_NHW: bool.
        negative_NHW: bool.
        iou_N: overlap of prediction and truth before the click. Objects above 0.925 are not clicked.
    """

    positive_NHW: Tensor
    negative_NHW: Tensor
    iou_N: Tensor


def next_click(truth_NHW: Tensor, logits_Nhw: Tensor, positive_NHW: Tensor, negative_NHW: Tensor) -> NextClick:
    """Clicks 3 x 3 pixels deep inside the larger error, that with more pixels, of every object.

    Pixels that were touched before are not clicked again.

    Args:
        truth_NHW: bool, in the padded frame.
        logits_Nhw: mask logits of the prediction, of any size.
        positive_NHW: touched so far.
        negative_NHW: touched so far.
    """
    size = (truth_NHW.shape[1], truth_NHW.shape[2])
    large = F.interpolate(logits_Nhw[None], size, mode="bilinear", align_corners=False)[0]
    predicted = large.sigmoid() > 0.5
    untouched = ~(positive_NHW | negative_NHW)
    missed, excess = truth_NHW & ~predicted & untouched, predicted & ~truth_NHW & untouched
    missing_N = missed.flatten(1).sum(1) > excess.flatten(1).sum(1)
    error = torch.where(missing_N[:, None, None], missed, excess)
    depth = soft_distance(~F.pad(error, (1, 1, 1, 1)))[:, 1:-1, 1:-1]
    click = F.one_hot(depth.flatten(1).argmax(1), math.prod(size)).unflatten(1, size)
    click = F.max_pool2d(click.float(), 3, stride=1, padding=1) > 0
    both, either = truth_NHW & predicted, truth_NHW | predicted
    iou_N = both.flatten(1).sum(1) / (either.flatten(1).sum(1) + 1e-8)
    click &= (iou_N < _GOOD_ENOUGH)[:, None, None]
    return NextClick(
        positive_NHW=positive_NHW | (click & missing_N[:, None, None]),
        negative_NHW=negative_NHW | (click & ~missing_N[:, None, None]),
        iou_N=iou_N,
    )
