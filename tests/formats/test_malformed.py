"""Whatever a label file holds, reading it gives masks or a FormatError, nothing else."""

import contextlib
import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from promptseg.errors import FormatError
from promptseg.formats import png, read_coco, read_labelme, read_yolo
from promptseg.formats.coco import coco_record
from promptseg.formats.labelme import labelme_record, segments_from_labelme
from promptseg.formats.reading import read_json
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.notes import told

from .test_round_trips import scene, segments_of

SCENE = segments_of(scene()[:, :20, :20], ("cat", "dog", "cat"))
RECORDS = {
    "coco": (coco_record({"a.jpg": SCENE}), Segments.all_from_coco),
    "coco polygons": (coco_record({"a.jpg": SCENE}, polygons=0), Segments.all_from_coco),
    "coco lists": (coco_record({"a.jpg": SCENE}), Segments.all_from_coco),
    "labelme": (labelme_record(SCENE), segments_from_labelme),
}
for _entry in RECORDS["coco lists"][0]["annotations"]:
    _entry["segmentation"] = RLE.from_coco(_entry["segmentation"]).to_uncompressed()

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 10**10, 10**40, 1e308, float("nan"), float("inf")])
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["mask", "circle", "rectangle", "polygon", "point"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


@pytest.mark.parametrize("name", RECORDS)
@settings(max_examples=250)
@given(st.data())
def test_mutated_records(name, data):
    record, read = RECORDS[name]
    broken = copy.deepcopy(record)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(broken))))
        action = data.draw(st.sampled_from(["replace", "drop", "double"]))
        if not path:
            broken = data.draw(JUNK)
            continue
        holder = broken
        for key in path[:-1]:
            holder = holder[key]
        if action == "drop":
            del holder[path[-1]]
        elif action == "double" and isinstance(holder, list):
            holder.append(holder[path[-1]])
        else:
            holder[path[-1]] = data.draw(JUNK)
    with contextlib.suppress(FormatError), told(list[str]().append):
        assert isinstance(read(broken), dict | Segments)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_coco, read_labelme, png.read_mask, png.read_index, lambda path: read_yolo(path, (5, 6))):
        with contextlib.suppress(FormatError):
            read(path)


@settings(max_examples=200)
@given(st.data())
def test_mutated_png(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated.png"
    png.write_index(path, SCENE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    for read in (png.read_mask, png.read_index):
        with contextlib.suppress(FormatError), told(list[str]().append):
            read(path)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["0", "1", "0.5", "nan", "inf", "-3", "1e300", "x", "٣", "1_0", "²"]), max_size=9))
def test_any_yolo_words(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "words.txt"
    path.write_text(" ".join(words), encoding="utf-8")
    with contextlib.suppress(FormatError), told(list[str]().append):
        assert len(read_yolo(path, (5, 6), ["a", "b"])) <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 10_000, "not usable JSON"),
        ("[]", "must be an object"),
        ('{"images": []}', "annotations"),
        ('{"images": [{"id": 1, "height": 0, "width": 5}], "annotations": []}', "impossible size"),
        ('{"images": [{"id": "1", "height": 4, "width": 5}], "annotations": []}', "integer 'id'"),
        ('{"images": [], "annotations": [{"image_id": 3}]}', "image 3"),
    ],
)
def test_messages_of_coco(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_coco(tmp_path / "a.json")


def test_names_twice(tmp_path):
    record = coco_record({"a.jpg": SCENE, "b.jpg": SCENE})
    record["images"][1]["file_name"] = "a.jpg"
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(FormatError, match=r"two images named 'a\.jpg'"):
        read_coco(tmp_path / "a.json")


def test_files_that_cannot_be_read(tmp_path):
    for read in (read_json, png.read_mask):
        with pytest.raises(FormatError, match="Cannot read"):
            read(tmp_path / "missing")
        with pytest.raises(FormatError, match="Cannot read"):
            read(tmp_path)
    (tmp_path / "latin").write_bytes(b'"\xe9"')
    with pytest.raises(FormatError, match="UTF-8"):
        read_json(tmp_path / "latin")
    (tmp_path / "mark").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "mark") == [1]


def test_a_png_index_has_one_channel(tmp_path):
    png.write_picture(tmp_path / "c.png", Image.fromarray(np.zeros((3, 3, 3), np.uint8)))
    with pytest.raises(FormatError, match="one channel"):
        png.read_index(tmp_path / "c.png")


def test_small_files_that_ask_for_much(tmp_path):
    """Neither a strip of very many columns nor a zigzag over a wide picture may fill the memory."""
    strip = {"size": [1, 2**31 - 1], "counts": [0, 2**31 - 1]}
    with pytest.raises(FormatError, match="too large"):
        RLE.from_coco(strip)
    zigzag = [[x, y] for y in range(2000) for x in (0, 900_000)]
    record = {"imageHeight": 2000, "imageWidth": 900_000, "shapes": [{"points": zigzag}]}
    with pytest.raises(FormatError, match="crosses too many"):
        segments_from_labelme(record)
