"""Touched pixels to prompt tokens.

Shapes: B samples, O objects, P points, H W pixels, h w feature grid, N = h*w, C channels.
"""

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from promptseg.errors import PromptError
from promptseg.models.seem.prompts import PromptTokens, Touch

Points = tuple[Tensor, Tensor]
"""Points (P, 2) as (row, column) divided by the picture's size, and their objects (P,)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TouchedPoints:
    """The points kept of every sample's touched pixels.

    Attributes:
        positive: per sample.
        negative: per sample.
        objects: the number of objects, of the sample with most of them.
    """

    positive: list[Points]
    negative: list[Points]
    objects: int


def sample_touch(touch: Touch, size: tuple[int, int], limit: int, generator: torch.Generator | None) -> TouchedPoints:
    """Picks at most `limit` positive and `limit` negative points per sample.

    Args:
        touch: masks in a padded picture of `size` (H, W), or smaller.
        size: of the padded picture.
        limit: shared by all objects of a sample.
        generator: see `touched_points`.

    Raises:
        PromptError: the masks do not fit the picture or one another.
    """
    negative = touch.negative or [torch.zeros_like(masks) for masks in touch.positive]
    counts, other = [len(masks) for masks in touch.positive], [len(masks) for masks in negative]
    if counts != other or 0 in counts:
        raise PromptError(
            f"Samples with {counts} positive and {other} negative masks were given, expected one of either kind "
            "for every object; an object without touched pixels of a kind has an empty mask."
        )

    def points(samples: Sequence[Tensor]) -> list[Points]:
        return [touched_points(fill_up(masks, size), limit, generator) for masks in samples]

    return TouchedPoints(positive=points(touch.positive), negative=points(negative), objects=max(counts))


def region_tokens(features_BNC: Tensor, grid: tuple[int, int], points: TouchedPoints) -> tuple[PromptTokens, Tensor]:
    """Returns the features at all points, positive ones first, and which are negative (B, P)."""
    samples: list[Tensor] = []
    owners: list[Tensor] = []
    negative: list[Tensor] = []
    for features_NC, yes, no in zip(
        _rows(features_BNC, points.positive), points.positive, points.negative, strict=True
    ):
        samples.append(features_at(features_NC, grid, torch.cat([yes[0], no[0]])))
        owners.append(torch.cat([yes[1], no[1]]))
        negative.append(torch.arange(len(samples[-1]), device=features_NC.device) >= len(yes[0]))
    return PromptTokens.of(samples, owners), pad_sequence(negative, batch_first=True)


def pooled_features(
    features_BNC: Tensor, grid: tuple[int, int], samples: list[Points], objects: int, absent: float
) -> Tensor:
    """Returns (B, O, C): the mean feature of every object's points; `absent` where an object has none."""
    means = [
        mean_per_object(features_at(features_NC, grid, places), owners, objects, absent)
        for features_NC, (places, owners) in zip(_rows(features_BNC, samples), samples, strict=True)
    ]
    return torch.stack(means)


def _rows(features_BNC: Tensor, samples: Sized) -> Tensor:
    """One row of features per sample, even if all samples share a picture."""
    return features_BNC.expand(len(samples), -1, -1)


def fill_up(masks_OHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Adds untouched rows and columns up to `size` (H, W).

    Raises:
        PromptError: the masks are not (O, H, W), or larger than the padded picture.
    """
    below, beside = size[0] - masks_OHW.shape[-2], size[1] - masks_OHW.shape[-1]
    if masks_OHW.ndim != 3 or below < 0 or beside < 0:
        raise PromptError(
            f"Touched pixels of shape {tuple(masks_OHW.shape)} were given, expected (objects, H, W) with H and W "
            f"at most {size}, the padded picture; resize them like the picture."
        )
    return F.pad(masks_OHW.bool(), (0, beside, 0, below))


def touched_points(masks_OHW: Tensor, limit: int, generator: torch.Generator | None = None) -> Points:
    """Returns the touched pixels in reading order, object by object, at most `limit` of all objects together.

    If there are more, every object gets an equal share: of each, pixels at even strides; or, with a generator,
    a draw without replacement in which every object weighs the same.
    """
    found_P3 = masks_OHW.nonzero()
    if len(found_P3) > limit:
        counts = torch.bincount(found_P3[:, 0], minlength=len(masks_OHW))
        if generator is None:
            kept = _even_strides(counts.tolist(), limit, found_P3.device)
        else:
            weights = (1 / counts)[found_P3[:, 0]]
            kept = torch.multinomial(weights, limit, generator=generator).sort()[0]
        found_P3 = found_P3[kept]
    size = torch.tensor(masks_OHW.shape[1:], device=found_P3.device)
    return found_P3[:, 1:] / size, found_P3[:, 0]


def _even_strides(counts: Sequence[int], limit: int, device: torch.device) -> Tensor:
    shares = _fair_shares(counts, limit)
    start, kept = 0, list[Tensor]()
    for count, share in zip(counts, shares, strict=True):
        kept.append(start + torch.arange(share, device=device) * count // max(share, 1))
        start += count
    return torch.cat(kept)


def _fair_shares(counts: Sequence[int], limit: int) -> list[int]:
    """Divides `limit` so that nobody gets more than it has, and otherwise all get the same, to within one."""
    shares = [0] * len(counts)
    waiting, left = len(counts), limit
    for index in sorted(range(len(counts)), key=counts.__getitem__):
        shares[index] = min(counts[index], left // waiting)
        left, waiting = left - shares[index], waiting - 1
    return shares


def features_at(features_NC: Tensor, grid: tuple[int, int], points_P2: Tensor) -> Tensor:
    """Interpolates features at points: (P, C).

    The corners of the picture are taken for the centres of the corner cells (align_corners=True) although a
    point is a pixel's index divided by the size. The official weights were trained with this quirk.
    """
    edge = torch.tensor(grid, device=points_P2.device) - 1
    place_P2 = ((2.0 * points_P2 - 1.0 + 1.0) / 2.0) * edge
    low_P2 = torch.minimum(place_P2.long(), edge)
    high_P2 = torch.minimum(low_P2 + 1, edge)
    down, right = (place_P2 - low_P2).to(features_NC.dtype).unbind(1)
    rows = ((low_P2[:, 0], 1 - down), (high_P2[:, 0], down))
    columns = ((low_P2[:, 1], 1 - right), (high_P2[:, 1], right))
    result = features_NC.new_zeros(len(points_P2), features_NC.shape[1])
    for row, weight_row in rows:
        for column, weight_column in columns:
            cell_PC = features_NC[row * grid[1] + column]
            result = torch.addcmul(result, cell_PC, (weight_row * weight_column)[:, None])
    return result


def mean_per_object(features_PC: Tensor, owners_P: Tensor, objects: int, absent: float) -> Tensor:
    """Returns (O, C): the mean feature of every object's points; `absent` for an object without points."""
    sums = features_PC.new_zeros(objects, features_PC.shape[1]).index_add(0, owners_P, features_PC)
    counts = torch.bincount(owners_P, minlength=objects)[:, None]
    return torch.where(counts > 0, sums / counts.clamp(min=1), absent)
