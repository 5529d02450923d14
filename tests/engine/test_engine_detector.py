"""The detector of objects on candidates whose worth is known, and its threshold."""

import json

import numpy as np
import pytest
from fakes_for_engine import square

from promptseg.engine.detector import CandidateExample, ObjectDetector, choose, describe
from promptseg.errors import InputError
from promptseg.masks.segments import Segments


def examples(count: int, *, noise: float) -> list[CandidateExample]:
    """Pictures of 40 candidates, of which those with a large third feature are right, more or less."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        features = random.normal(size=(40, 6))
        right = features[:, 2] + noise * random.normal(size=40) > 0.7
        made.append(CandidateExample(features, np.where(right, 0.95, 0.1)))
    return made


def test_it_learns_what_is_meant_and_says_how_well():
    detector = ObjectDetector.learned(examples(8, noise=0.05))
    assert detector.precision >= 0.75
    assert detector.recall > 0.95
    fresh = np.random.default_rng(1).normal(size=(500, 6))
    agreed = (detector.chances(fresh) >= detector.threshold) == (fresh[:, 2] > 0.7)
    assert agreed.mean() > 0.9
    stricter = ObjectDetector.learned(examples(8, noise=0.6), 0.95)
    looser = ObjectDetector.learned(examples(8, noise=0.6), 0.6)
    assert stricter.threshold > looser.threshold
    assert stricter.recall < looser.recall


def test_it_is_kept_as_json():
    detector = ObjectDetector.learned(examples(3, noise=0.1))
    again = ObjectDetector.from_json(json.loads(json.dumps(detector.to_json())))
    fresh = np.random.default_rng(1).normal(size=(5, 6))
    np.testing.assert_array_equal(again.chances(fresh), detector.chances(fresh))
    assert again.threshold == detector.threshold


def test_the_threshold_is_the_lowest_that_is_precise_enough():
    chances = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    right = np.array([True, True, False, True, False, False])
    assert choose(chances, right, 0.75) == (0.6, 0.75, 1.0)
    assert choose(chances, right, 0.9) == (0.8, 1.0, pytest.approx(2 / 3))
    assert choose(chances[::-1].copy(), right[::-1].copy(), 0.75)[0] == 0.6
    alike = np.full(4, 0.5)
    assert choose(alike, np.array([True, False, False, False]), 0.9) == (0.5, 0.25, 1.0)


def test_too_little_is_refused():
    with pytest.raises(InputError, match="at least 2 finished pictures"):
        ObjectDetector.learned(examples(1, noise=0.1))
    wrong = [CandidateExample(np.zeros((3, 6)), np.zeros(3))] * 2
    with pytest.raises(InputError, match="label more pictures"):
        ObjectDetector.learned(wrong)


def test_candidates_are_described_by_their_pictures_embedding(embedded):
    seen = embedded("astronaut")
    height, width = seen.size
    left = square(0, 0, 10)
    pixels = np.zeros((height, width), np.bool_)
    pixels[:, : width // 2] = True
    found = Segments(seen.size, (type(left).encode(pixels), type(left).encode(~pixels)))
    table = describe(seen, found)
    assert table.shape == (2, 8 + 256)
    assert table[0, 2] == pytest.approx(np.log(0.5), abs=0.01)
    assert np.abs(table[0, 8:] - table[1, 8:]).max() > 0.01
