"""COCO panoptic files: what is written is what COCO's tools expect, and comes back."""

import json

import numpy as np
import pytest
from PIL import Image

from promptseg.errors import FormatError, InputError
from promptseg.formats.panoptic import colours, numbers, panoptic_record, read_panoptic, write_panoptic
from promptseg.geometry import Size
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Category

DOG, SKY = Category(18, "dog", True), Category(187, "sky-other-merged", False)


def example():
    dog, sky = np.zeros((6, 9), bool), np.zeros((6, 9), bool)
    dog[2:5, 3:7], sky[:2] = True, True
    masks = (RLE.encode(dog), RLE.encode(sky))
    return PanopticSegments(
        Segments(Size(6, 9), masks, scores=np.array([0.75, 0.5]), labels=("dog", "sky")), (DOG, SKY)
    )


def test_colours_are_little_digits():
    given = np.array([[0, 1, 255, 256, 65535, 65536, 2**24 - 1, 0x0A0B0C]])
    drawn = colours(given)
    assert drawn.dtype == np.uint8
    assert drawn[0].tolist() == [
        [0, 0, 0],
        [1, 0, 0],
        [255, 0, 0],
        [0, 1, 0],
        [255, 255, 0],
        [0, 0, 1],
        [255, 255, 255],
        [12, 11, 10],
    ]
    assert np.array_equal(numbers(drawn), given)


def test_files(tmp_path):
    write_panoptic(tmp_path / "val.json", {"photos/a.jpg": example()}, [SKY, Category(1, "person", True)])
    record = json.loads((tmp_path / "val.json").read_text())
    assert record["images"] == [{"id": 1, "file_name": "photos/a.jpg", "height": 6, "width": 9}]
    assert record["annotations"] == [
        {
            "image_id": 1,
            "file_name": "a.png",
            "segments_info": [
                {"id": 1, "category_id": 18, "area": 12, "bbox": [3, 2, 4, 3], "iscrowd": 0, "score": 0.75},
                {"id": 2, "category_id": 187, "area": 18, "bbox": [0, 0, 9, 2], "iscrowd": 0, "score": 0.5},
            ],
        }
    ]
    assert [(entry["id"], entry["isthing"]) for entry in record["categories"]] == [(187, 0), (1, 1), (18, 1)]
    pixels = np.asarray(Image.open(tmp_path / "val" / "a.png"))
    assert pixels.shape == (6, 9, 3)
    assert pixels[0, 0].tolist() == [2, 0, 0]
    assert pixels[3, 4].tolist() == [1, 0, 0]
    assert pixels[5, 8].tolist() == [0, 0, 0]


def test_round_trip(tmp_path):
    results = {"a.jpg": example(), "b.jpg": PanopticSegments(Segments.empty((3, 4)), ())}
    write_panoptic(tmp_path / "val.json", results)
    back = read_panoptic(tmp_path / "val.json")
    assert list(back) == ["a.jpg", "b.jpg"]
    assert back["a.jpg"].segments == example().segments.with_labels(["dog", "sky-other-merged"])
    assert back["a.jpg"].categories == (DOG, SKY)
    assert back["b.jpg"].segments.size == (3, 4)


def test_names_must_stay_apart(tmp_path):
    with pytest.raises(InputError, match="one name"):
        write_panoptic(tmp_path / "val.json", {"x/a.jpg": example(), "y/a.png": example()})


def change(record, *path, to):
    for key in path[:-1]:
        record = record[key]
    record[path[-1]] = to


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("annotations", 0, "file_name"), "../val/a.png"),
        (("annotations", 0, "file_name"), "gone.png"),
        (("annotations", 0, "image_id"), 7),
        (("annotations", 0, "segments_info"), None),
        (("annotations", 0, "segments_info", 0, "category_id"), 5),
        (("annotations", 0, "segments_info", 0, "score"), "high"),
        (("annotations", 0, "segments_info", 0, "id"), "one"),
        (("categories",), [{}]),
        (("images",), 3),
    ],
)
def test_damaged_files(tmp_path, path, to):
    record = panoptic_record({"a.jpg": example()})
    write_panoptic(tmp_path / "val.json", {"a.jpg": example()})
    change(record, *path, to=to)
    (tmp_path / "val.json").write_text(json.dumps(record))
    with pytest.raises(FormatError):
        read_panoptic(tmp_path / "val.json")


def test_grey_maps_are_refused(tmp_path):
    write_panoptic(tmp_path / "val.json", {"a.jpg": example()})
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(tmp_path / "val" / "a.png")
    with pytest.raises(FormatError, match="no colours"):
        read_panoptic(tmp_path / "val.json")
