"""Prompts to SAM's tokens: which, in which order, with which numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptseg.errors import PromptError
from promptseg.geometry import ResizeFrame
from promptseg.prompts.encode import encode_object, pad_objects
from promptseg.prompts.prompt import Feed
from promptseg.prompts.types import Audio, Box, Circle, Mask, Point, Polygon, Reference, Scribble, Text

HEIGHT, WIDTH = 300, 451
FRAME = ResizeFrame.fit((HEIGHT, WIDTH))  # 681 x 1024: the two axes have different factors
FX, FY = 1024 / 451, 681 / 300
SQUARE = ((100, 50), (200, 50), (200, 150), (100, 150))
MEMORY = np.linspace(-9, 9, 65536, dtype=np.float32).reshape(256, 256)


def table(item):
    return [
        (round(float(x), 3), round(float(y), 3), int(k)) for (x, y), k in zip(item.points, item.labels, strict=True)
    ]


def at(x, y, label):
    return (round(x * FX, 3), round(y * FY, 3), label)


PAD = (0, 0, -1)


@pytest.mark.parametrize(
    ("prompts", "tokens", "ambiguous"),
    [
        ((Point(10, 20),), [at(10, 20, 1), PAD], True),
        ((Point(0, 0),), [at(0, 0, 1), PAD], True),
        ((Point(WIDTH, HEIGHT),), [(1024, 681, 1), PAD], True),
        ((Point(10, 20), Point(30, 40, False)), [at(10, 20, 1), at(30, 40, 0), PAD], False),
        ((Box(10, 20, 30, 40),), [at(10, 20, 2), at(30, 40, 3)], False),
        ((Box(30, 40, 10, 20),), [at(10, 20, 2), at(30, 40, 3)], False),
        (
            (Box(10, 20, 30, 40), Point(5, 6), Point(7, 8, False)),
            [at(5, 6, 1), at(7, 8, 0), at(10, 20, 2), at(30, 40, 3)],
            False,
        ),
        ((Box(-50, -50, 30, 1000),), [at(0, 0, 2), at(30, HEIGHT, 3)], False),
    ],
)
def test_tokens(prompts, tokens, ambiguous):
    item = encode_object(prompts, FRAME)
    expected = np.array(tokens)
    np.testing.assert_allclose(table(item), expected, atol=1e-2)
    assert item.points.dtype == np.float32
    assert item.labels.dtype == np.int64
    assert item.ambiguous is ambiguous
    assert item.mask_logits is None


def official_tokens(mobile, points, labels, box):
    """What the official predictor feeds its prompt encoder, with the pad that the encoder appends."""
    transform = mobile.predictor.ResizeLongestSide(1024)
    rows = transform.apply_coords(np.array(points, float).reshape(-1, 2), (HEIGHT, WIDTH)) if points else []
    tokens = [(x, y, k) for (x, y), k in zip(rows, labels, strict=True)]
    if box is None:
        return [*tokens, PAD]
    corners = transform.apply_boxes(np.array(box, float), (HEIGHT, WIDTH))[0]
    return [*tokens, (*corners[:2], 2), (*corners[2:], 3)]


POINTS = st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT), st.booleans()), max_size=4)
CORNERS = st.none() | st.tuples(st.floats(0, 200), st.floats(0, 100), st.floats(201, WIDTH), st.floats(101, HEIGHT))


@given(points=POINTS, box=CORNERS)
@settings(max_examples=50)
def test_tokens_are_those_of_the_official_predictor(official_mobile_sam, points, box):
    prompts = tuple(Point(*point) for point in points) + ((Box(*box),) if box else ())
    if not any(prompt.positive for prompt in prompts):
        return
    item = encode_object(prompts, FRAME)
    expected = official_tokens(official_mobile_sam, [p[:2] for p in points], [int(p[2]) for p in points], box)
    assert np.array_equal(item.points, np.array(expected, np.float64)[:, :2].astype(np.float32))
    assert item.labels.tolist() == [k for *_, k in expected]


def test_memory_is_the_mask_prompt_unless_one_is_drawn_now():
    item = encode_object((Point(10, 20),), FRAME, memory=MEMORY)
    assert item.mask_logits is not None
    assert np.array_equal(item.mask_logits, MEMORY)
    assert not item.ambiguous, "with a mask a click is no longer ambiguous"
    drawn = encode_object((Mask(np.ones((30, 45))),), FRAME, memory=MEMORY)
    assert drawn.mask_logits is not None
    assert not np.array_equal(drawn.mask_logits, MEMORY)
    only_negative = encode_object((Point(10, 20, False),), FRAME, memory=MEMORY)
    assert only_negative.labels.tolist() == [0, -1]


@pytest.mark.parametrize(
    "shape",
    [
        Polygon(SQUARE),
        Scribble(((110, 100), (190, 100)), width=20),
        Mask(np.pad(np.ones((100, 100)), ((50, 150), (100, 251)))),
        Box(100, 50, 200, 150, False),
    ],
    ids=lambda shape: shape.kind,
)
def test_shapes_are_drawn_where_they_are(shape):
    grid = shape.on_grid(FRAME)
    assert grid.shape == (256, 256)
    rows, columns = np.nonzero(grid > 0.5)
    assert columns.min() * 4 / FX >= 97
    assert (columns.max() + 1) * 4 / FX <= 203
    assert rows.min() * 4 / FY >= 47
    assert (rows.max() + 1) * 4 / FY <= 153
    assert not grid[171:].any(), "681 of 1024 rows are picture"


@pytest.mark.parametrize(
    "shape",
    [
        Polygon(SQUARE),
        Scribble(((110, 100), (190, 100)), width=20),
        Mask(np.pad(np.ones((100, 100)), ((50, 150), (100, 251)))),
    ],
    ids=lambda shape: shape.kind,
)
def test_feeds(shape):
    feeds = {shape.kind: Feed(box=True, points=3, mask=True)}
    item = encode_object((shape,), FRAME, feeds=feeds)
    assert item.labels.tolist() == [1, 1, 1, 2, 3]
    for x, y, label in table(item)[:3]:
        assert label == 1
        assert 99 <= x / FX <= 201
        assert 49 <= y / FY <= 151
    assert item.mask_logits is not None
    assert set(np.unique(np.sign(item.mask_logits))) == {-1, 1}
    points_only = encode_object((shape,), FRAME, feeds={shape.kind: Feed(points=1)})
    assert points_only.labels.tolist() == [1, -1]
    assert points_only.mask_logits is None
    assert not points_only.ambiguous


@pytest.mark.parametrize(
    "shape",
    [
        Polygon(SQUARE, False),
        Scribble(((110, 100), (190, 100)), 20, False),
        Mask(np.pad(np.ones((100, 100)), ((50, 150), (100, 251))), False),
        Box(100, 50, 200, 150, False),
    ],
    ids=lambda shape: shape.kind,
)
def test_negative_shapes_become_negative_points(shape):
    item = encode_object((Point(10, 20), shape), FRAME)
    assert item.labels[0] == 1
    assert item.labels[-1] == -1
    negative = item.points[item.labels == 0]
    assert len(negative) == len(item.labels) - 2 >= 1
    assert item.mask_logits is None
    for x, y in negative:
        assert 99 <= x / FX <= 201
        assert 49 <= y / FY <= 151
    with pytest.raises(PromptError, match="Every prompt is negative"):
        encode_object((shape,), FRAME)


@pytest.mark.parametrize(
    "prompts",
    [
        (Point(-0.1, 5),),
        (Point(5, HEIGHT + 0.1),),
        (Point(WIDTH + 1, 5),),
        (Point(5, 5), Point(1e6, 5, False)),
        (Box(-20, -20, -10, -10),),
        (Box(WIDTH, 0, WIDTH + 20, 20),),
        (Polygon([(x + 1000, y) for x, y in SQUARE]),),
        (Polygon([(x, y - 1e8) for x, y in SQUARE]),),
        (Scribble(((10, 400), (50, 500))),),
        (Mask(np.zeros((30, 45))),),
        (Mask(np.zeros((30, 45)), False), Point(5, 5)),
        (Point(5, 5, False),),
        (Box(1, 2, 30, 40), Box(5, 6, 70, 80)),
        (Text("a cat"),),
        (Point(5, 5), Text("a cat")),
        (Audio("a.wav"),),
        (Reference("a.png", Box(1, 2, 3, 4)),),
        (Circle(-50, -50, 20),),
    ],
    ids=lambda prompts: repr(prompts)[:60],
)
def test_prompts_that_do_not_fit_the_picture(prompts):
    with pytest.raises(PromptError):
        encode_object(prompts, FRAME)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (HEIGHT, WIDTH), (4000, 3000)])
@pytest.mark.parametrize(
    "make",
    [
        lambda w, h: Polygon(((0, 0), (w, 0), (w, h), (0, h))),
        lambda w, h: Polygon(((w / 2, h / 2),) * 3),
        lambda w, h: Polygon(((0, 0), (w, h), (0, 0))),
        lambda w, h: Polygon(((-1e8, -1e8), (1e8, -1e8), (1e8, 1e8), (-1e8, 1e8))),
        lambda w, h: Scribble(((w / 2, h / 2),), width=0.01),
        lambda w, h: Scribble(((w - 0.5, h - 0.5),)),
        lambda w, h: Scribble(((-1e8, h / 2), (1e8, h / 2)), width=1e8),
        lambda w, h: Mask(np.ones((7, 9))),
        lambda w, h: Mask(np.ones((1, 1))),
        lambda w, h: Mask(np.pad(np.ones((1, 1)), ((0, h - 1), (0, w - 1)))),  # a single pixel
        lambda w, h: Box(0, 0, w, h, False),
        lambda w, h: Box(w * 0.4, h * 0.4, w * 0.4001, h * 0.4001, False),
    ],
    ids=["all", "nothing", "line", "huge", "dot", "corner", "thick", "mask", "cell", "pixel", "box", "tiny box"],
)
def test_thin_and_tiny_and_huge_shapes(size, make):
    height, width = size
    shape = make(width, height)
    item = encode_object((Point(0, 0), shape), ResizeFrame.fit(size))
    assert np.isfinite(item.points).all()
    assert (item.points >= -0.5).all()
    assert (item.points <= 1024.5).all()
    if item.mask_logits is not None:
        assert np.isfinite(item.mask_logits).all()
        assert (item.mask_logits > 0).any()


def test_ragged_objects_are_filled_with_absent_tokens():
    objects = [
        encode_object((Point(10, 20),), FRAME),
        encode_object((Point(10, 20), Point(30, 40), Box(1, 2, 30, 40)), FRAME),
    ]
    points, labels = pad_objects(objects)
    assert points.shape == (2, 4, 2)
    assert labels.tolist() == [[1, -1, -2, -2], [1, 1, 2, 3]]
    assert points.dtype == np.float32
    assert np.array_equal(points[0, :2], objects[0].points)


def test_a_circle_touches_the_object_and_is_no_outline():
    given = encode_object((Circle(150, 100, 40),), FRAME)
    assert given.mask_logits is None
    assert given.labels.tolist() == [1, 1, 1, -1]
    assert given.again
    x0, y0, x1, y1 = given.around / FRAME.factors[0]
    assert (x0, y0, x1, y1) == pytest.approx((110, 60, 190, 140), abs=3)
    inside = np.hypot(*(given.points[:3] / FRAME.factors[0] - (150, 100)).T) < 40
    assert inside.all()


@pytest.mark.parametrize(
    ("prompts", "again"),
    [
        ((Scribble(((10, 10), (50, 60))), Point(30, 30)), True),
        ((Circle(50, 50, 20), Scribble(((10, 10), (50, 60)))), True),
        ((Point(30, 30), Point(40, 40)), False),
        ((Scribble(((10, 10), (50, 60))), Point(30, 30, positive=False)), False),
        ((Scribble(((10, 10), (50, 60))), Box(5, 5, 90, 90)), False),
    ],
)
def test_strokes_and_circles_get_a_second_pass_beside_clicks_on_the_object(prompts, again):
    item = encode_object(prompts, FRAME)
    assert item.again is again
    assert item.around is None


def test_two_drawings_of_one_outline_are_averaged_and_two_parts_are_joined():
    rough, finer = np.zeros((2, *FRAME.original), bool)
    rough[40:100, 40:120] = finer[40:100, 60:120] = True
    both = encode_object((Mask(rough), Mask(finer)), FRAME).mask_logits
    row, left, right = (round(place * FRAME.factors[0] / 4) for place in (70, 50, 90))
    assert both[row, right] == 10
    assert both[row, left] == 0
    apart = np.zeros_like(rough)
    apart[120:160, 130:180] = True
    parts = encode_object((Mask(finer), Mask(apart)), FRAME).mask_logits
    row, column = (round(place * FRAME.factors[0] / 4) for place in (140, 150))
    assert parts[row, column] == 10


@pytest.mark.parametrize("prompt", [Text("a cat"), Audio("a.wav"), Reference("a.png", Box(1, 2, 3, 4))])
def test_the_message_says_which_model_understands(prompt):
    with pytest.raises(PromptError, match=rf"{prompt.kind.capitalize()} prompts say what and not where"):
        encode_object((prompt,), FRAME)
