"""Prompts check themselves when they are made, are values, and survive JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow

from promptseg.errors import ImageError, PromptError
from promptseg.images import Image
from promptseg.prompts.request import Request
from promptseg.prompts.types import (
    Audio,
    Box,
    Circle,
    Mask,
    Point,
    Polygon,
    Reference,
    Scribble,
    Text,
    prompt_from_json,
)

NAN, INF = float("nan"), float("inf")
TRIANGLE = ((1, 2), (30, 4), (5, 60))
BAD_NUMBERS = [NAN, INF, -INF, 1e10, 10**400, "12", b"1", None, [], (1,), 1j, True, np.float64("nan")]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("place", range(2))
def test_no_bad_number_gets_into_any_prompt(value, place):
    def put(*numbers):
        changed = list(numbers)
        changed[place] = value
        return changed

    for make in (
        lambda: Point(*put(1, 2)),
        lambda: Box(*put(1, 2, 30, 40)),
        lambda: Box(*(1, 2), *put(30, 40)),
        lambda: Polygon([(1, 2), put(30, 40), (5, 6)]),
        lambda: Scribble([(1, 2), put(30, 40)]),
        lambda: Scribble([(1, 2)], width=value),
        lambda: Circle(*put(1, 2), 3),
        lambda: Circle(1, 2, value),
    ):
        with pytest.raises(PromptError):
            make()


def test_numbers_of_all_kinds_become_floats():
    point = Point(np.int32(3), np.float32(4.5))
    assert (type(point.x), type(point.y)) == (float, float)
    assert point == Point(3, 4.5)
    assert hash(point) == hash(Point(3, 4.5))
    assert Polygon(np.array(TRIANGLE)) == Polygon(TRIANGLE) == Polygon([list(p) for p in TRIANGLE])
    assert Polygon(p for p in TRIANGLE) == Polygon(TRIANGLE)


@pytest.mark.parametrize("positive", ["false", "no", None, 2, -1, 0.5, [], np.array([1, 0])])
def test_positive_is_yes_or_no(positive):
    for make in (
        lambda: Point(1, 2, positive),
        lambda: Box(1, 2, 3, 4, positive),
        lambda: Polygon(TRIANGLE, positive),
        lambda: Scribble(TRIANGLE, 5, positive),
        lambda: Circle(1, 2, 3, positive),
        lambda: Mask(np.ones((2, 2)), positive),
    ):
        with pytest.raises(PromptError, match="positive=True or positive=False"):
            make()


@pytest.mark.parametrize("positive", [0, np.int64(0), False, np.False_])
def test_labels_of_sam_are_understood(positive):
    assert Point(1, 2, positive).positive is False


def test_boxes_put_corners_right():
    assert Box(30, 40, 1, 2) == Box(1, 2, 30, 40) == Box(1, 40, 30, 2)
    assert Box(30, 40, 1, 2).xyxy == (1, 2, 30, 40)


@pytest.mark.parametrize("corners", [(5, 5, 5, 5), (5, 1, 5, 9), (1, 5, 9, 5)])
def test_boxes_need_an_area(corners):
    with pytest.raises(PromptError, match="needs a width and a height"):
        Box(*corners)


@pytest.mark.parametrize(
    ("kind", "points", "hint"),
    [
        (Polygon, (), "at least 3 points, got 0"),
        (Polygon, TRIANGLE[:2], "at least 3 points, got 2"),
        (Scribble, (), "at least 1 points, got 0"),
        (Polygon, 5, "list of .x, y. pairs"),
        (Polygon, (1, 2, 3), "list of .x, y. pairs"),
        (Polygon, ((1, 2, 3),) * 3, "list of .x, y. pairs"),
        (Polygon, ["12", "34", "56"], "needs numbers"),
        (Scribble, np.zeros((3, 4)), "list of .x, y. pairs"),
    ],
)
def test_outlines_need_pairs(kind, points, hint):
    with pytest.raises(PromptError, match=hint) as caught:
        kind(points)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("width", [0, -1, NAN])
def test_scribbles_have_a_width(width):
    with pytest.raises(PromptError, match="width"):
        Scribble(TRIANGLE, width)


@pytest.mark.parametrize("radius", [0, -1, 6e8])
def test_circles_have_a_radius(radius):
    with pytest.raises(PromptError, match="circle"):
        Circle(1, 2, radius)


@pytest.mark.parametrize("circle", [Circle(50, 40, 30), Circle(3, 4, 0.5, positive=False)])
def test_a_circle_has_a_polygon_of_its_area(circle):
    x, y = np.array(circle.polygon.points).T
    area = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
    assert area == pytest.approx(np.pi * circle.radius**2)
    assert (x.mean(), y.mean()) == pytest.approx((circle.x, circle.y))
    assert circle.polygon.positive is circle.positive


HALF = np.array([[0, 1], [1, 1]])


@pytest.mark.parametrize(
    "array",
    [HALF > 0, HALF.astype(np.uint8), HALF.astype(np.uint8) * 255, HALF.astype(np.int64), HALF / 1.0, HALF.tolist()],
    ids=["bool", "0/1", "0/255", "int64", "float", "list"],
)
def test_masks_of_all_kinds(array):
    mask = Mask(array)
    assert mask.array.dtype == np.float32
    assert mask.array.tolist() == HALF.tolist()
    assert mask == Mask(HALF)
    assert hash(mask) == hash(Mask(HALF))
    assert mask != Mask(HALF, positive=False)
    assert mask != "mask"
    with pytest.raises(ValueError, match="read-only"):
        mask.array[0, 0] = 1


def test_masks_hold_their_own_pixels():
    mine = np.zeros((2, 2), np.float32)
    mask = Mask(mine)
    mine[0, 0] = 1
    assert mask.array[0, 0] == 0


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(4),
        np.zeros((1, 2, 2)),
        np.zeros((0, 4)),
        np.full((2, 2), NAN),
        np.full((2, 2), INF),
        np.array([[0, 1e300]]),
        np.array([[0, -0.1]]),
        np.array([[0, 12.0]]),
        np.array([[0, -1]]),
        np.array([[0, 1, 256]]),
        np.array([["a", "b"]]),
        np.array([[1j]]),
        [[1, 0], [1]],
        None,
        "mask.png",
    ],
    ids=repr,
)
def test_masks_that_are_none(array):
    with pytest.raises(PromptError, match="mask prompt needs"):
        Mask(array)


@pytest.mark.parametrize("phrase", ["", "  \n", None, 3, b"dog"])
def test_phrases(phrase):
    with pytest.raises(PromptError, match="needs a phrase"):
        Text(phrase)


PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_references_take_pictures_of_all_kinds(tmp_path):
    path = tmp_path / "other.png"
    Pillow.fromarray(PIXELS).save(path)
    mask = np.eye(2, 4)
    by_path = Reference(path, mask)
    assert by_path.image == str(path)
    assert by_path.mask == Mask(mask)
    assert np.array_equal(by_path.open().pixels, PIXELS)
    inside = [Reference(given, Mask(mask)) for given in (PIXELS, path.read_bytes(), Image(PIXELS))]
    assert inside[0] == inside[1] == inside[2] != by_path
    assert len({*inside, by_path}) == 2
    assert inside[0] != Reference(PIXELS, 1 - mask)
    assert inside[0] != "other.png"
    assert Reference("gone.png", Box(1, 2, 3, 4)).mask == Box(1, 2, 3, 4), "the file is read when it is needed"
    with pytest.raises(ImageError, match=r"no file gone\.png"):
        Reference("gone.png", mask).open()


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((4, 4)),
        np.ones(4),
        None,
        "mask.png",
        Text("dog"),
        Audio("dog.wav"),
        Mask(HALF, positive=False),
        Point(1, 2, positive=False),
        Reference("other.png", HALF),
    ],
    ids=lambda mask: type(mask).__name__,
)
def test_references_need_a_region(mask):
    with pytest.raises(PromptError):
        Reference("other.png", mask)


@pytest.mark.parametrize("image", ["", "  ", None, 3, PIXELS[0, 0], b"", b"no picture"], ids=repr)
def test_references_need_a_picture(image):
    with pytest.raises((PromptError, ImageError)):
        Reference(image, HALF)


@pytest.mark.parametrize("file", ["", " ", None, 3, b"dog.wav", []])
def test_recordings_need_a_path(file):
    with pytest.raises(PromptError, match="path of a file"):
        Audio(file)


def test_recordings_take_paths(tmp_path):
    assert Audio(tmp_path / "a.wav") == Audio(str(tmp_path / "a.wav"))


@pytest.mark.parametrize("prompt", [Audio("a.wav"), Reference("a.png", HALF)], ids=lambda prompt: prompt.kind)
def test_strangers_name_no_files(prompt):
    record = prompt.to_json()
    assert prompt_from_json(record) == prompt
    with pytest.raises(PromptError, match="may not name a file"):
        prompt_from_json(record, paths=False)
    inline = Reference(PIXELS, HALF)
    assert prompt_from_json(inline.to_json(), paths=False) == inline


def test_references_are_not_nested_in_json():
    record = Reference("a.png", HALF).to_json()
    with pytest.raises(PromptError):
        prompt_from_json({**record, "mask": record})


NUMBER = st.floats(-1e6, 1e6)
PAIRS = st.tuples(NUMBER, NUMBER)
PROMPTS = st.one_of(
    st.builds(Point, NUMBER, NUMBER, st.booleans()),
    st.tuples(PAIRS, PAIRS, st.booleans())
    .filter(lambda b: b[0][0] != b[1][0] and b[0][1] != b[1][1])
    .map(lambda b: Box(*b[0], *b[1], b[2])),
    st.builds(Polygon, st.lists(PAIRS, min_size=3, max_size=6), st.booleans()),
    st.builds(Scribble, st.lists(PAIRS, min_size=1, max_size=6), st.floats(0.1, 100), st.booleans()),
    st.builds(Mask, arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.booleans()),
    st.builds(Circle, NUMBER, NUMBER, st.floats(0.1, 1e6), st.booleans()),
    st.builds(Text, st.text(min_size=1).filter(str.strip)),
    st.builds(Audio, st.text(min_size=1).filter(str.strip)),
    st.builds(
        Reference,
        st.text(min_size=1).filter(str.strip) | arrays.arrays(np.uint8, (3, 4, 3)),
        arrays.arrays(bool, (3, 4)).filter(np.any) | st.builds(Point, NUMBER, NUMBER),
    ),
)


@given(PROMPTS)
def test_json_brings_every_prompt_back(prompt):
    text = json.dumps(prompt.to_json(), allow_nan=False)
    assert prompt_from_json(json.loads(text)) == prompt


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(
    st.sampled_from(PROMPTS.original_strategies if hasattr(PROMPTS, "original_strategies") else [PROMPTS]), st.data()
)
def test_damaged_records_are_prompt_errors(strategy, data):
    record = data.draw(strategy).to_json()
    key = data.draw(st.sampled_from(sorted(record)))
    record[key] = data.draw(JUNK)
    try:
        prompt_from_json(record)
    except PromptError as error:
        assert len(str(error)) < 600  # noqa: PT017


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "point",
        {},
        {"type": "ellipse"},
        {"type": "point", "x": 1},
        {"type": "box", "box": [1, 2, 3]},
        {"type": "box", "box": [1, 2, 3, 4, 5]},
        {"type": "box", "box": 7},
        {"type": "polygon", "points": None},
        {"type": "scribble", "points": [[1, 2]], "width": None},
        {"type": "mask", "segmentation": {"size": [2, 2], "counts": "§"}},
        {"type": "mask", "segmentation": {"size": [2, 2], "counts": [1, 1]}},
        {"type": "mask", "segmentation": None},
        {"type": "text", "phrase": " "},
        {"type": "circle", "x": 1, "y": 2},
        {"type": "circle", "x": 1, "y": 2, "radius": "3"},
        {"type": "audio"},
        {"type": "audio", "file": None},
        {"type": "reference", "image": "a.png"},
        {"type": "reference", "image": {"png": "AAAA"}, "mask": {"type": "point", "x": 1, "y": 2}},
        {"type": "reference", "image": {"png": "?"}, "mask": {"type": "point", "x": 1, "y": 2}},
        {"type": "reference", "image": {"png": 3}, "mask": {"type": "point", "x": 1, "y": 2}},
        {"type": "reference", "image": None, "mask": {"type": "point", "x": 1, "y": 2}},
        {"type": "reference", "image": "a.png", "mask": {"type": "text", "phrase": "dog"}},
        {"type": "point", "x": 1, "y": 2, "positive": "false"},
    ],
)
def test_wrong_records(record):
    with pytest.raises(PromptError):
        prompt_from_json(record)


POINT, BACK, BOX = Point(1, 2), Point(3, 4, positive=False), Box(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("given", "objects"),
    [
        (POINT, ((POINT,),)),
        ([POINT], ((POINT,),)),
        ([POINT, BACK], ((POINT, BACK),)),
        ((POINT, BOX), ((POINT, BOX),)),
        ([BOX], ((BOX,),)),
        ([BOX, Box(5, 6, 7, 8)], ((BOX,), (Box(5, 6, 7, 8),))),
        ([BOX, Box(5, 6, 7, 8, positive=False)], ((BOX, Box(5, 6, 7, 8, positive=False)),)),
        ([[POINT, BACK], (BOX,)], ((POINT, BACK), (BOX,))),
        ([[BOX, BOX]], ((BOX, BOX),)),
        (iter([POINT, BACK]), ((POINT, BACK),)),
        (Circle(1, 2, 3), ((Circle(1, 2, 3),),)),
        (
            [Text("dog"), Reference("a.png", BOX), Audio("a.wav")],
            ((Text("dog"), Reference("a.png", BOX), Audio("a.wav")),),
        ),
    ],
)
def test_grouping(given, objects):
    assert Request.of(given).objects == objects


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ([], "No prompt was given"),
        ([[]], "Object 0 has no prompt"),
        ([[POINT], []], "Object 1 has no prompt"),
        ([POINT, [BOX]], "not a mixture"),
        (None, "got NoneType"),
        (5, "got int"),
        ((320, 210), r"got int \(320\)"),
        ("a dog", "got str"),
        ([[(1, 2)]], "got tuple"),
        ([["a dog"]], "got str"),
        (np.zeros((2, 2)), "got ndarray"),
    ],
)
def test_grouping_refuses(given, hint):
    with pytest.raises(PromptError, match=hint):
        Request.of(given)
