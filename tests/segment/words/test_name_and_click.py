"""Which of SAM's three masks a name beside a click chooses, on hand-made masks and maps."""

import numpy as np
import pytest

from promptseg import Box, Point, Segmenter
from promptseg.geometry import MaskGrid
from promptseg.runtimes.companions import NO_COMPANIONS
from promptseg.runtimes.protocol import DecoderOutputs
from promptseg.segment.places.predictor import Candidates
from promptseg.segment.words.compose import _around, _overlap, agreement, compose, place_fit

SQUARES = ((96, 120), (80, 160), (20, 230))
"""First and last row and column of a part, an object and a whole about the middle."""


@pytest.fixture(scope="module")
def embedded(segmenter: Segmenter):
    return segmenter.embed(np.zeros((512, 512, 3), np.uint8))


def candidates(scores: tuple[float, float, float]) -> Candidates:
    logits = np.full((4, MaskGrid.SIDE, MaskGrid.SIDE), -5, np.float32)
    for number, (first, last) in enumerate(SQUARES, 1):
        logits[number, first:last, first:last] = 5
    return Candidates(logits, np.array([0.5, *scores], np.float32), click=(430.0, 430.0))


def heat(first: int, last: int) -> np.ndarray:
    cells = np.full((96, 96), -8, np.float32)
    scale = 96 / MaskGrid.SIDE
    cells[round(first * scale) : round(last * scale), round(first * scale) : round(last * scale)] = 6
    return cells


class Decoder:
    """An engine that answers with given masks, and counts the questions."""

    def __init__(self, found: Candidates) -> None:
        self.found, self.asked = found, 0

    def decode(self, embedding, inputs, *, official=False):
        self.asked += 1
        count = len(inputs.points)
        return DecoderOutputs(
            np.repeat(self.found.logits[None], count, 0), np.repeat(self.found.scores[None], count, 0)
        )


def composed(embedded, found: Candidates, places, cells, granularity="auto"):
    answers, fitting = compose(Decoder(found), embedded, places, cells, granularity, NO_COMPANIONS)
    sizes = [int((thing.logits > 0).sum()) for thing, _ in answers]
    return sizes, [kind for _, kind in answers], fitting


CLICK = (Point(215, 215),)
AREAS = [(last - first) ** 2 for first, last in SQUARES]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_words_outweigh_a_score(embedded, number: int) -> None:
    asked = candidates((0.9, 0.6, 0.9) if number == 2 else (0.6, 0.9, 0.6))
    assert composed(embedded, asked, CLICK, heat(*SQUARES[number - 1])) == ([AREAS[number - 1]], [None], True)


def test_without_anything_seen_the_click_decides_and_gets_no_name(embedded) -> None:
    asked = candidates((0.5, 0.9, 0.6))
    nothing = np.full((96, 96), -8, np.float32)
    assert composed(embedded, asked, CLICK, nothing) == ([AREAS[1]], [None], False)
    assert composed(embedded, asked, CLICK, heat(20, 230), "part") == ([AREAS[0]], ["part"], False)


def test_a_small_thing_of_that_name_elsewhere_in_a_large_one_is_not_what_was_clicked_on(embedded) -> None:
    """Shorts are seen on the boy whose shirt was clicked on: the boy is no shorts."""
    asked = candidates((0.6, 0.5, 0.5))
    shorts = heat(180, 210)
    assert composed(embedded, asked, CLICK, shorts) == ([AREAS[0]], [None], False)


def test_in_a_box_the_words_say_which_thing_is_meant(embedded) -> None:
    """A child in the left half of a picture, whose box alone means the sea."""
    sea = np.full((4, MaskGrid.SIDE, MaskGrid.SIDE), -5, np.float32)
    sea[0, 10:250, 5:125] = 5
    sea[0, 100:160, 60:90] = -5
    sea[2, 100:160, 60:90] = 5
    asked = Candidates(sea, np.array([0.9, 0.5, 0.6, 0.5], np.float32))
    cells = np.full((96, 96), -8, np.float32)
    cells[38:60, 23:34] = 6
    sizes, _, fitting = composed(embedded, asked, (Box(0, 0, 256, 512),), cells)
    assert sizes == [60 * 30]
    assert fitting


def test_masks_are_judged_by_all_places() -> None:
    box, inside, over = (np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), bool) for _ in range(3))
    box[50:150, 50:150] = inside[50:150, 50:150] = over[50:150, 50:250] = True
    options = [np.where(mask, 5, -5).astype(np.float32) for mask in (inside, over, np.zeros_like(box))]
    spot = np.zeros_like(box)
    spot[60, 200] = True
    places = (Box(100, 100, 300, 300), Point(400, 120))
    exact, wide, empty = place_fit(options, places, [box, spot])
    assert exact == pytest.approx(0.5)
    assert wide == pytest.approx((0.5 + 1) / 2, abs=0.01)
    assert empty == 0
    room = np.ones_like(box)
    assert agreement(options, np.where(box, 9, -9).astype(np.float32), box, room)[0] == pytest.approx(1, abs=0.01)


def test_the_part_under_the_click_counts_not_its_like_elsewhere() -> None:
    """Two things of one name, and a mask over both of them."""
    logits = np.full((4, MaskGrid.SIDE, MaskGrid.SIDE), -5, np.float32)
    logits[2, 100:140, 20:60] = 5
    logits[3, 100:140, 20:60] = logits[3, 100:140, 180:220] = 5
    seen = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), bool)
    seen[100:140, 20:60] = seen[100:140, 180:220] = True
    spot = np.zeros_like(seen)
    spot[120, 40] = True
    here = _around(seen, spot)
    assert here[:, :100].sum() == 1600
    assert not here[:, 100:].any()
    assert np.array_equal(_around(seen, ~seen), seen)
    assert _overlap(logits[2] > 0, here) == 1
    assert _overlap(logits[3] > 0, here) == 0.5


def test_an_expected_iou_goes_with_the_mask_that_it_was_learned_for(segmenter: Segmenter) -> None:
    choice = segmenter.companions.choice
    assert choice is not None
    asked = candidates((0.7, 0.9, 0.8))
    logits, scores = asked.logits[1:], asked.scores[1:]
    found = choice.expected(logits, scores, (107, 107))
    assert int(found.argmax()) == choice.best(logits, scores, (107, 107))
    turned = choice.expected(logits[::-1], scores[::-1], (107, 107))
    assert np.allclose(turned, found[::-1], atol=1e-6)
    assert ((found > 0) & (found < 1)).all()
