"""Which of several things is meant: on drawn masks, without a model; at the end on a photograph."""

import numpy as np
import pytest

from promptseg import Box, Image, Segmenter, Text
from promptseg.errors import PromptError
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.segment.words.choose import choose
from promptseg.segment.words.find import FoundThing
from promptseg.segment.words.phrases.read import read_phrase

SIZE = (200, 400)
BOXES = {"a": (10, 60, 50, 100), "b": (120, 20, 200, 180), "c": (230, 70, 250, 90), "d": (330, 150, 390, 195)}
COLOURS = {"a": (210, 30, 30), "b": (30, 60, 200), "c": (30, 60, 200), "d": (240, 240, 240)}
SCORES = {"a": 0.6, "b": 0.9, "c": 0.8, "d": 0.7}


@pytest.fixture(scope="module")
def scene():
    picture = np.full((*SIZE, 3), (90, 120, 60), np.uint8)
    things = []
    for name in sorted(BOXES, key=lambda name: -SCORES[name]):
        x0, y0, x1, y1 = BOXES[name]
        mask = np.zeros(SIZE, bool)
        mask[y0:y1, x0:x1] = True
        picture[mask] = COLOURS[name]
        things.append(FoundThing(RLE.encode(mask), np.zeros((1, 1), np.float32), SCORES[name]))
    return picture, things


CHOSEN = {
    "dog": "bcda", "the dog": "bcda", "dogs": "bcda", "two dogs": "bc", "both dogs": "bc", "one dog": "b",
    "all dogs": "bcda", "nine dogs": "bcda",
    "the dog on the left": "a", "a dog on the left": "ba", "dogs on the left": "ba", "the leftmost dog": "a",
    "the two leftmost dogs": "ab", "the two dogs on the right": "dc", "the second dog from the left": "b",
    "second from right": "c", "fourth dog from the left": "d", "fifth dog from the left": "", "the last dog": "d",
    "the dog at the bottom": "d", "the top left dog": "a", "the bottom right dog": "d", "the nearest dog": "b",
    "the dog in the background": "c", "the largest dog": "b", "the smallest dog": "c", "the second largest dog": "d",
    "the tallest dog": "b", "big dogs": "b", "small dogs": "c", "the small dog": "c", "the three largest dogs": "bda",
    "the red dog": "a", "a red dog": "a", "the white dog": "d", "blue dogs": "bc", "a blue dog": "bc",
    "the blue dog": "b", "two blue dogs": "bc", "the blue dog on the right": "c", "the smallest blue dog": "c",
    "a yellow dog": "", "the yellow dog": "", "red or white dogs": "da", "the largest dog on the right": "d",
    "左の犬": "a", "一番小さい犬": "c", "右から二番目の犬": "c", "青い犬": "bc", "二匹の犬": "bc", "右の青い犬": "c",
}  # fmt: skip


@pytest.mark.parametrize(("phrase", "names"), list(CHOSEN.items()))
def test_which_things_are_meant(scene, phrase, names):
    picture, things = scene
    boxes = {box: name for name, box in BOXES.items()}
    assert "".join(boxes[thing.mask.box] for thing in choose(things, read_phrase(phrase), picture)) == names


def test_the_middle_one_of_three_is_between_the_others(scene):
    picture, things = scene
    three = [thing for thing in things if thing.mask.box != BOXES["b"]]
    assert [thing.mask.box for thing in choose(three, read_phrase("the middle dog"), picture)] == [BOXES["c"]]


def test_doubtful_things_do_not_count_among_places(scene):
    picture, things = scene
    doubted = [FoundThing(one.mask, one.logits, 0.1 if one.score == 0.6 else one.score) for one in things]
    assert [thing.mask.box for thing in choose(doubted, read_phrase("the leftmost dog"), picture)] == [BOXES["b"]]


def test_of_nothing_nothing_is_chosen(scene):
    for phrase in ("the leftmost dog", "the red dog", "two dogs", "the dog in the middle"):
        assert choose([], read_phrase(phrase), scene[0]) == []


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(runtime="onnx", threads=1)


@pytest.fixture(scope="module")
def two_cats(segmenter, examples):
    """A cat and its mirror image, which is tinted blue."""
    pixels = Image.open(examples / "chelsea.jpg").pixels
    blue = (pixels[:, ::-1] * np.array([0.35, 0.5, 1.0])).astype(np.uint8)
    return segmenter.embed(np.concatenate([pixels, blue], axis=1))


def test_one_of_two_cats_is_meant(segmenter, two_cats):
    middle = two_cats.size.width // 2
    for phrase, right in (
        ("the cat on the left", False),
        ("rightmost cat", True),
        ("右の猫", True),
        ("the left one", False),
    ):
        found = segmenter.segment(two_cats, Text(phrase))
        assert found.labels == (phrase,)
        share = found.masks[0].dense()[:, middle:].sum() / found.masks[0].area
        assert (share > 0.8) == right, phrase
    assert iou(segmenter.segment(two_cats, Text("the blue cat")).masks[0], found.masks[0]) < 0.1


def test_japanese_and_english_names_are_one(segmenter, two_cats):
    one, other = segmenter.segment(two_cats, Text("cat")), segmenter.segment(two_cats, Text("ネコ"))
    assert one.masks[0].box == other.masks[0].box
    np.testing.assert_array_equal(one.scores, other.scores)
    assert other.labels == ("ネコ", "ネコ")
    assert segmenter.instances(two_cats, ["犬", "猫"]).labels[:2] == ("猫", "猫")
    with pytest.raises(PromptError, match="unknown word"):
        segmenter.segment(two_cats, Text("ホゲホゲ"))


def test_a_box_and_a_phrase_that_chooses(segmenter, two_cats):
    height, width = two_cats.size
    both = segmenter.segment(two_cats, [[Text("the cat on the left"), Box(0, 0, width * 0.9, height)]])
    alone = segmenter.segment(two_cats, Text("the cat on the left"))
    assert both.labels == ("the cat on the left",)
    assert iou(both.masks[0], alone.masks[0]) > 0.7


def test_any_thing_is_refused_where_nothing_is_known(segmenter):
    with pytest.raises(PromptError, match="No known thing"):
        segmenter.segment(np.full((60, 80, 3), 127, np.uint8), Text("the red one"))
