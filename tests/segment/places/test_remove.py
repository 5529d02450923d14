"""What a negative prompt takes away: on hand-made masks, and in dialogues about real photographs."""

from pathlib import Path

import numpy as np
import pytest

from promptseg import Box, Mask, Point, Polygon, Reference, Scribble, Segmenter, Text
from promptseg.geometry import MaskGrid
from promptseg.masks.overlap import intersection_area, iou
from promptseg.segment.places.remove import remove

EXAMPLES = Path(__file__).parents[3] / "examples"
SIDE = 256


def square(first: int, last: int, columns: tuple[int, int] | None = None) -> np.ndarray:
    logits = np.full((SIDE, SIDE), -5, np.float32)
    logits[first:last, slice(*(columns or (first, last)))] = 5
    return logits


OLD = square(20, 120)
NOTHING = np.zeros((SIDE, SIDE), bool)


def at(row: int, column: int) -> np.ndarray:
    spot = NOTHING.copy()
    spot[row, column] = True
    return spot


def never() -> list[np.ndarray]:
    raise AssertionError("the answer was good enough")


def test_beside_the_mask_nothing_is_taken():
    assert remove(OLD, [np.full_like(OLD, -5)], at(200, 200), NOTHING, never) is None


def test_only_the_part_that_is_pointed_at_goes():
    answer = OLD.copy()
    answer[20:40, 20:40] = answer[100:120, 100:120] = -5
    left = remove(OLD, [answer], at(30, 30), NOTHING, never)
    assert (left[20:40, 20:40] < 0).all()
    assert (left[100:120, 100:120] > 0).all()


def test_an_answer_that_drops_the_object_is_not_taken():
    second = OLD.copy()
    second[20:60, 20:60] = -5
    left = remove(OLD, [np.full_like(OLD, -5), second], at(30, 30), NOTHING, never)
    assert np.array_equal(left > 0, second > 0)


def test_where_no_answer_will_do_what_is_seen_at_the_place_goes():
    seen = [square(10, 130), square(150, 170), square(20, 50)]
    left = remove(OLD, [np.full_like(OLD, -5)], at(30, 30), NOTHING, lambda: seen)
    assert np.array_equal(left > 0, (OLD > 0) & ~(seen[2] > 0))


def test_where_all_answers_pass_over_the_prompt_what_lies_near_goes():
    left = remove(OLD, [OLD], at(70, 70), NOTHING, never)
    gone = (OLD > 0) & ~(left > 0)
    assert gone[70, 70]
    assert 0.1 < gone.sum() / (OLD > 0).sum() < 0.3


def test_what_is_outlined_goes_whatever_the_decoder_says():
    area = square(20, 120, (20, 110)) > 0
    left = remove(OLD, [OLD], area, area, lambda: [])
    assert not ((left > 0) & area).any()
    assert (left[60, 115:120] > 0).all()


@pytest.fixture(scope="module", params=["mobile-sam-clicks", "mobile-sam"])
def pictures(request: pytest.FixtureRequest):
    segmenter = Segmenter(request.param, runtime="onnx", threads=1)
    return segmenter, segmenter.embed(EXAMPLES / "chelsea.jpg"), segmenter.embed(EXAMPLES / "coffee.jpg")


CUP = (140, 50, 460, 350)


def beginnings(segmenter: Segmenter, coffee):
    rough = segmenter.segment(coffee, Box(*CUP)).masks[0]
    return {
        "box": Box(*CUP),
        "mask": Mask(rough.dense()),
        "polygon": Polygon(((215, 60), (400, 60), (410, 170), (370, 260), (260, 260), (215, 170))),
        "scribble": Scribble(((240, 90), (300, 200), (360, 100))),
        "click": Point(300, 220),
        "reference": Reference(EXAMPLES / "coffee.jpg", rough.dense()),
    }


@pytest.mark.parametrize(("x", "y"), [(20, 280), (250, 60)])
def test_after_a_phrase_a_part_goes(pictures, x, y):
    segmenter, cat, _ = pictures
    session = segmenter.session(cat)
    before = session.add(Text("cat")).masks[0]
    after = session.add(Point(x, y, positive=False)).masks[0]
    assert before.dense()[y, x]
    assert not after.dense()[y, x]
    assert 0.5 < after.area / before.area < 0.99
    assert intersection_area(before, after) > 0.95 * after.area


@pytest.mark.parametrize("kind", ["box", "mask", "polygon", "scribble", "click", "reference"])
def test_whatever_came_first_a_negative_click_is_held_within_what_it_points_at(pictures, kind):
    segmenter, _, coffee = pictures
    session = segmenter.session(coffee)
    before = session.add(beginnings(segmenter, coffee)[kind]).masks[0]
    inside = before.dense()
    outside = session.add(Point(560, 380, positive=False)).masks[0]
    assert not inside[380, 560]
    assert iou(before, outside) > 0.98
    session.undo()
    y, x = np.argwhere(inside)[inside.sum() // 2]
    found = session.add(Point(float(x), float(y), positive=False))
    (after,) = found.masks
    assert 0.45 < intersection_area(before, after) / before.area < 1
    column, row = (coffee.frame.to_model((x, y)) / MaskGrid.CELL).astype(int)
    assert found.low_res_logits[0, row, column] <= 0  # its cell; between cells masks are interpolated


def test_a_negative_area_goes_as_it_was_drawn(pictures):
    segmenter, _, coffee = pictures
    session = segmenter.session(coffee)
    before = session.add(Box(*CUP)).masks[0]
    after = session.add(Polygon(((100, 40), (300, 40), (300, 360), (100, 360)), positive=False)).masks[0]
    assert after.dense()[50:350, 110:290].sum() < 0.02 * before.area
    assert after.dense()[:, 310:].sum() > 0.9 * before.dense()[:, 310:].sum()


def test_words_stay_in_force_in_later_rounds(pictures):
    """Five negative clicks after a phrase leave a part of what it found, with the phrase as label of nothing else."""
    segmenter, cat, _ = pictures
    session = segmenter.session(cat)
    whole = session.add(Text("cat")).masks[0]
    for x, y in ((20, 280), (430, 20), (60, 150), (440, 250), (250, 280)):
        last = session.add(Point(x, y, positive=False)).masks[0]
    assert last.area > 0.1 * whole.area
    assert intersection_area(last, whole) > 0.9 * last.area
