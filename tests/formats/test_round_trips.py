"""What is written comes back: every format against the masks it was given."""

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from promptseg.errors import FormatError, InputError
from promptseg.formats import png
from promptseg.formats.coco import coco_record, polygon_segmentation, read_coco, write_coco
from promptseg.formats.labelme import labelme_record, read_labelme, segments_from_labelme, write_labelme
from promptseg.formats.yolo import read_yolo, write_yolo, yolo_lines
from promptseg.geometry import Size
from promptseg.masks.bridge import bridge_holes
from promptseg.masks.overlap import union
from promptseg.masks.polygons import polygon_to_rle, trace_polygons
from promptseg.masks.raster import rings_to_rle
from promptseg.masks.records import mask_from_coco
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.notes import Note

STACKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)))

PYCOCOTOOLS_ON_NUMPY_2 = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def scene():
    """A ring with a hole, a mask of two parts, and a bar over both."""
    stack = np.zeros((3, 30, 41), bool)
    stack[0, 4:20, 5:25] = True
    stack[0, 9:14, 8:12] = stack[0, 6:8, 18:22] = False
    stack[1, 1:4, 1:4] = stack[1, 22:29, 30:40] = True
    stack[2, 10:12, :] = True
    return stack


def segments_of(stack, labels=None):
    return Segments(Size(*stack.shape[1:]), [RLE.encode(mask) for mask in stack], labels=labels or ())


@given(STACKS)
def test_bridged_holes_come_back_exactly(stack):
    for mask in stack:
        polygons = trace_polygons(mask)
        assert union([polygon_to_rle(bridge_holes(p), mask.shape) for p in polygons], mask.shape) == RLE.encode(mask)


def test_coco_file(tmp_path):
    first, second = segments_of(scene(), ("cat", "dog", "cat")), segments_of(scene()[:1, :9], ("bird",))
    results = {"a.jpg": first, "b é.jpg": second, "none.jpg": Segments.empty((4, 4))}
    path = tmp_path / "new" / "all.json"
    write_coco(path, results)
    assert read_coco(path) == results
    write_coco(path, results, polygons=0)
    assert read_coco(path) == results


