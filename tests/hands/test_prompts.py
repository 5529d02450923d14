import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.hands import prompts
from promptseg.hands.clicks import next_click
from promptseg.masks.polygons import polygon_to_mask

SEEDS = st.integers(0, 2**32 - 1)


def disc(x: float, y: float, radius: float, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


@given(SEEDS)
def test_points_and_scribbles_stay_inside(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = disc(30, 30, 15) & ~disc(30, 30, 8)
    stroke = prompts.scribble(mask, random)
    assert 1 <= len(stroke) <= 6
    for x, y in [prompts.random_point(mask, random), prompts.inner_point(mask, random), *stroke.tolist()]:
        assert mask[int(y), int(x)]


@given(SEEDS)
def test_boxes_are_off_by_little(seed: int) -> None:
    mask = disc(40, 30, 10)
    box = prompts.noisy_box(mask, np.random.default_rng(seed), side=80)
    assert np.abs(np.array(box) - (30, 20, 50, 40)).max() <= 20 * 80 / 1024 + 1e-9
    lone = np.zeros((60, 80), np.bool_)
    lone[59, 79] = True
    x0, y0, x1, y1 = prompts.noisy_box(lone, np.random.default_rng(seed))
    assert 0 <= x0 < x1 <= 80
    assert 0 <= y0 < y1 <= 60


def test_boxes_differ() -> None:
    random = np.random.default_rng(0)
    boxes = {prompts.noisy_box(disc(40, 30, 10), random) for _ in range(5)}
    assert len(boxes) == 5


@given(SEEDS)
def test_a_rough_polygon_is_near_the_mask(seed: int) -> None:
    mask = disc(40, 30, 20)
    drawn = polygon_to_mask(prompts.rough_polygon(mask, np.random.default_rng(seed)), Size(60, 80))
    assert (mask & drawn).sum() / (mask | drawn).sum() > 0.75


def test_the_deepest_point() -> None:
    (x, y), depth = prompts.deepest_point(disc(40.5, 30.5, 10))
    assert (x, y) == (40.5, 30.5)
    assert depth == pytest.approx(10, abs=0.6)
    corner = np.zeros((5, 5), np.bool_)
    corner[:3, :3] = True
    assert prompts.deepest_point(corner)[0] == (1.5, 1.5)  # outside the picture is outside the object


@given(SEEDS)
def test_the_careful_correction_is_that_of_the_evaluation(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = disc(*random.uniform(15, 45, 2), random.uniform(5, 14))
    guess = disc(*random.uniform(15, 45, 2), random.uniform(5, 14))
    expected = next_click(guess, truth)
    found = prompts.correction(guess, truth, random, deepest=1)
    assert found == (None if expected is None else (expected.x + 0.5, expected.y + 0.5, expected.positive))


@given(SEEDS)
def test_any_correction_points_at_an_error(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, guess, counted = disc(30, 30, 12), disc(35, 30, 12), disc(33, 30, 12)
    found = prompts.correction(guess, truth, random, counted=counted, deepest=0)
    assert found is not None
    x, y, positive = found
    place = int(y), int(x)
    assert counted[place]
    assert guess[place] != truth[place] == positive


def test_nothing_wrong_needs_no_click() -> None:
    mask = disc(30, 30, 12)
    random = np.random.default_rng(0)
    assert prompts.correction(mask, mask, random) is None
    assert prompts.correction(mask & False, mask, random, counted=~mask) is None


@pytest.mark.parametrize("make", [prompts.random_point, prompts.noisy_box, prompts.scribble, prompts.rough_polygon])
def test_empty_masks_are_refused(make: object) -> None:
    with pytest.raises(InputError, match="empty mask"):
        make(np.zeros((4, 4), np.bool_), np.random.default_rng(0))  # type: ignore[operator]
