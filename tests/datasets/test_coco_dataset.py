"""COCO instances as a dataset: layouts, polygons, malformed files."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from fakes_for_evaluate import BALL, SMALL, coco_content, names, write_coco
from promptseg.datasets.open import open_dataset
from promptseg.errors import FormatError
from promptseg.masks.rle import RLE


@pytest.mark.parametrize(
    ("labels", "pictures"),
    [
        ("instances.json", "images"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017"),
    ],
)
def test_coco(tmp_path, labels, pictures):
    dataset = open_dataset(write_coco(tmp_path / "set", labels=labels, pictures=pictures))
    assert (dataset.name, dataset.layout, dataset.targets) == ("set", "coco", 3)
    assert names(dataset) == [("a", "dog 10"), ("b", "dog 11"), ("b", "cat 12")]
    assert dataset.samples[0].picture == tmp_path / "set" / pictures / "a.jpg"
    square, ball, small = (target for sample in dataset.samples for target in sample.targets)
    assert np.array_equal(ball.mask(), BALL)
    assert np.array_equal(small.mask(), SMALL)
    assert small.area == SMALL.sum()
    assert small.ignored() is None
    expected = np.zeros((40, 60), bool)
    expected[5:25, 10:30] = True
    assert np.array_equal(square.mask(), expected)


def test_coco_prefers_the_validation_split(tmp_path):
    write_coco(tmp_path, labels="annotations/instances_train2017.json", pictures="train2017")
    write_coco(tmp_path, labels="annotations/instances_val2017.json", pictures="val2017")
    assert open_dataset(tmp_path).samples[0].picture.parent.name == "val2017"


def test_coco_polygons_agree_with_pycocotools(tmp_path):
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outline = np.stack([30 + 22 * np.cos(angles), 20 + 15 * np.sin(angles)], 1)
    polygon = [round(value, 2) for value in outline.ravel().tolist()]
    content = coco_content()
    content["annotations"] = content["annotations"][-1:]
    content["annotations"][0]["segmentation"] = [polygon, [1, 1, 4, 1, 4, 4]]
    target = open_dataset(write_coco(tmp_path, content)).samples[0].targets[0]
    polygons = coco_mask.frPyObjects([polygon, [1, 1, 4, 1, 4, 4]], 40, 60)
    assert target.rle() == RLE.from_coco(coco_mask.merge(polygons))


def test_sliver_between_pixel_centres_is_not_lost(tmp_path):
    content = coco_content()
    content["annotations"][-1]["segmentation"] = [[10.7, 5.7, 10.9, 5.7, 10.9, 7.9, 10.7, 7.9]]
    target = open_dataset(write_coco(tmp_path, content)).samples[0].targets[0]
    assert np.argwhere(target.mask()).tolist() == [[5, 10], [6, 10], [7, 10]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content.pop("categories"), "no 'categories'"),
        (lambda content: content["images"][0].pop("height"), "no 'height'"),
        (lambda content: content["annotations"][0].pop("segmentation"), "no 'segmentation'"),
        (lambda content: content["annotations"][0].update(category_id=9), "no 9"),
        (lambda content: content["annotations"][0].update(segmentation="x"), "neither polygons nor RLE"),
        (lambda content: content["annotations"][0].update(segmentation={"size": [4, 4], "counts": "?"}), "instances"),
        (lambda content: content.update(images=3), "not a COCO instances file"),
    ],
)
def test_malformed_coco(tmp_path, spoil, message):
    content = coco_content()
    spoil(content)
    with pytest.raises(FormatError, match=message):
        open_dataset(write_coco(tmp_path, content))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "\udcff", "[" * 100_000])
def test_malformed_json(tmp_path, text):
    write_coco(tmp_path)
    (tmp_path / "instances.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FormatError, match=r"instances\.json"):
        open_dataset(tmp_path)


def test_malformed_polygon_is_told_when_drawn(tmp_path):
    content = coco_content()
    content["annotations"][-1]["segmentation"] = [[1, 2, "x", 4]]
    target = open_dataset(write_coco(tmp_path, content)).samples[0].targets[0]
    with pytest.raises(FormatError, match="Annotation 10"):
        target.mask()
