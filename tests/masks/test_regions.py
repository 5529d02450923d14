import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from promptseg.errors import InputError
from promptseg.masks.regions import components, largest_component, region_areas, remove_small_regions
from promptseg.masks.rle import RLE

from .shapes import MASKS, SPECIAL

STRUCTURE = {4: None, 8: np.ones((3, 3))}


@pytest.mark.parametrize("mask", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.parametrize("connectivity", [4, 8])
def test_special_masks_agree_with_scipy(mask, connectivity):
    check(mask, connectivity)


@given(MASKS, st.sampled_from([4, 8]))
def test_any_mask_agrees_with_scipy(mask, connectivity):
    check(mask, connectivity)


def check(mask, connectivity):
    expected, count = ndimage.label(mask, STRUCTURE[connectivity])
    parts = components(RLE.encode(mask), connectivity)
    labels = np.zeros(mask.shape, int)
    for number, part in enumerate(parts, start=1):
        assert not labels[part.dense()].any()
        labels[part.dense()] = number
    assert len(parts) == count
    assert np.array_equal(labels > 0, mask)
    assert len(np.unique(np.stack([labels[mask], expected[mask]]), axis=1).T) == count
    areas = region_areas(RLE.encode(mask), connectivity)
    assert areas.tolist() == [part.area for part in parts]


def reference_small(mask, area, mode):
    holes = mode == "holes"
    labels, count = ndimage.label(mask ^ holes, STRUCTURE[8])
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    small = 1 + np.flatnonzero(sizes < area)
    if len(small) == 0:
        return mask
    if holes:
        return mask | np.isin(labels, small)
    kept = 1 + np.flatnonzero(sizes >= area)
    return np.isin(labels, kept) if len(kept) else None


@given(MASKS, st.integers(0, 12), st.sampled_from(["holes", "islands"]))
def test_remove_small_regions(mask, area, mode):
    result = remove_small_regions(mask, area, mode)
    expected = reference_small(mask, area, mode)
    if expected is None:  # all islands are too small: one of the largest stays
        _, count = ndimage.label(result, STRUCTURE[8])
        assert count == 1
        assert result.sum() == np.bincount(ndimage.label(mask, STRUCTURE[8])[0].ravel())[1:].max()
        assert not (result & ~mask).any()
    else:
        assert np.array_equal(result, expected)
    assert remove_small_regions(RLE.encode(mask), area, mode) == RLE.encode(result)


@given(MASKS, st.sampled_from([4, 8]))
def test_largest_component(mask, connectivity):
    labels, count = ndimage.label(mask, STRUCTURE[connectivity])
    result = largest_component(mask, connectivity)
    assert result.sum() == np.bincount(labels.ravel(), minlength=2)[1:].max()
    assert ndimage.label(result, STRUCTURE[connectivity])[1] == min(count, 1)


def test_constants():
    mask = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]], bool)
    assert remove_small_regions(mask, 2, "holes").sum() == 10
    assert remove_small_regions(mask, 2, "islands").sum() == 8
    assert remove_small_regions(mask, 100, "islands").sum() == 8
    assert [part.area for part in components(RLE.encode(mask))] == [8, 1]


def test_wrong_arguments():
    with pytest.raises(InputError, match="holes"):
        remove_small_regions(np.ones((2, 2), bool), 3, "both")
    with pytest.raises(InputError, match="Connectivity"):
        components(RLE.encode(np.ones((2, 2), bool)), 6)
