"""Losses of both papers (SAM: specification A5.1; SEEM: B3).

Shapes: B objects, M masks per object, H W pixels, P sampled points, K classes or queries. Truth may be soft: a share of
each pixel. `counted` is 0 where the truth is unknown. Losses of a mask come as one number per leading index.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

PIXELS = (-2, -1)
"""The axes of a mask."""
OVERSAMPLE, IMPORTANT = 3, 0.75
"""Of this many times the points, the least certain ones are kept, up to this share; the rest is drawn anew."""


def focal_loss(
    logits_ZHW: Tensor, truth_ZHW: Tensor, counted_ZHW: Tensor | None = None, *, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Mean focal loss of every mask (Z,): pixels that are right already count little.

    `alpha` is the weight of the object's pixels, 1 - `alpha` that of the others; the paper leaves it open.
    """
    logits_ZHW, truth_ZHW = logits_ZHW.float(), truth_ZHW.float()
    cross = F.binary_cross_entropy_with_logits(logits_ZHW, truth_ZHW, reduction="none")
    wrong = (logits_ZHW.sigmoid() - truth_ZHW).abs()
    weight = alpha * truth_ZHW + (1 - alpha) * (1 - truth_ZHW)
    return _mean(weight * wrong**gamma * cross, counted_ZHW)


def bce_loss(logits_ZHW: Tensor, truth_ZHW: Tensor, counted_ZHW: Tensor | None = None) -> Tensor:
    """Mean binary cross entropy of every mask (Z,)."""
    cross = F.binary_cross_entropy_with_logits(logits_ZHW.float(), truth_ZHW.float(), reduction="none")
    return _mean(cross, counted_ZHW)


def dice_loss(logits_ZHW: Tensor, truth_ZHW: Tensor, counted_ZHW: Tensor | None = None) -> Tensor:
    """One minus the soft Dice overlap of every mask (Z,), with one pixel added on both sides."""
    guess, truth = logits_ZHW.float().sigmoid(), truth_ZHW.float()
    if counted_ZHW is not None:
        guess, truth = guess * counted_ZHW, truth * counted_ZHW
    return 1 - (2 * (guess * truth).sum(PIXELS) + 1) / (guess.sum(PIXELS) + truth.sum(PIXELS) + 1)


@torch.no_grad()
def actual_iou(logits_ZHW: Tensor, truth_ZHW: Tensor, counted_ZHW: Tensor | None = None) -> Tensor:
    """IoU of the masks at logit 0 with the truth at one half (Z,); 1 when both are empty."""
    guess, truth = logits_ZHW > 0, truth_ZHW > 0.5
    if counted_ZHW is not None:
        known = counted_ZHW > 0.5
        guess, truth = guess & known, truth & known
    union = (guess | truth).sum(PIXELS)
    return torch.where(union > 0, (guess & truth).sum(PIXELS) / union.clamp(min=1), 1.0)


def sam_mask_loss(
    logits_BMHW: Tensor, truth_BHW: Tensor, counted_BHW: Tensor | None = None, *, focal: float = 20.0, dice: float = 1.0
) -> Tensor:
    """SAM's loss of every mask (B, M): 20 focal + 1 dice. Of an ambiguous prompt's masks only the least counts."""
    shape = logits_BMHW.shape
    truth = truth_BHW[:, None].expand(shape)
    counted = None if counted_BHW is None else counted_BHW[:, None].expand(shape)
    return focal * focal_loss(logits_BMHW, truth, counted) + dice * dice_loss(logits_BMHW, truth, counted)


def iou_loss(scores_BM: Tensor, iou_BM: Tensor) -> Tensor:
    """Squared error of the predicted IoU (B, M)."""
    return (scores_BM.float() - iou_BM) ** 2


def class_loss(logits_ZK: Tensor, truth_Z: Tensor, *, nothing: float = 0.1) -> Tensor:
    """Cross entropy over classes of which the last is "nothing", which weighs less (SEEM's eos); a mean."""
    weight = torch.ones(logits_ZK.shape[1], device=logits_ZK.device)
    weight[-1] = nothing
    return F.cross_entropy(logits_ZK.float(), truth_Z, weight)


def sample_at(maps_ZHW: Tensor, points_ZP2: Tensor) -> Tensor:
    """Interpolates each map at its own points (x, y in the unit square): (Z, P)."""
    grid = 2 * points_ZP2[:, None] - 1
    return F.grid_sample(maps_ZHW[:, None].float(), grid, padding_mode="border", align_corners=False)[:, 0, 0]


@torch.no_grad()
def uncertain_points(logits_ZHW: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws points (Z, P, 2) where to compare masks: three quarters where the logits are least certain."""
    masks = logits_ZHW.shape[0]
    drawn = torch.rand(masks, OVERSAMPLE * count, 2, generator=generator).to(logits_ZHW.device)
    important = int(IMPORTANT * count)
    doubt = -sample_at(logits_ZHW, drawn).abs()
    chosen = doubt.topk(important, dim=1).indices
    kept = drawn.gather(1, chosen[..., None].expand(-1, -1, 2))
    rest = torch.rand(masks, count - important, 2, generator=generator).to(logits_ZHW.device)
    return torch.cat([kept, rest], 1)


def point_mask_loss(
    logits_ZHW: Tensor, truth_ZHW: Tensor, count: int = 12544, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """SEEM's mask losses of matched masks: cross entropy and Dice at `count` points, each a mean over masks.

    Without masks both are 0 and still differentiable.
    """
    if logits_ZHW.shape[0] == 0:
        return logits_ZHW.sum(), logits_ZHW.sum()
    points = uncertain_points(logits_ZHW, count, generator)
    guess, truth = sample_at(logits_ZHW, points)[:, None], sample_at(truth_ZHW, points)[:, None]
    return bce_loss(guess, truth).mean(), dice_loss(guess, truth).mean()


def _mean(values_ZHW: Tensor, counted_ZHW: Tensor | None) -> Tensor:
    if counted_ZHW is None:
        return values_ZHW.mean(PIXELS)
    return (values_ZHW * counted_ZHW).sum(PIXELS) / counted_ZHW.sum(PIXELS).clamp(min=1)
