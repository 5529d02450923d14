import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptseg.errors import InputError
from promptseg.geometry import ResizeFrame, Size, box_area, box_iou

SIDES = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((1, 1), (1024, 1024)),
        ((1024, 1), (1024, 1)),
        ((1, 1024), (1, 1024)),
        ((683, 1024), (683, 1024)),
        ((1500, 2250), (683, 1024)),
        ((2250, 1500), (1024, 683)),
        ((300, 451), (681, 1024)),
        ((427, 640), (683, 1024)),
        ((1023, 1024), (1023, 1024)),
        ((1025, 1024), (1024, 1023)),
        ((3, 2048), (2, 1024)),  # 1.5 rounds up
        ((1, 2048), (1, 1024)),  # 0.5 rounds up
        ((1, 5000), (1, 1024)),  # the official code asks for no row at all here
        ((5000, 1), (1024, 1)),
    ],
)
def test_frames(size, resized):
    frame = ResizeFrame.fit(size)
    assert frame.original == Size(*size)
    assert frame.resized == Size(*resized)
    assert frame.side == 1024


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 3)])
def test_no_pixels(size):
    with pytest.raises(InputError, match="at least one pixel"):
        ResizeFrame.fit(size)


@given(SIDES, SIDES)
@example(1, 5000)
@example(3264, 2448)
def test_frame_is_the_official_one(height, width):
    frame = ResizeFrame.fit((height, width))
    scale = 1024 * 1.0 / max(height, width)
    official = tuple(int(side * scale + 0.5) for side in (height, width))
    assert frame.resized == tuple(max(1, side) for side in official)
    assert max(frame.resized) == 1024


@given(SIDES, SIDES, st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=5))
def test_points_come_back(height, width, points):
    frame = ResizeFrame.fit((height, width))
    there = frame.to_model(points)
    assert there.dtype == np.float64
    np.testing.assert_allclose(there / frame.factors, points, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(frame.to_model([(width, height)]), [frame.resized[::-1]], rtol=1e-12)


def test_axes_have_their_own_factors():
    frame = ResizeFrame.fit((300, 451))
    assert frame.factors == (1024 / 451, 681 / 300)
    assert frame.to_model([[451, 300]]).tolist() == [[1024, 681]]
    assert frame.to_model(np.ones((2, 3, 2))).shape == (2, 3, 2)


def test_boxes():
    boxes = [(0, 0, 4, 2), (2, 1, 6, 3), (5, 5, 5, 9), (3, 3, 1, 1)]
    assert box_area(boxes).tolist() == [8, 8, 0, 0]
    overlap = box_iou(boxes, boxes)
    assert overlap.shape == (4, 4)
    assert overlap[0, 0] == 1
    assert overlap[0, 1] == pytest.approx(2 / 14)
    assert overlap[2, 2] == 0
    assert not np.isnan(overlap).any()
    assert box_iou(np.empty((0, 4)), boxes).shape == (0, 4)


RECTANGLES = st.tuples(*[st.integers(-20, 20)] * 2, *[st.integers(1, 20)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(RECTANGLES, RECTANGLES)
def test_box_iou_counts_pixels(a, b):
    def pixels(box):
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    expected = len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b))
    assert box_iou([a], [b])[0, 0] == pytest.approx(expected)
    assert box_iou([b], [a])[0, 0] == pytest.approx(expected)
