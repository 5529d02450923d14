import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle

from promptseg.errors import FormatError, InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE

from .shapes import MASKS, SPECIAL


@pytest.mark.parametrize("mask", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.parametrize("order", ["C", "F"])
def test_special_masks_agree_with_pycocotools(mask, order):
    check(np.array(mask, order=order))


@given(MASKS)
def test_any_mask_agrees_with_pycocotools(mask):
    check(mask)


def check(mask):
    expected = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    rle = RLE.encode(mask)
    assert np.array_equal(rle.dense(), mask)
    assert rle.to_coco() == {"size": list(mask.shape), "counts": expected["counts"].decode()}
    assert rle.area == oracle.area(expected) == mask.sum()
    x, y, w, h = oracle.toBbox(expected)
    assert rle.bbox == (x, y, x + w, y + h)
    x0, y0, x1, y1 = rle.box
    assert np.array_equal(rle.crop(), mask[y0:y1, x0:x1])
    for record in (rle.to_coco(), rle.to_uncompressed(), expected):
        again = RLE.from_coco(record)
        assert again == rle
        assert hash(again) == hash(rle)


def test_constants():
    mask = np.array([[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool)
    rle = RLE.encode(mask)
    assert rle.size == Size(3, 4)
    assert rle.box == (1, 0, 3, 2)
    assert rle.counts.tolist() == [0, 2, 1, 1]
    assert rle.to_uncompressed() == {"size": [3, 4], "counts": [3, 2, 2, 1, 4]}
    assert rle.to_coco() == {"size": [3, 4], "counts": "322O2"}
    assert repr(rle) == "RLE(size=(3, 4), box=(1, 0, 3, 2), area=3)"
    assert RLE.encode(np.zeros((2, 3), bool)) == RLE.empty((2, 3))
    assert RLE.empty((2, 3)).to_coco() == {"size": [2, 3], "counts": "6"}
    assert RLE.encode(np.ones((2, 3), bool)).to_coco() == {"size": [2, 3], "counts": "06"}


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_crop_and_move(crop, left, top, right, bottom):
    whole = np.pad(crop, ((top, bottom), (left, right)))
    expected = RLE.encode(whole)
    assert RLE.encode_crop(crop, (left, top), whole.shape) == expected
    assert RLE.encode(crop).moved(left, top, whole.shape) == expected


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(1, 4))
def test_zero_runs_are_allowed(counts, height):
    counts.append(-sum(counts) % height or height)
    width = sum(counts) // height
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    rle = RLE.from_coco({"size": [height, width], "counts": counts})
    assert rle == RLE.encode(flat.reshape(width, height).T)
    assert rle.to_coco() == RLE.encode(rle.dense()).to_coco()


MALFORMED = {
    "not a record": "nope",
    "none": None,
    "no size": {"counts": "6"},
    "no counts": {"size": [2, 3]},
    "size text": {"size": "23", "counts": "6"},
    "size of three": {"size": [2, 3, 1], "counts": "6"},
    "size zero": {"size": [0, 3], "counts": []},
    "size negative": {"size": [-2, -3], "counts": "6"},
    "size float": {"size": [2.0, 3], "counts": "6"},
    "size bool": {"size": [True, True], "counts": "1"},
    "size huge": {"size": [10**9, 10**9], "counts": [10**18]},
    "sum": {"size": [2, 3], "counts": [1, 2]},
    "sum of string": {"size": [2, 3], "counts": "12"},
    "empty string": {"size": [2, 3], "counts": ""},
    "empty list": {"size": [2, 3], "counts": []},
    "negative": {"size": [2, 3], "counts": [8, -2]},
    "negative in string": {"size": [2, 3], "counts": "O7"},
    "truncated": {"size": [2, 3], "counts": "6T"},
    "character": {"size": [2, 3], "counts": "6 "},
    "unicode": {"size": [2, 3], "counts": "6é漢"},
    "long number": {"size": [2, 3], "counts": "6" + "o" * 30 + "0"},
    "floats": {"size": [2, 3], "counts": [1.5, 4.5]},
    "strings": {"size": [2, 3], "counts": ["1", "5"]},
    "nested": {"size": [2, 3], "counts": [[1, 5]]},
    "ragged": {"size": [2, 3], "counts": [1, [5]]},
    "nulls": {"size": [2, 3], "counts": [None, 6]},
    "huge number": {"size": [2, 3], "counts": [10**30]},
    "overflow": {"size": [2, 3], "counts": [2**63, 2**63, 6]},
    "number": {"size": [2, 3], "counts": 6},
    "object": {"size": [2, 3], "counts": {"a": 1}},
}


@pytest.mark.parametrize("record", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_records_are_refused(record):
    with pytest.raises(FormatError, match=r"RLE"):
        RLE.from_coco(record)


@settings(max_examples=300)
@given(st.text(max_size=12), st.integers(1, 6), st.integers(1, 6))
def test_any_text_either_reads_or_is_refused(text, height, width):
    try:
        rle = RLE.from_coco({"size": [height, width], "counts": text})
    except FormatError:
        return
    assert rle.dense().shape == (height, width)


def test_long_runs_need_many_digits():
    size = [40_000, 40_000]
    counts = [10**9, 3, 5 * 10**8, 1, 10**8 - 4]
    record = oracle.frPyObjects({"size": size, "counts": counts}, *size)
    rle = RLE.from_coco(record)
    assert rle.to_uncompressed()["counts"] == counts
    assert rle.to_coco()["counts"] == record["counts"].decode()


def test_values_are_immutable_and_pickle():
    rle = RLE.encode(SPECIAL["blobs"])
    with pytest.raises(ValueError, match="read-only"):
        rle.counts[0] = 1
    with pytest.raises(AttributeError):
        rle.size = Size(1, 1)
    assert pickle.loads(pickle.dumps(rle)) == rle  # noqa: S301
    assert rle != "rle"


@pytest.mark.parametrize(
    "make",
    [
        lambda: RLE.encode(np.zeros((0, 3), bool)),
        lambda: RLE.encode(np.zeros((2, 3, 1), bool)),
        lambda: RLE.encode_crop(np.ones((2, 2), bool), (2, 0), (3, 3)),
        lambda: RLE.encode_crop(np.ones((2, 2), bool), (0, -1), (3, 3)),
        lambda: RLE.empty((0, 4)),
        lambda: RLE.encode(np.ones((2, 2), bool)).moved(2, 0, (3, 3)),
        lambda: RLE(Size(2, 2), (0, 0, 1, 1), np.array([2], np.uint32)),
    ],
)
def test_impossible_masks_are_refused(make):
    with pytest.raises(InputError):
        make()


@given(MASKS)
def test_inverted(mask):
    rle = RLE.encode(mask)
    assert rle.inverted() == RLE.encode(~mask)
    assert rle.inverted().inverted() == rle


def test_whole_numbers_written_as_floats_are_read():
    assert RLE.from_coco({"size": [2, 3], "counts": [1.0, 5.0]}) == RLE.from_coco({"size": [2, 3], "counts": [1, 5]})
