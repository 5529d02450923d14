"""Low-resolution logits come back to the picture as torch's two interpolations bring them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from promptseg.errors import InputError
from promptseg.masks.resample import Enlargement

FILTERS = ["bilinear", "bicubic", "bicubic-antialias"]


def grid(height, width, seed=0):
    return (np.random.default_rng(seed).standard_normal((height, width)) * 5).astype(np.float32)


def two_steps(low, enlargement):
    def resize(tensor, size, name):
        antialias = name.endswith("antialias")
        mode = name.partition("-")[0]
        return functional.interpolate(tensor, tuple(size), mode=mode, align_corners=False, antialias=antialias)

    height, width = enlargement.resized
    padded = resize(torch.tensor(low)[None, None], enlargement.padded, enlargement.first)
    return resize(padded[..., :height, :width], enlargement.picture, enlargement.second)[0, 0].numpy()


@pytest.mark.parametrize("first", ["bilinear", "bicubic"])
@pytest.mark.parametrize("second", FILTERS)
@pytest.mark.parametrize(
    ("low", "padded", "resized", "picture"),
    [
        ((24, 32), (96, 128), (90, 121), (135, 180)),
        ((24, 32), (96, 128), (90, 121), (40, 33)),
        ((24, 32), (96, 128), (96, 128), (96, 128)),
        ((64, 64), (256, 256), (200, 256), (731, 900)),
        ((8, 8), (32, 32), (1, 32), (3, 700)),
        ((1, 1), (4, 4), (2, 3), (5, 2)),
    ],
)
def test_it_is_torchs(low, padded, resized, picture, first, second):
    enlargement = Enlargement(padded, resized, picture, first, second)
    given = grid(*low)
    expected = two_steps(given, enlargement)
    actual = enlargement.logits(given)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=3e-5)
    assert enlargement.mask(given, 1.0).area == (actual > 1).sum()


SIDES = st.integers(1, 40)


# torch's antialiasing repeats the first row when the result has one column, so it cannot judge that case
@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 90), st.integers(2, 90), st.sampled_from(FILTERS))
def test_any_size(height, width, up, left, tall, wide, second):
    padded = (height * 4, width * 4)
    resized = (min(up * 4, padded[0]), min(left * 3, padded[1]))
    enlargement = Enlargement(padded, resized, (tall, wide), second=second)
    low = grid(height, width)
    np.testing.assert_allclose(enlargement.logits(low), two_steps(low, enlargement), atol=3e-5)


def test_bands_are_the_whole_in_pieces():
    enlargement = Enlargement((96, 128), (90, 121), (135, 180))
    low = np.stack([grid(24, 32, seed) for seed in range(3)])
    bands = list(enlargement.bands(low))
    assert [first for first, _ in bands] == [0, 32, 64, 96, 128]
    whole = np.concatenate([rows for _, rows in bands], axis=1)
    assert np.array_equal(whole, np.stack([enlargement.logits(one) for one in low]))


@pytest.mark.parametrize(
    "sizes", [((32, 32), (33, 32), (5, 5)), ((32, 32), (0, 5), (5, 5)), ((32, 32), (32, 32), (0, 5))]
)
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(InputError, match="does not fit"):
        Enlargement(*sizes)


def test_grids_that_are_none():
    enlargement = Enlargement((32, 32), (32, 32), (32, 32))
    for low in (np.zeros((0, 8, 8), np.float32), np.zeros((8, 8), np.float32)):
        with pytest.raises(InputError, match="masks, height, width"):
            list(enlargement.bands(low))
