"""Mask measures and NoC tables, computed by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from fakes_for_evaluate import disc
from promptseg.errors import InputError
from promptseg.evaluate.metrics import boundary_iou, clicks_needed, iou, iou_at, never_reached, worst_drop

IOUS = np.array(
    [[0.50, 0.86, 0.91, 0.95], [0.92, 0.40, 0.88, 0.90], [0.10, 0.20, 0.30, 0.25], [0.85, 0.85, 0.85, 0.85]]
)


def test_iou_by_hand():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2], b[1:3] = True, True
    assert iou(a, b) == 4 / 12
    assert iou(a, a) == 1.0
    assert iou(a, ~a) == 0.0


def test_iou_leaves_ignored_pixels_out():
    a, b, ignore = (np.zeros((4, 4), bool) for _ in range(3))
    a[:2], b[1:3], ignore[0] = True, True, True
    assert iou(a, b, ignore) == 4 / 8


def test_two_empty_masks_agree():
    nothing = np.zeros((3, 3), bool)
    assert iou(nothing, nothing) == 1.0
    assert boundary_iou(nothing, nothing) == 1.0


@pytest.mark.parametrize("measure", [iou, boundary_iou])
def test_shapes_must_agree(measure):
    with pytest.raises(InputError, match="3x3, 3x4"):
        measure(np.zeros((3, 3), bool), np.zeros((3, 4), bool))


def test_boundary_iou_by_hand():
    truth, prediction = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    truth[2:8, 2:8] = True
    prediction[2:8, 2:9] = True  # one column too wide
    # Two per cent of the diagonal rounds to nothing, so the bands are one pixel wide: 20 and 22 pixels.
    # They share the left column (6) and five more columns' top and bottom pixels (2 each): 6 + 10 = 16.
    assert boundary_iou(prediction, truth) == 16 / (20 + 22 - 16)


def test_boundary_iou_punishes_a_wrong_outline_more_than_iou():
    truth, prediction = disc(200, 200, 100, 100, 80), disc(200, 200, 100, 100, 76)
    assert boundary_iou(prediction, truth) < iou(prediction, truth) - 0.2


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(bool, (24, 31)), arrays.arrays(bool, (24, 31)), st.sampled_from([0.02, 0.05, 0.1]))
def test_boundary_iou_is_the_published_erosion(prediction: np.ndarray, truth: np.ndarray, share: float):
    steps = max(1, round(share * float(np.hypot(24, 31))))

    def band(mask: np.ndarray) -> np.ndarray:
        core = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=steps)[1:-1, 1:-1]
        return mask & ~core

    assert boundary_iou(prediction, truth, share=share) == iou(band(prediction), band(truth))


def test_iou_at():
    assert iou_at(IOUS, 2).tolist() == [0.86, 0.40, 0.20, 0.85]
    with pytest.raises(InputError, match="hold 4 clicks; 5 cannot"):
        iou_at(IOUS, 5)


@pytest.mark.parametrize(
    ("threshold", "cap", "needed", "never"),
    [
        (0.85, None, [2, 1, 4, 1], [False, False, True, False]),
        (0.90, None, [3, 1, 4, 4], [False, False, True, True]),
        (0.95, None, [4, 4, 4, 4], [False, True, True, True]),  # reached at the cap is not a failure
        (0.90, 2, [2, 1, 2, 2], [True, False, True, True]),
    ],
)
def test_noc_table(threshold, cap, needed, never):
    assert clicks_needed(IOUS, threshold, cap).tolist() == needed
    assert never_reached(IOUS, threshold, cap).tolist() == never


def test_noc_cap_beyond_the_clicks_is_refused():
    with pytest.raises(InputError, match="hold 4 clicks; 20 cannot"):
        clicks_needed(IOUS, 0.9, 20)


def test_worst_drop_is_from_the_best_so_far():
    assert worst_drop(IOUS) == pytest.approx([0.0, 0.52, 0.05, 0.0])
    assert worst_drop(IOUS, 3) == pytest.approx([0.0, 0.52, 0.0, 0.0])
