"""Sobel and the thinning across edges."""

import numpy as np
import pytest
from scipy import ndimage

from promptseg.segment.everything.gradients import sobel, suppress


def test_sobel_is_that_of_scipy():
    values = np.random.default_rng(0).random((23, 31)).astype(np.float32)
    dx, dy = sobel(values)
    assert dx.dtype == dy.dtype == np.float32
    assert np.allclose(dx, ndimage.sobel(values, axis=1, mode="nearest"), atol=1e-5)
    assert np.allclose(dy, ndimage.sobel(values, axis=0, mode="nearest"), atol=1e-5)


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 115, 135, 160])
def test_a_ridge_of_any_direction_becomes_a_line(angle):
    turn = np.deg2rad(angle)
    rows, columns = np.mgrid[:61, :61] - 30.0
    across = columns * np.cos(turn) + rows * np.sin(turn)
    strength = np.exp(-(across**2) / 8).astype(np.float32)
    dx, dy = (np.full_like(strength, part) for part in (np.cos(turn), np.sin(turn)))
    thin = suppress(strength, dx, dy)
    kept = (thin > 0)[2:-2, 2:-2]
    assert (np.abs(across[2:-2, 2:-2][kept]) < 0.8).all()
    assert kept.sum() >= 55, "the line is whole"
    assert np.array_equal(thin[thin > 0], strength[thin > 0])
    assert np.array_equal(suppress(strength, -5 * dx, -5 * dy), thin)


def test_pixels_without_direction_and_at_the_border_stay():
    strength = np.zeros((5, 6), np.float32)
    strength[0, 0] = strength[2, 3] = strength[4, 5] = 0.5
    nothing = np.zeros_like(strength)
    assert np.array_equal(suppress(strength, nothing, nothing), strength)
    outwards = np.full_like(strength, 1)
    assert np.array_equal(suppress(strength, outwards, outwards), strength)
    assert suppress(nothing, nothing, nothing).sum() == 0
