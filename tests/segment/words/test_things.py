"""Things apart: one mask for each thing of a class, with a probability as its score."""

import numpy as np
import pytest

from promptseg import Image, Segmenter, Text
from promptseg.masks.overlap import iou
from promptseg.models.detector.decode import Boxes
from promptseg.segment.words.heat import phrase_heat
from promptseg.segment.words.rivals import thing_of
from promptseg.segment.words.things import draw, find_things


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(runtime="onnx", threads=1)


@pytest.fixture(scope="module")
def two_cats(segmenter, examples):
    """A cat, and beside it, without a gap, its mirror image."""
    pixels = Image.open(examples / "chelsea.jpg").pixels
    return segmenter.embed(np.concatenate([pixels, pixels[:, ::-1]], axis=1))


def test_two_cats_that_touch_are_two_finds(segmenter, two_cats):
    found = segmenter.segment(two_cats, Text("cats"))
    assert len(found) == 2
    middle = two_cats.size.width // 2
    left = sorted(mask.dense()[:, :middle].sum() / mask.area for mask in found.masks)
    assert left[0] < 0.1
    assert left[1] > 0.9


def test_instances_hold_them_too_and_panoptic_shows_them_apart(segmenter, two_cats):
    things = segmenter.instances(two_cats)
    assert things.labels[:2] == ("cat", "cat")
    assert (np.diff(things.scores) <= 0).all()
    assert things.scores[1] > 0.5
    shown = segmenter.panoptic(two_cats)
    assert shown.segments.labels.count("cat") == 2


def test_names_of_ones_own_get_their_things(segmenter, two_cats):
    found = segmenter.instances(two_cats, ["dog", "kitten"])
    assert found.labels[:2] == ("kitten", "kitten")


def test_a_part_of_a_better_thing_is_no_thing(segmenter, two_cats):
    height, width = two_cats.size
    corners = np.array([[0, 0, width / 2, height], [0, 0, width / 2, height * 0.9]], np.float32)
    boxes = Boxes(corners, np.array([0.8, 0.7], np.float32), np.array([15, 15]))
    heat = phrase_heat(segmenter.meaning, two_cats, ["cat"])[0]
    assert len(draw(segmenter.runtime, two_cats, boxes, {15: heat})) == 1


class _Boxes:
    """Knows boxes, and no more."""

    def __init__(self, *rows):
        corners, scores, classes = zip(*rows, strict=True) if rows else ((), (), ())
        self._boxes = Boxes(np.reshape(np.float32(corners), (-1, 4)), np.float32(scores), np.int64(classes))

    def boxes(self, image):
        return self._boxes


def test_what_the_detector_does_not_see_is_not_answered(segmenter, two_cats):
    heat = np.full((96, 96), 3.0, np.float32)
    assert find_things(_Boxes(), segmenter.runtime, two_cats, 15, heat) == []
    assert len(find_things(_Boxes(), segmenter.runtime, two_cats, 15, heat, present=0.0)) == 1


def test_a_large_doubtful_thing_must_be_warm(segmenter, two_cats):
    height, width = two_cats.size
    box = ([0, 0, width / 2, height], 0.2, 15)
    warm, cold = (np.full((96, 96), logit, np.float32) for logit in (2.0, -0.5))
    assert len(find_things(_Boxes(box), segmenter.runtime, two_cats, 15, warm)) == 1
    assert find_things(_Boxes(box), segmenter.runtime, two_cats, 15, cold) == []


def test_what_is_rather_of_another_class_is_not_answered(segmenter, two_cats):
    meaning, found = segmenter.meaning, segmenter.segment(two_cats, Text("cat"))
    heat = phrase_heat(meaning, two_cats, ["dog"])[0]
    assert len(found) == 2
    assert find_things(meaning, segmenter.runtime, two_cats, 16, heat) == []


def test_a_look_ahead_changes_no_answer(segmenter, examples):
    picture = Image.open(examples / "astronaut.jpg")
    at_once = segmenter.segment(picture, Text("person"))
    segmenter.look(picture)
    assert segmenter.segment(picture, Text("person")) == at_once
    assert iou(at_once.masks[0], segmenter.instances(picture, ["person"]).masks[0]) > 0.9


@pytest.mark.parametrize(
    ("phrase", "name"), [("a dog", 16), ("buses", 5), ("the aeroplane", 4), ("woman", 0), ("sofa", 57), ("camel", None)]
)
def test_phrases_that_name_a_thing(phrase, name):
    assert thing_of(phrase) == name
