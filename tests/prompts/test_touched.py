"""Every prompt as touched pixels, counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from promptseg.errors import PromptError
from promptseg.geometry import Size
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import Audio, Box, Circle, Mask, Point, Polygon, Reference, Scribble, Text

SIZE = Size(6, 8)


def rows(mask):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in mask]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (Point(3.9, 2.0), ["........", "..###...", "..###...", "..###...", "........", "........"]),
        (Point(0, 0), ["##......", "##......", "........", "........", "........", "........"]),
        (Point(8, 6), ["........", "........", "........", "........", "......##", "......##"]),
        (Box(1, 1, 4, 3), ["........", ".###....", ".###....", "........", "........", "........"]),
        (Box(-9, 4.6, 2, 99), ["........", "........", "........", "........", "........", "##......"]),
        (Box(5.1, 2.1, 5.2, 2.2), ["........", "........", ".....#..", "........", "........", "........"]),
        (
            Polygon(((0, 0), (6, 0), (0, 6))),
            # centres on the slanted edge belong to the polygon on their right, which is not this one
            ["#####...", "####....", "###.....", "##......", "#.......", "........"],
        ),
        (
            Scribble(((1.5, 1.5), (5.5, 1.5)), 1),
            ["........", ".#####..", "........", "........", "........", "........"],
        ),
        (
            Scribble(((1.5, 2.5), (5.5, 2.5)), 3),
            ["........", "#######.", "#######.", "#######.", "........", "........"],
        ),
        (Circle(4, 3, 1), ["........", "........", "...##...", "...##...", "........", "........"]),
        (Circle(3.5, 2.5, 2), ["...#....", "..###...", ".#####..", "..###...", "...#....", "........"]),
        (Circle(3.2, 2.1, 0.01), ["........", "........", "...#....", "........", "........", "........"]),
    ],
    ids=repr,
)
def test_at_the_size_of_the_picture(prompt, expected):
    assert rows(prompt.touched(SIZE, SIZE)) == expected


def test_coordinates_are_scaled_by_axis():
    big = Size(60, 40)  # 10 times as high, 5 times as wide
    assert rows(Box(5, 10, 20, 30).touched(big, SIZE)) == rows(Box(1, 1, 4, 3).touched(SIZE, SIZE))
    assert rows(Point(19.5, 20).touched(big, SIZE)) == rows(Point(3.9, 2).touched(SIZE, SIZE))
    assert rows(Circle(20, 30, 7).touched(Size(30, 40), SIZE)) == [*["........"] * 5, "...##..."], (
        "7 pixels are 1.4 here: centres 0.71 away are inside, 1.58 are not"
    )


def test_widths_are_scaled():
    stroke = Scribble(((0, 30), (80, 30)), 30)
    assert stroke.touched(Size(60, 80), SIZE).sum() == 8 * 4, "1.5 pixels to each side: rows 1.5 to 4.5"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([[1, 0], [0, 0]], (2, 2), ["#.", ".."]),
        ([[1, 0], [0, 0]], (4, 4), ["###.", "###.", "###.", "...."]),
        ([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], (2, 2), ["#.", ".."]),
        ([[0, 0, 0, 0, 0, 1]], (1, 2), [".#"]),
        ([[1, 0, 0], [0, 0, 0], [0, 0, 0]], (1, 1), ["#"]),
        ([[0.4, 0.6]], (1, 2), [".#"]),
    ],
)
def test_masks_come_to_the_size(old, new, expected):
    assert rows(Mask(np.array(old, float)).touched(Size(9, 9), Size(*new))) == expected


def test_signs_are_kept_apart_and_words_passed_over():
    prompts = [
        Text("dog"),
        Audio("a.wav"),
        Reference("a.png", Box(0, 0, 9, 9)),
        Point(1, 1),
        Box(5, 3, 7, 5, positive=False),
        Circle(2, 4, 1),
    ]
    touched = touched_pixels(prompts, SIZE, SIZE)
    assert rows(touched.positive) == ["###.....", "###.....", "###.....", ".##.....", ".##.....", "........"]
    assert rows(touched.negative) == ["........", "........", "........", ".....##.", ".....##.", "........"]
    assert touched
    assert not touched_pixels([Text("dog")], SIZE, SIZE)
    assert touched_pixels([Point(1, 1, positive=False)], SIZE, SIZE)


@pytest.mark.parametrize(
    "prompt",
    [
        Point(9, 1),
        Point(1, -0.1),
        Box(9, 1, 12, 4),
        Circle(20, 20, 3),
        Polygon(((20, 20), (30, 20), (20, 30))),
        Scribble(((20, 20), (30, 20))),
        Mask(np.zeros((6, 8))),
    ],
    ids=lambda prompt: prompt.kind,
)
def test_prompts_beside_the_picture(prompt):
    with pytest.raises(PromptError):
        touched_pixels([prompt], SIZE, SIZE)


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)).filter(np.any), st.data())
def test_no_mask_gets_lost(mask, data):
    new = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    drawn = Mask(mask).touched(Size(7, 7), Size(*new))
    assert drawn.shape == new
    assert drawn.any()
    if mask.all():
        assert drawn.all()


@given(st.floats(0, 640), st.floats(0, 480), st.integers(1, 700), st.integers(1, 700))
def test_points_lie_in_their_dot(x, y, height, width):
    drawn = Point(x, y).touched(Size(480, 640), Size(height, width))
    row, column = min(int(y * (height / 480)), height - 1), min(int(x * (width / 640)), width - 1)
    assert drawn[row, column]
    assert drawn.sum() == (min(row, 1) + 1 + min(height - 1 - row, 1)) * (
        min(column, 1) + 1 + min(width - 1 - column, 1)
    )
