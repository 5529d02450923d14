"""Dialogues: rounds are added, undone, redone, saved and replayed. Which mask a round gives is not asked here."""

import json

import numpy as np
import pytest

from promptseg import Box, Point
from promptseg.errors import InputError, PromptError
from promptseg.segment.session import Round

CLICK, FIX, EAR = Point(220, 150), Point(30, 30, positive=False), Point(150, 60)


@pytest.fixture
def session(segmenter, embedded):
    return segmenter.session(embedded("chelsea"))


@pytest.fixture
def held(session):
    """A session with two objects and three rounds."""
    session.add(CLICK)
    session.add(Box(10, 10, 90, 90), object_id=7)
    session.add(FIX, granularity="whole")
    return session


def state(session):
    return session.rounds, session.segments, session.can_undo, session.can_redo


def test_empty(session):
    assert len(session.segments) == 0
    assert session.segments.size == (300, 451)
    assert session.rounds == ()
    assert not session.can_undo
    assert not session.can_redo
    assert len(session.undo()) == len(session.redo()) == len(session.reset()) == 0


def test_the_first_round_is_what_segment_gives(session, segmenter, embedded):
    first = session.add(CLICK)
    alone = segmenter.segment(embedded("chelsea"), CLICK)
    assert first.masks == alone.masks
    assert np.array_equal(first.scores, alone.scores)


def test_rounds_and_objects(held):
    assert held.rounds == (Round(0, (CLICK,)), Round(7, (Box(10, 10, 90, 90),)), Round(0, (FIX,), "whole"))
    cut = held.segments
    assert cut.object_ids.tolist() == [0, 7]
    assert cut.prompts == ((CLICK, FIX), (Box(10, 10, 90, 90),))
    assert cut.granularities[1] is None
    assert cut.low_res_logits is not None
    assert cut.draw().size == (451, 300)


def test_objects_come_in_order_of_their_ids(session):
    session.add(EAR, object_id=5)
    session.add(CLICK, object_id=-2)
    assert session.segments.object_ids.tolist() == [-2, 5]


def test_one_object_does_not_touch_another(session):
    first = session.add(CLICK)
    both = session.add(Box(10, 10, 90, 90), object_id=1)
    assert both.masks[0] == first.masks[0]
    again = session.add(Point(50, 50), object_id=1)
    assert again.masks[0] == first.masks[0]


def test_undo_and_redo_bring_back_the_very_same(held):
    after = [held.segments]
    while held.can_undo:
        after.append(held.undo())
    assert [len(cut) for cut in after] == [2, 2, 1, 0]
    assert held.rounds == ()
    before = after[::-1][1:]
    assert [held.redo() for _ in before] == before
    assert not held.can_redo
    assert held.redo() == after[0]


def test_adding_after_undo_forgets_what_was_undone(held):
    held.undo()
    assert held.can_redo
    held.add(EAR)
    assert not held.can_redo
    assert [item.prompts for item in held.rounds] == [(CLICK,), (Box(10, 10, 90, 90),), (EAR,)]


def test_reset(held):
    assert len(held.reset()) == 0
    assert not held.can_undo
    assert not held.can_redo
    assert held.add(CLICK).masks


@pytest.mark.parametrize(
    ("prompts", "options", "kind"),
    [
        ((), {}, PromptError),
        ((Point(1000, 5),), {}, PromptError),
        ((Box(500, 5, 600, 9),), {}, PromptError),
        ((FIX,), {"object_id": 99}, PromptError),
        ((Box(1, 1, 9, 9), Box(2, 2, 8, 8)), {"object_id": 99}, PromptError),
        ((CLICK,), {"granularity": "all"}, InputError),
        ((CLICK,), {"granularity": "big"}, InputError),
    ],
)
def test_a_failed_round_changes_nothing(held, prompts, options, kind):
    held.undo()
    before = state(held)
    with pytest.raises(kind):
        held.add(*prompts, **options)
    assert state(held) == before


@pytest.mark.parametrize("object_id", ["a", None, 1.5, [1]])
def test_object_ids_are_whole_numbers(held, object_id):
    before = state(held)
    with pytest.raises(InputError, match="object_id"):
        held.add(CLICK, object_id=object_id)
    assert state(held) == before


def test_prompts_must_be_prompts(held):
    before = state(held)
    for nonsense in ((220, 150), "a cat", [CLICK], None):
        with pytest.raises(PromptError):
            held.add(nonsense)
    assert state(held) == before


def test_json_replays_to_the_same_session(held, segmenter, embedded):
    held.add(EAR)
    held.undo()
    record = json.loads(json.dumps(held.to_json(), allow_nan=False))
    again = segmenter.restore(embedded("chelsea"), record)
    assert again.rounds == held.rounds
    assert again.segments == held.segments
    assert again.to_json() == record
    assert len(again.undo()) == 2
    assert record["model"] == "mobile-sam"


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda r: r.update(format=2), "format 2, expected 1"),
        (lambda r: r.update(model="sam-vit-h"), "held with 'sam-vit-h'"),
        (lambda r: r["image"].update(sha256="0" * 64), "another picture"),
        (lambda r: r.pop("rounds"), "lacks a field"),
        (lambda r: r.update(rounds=None), "lacks a field"),
        (lambda r: r.update(rounds=[5]), "lacks a field"),
        (lambda r: r.update(image=None), "lacks a field"),
        (lambda r: r["rounds"][0].pop("prompts"), "lacks a field"),
        (lambda r: r["rounds"][0].update(object_id="x"), "object_id|wrong one"),
        (lambda r: r["rounds"][0].update(object_id=float("inf")), "object_id|wrong one"),
        (lambda r: r["rounds"][0].update(granularity="big"), "Unknown granularity"),
        (lambda r: r["rounds"][0].update(prompts=[]), "at least one prompt"),
        (lambda r: r["rounds"][0]["prompts"][0].update(x=1e6), "outside"),
        (lambda r: r["rounds"][0]["prompts"][0].update(type="blob"), "Unknown prompt type"),
    ],
)
def test_damaged_records(held, segmenter, embedded, change, hint):
    record = json.loads(json.dumps(held.to_json()))
    change(record)
    with pytest.raises(InputError, match=hint):
        segmenter.restore(embedded("chelsea"), record)
    for nothing in (None, [], "x", {}):
        with pytest.raises(InputError):
            segmenter.restore(embedded("chelsea"), nothing)


def test_another_picture(held, segmenter, embedded):
    with pytest.raises(InputError, match="another picture"):
        segmenter.restore(embedded("rocket"), held.to_json())
