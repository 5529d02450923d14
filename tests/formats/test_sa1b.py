"""SA-1B files: the shape of the dataset, readable with pycocotools, and nothing malformed gets in."""

import copy
import json
from importlib import resources

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle

from promptseg import Box, Point
from promptseg.errors import FormatError, InputError
from promptseg.formats import read_sa1b, write_sa1b
from promptseg.formats.sa1b import check_sa1b, image_id_of, picture_from_sa1b, sa1b_record, sa1b_text
from promptseg.masks.segments import Segments

from .test_malformed import JUNK, places
from .test_round_trips import scene, segments_of

SCHEMA = json.loads(
    resources.files("promptseg.formats").joinpath("schemas", "sa1b.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def found():
    """Three automatic masks, one of them from a crop."""
    return segments_of(scene()).replace(
        scores=np.array([0.97, 1.01, 0.9], np.float32),
        stability_scores=np.array([0.96, 1.0, 0.951], np.float32),
        crop_boxes=np.array([[0, 0, 41, 30], [0, 0, 41, 30], [3, 2, 41, 20]], np.float32),
        prompts=((Point(6, 5),), (Point(2.5, 2.25),), (Point(1, 11), Point(20, 11))),
    )


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_a_record_is_that_of_the_dataset():
    record = json.loads(sa1b_text(found(), "sa_223750.jpg"))
    VALIDATOR.validate(record)
    assert list(record) == ["image", "annotations"]
    assert record["image"] == {"image_id": 223750, "width": 41, "height": 30, "file_name": "sa_223750.jpg"}
    for entry, pixels in zip(record["annotations"], scene(), strict=True):
        assert list(entry) == [
            "id",
            "segmentation",
            "bbox",
            "area",
            "predicted_iou",
            "stability_score",
            "crop_box",
            "point_coords",
        ]
        assert np.array_equal(oracle.decode(entry["segmentation"]), pixels)
        assert int(oracle.area(entry["segmentation"])) == entry["area"]
        x, y, width, height = oracle.toBbox(entry["segmentation"]).tolist()
        assert entry["bbox"] == [x, y, width - 1, height - 1]
        assert all(type(value) is float for value in (*entry["bbox"], *entry["crop_box"]))
        assert all(type(value) is float for point in entry["point_coords"] for value in point)
        assert (type(entry["id"]), type(entry["area"])) == (int, int)
    assert [entry["crop_box"] for entry in record["annotations"]][1:] == [[0, 0, 41, 30], [3, 2, 38, 18]]
    assert record["annotations"][2]["point_coords"] == [[1, 11], [20, 11]]
    assert record["annotations"][1]["predicted_iou"] == np.float32(1.01)


def test_files_come_back(tmp_path):
    write_sa1b(tmp_path / "new" / "a.json", found(), "b é.jpg", 7)
    assert read_sa1b(tmp_path / "new" / "a.json") == (7, "b é.jpg", found())
    write_sa1b(tmp_path / "none.json", Segments.empty((4, 5)), "none.jpg")
    picture = read_sa1b(tmp_path / "none.json")
    assert len(picture.segments) == 0
    assert picture.segments.size == (4, 5)
    whole = found().replace(crop_boxes=None)
    write_sa1b(tmp_path / "whole.json", whole, "a.jpg")
    assert read_sa1b(tmp_path / "whole.json").segments.crop_boxes.tolist() == [[0, 0, 41, 30]] * 3


def test_numbers():
    assert image_id_of("some/folder/sa_10.jpg") == 10
    names = [f"a/{number}.jpg" for number in range(1000)] + [f"b/{number}.jpg" for number in range(1000)]
    numbers = [image_id_of(name) for name in names]
    assert len(set(numbers)) == 2000
    assert all(0 <= number < 2**39 for number in numbers)
    assert image_id_of("photos/dog.jpg") == 328736248907, "stays so for ever"
    assert image_id_of("not\udcff text.jpg") > 0
    ids = [
        entry["id"] for number in (0, 1, 2**39 - 1) for entry in sa1b_record(found(), "a.jpg", number)["annotations"]
    ]
    assert len(set(ids)) == 9
    assert max(ids) < 2**53
    for number in (-1, 2**39):
        with pytest.raises(InputError, match="image_id must be from 0"):
            sa1b_record(found(), "a.jpg", number)


def test_masks_without_what_a_record_needs():
    for lacking in (
        found().replace(stability_scores=None),
        found().replace(prompts=()),
        found().replace(prompts=((Point(1, 2),), (Box(1, 2, 3, 4),), None)),
    ):
        with pytest.raises(InputError, match="need a stability score and the point"):
            sa1b_record(lacking, "a.jpg")
    with pytest.raises(InputError, match="not a finite number"):
        sa1b_text(found().replace(scores=np.array([1, np.nan, 1], np.float32)), "a.jpg")


def changed(path, value):
    record = sa1b_record(found(), "a.jpg", 3)
    *way, last = path
    inner = record
    for step in way:
        inner = inner[step]
    inner[last] = value
    return record


FIRST = ("annotations", 0)
MALFORMED = {
    "no record": ([], "the record must be an object"),
    "no image": ({"annotations": []}, "needs 'image'"),
    "a stranger": (changed(("info",), 1), "'info', which does not belong"),
    "a text id": (changed(("image", "image_id"), "3"), "image.image_id must be an integer, got '3'"),
    "half an id": (changed((*FIRST, "id"), 1.5), r"annotations\[0\].id must be an integer"),
    "a negative id": (changed((*FIRST, "id"), -1), "at least 0, got -1"),
    "true": (changed((*FIRST, "area"), True), "area must be an integer"),
    "nan": (changed((*FIRST, "predicted_iou"), float("nan")), "predicted_iou must be a number"),
    "endless": (changed((*FIRST, "predicted_iou"), 10**400), "predicted_iou must be at most 1000000000, got 1000"),
    "unstable": (changed((*FIRST, "stability_score"), 1.5), "at most 1, got 1.5"),
    "box of three": (changed((*FIRST, "bbox"), [1, 2, 3]), "at least 4 elements"),
    "box of five": (changed((*FIRST, "bbox"), [1, 2, 3, 4, 5]), "at most 4 elements"),
    "negative box": (changed((*FIRST, "crop_box"), [0, 0, 4, -1]), r"crop_box\[3\] must be at least 0"),
    "no points": (changed((*FIRST, "point_coords"), []), "at least 1 elements"),
    "flat points": (changed((*FIRST, "point_coords"), [1, 2]), r"point_coords\[0\] must be a list"),
    "list counts": (changed((*FIRST, "segmentation", "counts"), [5]), "counts must be a text"),
    "foreign counts": (changed((*FIRST, "segmentation", "counts"), "é"), "must match"),
    "no name": (changed(("image", "file_name"), ""), "at least one letter"),
    "no width": (changed(("image", "width"), 0), "width must be at least 1"),
    # what no schema can say
    "another size": (changed(("image", "width"), 40), "does not fit its SA-1B image of size"),
    "another area": (changed((*FIRST, "area"), 5), "says area 5, its mask has"),
    "one id twice": (changed((*FIRST, "id"), (3 << 14) + 1), "have the same id"),
    "counts for another size": (changed((*FIRST, "segmentation", "size"), [3, 3]), "RLE"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_records(case, tmp_path):
    record, hint = MALFORMED[case]
    with pytest.raises(FormatError, match=hint):
        picture_from_sa1b(record)
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(FormatError, match=r"a\.json: "):
        read_sa1b(tmp_path / "a.json")


def test_unreadable_files(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"image"')
    with pytest.raises(FormatError, match="is not JSON"):
        read_sa1b(tmp_path / "a.json")
    with pytest.raises(FormatError, match="Cannot read"):
        read_sa1b(tmp_path / "b.json")


@settings(max_examples=300)
@given(st.data())
def test_the_check_agrees_with_jsonschema(data):
    """Our check against the schema in the reference implementation, on records with something wrong."""
    record = sa1b_record(found()[:2], "a.jpg", 3)
    path = data.draw(st.sampled_from([path for path in places(record) if path]))
    *way, last = path
    inner = record
    for step in way:
        inner = inner[step]
    if data.draw(st.booleans()):
        inner[last] = data.draw(JUNK)
    elif data.draw(st.booleans()):
        del inner[last]
    elif isinstance(inner, dict):
        inner["stranger"] = 1
    else:
        inner.append(copy.deepcopy(inner[0]))
    try:
        json.dumps(record, allow_nan=False)
        finite = True
    except ValueError:
        finite = False  # JSON Schema does not speak of such numbers
    try:
        check_sa1b(record)
        ours = True
    except FormatError:
        ours = False
    if finite:
        assert ours == VALIDATOR.is_valid(record)
    try:
        picture_from_sa1b(record)
    except FormatError:
        return
    assert ours
