"""The simulated click: hand-computed places, signs, ties and repeats."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from fakes_for_evaluate import disc
from promptseg.errors import InputError, UnavailableError
from promptseg.hands.clicks import Click, bounds, deepest, drawn_click, next_click


def empty(height: int = 9, width: int = 12) -> np.ndarray:
    return np.zeros((height, width), bool)


def test_first_click_is_the_centre_of_the_object():
    truth = empty()
    truth[2:7, 3:8] = True
    assert next_click(None, truth) == Click(5, 4, True)


def test_border_of_the_picture_counts_as_outside():
    assert next_click(None, np.ones((5, 7), bool)) == Click(2, 2, True)


def test_even_object_takes_the_topmost_then_leftmost_of_equals():
    truth = empty()
    truth[2:6, 4:8] = True  # four pixels are two deep: (5, 3), (6, 3), (5, 4), (6, 4)
    assert next_click(None, truth) == Click(5, 3, True)


def test_deeper_error_wins_over_the_larger_one():
    truth, prediction = empty(20, 20), empty(20, 20)
    truth[0:2, :] = True  # 40 missed pixels, one deep
    prediction[10:15, 10:15] = True  # 25 added pixels, three deep
    assert next_click(prediction, truth) == Click(12, 12, False)


def test_missed_part_gives_a_positive_click():
    truth, prediction = empty(), empty()
    truth[1:8, 1:11] = True
    prediction[1:8, 1:6] = True
    click = next_click(prediction, truth)
    assert click == Click(8, 3, True)


def test_equal_depth_is_a_negative_click_as_in_ritm():
    truth, prediction = empty(), empty()
    truth[1:4, 1:4] = True
    prediction[5:8, 8:11] = True
    assert next_click(prediction, truth) == Click(9, 6, False)


def test_nothing_wrong_gives_no_click():
    truth = disc(20, 20, 9, 9, 5)
    assert next_click(truth, truth) is None
    assert next_click(None, empty()) is None


def test_ignored_pixels_are_never_clicked():
    truth, prediction, ignore = empty(), empty(), empty()
    truth[4, 1:4] = True
    prediction[0:9, 5:12] = True
    ignore[0:9, 5:12] = True
    click = next_click(prediction, truth, ignore)
    assert click is not None
    assert click.positive
    assert next_click(prediction | truth, truth, ignore) is None


def test_clicked_pixels_are_passed_over_until_none_is_left():
    truth = empty()
    truth[3, 4:7] = True
    clicked: list[tuple[int, int]] = []
    for _ in range(3):
        click = next_click(None, truth, clicked=clicked)
        assert click is not None
        clicked.append((click.x, click.y))
    assert clicked == [(4, 3), (5, 3), (6, 3)]
    assert next_click(None, truth, clicked=clicked) == Click(4, 3, True)


def test_a_clicked_pixel_gives_way_to_a_shallower_error_of_the_other_sign():
    truth, prediction = empty(), empty()
    truth[3:6, 3:6] = True
    for x, y in np.ndindex(3, 3):
        if (x, y) != (1, 1):
            prediction[3 + y, 3 + x] = True
    prediction[8, 11] = True  # both errors are single pixels
    assert next_click(prediction, truth, clicked=[(11, 8)]) == Click(4, 4, True)


def test_masks_of_different_shape_are_refused():
    with pytest.raises(InputError, match="9x12, 4x4"):
        next_click(empty(), empty(4, 4))
    with pytest.raises(InputError, match="height and width"):
        next_click(None, np.zeros((2, 3, 4), bool))


def test_numbers_in_place_of_masks_are_refused():
    with pytest.raises(InputError, match="must be bool, got float64, bool"):
        next_click(np.zeros((9, 12)), empty())


def test_missing_scipy_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name == "scipy" or name.startswith("scipy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(UnavailableError, match=r"SciPy is not installed.*promptseg\[evaluate\]"):
        next_click(None, np.ones((60, 60), bool))  # small regions need none


def test_bounds():
    mask = empty()
    assert bounds(mask) is None
    mask[2, 5] = mask[6, 3] = True
    assert bounds(mask) == (slice(2, 7), slice(3, 6))


masks = arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def reference_click(prediction: np.ndarray, truth: np.ndarray, clicked: list[tuple[int, int]]) -> Click | None:
    """The protocol as it is written down, over the whole picture and without short cuts."""
    open_pixels = np.ones_like(truth)
    for x, y in clicked:
        open_pixels[y, x] = False
    depth = {
        positive: ndimage.distance_transform_edt(np.pad(error, 1))[1:-1, 1:-1] * open_pixels
        for positive, error in ((True, truth & ~prediction), (False, prediction & ~truth))
    }
    positive = bool(depth[True].max() > depth[False].max())
    if depth[positive].max() == 0:
        return None
    y, x = np.argwhere(depth[positive] == depth[positive].max())[0]
    return Click(int(x), int(y), positive)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_click_lies_in_the_error_of_its_sign_and_follows_the_protocol(data: st.DataObject):
    truth = data.draw(masks)
    prediction = data.draw(arrays.arrays(bool, truth.shape))
    place = st.tuples(st.integers(0, truth.shape[1] - 1), st.integers(0, truth.shape[0] - 1))
    clicked = data.draw(st.lists(place, max_size=4))
    click = next_click(prediction, truth, clicked=clicked)
    if click is None:
        assert (prediction == truth).all()
        return
    assert truth[click.y, click.x] == click.positive
    assert prediction[click.y, click.x] != click.positive
    expected = reference_click(prediction, truth, clicked) or reference_click(prediction, truth, [])
    assert click == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_clicks_never_repeat_while_an_unclicked_error_is_left(data: st.DataObject):
    truth = data.draw(masks)
    clicked: list[tuple[int, int]] = []
    for _ in range(min(8, int(truth.sum()))):
        click = next_click(None, truth, clicked=clicked)
        assert click is not None
        assert (click.x, click.y) not in clicked
        clicked.append((click.x, click.y))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ignored_errors_do_not_move_the_click(data: st.DataObject):
    truth = data.draw(masks)
    prediction, ignore = (data.draw(arrays.arrays(bool, truth.shape)), data.draw(arrays.arrays(bool, truth.shape)))
    click = next_click(prediction, truth, ignore)
    assert click == next_click(np.where(ignore, truth, prediction), truth)


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 2.0, 4.0, 8.0, 15.0]), st.floats(0.02, 0.98))
def test_the_deepest_pixel_is_that_of_the_whole_distance_map(seed, smoothness, share):
    """Thin rims, specks and large blobs: peeling first changes nothing, ties included."""
    random = np.random.default_rng(seed)
    height, width = random.integers(3, 120, 2)
    waves = ndimage.gaussian_filter(random.normal(size=(height, width)), smoothness)
    region = waves > np.quantile(waves, share)
    if seed % 3 == 0:
        region[random.integers(height) :] = True
    distance = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    y, x = divmod(int(distance.argmax()), int(width))
    found = deepest(region, ())
    assert (found.depth, found.x, found.y) == (distance[y, x], x, y)
    clicked = [(x, y)] if region.any() else []
    distance[y, x] = 0
    y, x = divmod(int(distance.argmax()), int(width))
    again = deepest(region, clicked)
    assert (again.depth, again.x, again.y) == ((distance[y, x], x, y) if region.any() else (0.0, 0, 0))


@pytest.mark.parametrize("hand", ["loose", "anywhere"])
def test_a_drawn_click_lies_in_what_is_wrong_and_its_sign_says_how(hand):
    truth, guess = np.zeros((2, 40, 60), bool)
    truth[5:30, 5:35] = True
    guess[10:30, 20:50] = True
    ignored = np.zeros_like(truth)
    ignored[:, 45:] = True
    random = np.random.default_rng(0)
    drawn = [drawn_click(guess, truth, ignored, (), hand, random) for _ in range(60)]
    wrong = (truth ^ guess) & ~ignored
    assert all(wrong[click.y, click.x] and truth[click.y, click.x] == click.positive for click in drawn)
    signs = {click.positive for click in drawn}
    best = next_click(guess, truth, ignored)
    assert signs == ({best.positive} if hand == "loose" else {True, False})
    assert len(set(drawn)) > 20


def test_a_loose_hand_clicks_where_it_is_deep_more_often():
    truth = np.zeros((41, 41), bool)
    truth[5:36, 5:36] = True
    random = np.random.default_rng(1)
    drawn = [drawn_click(None, truth, None, (), "loose", random) for _ in range(200)]
    middle = np.mean([max(abs(click.x - 20), abs(click.y - 20)) for click in drawn])
    assert middle == pytest.approx(7.5, abs=1.0)  # half the side, 15, for depth like a pyramid; alike: 10


def test_a_deep_hand_draws_nothing_and_others_must_be_known():
    truth = np.zeros((9, 9), bool)
    truth[2:7, 2:7] = True
    random = np.random.default_rng(2)
    assert drawn_click(None, truth, None, (), "deep", random) == next_click(None, truth)
    assert random.random() == np.random.default_rng(2).random()
    assert drawn_click(truth, truth, None, (), "loose", random) is None
    with pytest.raises(InputError, match="deep, loose, anywhere"):
        drawn_click(None, truth, None, (), "shaky", random)
