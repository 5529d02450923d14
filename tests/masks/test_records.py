"""The records of the automatic mask generator: keys, boxes and the three ways to write a mask."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from promptseg import Point
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Box

from .shapes import MASKS

KEYS = ["segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"]


def one(mask, **fields):
    return Segments(Size(*mask.shape), (RLE.encode(mask),), **fields)


def test_by_hand():
    mask = np.zeros((6, 9), bool)
    mask[1:4, 2:7] = True
    segments = one(
        mask,
        scores=[0.75],
        prompts=((Point(3.5, 2.5), Box(0, 0, 1, 1)),),
        stability_scores=[0.5],
        crop_boxes=[[1, 0, 9, 5]],
    )
    (record,) = segments.to_records()
    assert list(record) == KEYS
    assert record == {
        "segmentation": segments.masks[0].to_coco(),
        "area": 15,
        "bbox": [2, 1, 4, 2],  # from the first to the last pixel, as the official generator counts
        "predicted_iou": 0.75,
        "point_coords": [[3.5, 2.5]],
        "stability_score": 0.5,
        "crop_box": [1, 0, 8, 5],
    }


def test_what_is_not_known():
    (record,) = one(np.ones((3, 4), bool)).to_records()
    assert record["stability_score"] is None
    assert record["crop_box"] == [0, 0, 4, 3]
    assert record["point_coords"] == []
    assert Segments.empty((3, 4)).to_records() == []


@given(MASKS)
def test_outputs_agree_with_pycocotools(mask):
    segments = one(mask, stability_scores=[1], crop_boxes=[[0, 0, *mask.shape[::-1]]])
    (binary,), (plain,), (packed,) = (
        segments.to_records(output) for output in ("binary_mask", "uncompressed_rle", "coco_rle")
    )
    assert np.array_equal(binary["segmentation"], mask)
    assert binary["segmentation"].dtype == np.bool_
    official = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert packed["segmentation"] == {"size": official["size"], "counts": official["counts"].decode()}
    assert coco.frPyObjects(plain["segmentation"], *mask.shape) == official
    assert packed["area"] == coco.area(official) == sum(plain["segmentation"]["counts"][1::2])
    x, y, width, height = coco.toBbox(official)
    assert packed["bbox"] == ([x, y, width - 1, height - 1] if mask.any() else [0, 0, 0, 0])
    assert json.loads(json.dumps([plain, packed])) == [plain, packed]


@given(st.text())
def test_unknown_output(output):
    with pytest.raises(InputError, match="expected one of binary_mask, uncompressed_rle, coco_rle"):
        one(np.ones((2, 2), bool)).to_records(output)