@PYCOCOTOOLS_ON_NUMPY_2
def test_coco_file_is_read_by_pycocotools(tmp_path, capsys):
    segments = segments_of(scene(), ("cat", "dog", "cat"))
    write_coco(tmp_path / "all.json", {"a.jpg": segments})
    coco = COCO(str(tmp_path / "all.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    for annotation, mask in zip(coco.loadAnns(coco.getAnnIds(1)), scene(), strict=True):
        assert np.array_equal(coco.annToMask(annotation), mask)


@given(STACKS)
def test_coco_polygons_come_back_exactly(stack):
    for mask in stack:
        rle = RLE.encode(mask)
        assert mask_from_coco(polygon_segmentation(rle), rle.size) == rle


@PYCOCOTOOLS_ON_NUMPY_2
def test_coco_polygons_agree_with_pycocotools_but_for_the_rim():
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([50 + 35 * np.cos(angles), 40 + 25 * np.sin(angles)], 1)
    expected = oracle.decode(oracle.frPyObjects([ring.ravel().tolist()], 90, 100))[..., 0].astype(bool)
    differ = expected ^ mask_from_coco([ring.ravel().tolist()], Size(90, 100)).dense()
    assert differ.sum() < 0.02 * expected.sum()


def test_coco_numbers_go_on_across_pictures():
    record = coco_record({"a": segments_of(scene(), ("x", "y", "x")), "b": segments_of(scene())})
    assert [entry["id"] for entry in record["annotations"]] == [1, 2, 3, 4, 5, 6]
    assert [entry["category_id"] for entry in record["annotations"]] == [1, 2, 1, 3, 3, 3]
    assert record["categories"][2]["name"] == "object"


@given(STACKS)
def test_a_line_of_yolo_is_a_mask(stack):
    segments = segments_of(stack)
    masks = [mask for mask in segments.masks if mask.area]
    for line, mask in zip(yolo_lines(segments, ["object"], 0).splitlines(), masks, strict=True):
        shares = np.array([float(word) for word in line.split()[1:]]).reshape(-1, 2)
        assert polygon_to_rle(shares * segments.size[::-1], segments.size) == mask


def test_yolo_file(tmp_path):
    segments = segments_of(scene(), ("cat", "two\nlines", None))
    names = write_yolo(tmp_path / "a.txt", segments, ["dog", "cat"], tolerance=0)
    assert names == ["dog", "cat", "two lines", "object"]
    again = read_yolo(tmp_path / "a.txt", segments.size, names)
    assert again.labels == ("cat", "two lines", "object")
    assert again.masks == segments.masks
    assert read_yolo(tmp_path / "a.txt", segments.size).labels == (None,) * 3
    with pytest.raises(FormatError, match="line 2: class 2, but there are 2 names"):
        read_yolo(tmp_path / "a.txt", segments.size, ["dog", "cat"])


def test_yolo_reads_a_known_line(tmp_path):
    (tmp_path / "a.txt").write_text("\n2 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n\n")
    (mask,) = read_yolo(tmp_path / "a.txt", (8, 12)).masks
    assert mask.box == (3, 2, 9, 6)
    assert mask.area == 24


@given(STACKS.filter(lambda stack: stack.any((1, 2)).all()))
def test_labelme_comes_back_exactly(stack):
    segments = segments_of(stack, ("a", "b", "a")[: len(stack)])
    record = json.loads(json.dumps(labelme_record(segments, "a.jpg", 0)))
    assert segments_from_labelme(record) == segments
    assert len(record["shapes"]) == len(segments)
    assert record["imageData"] is None


def test_labelme_file_and_its_other_shapes(tmp_path):
    segments = segments_of(scene(), ("cat", "dog", "cat"))
    write_labelme(tmp_path / "a.json", segments, "a.jpg", 0)
    assert read_labelme(tmp_path / "a.json") == segments
    buffer = io.BytesIO()
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(buffer, format="PNG")
    shapes = [
        {"shape_type": "rectangle", "points": [[9, 3], [2, 7]], "label": "r"},
        {"shape_type": "circle", "points": [[20, 10], [20, 15]], "label": "c"},
        {"shape_type": "mask", "points": [[4, 5], [6, 7]], "mask": base64.b64encode(buffer.getvalue()).decode()},
        {"shape_type": "point", "points": [[4, 5]], "label": "p"},
        {"shape_type": "linestrip", "points": [[4, 5], [5, 6]], "label": "l"},
        {"points": [[0, 0], [4, 0], [4, 4]], "label": "t"},
    ]
    with pytest.warns(Note, match="1 of 6 shapes were skipped.* a point has no area"):
        read = segments_from_labelme({"shapes": shapes, "imageHeight": 30, "imageWidth": 40})
    assert read.labels == ("r", "c", None, "l", "t")
    assert read.areas[0] == 28
    assert abs(read.areas[1] - np.pi * 25) < 4
    assert np.argwhere(read.masks[2].dense()).tolist() == [[5, 4], [6, 5], [7, 6]]


def test_png_masks_and_index(tmp_path):
    segments = segments_of(scene())
    png.write_mask(tmp_path / "m.png", segments.masks[0])
    assert png.read_mask(tmp_path / "m.png") == segments.masks[0]
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.mode == "L"
        assert np.unique(np.asarray(picture)).tolist() == [0, 255]
    png.write_index(tmp_path / "i.png", segments)
    read = png.read_index(tmp_path / "i.png")
    with Image.open(tmp_path / "i.png") as picture:
        assert np.asarray(picture).dtype == np.uint16
    dense = scene()
    assert read.masks[2] == segments.masks[2]  # the smallest is on top
    assert np.array_equal(read.masks[0].dense(), dense[0] & ~dense[2])


def test_png_index_takes_many_instances():
    masks = [RLE.encode_crop(np.ones((1, 1), bool), (i % 40, i // 40), (20, 40)) for i in range(700)]
    numbers = png.index_map(Segments(Size(20, 40), masks))
    assert numbers.max() == 700
    with pytest.raises(InputError, match="65535"):
        png.index_map(Segments(Size(1, 1), [RLE.empty((1, 1))] * 65_536))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_png_masks_of_any_mode(tmp_path, mode):
    mask = scene()[0]
    if mode == "I;16":
        picture = Image.fromarray(mask.astype(np.uint16) * 7)
    elif mode == "P":
        picture = Image.fromarray(mask.astype(np.uint8))
        picture.putpalette([9, 9, 9, 200, 0, 0])
    else:
        picture = Image.fromarray(mask.astype(np.uint8) * 255).convert(mode)
    picture.save(tmp_path / "m.png")
    assert np.array_equal(png.read_mask(tmp_path / "m.png").dense(), mask)


@given(STACKS, st.sampled_from([0.5, 2.0]))
def test_simplified_labels_can_be_read(stack, tolerance):
    segments = segments_of(stack)
    record = labelme_record(segments, tolerance=tolerance)
    for shape in record["shapes"]:
        assert len(shape["points"]) >= 3
    assert segments_from_labelme(record).size == segments.size
    assert rings_to_rle([], segments.size).area == 0
