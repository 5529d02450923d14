"""The default segmenter on words, references, names and maps of classes, on real photographs."""

from pathlib import Path

import numpy as np
import pytest

from promptseg import Box, Point, Reference, Segmenter, Text
from promptseg.errors import InputError, PromptError
from promptseg.masks.overlap import iou, union
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.runtimes.companions import NO_COMPANIONS
from promptseg.segment.words.answer import _less
from promptseg.segment.words.find import FoundThing

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(runtime="onnx", threads=1)


@pytest.fixture(scope="module")
def cat(segmenter):
    return segmenter.embed(EXAMPLES / "chelsea.jpg")


def test_a_phrase_finds_the_object(segmenter, cat):
    found = segmenter.segment(cat, Text("a cat"))
    clicked = segmenter.segment(cat, Box(0, 0, *cat.size[::-1]))
    assert found.labels[0] == "a cat"
    assert iou(union(found.masks, found.size), clicked.masks[0]) > 0.7


@pytest.mark.parametrize("phrase", ["a dog", "a bus", "an airplane", "pizza"])
def test_a_phrase_that_is_not_there_finds_nothing(segmenter, cat, phrase):
    assert len(segmenter.segment(cat, Text(phrase))) == 0


def test_phrases_of_a_flat_list_are_objects_of_their_own(segmenter, cat):
    found = segmenter.segment(cat, [Text("a cat"), Text("a bus")])
    assert set(found.object_ids.tolist()) == {0}


def test_a_phrase_and_a_click_give_one_mask(segmenter, cat):
    found = segmenter.segment(cat, [[Text("a cat"), Point(200, 100)]])
    assert len(found) == 1
    assert found.masks[0].dense()[100, 200]
    assert found.labels == ("a cat",)


@pytest.mark.parametrize(("x", "y"), [(20, 280), (250, 60)])
def test_a_negative_click_beside_a_phrase_takes_a_part_away(segmenter, cat, x, y):
    whole = union(segmenter.segment(cat, Text("cat")).masks, cat.size)
    found = segmenter.segment(cat, [Text("cat"), Point(x, y, positive=False)])
    assert 0.5 <= found.areas.sum() / whole.area < 0.97
    assert not union(found.masks, found.size).dense()[y, x]
    assert found.labels[0] == "cat"


def test_a_negative_click_drops_one_thing_of_several(segmenter):
    left, right = np.zeros((2, 100, 200), bool)
    left[20:80, 20:80] = right[20:80, 120:180] = True
    picture = segmenter.embed(np.zeros((100, 200, 3), np.uint8))
    things = [FoundThing(RLE.encode(mask), np.zeros((256, 256), np.float32), 0.9) for mask in (left, right)]
    kept = _less(segmenter.runtime, picture, things, (Text("cat"), Point(50, 50, positive=False)), NO_COMPANIONS)
    assert [thing.mask.box for thing in kept] == [(120, 20, 180, 80)]


def test_a_phrase_and_a_reference_find_what_one_of_them_finds(segmenter, cat):
    """A part of another picture that is nothing like a cat does not hide the cat."""
    whole = union(segmenter.segment(cat, Text("cat")).masks, cat.size)
    found = segmenter.segment(cat, [[Text("cat"), Reference(EXAMPLES / "coffee.jpg", Box(140, 50, 460, 350))]])
    assert iou(union(found.masks, found.size), whole) > 0.95


def test_a_phrase_in_a_box_is_sought_there(segmenter, cat):
    """A box may be larger than what is meant: the words say which thing in it."""
    height, width = cat.size
    whole = union(segmenter.segment(cat, Text("cat")).masks, cat.size)
    found = segmenter.segment(cat, [[Text("cat"), Box(0, 0, width * 0.6, height)]])
    assert len(found) == 1
    assert found.labels == ("cat",)
    inside = found.masks[0].dense() & whole.dense()
    assert inside.sum() > 0.8 * found.masks[0].area
    assert found.masks[0].dense()[:, int(width * 0.65) :].mean() < 0.1


def test_where_the_words_do_not_fit_the_place_alone_answers(segmenter):
    coffee = segmenter.embed(EXAMPLES / "coffee.jpg")
    clicked = segmenter.segment(coffee, Point(60, 60))
    named = segmenter.segment(coffee, [[Text("cup"), Point(60, 60)]])
    assert iou(clicked.masks[0], named.masks[0]) > 0.95
    assert named.labels == (None,)


