"""Pictures of numbers to masks: what a comparison for each number gives, and in time that grows with the picture."""

import numpy as np
import pytest
from PIL import Image

from growth import growth
from promptseg.datasets.layouts import pictures
from promptseg.errors import FormatError, InputError
from promptseg.masks import numbered
from promptseg.masks.numbered import masks_by_number
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.stopping import stoppable


class Ended(Exception):
    """What the one who waits raises."""


def test_each_number_is_the_mask_of_its_pixels():
    random = np.random.default_rng(0)
    for kind in (np.uint8, np.uint16, np.int32) * 10:
        values = random.integers(0, random.integers(1, 7), random.integers(1, 30, 2)).astype(kind)
        found = masks_by_number(values)
        assert list(found.items()) == [(n, RLE.encode(values == n)) for n in np.unique(values[values > 0]).tolist()]


def test_regions_of_classes_are_counted_row_by_row(tmp_path):
    ndimage = pytest.importorskip("scipy.ndimage")
    values = np.random.default_rng(1).integers(0, 3, (24, 31)).astype(np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(values).save(path)
    wanted = []
    for number, name in ((1, "dog"), (2, "cat")):
        regions, count = ndimage.label(values == number, np.ones((3, 3), int))
        wanted += [(f"{name} {part}", RLE.encode(regions == part)) for part in range(1, count + 1)]
    found = pictures.semantic_targets(["background", "dog", "cat"])(path)
    assert [(target.name, target.rle()) for target in found] == wanted


def test_time_grows_with_the_picture_and_not_with_pixels_times_numbers():
    def blocks(side):
        return (np.arange(side)[:, None] // 4 * (side // 4) + np.arange(side) // 4 + 1).astype(np.int32)

    assert growth(masks_by_number, blocks(80), blocks(160), 5) < 5  # four times as many pixels and numbers


def test_noise_is_refused_before_masks_are_made(monkeypatch):
    monkeypatch.setattr(numbered, "MOST_OBJECTS", 10)
    values = np.arange(12).reshape(3, 4)
    assert len(masks_by_number(np.minimum(values, 10))) == 10
    with pytest.raises(FormatError, match="11 numbers; at most 10"):
        masks_by_number(values)
    dots = RLE.encode(np.indices((8, 8)).sum(0) % 4 == 0)
    with pytest.raises(InputError, match="connected regions; at most 3"):
        components(dots, 4, most=3)
    assert len(components(dots, 4, most=100)) > 3


def test_whoever_waits_can_stop_it():
    def check():
        raise Ended

    for work in (lambda: masks_by_number(np.ones((2, 2), int)), lambda: components(RLE.encode(np.ones((2, 2), bool)))):
        with pytest.raises(Ended), stoppable(check):
            work()
