import pytest
import torch
from torch.nn import functional as F

from promptseg.errors import PromptError
from promptseg.models.seem.prompts import Touch
from promptseg.models.seem.sampler import features_at, fill_up, mean_per_object, sample_touch, touched_points


def test_points_are_index_over_size_in_reading_order():
    masks = torch.zeros(2, 4, 8, dtype=torch.bool)
    masks[1, 0, 2] = masks[0, 3, 7] = masks[0, 1, 0] = True
    points, owners = touched_points(masks, 512)
    assert points.tolist() == [[0.25, 0.0], [0.75, 0.875], [0.0, 0.25]]
    assert owners.tolist() == [0, 0, 1]


def test_at_the_limit_every_pixel_is_kept():
    masks = torch.zeros(1, 32, 32, dtype=torch.bool)
    masks[0, :16] = True
    assert len(touched_points(masks, 512)[0]) == 512
    masks[0, 16, 0] = True
    assert len(touched_points(masks, 512)[0]) == 512


def test_objects_share_the_limit_evenly_and_deterministically():
    masks = torch.zeros(3, 40, 40, dtype=torch.bool)
    masks[0, :20] = masks[1] = masks[2, 0, :10] = True
    points, owners = touched_points(masks, 512)
    assert torch.bincount(owners).tolist() == [251, 251, 10]
    rows = points[owners == 1, 0]
    assert rows.min() < 0.03
    assert rows.max() > 0.95, "even strides reach the end of the mask"
    assert torch.equal(points, touched_points(masks, 512)[0])


def test_a_draw_gives_every_object_the_same_weight():
    masks = torch.zeros(2, 100, 100, dtype=torch.bool)
    masks[0, :80] = masks[1, :8] = True
    points, owners = touched_points(masks, 512, torch.Generator().manual_seed(0))
    counts = torch.bincount(owners).tolist()
    assert sum(counts) == 512
    assert abs(counts[0] - counts[1]) < 100, "ten times the pixels, but the same weight"
    assert torch.unique(torch.cat([points, owners[:, None]], 1), dim=0).shape[0] == 512, "without replacement"
    again = touched_points(masks, 512, torch.Generator().manual_seed(0))[0]
    assert torch.equal(points, again)


def test_features_are_those_of_torch_with_aligned_corners():
    features = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(1))
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(2))
    points[0], points[1] = 0, torch.tensor([127 / 128, 95 / 96])
    grid = (2 * points.flip(1) - 1)[None, :, None]
    expected = F.grid_sample(features.permute(2, 0, 1)[None], grid, align_corners=True)[0, :, :, 0].T
    found = features_at(features.flatten(0, 1), (5, 7), points)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    unaligned = F.grid_sample(features.permute(2, 0, 1)[None], grid, align_corners=False)[0, :, :, 0].T
    assert (found - unaligned).abs().max() > 0.1


def test_absent_objects_are_filled():
    features, owners = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([2, 2])
    assert mean_per_object(features, owners, 3, -1.0).tolist() == [[-1, -1], [-1, -1], [2, 3]]
    assert mean_per_object(features[:0], owners[:0], 1, 0.0).tolist() == [[0, 0]]


def test_masks_are_filled_up_below_and_beside():
    filled = fill_up(torch.ones(1, 2, 3, dtype=torch.bool), (4, 4))
    assert filled.int().tolist() == [[[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]]


@pytest.mark.parametrize("shape", [(1, 33, 32), (1, 32, 33), (32, 32)])
def test_masks_that_do_not_fit_are_refused(shape):
    with pytest.raises(PromptError, match="Touched pixels of shape"):
        fill_up(torch.zeros(shape, dtype=torch.bool), (32, 32))


def test_every_object_needs_both_masks():
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    with pytest.raises(PromptError, match=r"\[2\] positive and \[1\] negative"):
        sample_touch(Touch(positive=[masks], negative=[masks[:1]]), (32, 32), 512, None)
    with pytest.raises(PromptError, match=r"\[0\] positive"):
        sample_touch(Touch(positive=[masks[:0]]), (32, 32), 512, None)
