import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from promptseg.errors import InputError
from promptseg.masks.distance import distance_transform, interior_point, interior_points
from promptseg.masks.rle import RLE

from .shapes import MASKS, SPECIAL


@pytest.mark.parametrize("mask", SPECIAL.values(), ids=SPECIAL.keys())
def test_special_masks_agree_with_scipy(mask):
    check(mask)


@given(MASKS)
def test_any_mask_agrees_with_scipy(mask):
    check(mask)


def check(mask):
    padded = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert np.allclose(distance_transform(mask), padded, atol=1e-9)
    assert np.allclose(distance_transform(RLE.encode(mask)), padded, atol=1e-9)
    inner = distance_transform(mask, border=False)
    if mask.all():
        assert np.isinf(inner).all()
    else:
        assert np.allclose(inner, ndimage.distance_transform_edt(mask), atol=1e-9)


@given(MASKS.filter(np.any), st.integers(1, 6))
def test_interior_points(mask, count):
    depth = distance_transform(mask)
    points = interior_points(mask, count)
    assert len(points) == min(count, mask.sum())
    assert len(set(points)) == len(points)
    assert all(mask[int(y), int(x)] and x % 1 == y % 1 == 0.5 for x, y in points)
    row, column = np.unravel_index(np.argmax(depth), mask.shape)
    assert points[0] == interior_point(mask) == (column + 0.5, row + 0.5)


def test_constants():
    mask = np.zeros((9, 12), bool)
    mask[2:7, 3:8] = True
    assert interior_point(mask) == (5.5, 4.5)
    assert interior_points(np.ones((5, 20), bool), 3) == [(2.5, 2.5), (17.5, 2.5), (9.5, 2.5)]
    assert interior_point(np.ones((4, 4), bool)) == (1.5, 1.5)
    assert isinstance(interior_point(mask)[0], float)
    for empty in (np.zeros((3, 3), bool), RLE.empty((3, 3))):
        with pytest.raises(InputError, match="empty mask"):
            interior_point(empty)
