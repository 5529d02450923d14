import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptseg.errors import InputError
from promptseg.masks.raster import polygon_to_mask, rings_to_rle, stroke_to_mask
from promptseg.masks.rle import RLE

NUMBERS = st.one_of(st.integers(-4, 14), st.floats(-20, 30, allow_nan=False))
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=9)
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def inside(points, size):
    """Even-odd rule, pixel by pixel: counts edges above each centre."""
    mask = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
                if x0 > x1:
                    x0, y0, x1, y1 = x1, y1, x0, y0
                if x0 <= x < x1 and y0 + (x - x0) / (x1 - x0) * (y1 - y0) <= y:
                    mask[row, column] ^= True
    return mask


@given(POINTS, SIZES)
def test_polygon_agrees_with_the_rule(points, size):
    mask = polygon_to_mask(points, size)
    assert np.array_equal(mask, inside(points, size))
    assert mask.flags.writeable
    assert np.array_equal(mask, polygon_to_mask(points[::-1], size))


def test_polygon_constants():
    assert polygon_to_mask([(1, 1), (4, 1), (4, 3), (1, 3)], (5, 6)).sum() == 6
    assert polygon_to_mask([(0.6, 0.6), (2.4, 0.6), (2.4, 2.4), (0.6, 2.4)], (3, 3)).sum() == 1
    bow = polygon_to_mask([(0, 0), (8, 8), (8, 0), (0, 8)], (8, 8))
    assert bow[4, 1]
    assert bow[4, 6]
    assert not bow[1, 4]
    star = [(5 + 5 * np.sin(4 * np.pi * k / 5), 5 - 5 * np.cos(4 * np.pi * k / 5)) for k in range(5)]
    assert not polygon_to_mask(star, (10, 10))[5, 5]  # even-odd: the middle of a pentagram is outside


def test_polygons_that_share_an_edge_share_no_pixel():
    left, right = [(0, 0), (5.5, 0), (3.5, 8), (0, 8)], [(5.5, 0), (9, 0), (9, 8), (3.5, 8)]
    total = polygon_to_mask(left, (8, 9)).astype(int) + polygon_to_mask(right, (8, 9))
    assert (total == 1).all()


def test_a_hole_is_cut_out():
    outer, hole = [(0, 0), (6, 0), (6, 6), (0, 6)], [(2, 2), (4, 2), (4, 4), (2, 4)]
    assert rings_to_rle([outer, hole], (6, 6)).area == 32
    assert rings_to_rle([], (6, 6)) == RLE.empty((6, 6))


def test_a_polygon_far_larger_than_the_picture():
    assert polygon_to_mask([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)], (30, 40)).all()
    assert not polygon_to_mask([(1e8, 0), (1e9, 0), (1e9, 9)], (30, 40)).any()


def near(points, width, size):
    """Distance of each pixel centre to each segment."""
    centres = np.stack(np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5), -1)
    mask = np.zeros(size, bool)
    points = np.asarray(points, float)
    for a, b in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        step = b - a
        length = step @ step
        share = np.clip((centres - a) @ step / length, 0, 1) if length else np.zeros(size)
        distance = np.linalg.norm(centres - a - share[..., None] * step, axis=-1)
        assert (np.abs(distance - width / 2) > 1e-9).all() or width == 3
        mask |= distance <= width / 2
    return mask


@given(st.integers(0, 200), st.floats(0.1, 9), st.integers(1, 6))
def test_stroke_agrees_with_the_distance(seed, width, count):
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 150, 2))
    points = rng.uniform(-40, 190, (count, 2))
    expected = near(points, width, size)
    for x, y in points:
        if 0 <= x <= size[1] and 0 <= y <= size[0]:
            expected[int(y), int(x)] = True
    assert np.array_equal(stroke_to_mask(points, width, size), expected)


def test_stroke_constants():
    assert stroke_to_mask([(2, 2)], 0.01, (5, 5)).sum() == 1
    assert stroke_to_mask([(5, 5)], 0.01, (5, 5)).tolist()[4][4]
    assert stroke_to_mask([(0.5, 2.5), (4.5, 2.5)], 1, (5, 5)).sum() == 5
    assert stroke_to_mask([(-1e9, 2.5), (1e9, 2.5)], 1, (5, 5)).sum() == 5
    assert not stroke_to_mask([(50, 50), (60, 60)], 3, (5, 5)).any()


@pytest.mark.parametrize("points", [[], [(1, 2, 3)], [(float("nan"), 1)], [(float("inf"), 1), (2, 2), (3, 3)], 7])
def test_wrong_points(points):
    with pytest.raises(InputError, match=r"\(x, y\) pairs"):
        polygon_to_mask(points, (4, 4))
    with pytest.raises(InputError, match=r"\(x, y\) pairs"):
        stroke_to_mask(points, 2, (4, 4))
