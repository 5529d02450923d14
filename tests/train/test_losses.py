import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from promptseg.errors import InputError
from promptseg.train import losses
from promptseg.train.matching import assign, mask_costs, match


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[float(cell) for cell in row] for row in rows])[None]


TRUTH = mask("1100", "1100", "0000")


def test_focal_by_hand() -> None:
    logits = torch.zeros(1, 3, 4)  # everywhere one half, so (1/2)^2 * log 2, weighted .25 on 4 cells and .75 on 8
    expected = (4 * 0.25 + 8 * 0.75) / 12 * 0.25 * math.log(2)
    assert losses.focal_loss(logits, TRUTH).item() == pytest.approx(expected)
    assert losses.focal_loss(40 * (TRUTH - 0.5), TRUTH).item() < 1e-6


def test_dice_by_hand() -> None:
    sure = 100 * (mask("1110", "1110", "0000") - 0.5)  # 6 cells, 4 of them right
    assert losses.dice_loss(sure, TRUTH).item() == pytest.approx(1 - (2 * 4 + 1) / (6 + 4 + 1))


def test_bce_by_hand() -> None:
    logits = torch.full((1, 3, 4), 1.0)
    expected = (4 * math.log(1 + math.exp(-1)) + 8 * math.log(1 + math.e)) / 12
    assert losses.bce_loss(logits, TRUTH).item() == pytest.approx(expected)


def test_unknown_pixels_do_not_count() -> None:
    counted = mask("1110", "1110", "1110")
    inside = torch.tensor([[[3.0, -1, 2, 9]]]).expand(1, 3, 4).clone()
    other = inside.clone()
    other[..., 3] = -5
    for loss in (losses.focal_loss, losses.bce_loss, losses.dice_loss, losses.actual_iou):
        assert loss(inside, TRUTH, counted).item() == pytest.approx(loss(other, TRUTH, counted).item())
        assert loss(inside, TRUTH).item() != pytest.approx(loss(other, TRUTH).item())


def test_actual_iou() -> None:
    assert losses.actual_iou(mask("1110", "1110", "0000") - 0.5, TRUTH).item() == pytest.approx(4 / 6)
    assert losses.actual_iou(torch.full((1, 3, 4), -1.0), torch.zeros(1, 3, 4)).item() == 1


def test_only_the_best_of_three_masks_learns() -> None:
    logits = torch.stack([5 * (TRUTH[0] - 0.5), torch.zeros(3, 4), -5 * (TRUTH[0] - 0.5)])[None].requires_grad_()
    each = losses.sam_mask_loss(logits, TRUTH)
    assert each.shape == (1, 3)
    expected = 20 * losses.focal_loss(logits[:, 0], TRUTH) + losses.dice_loss(logits[:, 0], TRUTH)
    assert each[0, 0].item() == pytest.approx(expected.item())
    each.min(1).values.sum().backward()
    assert [bool(logits.grad[0, i].any()) for i in range(3)] == [True, False, False]


def test_the_score_is_a_regression() -> None:
    assert losses.iou_loss(torch.tensor([[1.5, 0.5]]), torch.tensor([[1.0, 1.0]])).tolist() == [[0.25, 0.25]]


def test_nothing_weighs_less_than_a_class() -> None:
    logits, truth = torch.zeros(2, 3), torch.tensor([0, 2])
    assert losses.class_loss(logits, truth).item() == pytest.approx(math.log(3))
    better = torch.tensor([[2.0, 0, 0], [0, 0, 0]])
    gain = losses.class_loss(logits, truth) - losses.class_loss(better, truth)
    worse = torch.tensor([[0.0, 0, 0], [0, 0, 2]])
    assert gain > 5 * (losses.class_loss(logits, truth) - losses.class_loss(worse, truth))


def test_points_are_interpolated_between_pixel_centres() -> None:
    ramp = torch.arange(4.0).expand(1, 3, 4)
    places = torch.tensor([[[0.5 / 4, 0.5], [1.0 / 4, 0.5], [3.5 / 4, 0.2]]])
    assert losses.sample_at(ramp, places)[0].tolist() == pytest.approx([0, 0.5, 3])


def test_uncertain_points_lie_where_the_logits_are_near_zero() -> None:
    logits = (torch.arange(64.0) - 20)[None, None].expand(1, 64, 64)
    points = losses.uncertain_points(logits, 400, torch.Generator().manual_seed(0))
    assert points.shape == (1, 400, 2)
    near = (points[0, :, 0] - 20.5 / 64).abs() < 0.2
    assert near.float().mean() > 0.75
    assert (points[0, 300:, 0] - 0.5).abs().max() > 0.45  # the rest is anywhere


def test_point_losses_approach_the_dense_ones() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 32, 32).repeat_interleave(1, 1)[:, 0] * 0 + 1.0
    truth = torch.zeros(2, 32, 32)
    bce, dice = losses.point_mask_loss(logits, truth, 2000, torch.Generator().manual_seed(1))
    assert bce.item() == pytest.approx(losses.bce_loss(logits, truth).mean().item(), rel=0.1)
    assert dice.item() > 0.99
    none, nothing = losses.point_mask_loss(logits[:0], truth[:0])
    assert none.item() == nothing.item() == 0


def test_matching_on_toy_costs() -> None:
    costs = torch.tensor([[9.0, 1], [2, 8], [3, 3]])
    queries, targets = assign(costs)
    assert (queries.tolist(), targets.tolist()) == ([0, 1], [1, 0])
    with pytest.raises(InputError, match="diverged"):
        assign(torch.tensor([[float("nan")]]))


def test_matching_finds_each_target_its_mask_and_class() -> None:
    truth = torch.zeros(3, 16, 16)
    truth[0, :8, :8], truth[1, 8:, 8:], truth[2, :8, 8:] = 1, 1, 1
    order = [4, 1, 3]
    masks = torch.full((5, 16, 16), -4.0)
    masks[order] = 8 * truth - 4
    queries, targets = match(None, masks, torch.zeros(3).long(), truth, points=500)
    assert dict(zip(targets.tolist(), queries.tolist(), strict=True)) == dict(enumerate(order))
    twins = truth[[0, 0]]
    classes = torch.tensor([[0.0, 9, 0], [9.0, 0, 0]])
    queries, targets = match(classes, 8 * twins - 4, torch.tensor([0, 1]), twins, points=100)
    assert (queries.tolist(), targets.tolist()) == ([0, 1], [1, 0])
    with pytest.raises(InputError, match="2 labels came with 3 masks"):
        match(None, masks, torch.zeros(2).long(), truth)


@given(st.integers(0, 2**32 - 1))
def test_costs_are_those_of_the_losses(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks, truth = torch.randn(2, 1, 1, generator=generator), torch.rand(3, 1, 1, generator=generator).round()
    costs = mask_costs(masks.expand(2, 8, 8), truth.expand(3, 8, 8), 50, 1, 1, generator)
    for q, t in np.ndindex(2, 3):
        pair = masks[q].expand(1, 5, 10), truth[t].expand(1, 5, 10)
        expected = losses.bce_loss(*pair) + losses.dice_loss(*pair)
        assert costs[q, t].item() == pytest.approx(expected.item(), rel=1e-4)
