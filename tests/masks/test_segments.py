import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as oracle

from promptseg.errors import FormatError, InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

from .shapes import blob_scene

SIZE = Size(40, 50)


def make(count=4, **fields):
    masks = tuple(RLE.encode(blob_scene(*SIZE, seed)) for seed in range(count))
    fields = {"scores": np.linspace(0.5, 0.9, count), "labels": tuple("abcdefgh"[:count])} | fields
    return Segments(SIZE, masks, **fields)


def test_defaults():
    segments = Segments((40, 50), [RLE.empty(SIZE)] * 2)
    assert isinstance(segments.size, Size)
    assert segments.scores.tolist() == [1, 1]
    assert segments.scores.dtype == np.float32
    assert segments.labels == segments.prompts == segments.granularities == (None, None)
    assert segments.object_ids.tolist() == [0, 1]
    assert segments.low_res_logits is segments.image is None
    assert repr(make(2)) == "Segments(2 masks of 40 x 50, labels=['a', 'b'])"


def test_empty():
    empty = Segments.empty((40, 50))
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)
    assert empty.areas.shape == empty.scores.shape == (0,)
    assert empty.dense().shape == (0, 40, 50)
    assert list(empty) == empty.polygons() == []
    assert empty == empty.nms() == empty[[]] == Segments.concatenate([empty, empty])
    assert Segments.from_coco(empty.to_coco()) == empty


def test_boxes_areas_and_dense():
    segments = make()
    dense = segments.dense()
    assert dense.shape == (4, 40, 50)
    assert segments.areas.tolist() == dense.sum((1, 2)).tolist()
    for mask, box in zip(dense, segments.boxes, strict=True):
        y, x = np.nonzero(mask)
        assert box.tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert segments.boxes.dtype == np.float32


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, "b"),
        (-1, "d"),
        (slice(1, 3), "bc"),
        ([3, 0], "da"),
        (np.array([2, 2]), "cc"),
        (np.array([True, False, False, True]), "ad"),
        ([False, True, False, False], "b"),
        (np.int64(2), "c"),
    ],
)
def test_index(index, expected):
    segments = make(low_res_logits=np.arange(4.0)[:, None, None] * np.ones((4, 8, 8)), prompts=[("p",)] * 4)
    chosen = segments[index]
    assert chosen.labels == tuple(expected)
    places = ["abcd".index(letter) for letter in expected]
    assert chosen.masks == tuple(segments.masks[place] for place in places)
    assert chosen.object_ids.tolist() == chosen.low_res_logits[:, 0, 0].tolist() == places
    assert chosen.prompts == (("p",),) * len(places)


@pytest.mark.parametrize("index", [4, -5, [9], [True, False]])
def test_index_out_of_range(index):
    with pytest.raises(IndexError):
        make()[index]


def test_iteration_and_concatenate():
    segments = make(low_res_logits=np.ones((4, 8, 8)))
    assert [len(one) for one in segments] == [1, 1, 1, 1]
    assert Segments.concatenate(list(segments)) == segments
    mixed = Segments.concatenate([segments[:1], make(1)])
    assert mixed.low_res_logits is None
    for parts in ([], [segments, Segments.empty((3, 3))]):
        with pytest.raises(InputError, match="one picture"):
            Segments.concatenate(parts)


def test_stability_scores_and_crop_boxes_go_along():
    stability, crops = np.linspace(0.1, 0.4, 4), np.arange(16).reshape(4, 4)
    segments = make(stability_scores=stability, crop_boxes=crops)
    assert segments.stability_scores.dtype == segments.crop_boxes.dtype == np.float32
    assert make().stability_scores is make().crop_boxes is None
    assert segments != make()
    assert segments != make(stability_scores=stability, crop_boxes=crops + 1)
    chosen = segments[[2, 0]]
    assert chosen.stability_scores.tolist() == pytest.approx([0.3, 0.1])
    assert chosen.crop_boxes.tolist() == crops[[2, 0]].tolist()
    assert Segments.concatenate(list(segments)) == segments
    assert Segments.concatenate([Segments.empty(SIZE), segments]) == segments, "a part without masks lacks nothing"
    assert Segments.concatenate([segments, make(1)]).crop_boxes is None
    best = segments.nms(1.0)
    assert best.stability_scores.tolist() == segments.stability_scores[::-1].tolist()
    assert segments.replace(crop_boxes=None).crop_boxes is None
    with pytest.raises(ValueError, match="read-only"):
        segments.crop_boxes[0] = 0
    assert pickle.loads(pickle.dumps(segments)) == segments  # noqa: S301


def test_arrays_are_read_only_and_the_callers_stay_writable():
    scores, logits = np.ones(2, np.float32), np.ones((2, 8, 8), np.float32)
    segments = make(2, scores=scores, low_res_logits=logits)
    scores[0] = logits[0] = 7
    assert segments.scores[0] == segments.low_res_logits[0, 0, 0] == 1
    for array in (segments.scores, segments.object_ids, segments.low_res_logits, segments[0].scores):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    with pytest.raises(AttributeError):
        segments.labels = ()


