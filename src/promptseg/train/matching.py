"""Which query answers for which object: the Hungarian matching of SEEM's training (specification B3).

Shapes: Q queries, T targets, K classes, P points, H W pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.errors import InputError, UnavailableError
from promptseg.train.losses import sample_at


@torch.no_grad()
def match(
    classes_QK: Tensor | None,
    masks_QHW: Tensor,
    labels_T: Tensor,
    truth_THW: Tensor,
    *,
    points: int = 12544,
    class_cost: float = 2.0,
    bce_cost: float = 5.0,
    dice_cost: float = 5.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Pairs targets with queries so that the sum of costs is least.

    Args:
        classes_QK: logits of classes (or of phrases); None when only masks decide.
        masks_QHW: mask logits.
        labels_T: class of each target.
        truth_THW: masks of the targets, from 0 to 1, over the same picture at any resolution.
        points: masks are compared at so many random points, the same for all.
        class_cost: weight of minus the probability of the target's class.
        bce_cost: weight of the cross entropy of the masks.
        dice_cost: weight of one minus their Dice overlap.
        generator: for the points.

    Returns:
        Indices of queries and of their targets, sorted by query; both as long as the fewer of the two.

    Raises:
        InputError: the numbers of masks and labels differ, or a cost is not a number.
        UnavailableError: SciPy is not installed.
    """
    if len(labels_T) != len(truth_THW):
        raise InputError(f"{len(labels_T)} labels came with {len(truth_THW)} masks; expected one each.")
    costs_QT = mask_costs(masks_QHW, truth_THW, points, bce_cost, dice_cost, generator)
    if classes_QK is not None:
        costs_QT = costs_QT - class_cost * classes_QK.float().softmax(-1)[:, labels_T]
    queries, targets = assign(costs_QT)
    return queries.to(masks_QHW.device), targets.to(masks_QHW.device)


@torch.no_grad()
def mask_costs(
    masks_QHW: Tensor,
    truth_THW: Tensor,
    points: int,
    bce_cost: float,
    dice_cost: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Returns the cost of every pair of mask and target (Q, T)."""
    places_1P2 = torch.rand(1, points, 2, generator=generator).to(masks_QHW.device)
    guess_QP = sample_at(masks_QHW, places_1P2.expand(len(masks_QHW), -1, -1))
    truth_TP = sample_at(truth_THW, places_1P2.expand(len(truth_THW), -1, -1))
    missed_QP, added_QP = F.softplus(-guess_QP), F.softplus(guess_QP)
    bce_QT = (missed_QP @ truth_TP.T + added_QP @ (1 - truth_TP).T) / points
    chance_QP = guess_QP.sigmoid()
    sums_QT = chance_QP.sum(1)[:, None] + truth_TP.sum(1)[None]
    dice_QT = 1 - (2 * chance_QP @ truth_TP.T + 1) / (sums_QT + 1)
    return bce_cost * bce_QT + dice_cost * dice_QT


def assign(costs_QT: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the cheapest one-to-one pairs of rows and columns, sorted by row.

    Raises:
        InputError: a cost is not a number.
        UnavailableError: SciPy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise UnavailableError.extra("SciPy", "train") from error
    if not bool(torch.isfinite(costs_QT).all()):
        raise InputError("A cost of the matching is not a number: the training has diverged.")
    rows, columns = linear_sum_assignment(costs_QT.double().cpu().numpy())
    return torch.as_tensor(rows), torch.as_tensor(columns)