def test_places_and_words_mix_in_one_request(segmenter, cat):
    found = segmenter.segment(cat, [[Point(200, 100)], [Text("a cat")]])
    assert found.object_ids.tolist()[0] == 0
    assert 1 in found.object_ids.tolist()


def test_names_are_those_of_the_vocabulary(segmenter, cat):
    whole = Segments(cat.size, (RLE.encode(np.ones(cat.size, bool)), RLE.empty(cat.size)))
    named = segmenter.label(cat, whole, ["dog", "cat", "bicycle"])
    assert named.labels == ("cat", None)


def test_names_are_ranked(segmenter, cat):
    whole = Segments(cat.size, (RLE.encode(np.ones(cat.size, bool)), RLE.empty(cat.size)))
    first, empty = segmenter.rank_labels(cat, whole, ["dog", "cat", "bicycle"], top=2)
    assert (first[0], len(first), empty) == ("cat", 2, ())


def test_chances_add_up_to_one(segmenter, cat):
    whole = Segments(cat.size, (RLE.encode(np.ones(cat.size, bool)),))
    np.testing.assert_allclose(segmenter.name_chances(cat, whole, ["dog", "cat"]).sum(), 1, atol=1e-5)


def test_masks_of_another_picture_are_refused(segmenter, cat):
    with pytest.raises(InputError, match="picture of"):
        segmenter.label(cat, Segments((5, 5), (RLE.encode(np.ones((5, 5), bool)),)))


def test_a_map_of_own_names_leaves_the_rest_free(segmenter, cat):
    found = segmenter.semantic(cat, ["cat", "dog"])
    assert found.categories[0].name == "cat"
    assert 0.2 < found.segments.areas.sum() / (cat.size[0] * cat.size[1]) < 1


def test_panoptic_covers_most_of_the_picture(segmenter, cat):
    found = segmenter.panoptic(cat)
    assert found.segments.areas.sum() > 0.8 * cat.size[0] * cat.size[1]
    assert "cat" in found.segments.labels


def test_a_reference_finds_its_like_in_the_same_picture(segmenter, cat):
    mask = union(segmenter.segment(cat, Text("cat")).masks, cat.size).dense()
    found = segmenter.segment(cat, Reference(EXAMPLES / "chelsea.jpg", mask))
    assert iou(union(found.masks, found.size), RLE.encode(mask)) > 0.5


def test_match_with_a_high_threshold_finds_nothing(segmenter, cat):
    assert len(segmenter.match(cat, "cat", threshold=0.0)) >= 1
    assert len(segmenter.match(cat, "cat", threshold=0.9999999)) == 0


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 7])
def test_a_threshold_is_a_probability(segmenter, cat, threshold):
    with pytest.raises(InputError, match="probability"):
        segmenter.match(cat, "cat", threshold=threshold)


def test_nothing_positive_is_refused(segmenter, cat):
    with pytest.raises(PromptError):
        segmenter.segment(cat, [[Point(5, 5, positive=False)]])


def test_the_same_question_has_the_same_answer(segmenter, cat):
    assert segmenter.segment(cat, Text("a cat")) == segmenter.segment(cat, Text("a cat"))


def test_a_dialogue_begins_with_a_word_and_goes_on_with_clicks(segmenter, cat):
    session = segmenter.session(cat)
    first = session.add(Text("cat"))
    second = session.add(Point(200, 100))
    assert len(first) == len(second) == 1
    assert second.masks[0].dense()[100, 200]
    assert segmenter.restore(cat, session.to_json()).segments == session.segments
    session.undo()
    assert session.segments == first


def test_a_dialogue_says_when_nothing_fits(segmenter, cat):
    session = segmenter.session(cat)
    with pytest.raises(PromptError, match="Nothing that fits"):
        session.add(Text("a bus"))
    assert not session.can_undo


def test_a_cup_and_its_spoon(segmenter):
    coffee = segmenter.embed(EXAMPLES / "coffee.jpg")
    cup = segmenter.segment(coffee, Text("a cup"))
    assert len(cup) == 1
    assert iou(cup.masks[0], segmenter.segment(coffee, Box(172, 18, 412, 288)).masks[0]) > 0.8
    assert segmenter.segment(coffee, Text("a spoon")).masks[0].dense()[283, 361]