def test_image_is_kept_by_reference_and_is_no_part_of_equality():
    image = np.zeros((*SIZE, 3), np.uint8)
    segments = make(image=image)
    assert segments.image is image
    assert segments[1:].image is image
    assert segments == make()
    assert hash(segments) == hash(make())
    assert segments != make(labels=("x",) * 4)
    assert segments != make(low_res_logits=np.ones((4, 8, 8)))
    assert segments != 3
    assert pickle.loads(pickle.dumps(segments)) == segments  # noqa: S301


@pytest.mark.parametrize(
    "fields",
    [
        {"scores": [1, 2]},
        {"labels": ("a",)},
        {"object_ids": [1]},
        {"prompts": ((),)},
        {"granularities": ("part",)},
        {"low_res_logits": np.ones((2, 8, 8))},
        {"low_res_logits": np.ones((8, 8))},
        {"stability_scores": np.ones(3)},
        {"stability_scores": np.ones((4, 1))},
        {"crop_boxes": np.ones(4)},
        {"crop_boxes": np.ones((3, 4))},
    ],
)
def test_fields_must_fit(fields):
    with pytest.raises(InputError, match="4 masks need"):
        make(4, **fields)


def test_masks_must_have_the_size_of_the_picture():
    with pytest.raises(InputError, match="size of the picture"):
        Segments((3, 3), (RLE.empty((3, 4)),))


def test_sorting_labels_and_nms():
    segments = make()
    assert segments.sorted_by("score").labels == tuple("dcba")
    assert (np.diff(segments.sorted_by("area").areas) <= 0).all()
    with pytest.raises(InputError, match="area"):
        segments.sorted_by("size")
    assert segments.with_labels("dog").labels == ("dog",) * 4
    assert segments.with_labels(None).labels == (None,) * 4
    assert segments.with_labels(["p", "q", None, "r"]).labels == ("p", "q", None, "r")
    twice = Segments.concatenate([segments, segments.replace(scores=segments.scores - 0.1)])
    assert twice.nms(0.999).labels == tuple("dcba")


def test_polygons_and_pictures():
    segments = make(image=np.full((*SIZE, 3), 100, np.uint8))
    assert len(segments.polygons()) == 4
    assert segments.draw().size == (50, 40)
    cut = np.asarray(segments.cutout(2))
    inside = segments.masks[2].dense()
    assert (cut[..., 3] == inside * 255).all()
    assert (cut[inside][:, :3] == 100).all()
    assert not cut[~inside].any()
    x0, y0, x1, y1 = segments.masks[2].box
    assert np.array_equal(np.asarray(segments.cutout(2, crop=True)), cut[y0:y1, x0:x1])
    with pytest.raises(InputError, match="no mask 4"):
        segments.cutout(4)
    with pytest.raises(InputError, match="image="):
        make().draw()


def test_cutout_takes_other_pictures():
    picture = Image.new("L", (50, 40), 9)
    assert make().cutout(0, picture).size == (50, 40)
    with pytest.raises(InputError, match="of size"):
        make().cutout(0, np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(InputError, match="uint8"):
        make().cutout(0, np.zeros((40, 50, 3)))
    with pytest.raises(InputError, match="empty mask"):
        Segments(SIZE, (RLE.empty(SIZE),)).cutout(0, picture, crop=True)


@given(st.integers(0, 5), st.integers(0, 99))
def test_coco_round_trip(count, seed):
    rng = np.random.default_rng(seed)
    stack = rng.random((count, 7, 9)) < rng.random((count, 1, 1))
    labels = tuple(rng.choice(["cat", "dog", "bird"], count).tolist())
    segments = Segments(Size(7, 9), [RLE.encode(m) for m in stack], scores=rng.random(count), labels=labels)
    record = json.loads(json.dumps(segments.to_coco(7, "a.jpg")))
    assert Segments.from_coco(record) == Segments.from_coco(record, 7) == segments
    assert record["images"] == [{"id": 7, "file_name": "a.jpg", "height": 7, "width": 9}]
    for entry, mask in zip(record["annotations"], stack, strict=True):
        assert entry["area"] == mask.sum()
        assert (
            entry["bbox"]
            == oracle.toBbox(entry["segmentation"] | {"counts": entry["segmentation"]["counts"].encode()}).tolist()
        )
        assert entry["iscrowd"] == 0
        assert entry["image_id"] == 7
    assert [entry["id"] for entry in record["annotations"]] == list(range(1, count + 1))


def test_coco_wants_to_know_which_image():
    record = make().to_coco()
    record["images"].append(record["images"][0] | {"id": 2})
    with pytest.raises(FormatError, match="2 images"):
        Segments.from_coco(record)
    assert len(Segments.from_coco(record, 2)) == 0
    with pytest.raises(FormatError, match="no image with id 3"):
        Segments.from_coco(record, 3)
