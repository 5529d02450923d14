"""Which of SAM's three masks a name beside a click chooses, on hand-made masks and maps."""

import numpy as np
import pytest

from promptseg import Segmenter
from promptseg.geometry import MaskGrid
from promptseg.segment.places.predictor import Candidates
from promptseg.segment.words.answer import _around, _chosen, _overlap

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


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_words_outweigh_a_score(embedded, number: int) -> None:
    asked = candidates((0.9, 0.6, 0.9) if number == 2 else (0.6, 0.9, 0.6))
    assert _chosen(asked, heat(*SQUARES[number - 1]), embedded, True, "auto") == [(number, None)]


def test_without_anything_seen_the_click_decides(embedded) -> None:
    asked = candidates((0.5, 0.9, 0.6))
    assert _chosen(asked, np.full((96, 96), -8, np.float32), embedded, True, "auto") == [(2, None)]
    assert _chosen(asked, heat(20, 230), embedded, True, "part") == [(1, "part")]
    assert _chosen(asked, heat(20, 230), embedded, False, "auto") == [(0, None)]


def test_the_part_under_the_click_counts_not_its_like_elsewhere() -> None:
    """Two things of one name, and a mask over both of them."""
    logits = np.full((4, MaskGrid.SIDE, MaskGrid.SIDE), -5, np.float32)
    logits[2, 100:140, 20:60] = 5
    logits[3, 100:140, 20:60] = logits[3, 100:140, 180:220] = 5
    asked = Candidates(logits, np.array([0.5, 0.5, 0.8, 0.8], np.float32), click=(160.0, 480.0))
    seen = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), bool)
    seen[100:140, 20:60] = seen[100:140, 180:220] = True
    here = _around(seen, asked.click)
    assert here[:, :100].sum() == 1600
    assert not here[:, 100:].any()
    assert not _around(seen, None).any()
    assert not _around(seen, (512.0, 40.0)).any()
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
