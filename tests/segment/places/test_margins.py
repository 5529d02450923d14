"""How sure the choice among a click's masks was."""

import numpy as np
import pytest

from promptseg import Box, Point
from promptseg.segment.places.predictor import Candidates


def test_the_margin_is_to_the_best_mask_that_differs(embedded):
    frame = embedded("rocket").frame
    logits = np.full((4, 256, 256), -1, np.float32)
    logits[1, :20, :20] = logits[2, :20, :20] = logits[3, :60, :60] = 1
    scores = np.array([0, 0.9, 0.89, 0.7], np.float32)
    found = Candidates(logits, scores)
    expected = found.expected(frame)
    chosen = found.likeliest(frame)
    assert chosen.number == 1
    assert chosen.margin == pytest.approx(expected[0] - expected[2])
    logits[3] = logits[1]
    assert Candidates(logits, scores).likeliest(frame).margin == 1


def test_results_tell_the_margin_of_single_clicks(segmenter, embedded):
    cat = embedded("chelsea")
    clicks, box = [Point(220, 150)], [Box(60, 20, 380, 290)]
    found = segmenter.segment(cat, [clicks, box])
    assert found.margins.shape == (2,)
    assert found.margins[1] == 1
    assert found[:1].margins == found.margins[:1]
    assert segmenter.segment(cat, [box]).margins is None
    assert segmenter.segment(cat, [clicks], granularity="whole").margins.tolist() == [1]
    session = segmenter.session(cat)
    assert session.add(*clicks).margins == pytest.approx(found.margins[:1])
    assert session.add(Point(60, 60, positive=False)).margins is None
