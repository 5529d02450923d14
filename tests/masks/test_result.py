"""Every kind of result draws, cuts out, outlines and writes in the same way."""

import numpy as np
import pytest

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.result import MaskResult
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Category

DOG, SKY = Category(18, "dog", True), Category(187, "sky", False)


def results():
    stack = np.zeros((2, 30, 40), bool)
    stack[0, 5:20, 5:20], stack[1, 20:, :] = True, True
    picture = np.full((30, 40, 3), 128, np.uint8)
    plain = Segments(Size(30, 40), tuple(RLE.encode(mask) for mask in stack), labels=("dog", "sky"), image=picture)
    return plain, PanopticSegments(plain, (DOG, SKY))


def test_the_methods_are_one_thing():
    plain, panoptic = results()
    for result in (plain, panoptic):
        assert isinstance(result, MaskResult)
        assert result.segments is plain
    common = [name for name in vars(MaskResult) if not name.startswith("_")]
    assert {"draw", "cutout", "dense", "polygons", "to_coco", "to_records", "boxes", "areas"} <= set(common)
    for name in common:
        assert name not in vars(Segments) or name == "segments"
        assert name not in vars(PanopticSegments) or name == "segments"


def test_a_panoptic_result_does_what_its_segments_do():
    plain, panoptic = results()
    assert np.array_equal(np.asarray(panoptic.draw()), np.asarray(plain.draw()))
    assert np.array_equal(np.asarray(panoptic.cutout(1)), np.asarray(plain.cutout(1)))
    assert np.array_equal(panoptic.dense(), plain.dense())
    assert np.array_equal(panoptic.boxes, plain.boxes)
    assert panoptic.areas.tolist() == [225, 400]
    assert panoptic.to_coco(file_name="a.jpg") == plain.to_coco(file_name="a.jpg")
    assert panoptic.to_records() == plain.to_records()
    assert [len(parts) for parts in panoptic.polygons()] == [1, 1]
    assert (panoptic.size, panoptic.masks, panoptic.labels) == (plain.size, plain.masks, plain.labels)
    assert panoptic.scores is plain.scores
    assert panoptic[1].categories == (SKY,)
    assert [part.labels for part in panoptic] == [("dog",), ("sky",)]
    assert panoptic[[False, True]].segments == plain[1]


def test_without_a_picture_drawing_is_refused():
    plain, _ = results()
    bare = PanopticSegments(plain.replace(image=None), (DOG, SKY))
    with pytest.raises(InputError, match="image="):
        bare.draw()
    assert bare.draw(np.zeros((30, 40, 3), np.uint8)).size == (40, 30)
