"""Label files from elsewhere: they name no file outside the data set, and their numbers cost nothing."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg.datasets.layouts import annotated, coco, loose, voc
from promptseg.datasets.layouts.coco import _polygons
from promptseg.errors import FormatError
from promptseg.geometry import Size

OUTSIDE = ["/etc/passwd", "../secret.jpg", "a/../../secret.jpg", "..\\secret.jpg", "", "a\0.jpg"]


def write(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record if isinstance(record, str) else json.dumps(record))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "secret.jpg")
    return root


def objects(file_name):
    image = {"id": 1, "file_name": file_name, "height": 8, "width": 8}
    return {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_picture_outside_the_data_set(root, name):
    write(root / "instances.json", objects(name))
    with pytest.raises(FormatError, match="may not lead out of the data set"):
        coco.find_instances(root)()
    segments = {"image_id": 1, "file_name": "a.png", "segments_info": []}
    write(root / "panoptic.json", {**objects(name), "annotations": [segments]})
    with pytest.raises(FormatError, match="may not lead out of the data set"):
        coco.find_panoptic(root)()
    write(root / "boxes.json", {name: [{"label": "cat", "box": [0, 0, 4, 4]}]})
    with pytest.raises(FormatError, match="may not lead out of the data set"):
        loose.find_boxes(root)()
    write(root / "labels.json", {name: "cat"})
    with pytest.raises(FormatError, match="may not lead out of the data set"):
        loose._read_named(root)


def test_labelme_takes_the_picture_beside(root):
    shape = {"label": "cat", "points": [[0, 0], [4, 0], [4, 4]], "shape_type": "polygon"}
    record = {"shapes": [shape], "imagePath": "../secret.jpg", "imageHeight": 8, "imageWidth": 8}
    write(root / "a.json", record)
    with pytest.raises(FormatError, match="no picture of the same name beside it"):
        annotated.find_labelme(root)()
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "a.jpg")
    [sample] = annotated.find_labelme(root)().samples
    assert sample.picture == root / "a.jpg"


def test_lists_of_voc_lead_nowhere_else(root):
    labels = root / "SegmentationObject"
    labels.mkdir()
    write(root / "val.txt", "a ../../secret")
    with pytest.raises(FormatError, match="may not lead out of the data set"):
        voc._names(root, root, labels, "png", "val")


@pytest.mark.parametrize("x", [float("nan"), float("inf"), -1e9, 1e8, 1e308, 4.3e8, 429496729, 1700])
def test_wild_numbers_of_polygons_are_refused(x):
    polygon = [10.0, 10.0, x, 10.0, 90.0, 90.0, 10.0, 90.0]
    with pytest.raises(FormatError, match=r"Annotation 1 .* is no place in or near a picture"):
        _polygons(1, [polygon], Size(100, 100))()


def test_polygons_may_reach_beyond_the_picture():
    assert _polygons(1, [[10.0, 10.0, 1500.0, 10.0, 1500.0, 90.0, 10.0, 90.0]], Size(100, 100))().area == 90 * 80
