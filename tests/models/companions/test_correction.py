"""The choice of an answer to a correcting click: what it sees, by hand, and what a round makes of what it says."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from promptseg import Box, Point
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.correction import (
    BEFORE,
    CANDIDATES,
    DRAWN,
    FEATURES,
    FOLLOWED,
    MARGIN,
    features,
    likeliest,
)
from promptseg.models.companions.perceptron import Perceptron
from promptseg.models.registry import companions_of, loaded
from promptseg.runtimes.companions import Companions
from promptseg.runtimes.protocol import DecoderOutputs
from promptseg.segment.places.refine import refine

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.9, 0.5], np.float32)


def bars() -> np.ndarray:
    """Six masks of 20 x 50 cells: the first so many columns, at logit 10; the second is empty."""
    logits = np.full((CANDIDATES, 20, 50), -5.0, np.float32)
    for row, columns in enumerate((20, 0, 30, 50, 20, 10)):
        logits[row, :, :columns] = 10
    return logits


def test_what_it_sees_of_a_click_that_asks_for_more():
    clicks = np.array([(5, 5, 1), (45, 5, 0), (15.9, 19.9, 1)], np.float32)
    found = features(bars(), SCORES, clicks, 2)
    assert found.shape == (CANDIDATES, FEATURES)
    known = [2 / 8, 1, 2 / 3, np.log(0.2) / 5, 0.5, 0.9]
    np.testing.assert_allclose(found[:, 16:22], [known] * CANDIDATES, rtol=1e-5)
    np.testing.assert_array_equal(found[:, 22:], np.eye(CANDIDATES))
    drawn = [0.9, 1, 1, np.log(0.4) / 5, 0.5, np.log(2), 0, 1, 1, 1, 2, 1, 2 / 3, 0.4, 19 / 20, 19 / 50]
    np.testing.assert_allclose(found[DRAWN, :16], drawn, rtol=1e-5)
    empty = [0.8, 0, 0, np.log(1 / 1000) / 5, 0, 0, np.log(2), 0, 0, 1, 0, 0, 0, 0.3, 0, 0]
    np.testing.assert_allclose(found[1, :16], empty, rtol=1e-5, atol=1e-7)
    whole = [0.6, 1, 1, 0, 0.2, np.log(5), 0, 1, 1, 0, 2, 0.4, 0.6, 0.1, 19 / 20, 49 / 50]
    np.testing.assert_allclose(found[3, :16], whole, rtol=1e-5, atol=1e-7)
    before = [0.5, 1, 1, np.log(0.2) / 5, 1, 0, 0, 0, 0.5, 1, 1, 0.5, 1 / 3, 0, 19 / 20, 9 / 50]
    np.testing.assert_allclose(found[BEFORE, :16], before, rtol=1e-5, atol=1e-7)


def test_a_click_beside_the_object_turns_right_and_wrong():
    found = features(bars(), SCORES, np.array([(5, 5, 1), (45, 5, 0)], np.float32), 1)
    assert found[DRAWN, 5:8].tolist() == pytest.approx([0, np.log(2), 1])
    assert found[3, 7:10].tolist() == [0, 1, 0]


def test_clicks_outside_the_grid_are_on_its_rim():
    found = features(bars(), SCORES, np.array([(-3, 5, 1), (99, 5, 1)], np.float32), 1)
    assert found[:, 7].tolist() == [0, 0, 0, 1, 0, 0]
    assert found[:, 8].tolist() == [0.5, 0, 0.5, 1, 0.5, 0.5]


def wanting(**worth: float) -> Perceptron:
    """Gives candidates the worth that is named for them (logits); the rest get 0."""
    weight = np.zeros((1, FEATURES), np.float32)
    for name, value in worth.items():
        weight[0, 22 + int(name[1:])] = value
    return Perceptron(np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32), (weight,), (np.zeros(1),))


def test_the_usual_answers_unless_another_is_clearly_better():
    clicks = np.array([(5, 5, 1), (15, 5, 1)], np.float32)
    hardly, clearly = 4 * 0.9 * MARGIN, 4 * 1.1 * MARGIN  # around 0 the logistic function has the slope 1/4
    assert likeliest(wanting(_3=hardly), bars(), SCORES, clicks, 1, DRAWN) == DRAWN
    assert likeliest(wanting(_3=hardly), bars(), SCORES, clicks, 1, FOLLOWED) == FOLLOWED
    assert likeliest(wanting(_3=clearly), bars(), SCORES, clicks, 1, DRAWN) == 3


def test_the_mask_so_far_stays_only_while_it_obeys_the_clicks_before():
    later = wanting(_5=5)
    obeyed = np.array([(5, 5, 1), (45, 5, 0), (15, 5, 1)], np.float32)
    assert likeliest(later, bars(), SCORES, obeyed, 2, DRAWN) == BEFORE
    ignored = np.array([(5, 5, 1), (15, 5, 1), (15, 5, 1)], np.float32)
    assert likeliest(later, bars(), SCORES, ignored, 2, DRAWN) == DRAWN


@pytest.fixture
def dialogue(segmenter, embedded):
    """The cat after one click, and a next round whose answers are the given masks."""
    picture = embedded("chelsea")
    before = refine(segmenter.runtime, picture, None, (Point(220, 150),))
    logits = np.full((1, 4, 256, 256), -9.0, np.float32)
    for token, columns in enumerate((100, 120, 140, 160)):
        logits[0, token, :, :columns] = 9

    def next_round(later: Perceptron | None, prompts, granularity="auto"):
        choice = None if later is None else replace(LEARNED, later=later)
        answers = DecoderOutputs(logits, np.array([[0.9, 0.8, 0.7, 0.6]], np.float32))
        engine = SimpleNamespace(decode=lambda *_, **__: answers)
        return refine(engine, picture, before, prompts, granularity, Companions(choice))

    return picture, before, logits[0], next_round


MORE = (Point(40, 40),)
LEARNED = loaded(Choice.read, companions_of("mobile-sam-clicks").choice)


def test_a_round_takes_what_was_chosen(dialogue):
    picture, before, logits, next_round = dialogue
    for token in (1, 2, 3):
        found = next_round(wanting(**{f"_{token}": 5}), MORE)
        assert found.mask == upsample_to_rle(logits[token], picture.frame)
        assert found.score == pytest.approx(0.9 - token / 10)
        assert np.array_equal(found.logits, logits[token])
        assert found.prompts == (*before.prompts, *MORE)


def test_the_mask_so_far_may_stay(dialogue):
    _, before, _, next_round = dialogue
    found = next_round(wanting(_5=5), MORE)
    assert found.mask == before.mask
    assert found.score == before.score
    assert found.prompts == (*before.prompts, *MORE)


def test_what_goes_against_the_click_may_be_left_out(dialogue):
    picture, before, logits, next_round = dialogue
    found = next_round(wanting(_4=5), MORE)
    usual = next_round(None, MORE)
    assert found.mask == usual.mask
    assert (found.mask.dense() >= before.mask.dense()).all()
    assert found.mask != upsample_to_rle(logits[0], picture.frame)


@pytest.mark.parametrize("prompts", [(Box(30, 30, 200, 200),), (Point(40, 40), Point(300, 40, positive=False))])
def test_other_prompts_are_answered_as_usual(dialogue, prompts):
    _, _, _, next_round = dialogue
    assert next_round(wanting(_3=5), prompts).mask == (next_round(None, prompts).mask)


def test_a_granularity_is_obeyed(dialogue):
    picture, _, logits, next_round = dialogue
    found = next_round(wanting(_3=5), MORE, "part")
    assert found.mask == upsample_to_rle(logits[1], picture.frame)
