from pathlib import Path

import numpy as np
import pytest
import torch
from seem_synthetic import SIZE, golden

from promptseg.masks.resample import Enlargement
from promptseg.train.recipes.seem_finetune.clicks import next_click, soft_distance


@pytest.mark.parametrize("case", ["fn", "fp"])
def test_the_official_next_click(case):
    theirs = {key: torch.from_numpy(value) for key, value in golden(f"next_click_{case}").items()}
    stroke = theirs["first_stroke"][None]
    click = next_click(theirs["gt"][None], theirs["prev_mask_logits"][0], stroke, torch.zeros_like(stroke))
    assert torch.equal(click.positive_NHW, theirs["pos"])
    assert torch.equal(click.negative_NHW, theirs["neg"])
    added = (click.positive_NHW | click.negative_NHW).sum() - stroke.sum()
    assert added == 9


def test_several_objects_are_clicked_on_their_own():
    cases = [golden("next_click_fn"), golden("next_click_fp")]
    truth, stroke, logits = (
        torch.from_numpy(np.stack([case[key].reshape(case[key].shape[-2:]) for case in cases]))
        for key in ("gt", "first_stroke", "prev_mask_logits")
    )
    click = next_click(truth, logits, stroke, torch.zeros_like(stroke))
    for index, case in enumerate(cases):
        np.testing.assert_array_equal(click.positive_NHW[index], case["pos"][0])
        np.testing.assert_array_equal(click.negative_NHW[index], case["neg"][0])


def test_a_good_mask_is_not_clicked():
    truth = torch.zeros(1, 32, 32, dtype=torch.bool)
    truth[:, 4:28, 4:28] = True
    predicted = truth.clone()
    predicted[:, 4] = False
    nothing = torch.zeros_like(truth)
    click = next_click(truth, predicted.float() * 20 - 10, nothing, nothing)
    assert click.iou_N.item() == pytest.approx(23 / 24)
    assert not click.positive_NHW.any()
    predicted[:, 4:7] = False
    click = next_click(truth, predicted.float() * 20 - 10, nothing, nothing)
    assert click.positive_NHW.any()


def test_soft_distance_is_the_known_approximation():
    sources = torch.zeros(1, 1, 9, dtype=torch.bool)
    sources[..., 0] = True
    distance = soft_distance(sources)[0, 0]
    assert distance[0] == 0
    # one source column, and the border repeated above and below it: 1 - 0.35 log(1 + 2 exp(-(sqrt(2)-1) / 0.35))
    step = 1 - 0.35 * np.log(1 + 2 * np.exp(-(2**0.5 - 1) / 0.35))
    np.testing.assert_allclose(distance[1:], step + np.arange(8), atol=1e-5)


OFFICIAL = Path(__file__).parents[1] / "golden" / "seem_postprocess" / "official.npz"


def test_ways_to_the_original_size():
    """The official page bilinearly to the input's size; the official evaluation to the picture, bicubically."""
    theirs = np.load(OFFICIAL)

    def enlarged(inside, original, first="bilinear", second="bicubic-antialias"):
        way = Enlargement(SIZE, inside, original, first, second)
        return np.stack([way.logits(low) for low in theirs["mask_pred_lowres"]])

    page = enlarged(SIZE, SIZE, second="bilinear")
    np.testing.assert_allclose(page[:11, ::4, ::4], theirs["upsampled_slice"], atol=1e-5)
    inside, original = (90, 121), (135, 180)
    evaluated = enlarged(inside, original)
    np.testing.assert_allclose(evaluated[:11, ::5, ::5], theirs["postprocessed_slice"], atol=1e-5)
    ways = [enlarged(inside, (45, 60), *filters) for filters in ((), ("bilinear", "bilinear"), ("bicubic", "bicubic"))]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert abs(ways[first] - ways[second]).max() > 0.1
