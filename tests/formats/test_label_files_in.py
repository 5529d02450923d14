"""Label files of other programs: shapes of all kinds, degenerate entries, marks at the beginning."""

import json

import numpy as np
import pytest

from promptseg.errors import FormatError
from promptseg.formats import FORMATS, read_coco, read_labelme, read_yolo
from promptseg.formats.labelme import segments_from_labelme
from promptseg.masks.rle import RLE
from promptseg.notes import Note

SQUARE = [[10, 20], [60, 20], [60, 70], [10, 70]]
RING = [value for corner in SQUARE for value in corner]


def labelme(*shapes: dict) -> dict:
    return {"shapes": [{"label": "car", **shape} for shape in shapes], "imageHeight": 100, "imageWidth": 200}


@pytest.mark.parametrize(
    ("kind", "points", "area", "box"),
    [
        ("rectangle", SQUARE, 2500, (10, 20, 60, 70)),
        ("rectangle", SQUARE[::2], 2500, (10, 20, 60, 70)),
        ("rectangle", [SQUARE[2], SQUARE[0]], 2500, (10, 20, 60, 70)),
        ("rotation", [[35, 10], [70, 45], [35, 80], [0, 45]], 2450, (0, 10, 70, 80)),
        ("quadrilateral", SQUARE, 2500, (10, 20, 60, 70)),
        ("circle", [[50, 50], [50, 60]], 314, (40, 40, 60, 60)),
        ("line", [[20, 30], [70, 30]], 500, (20, 25, 70, 35)),
        ("linestrip", [[20, 30], [70, 30], [70, 80]], 995, (20, 25, 75, 80)),
        (None, SQUARE, 2500, (10, 20, 60, 70)),
    ],
)
def test_every_shape_of_labelme(kind, points, area, box) -> None:
    segments = segments_from_labelme(labelme({"shape_type": kind, "points": points}))
    assert abs(int(segments.areas[0]) - area) <= 0.02 * area + 4
    assert np.abs(np.array(segments.masks[0].box) - box).max() <= 1
    assert segments.labels == ("car",)


def test_unfinished_shapes_are_skipped_and_counted() -> None:
    shapes = [{"shape_type": "polygon", "points": points} for points in ([], SQUARE[:2], SQUARE)]
    with pytest.warns(Note, match="3 of 4 shapes were skipped.*a polygon has 0 points"):
        segments = segments_from_labelme(labelme(*shapes, {"shape_type": "point", "points": [[1, 2]]}))
    assert segments.areas.tolist() == [2500]


def coco(*segmentations: object) -> str:
    annotations = [
        {"id": place, "image_id": 1, "category_id": 1, "bbox": [10, 20, 50, 50], "segmentation": item}
        for place, item in enumerate(segmentations, start=1)
    ]
    for entry in annotations:
        if entry["segmentation"] == "nothing":
            del entry["segmentation"]
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "x.png", "height": 100, "width": 200}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "car"}],
        }
    )


@pytest.mark.parametrize("degenerate", ["nothing", None, [], [[]], [[5, 5, 6, 6]], [[1, 2, 3, 4, 5]], ""])
def test_degenerate_entries_of_coco_are_skipped_and_counted(tmp_path, degenerate) -> None:
    (tmp_path / "a.json").write_text(coco([RING], degenerate, [RING]))
    with pytest.warns(Note, match="1 of 3 annotations were skipped"):
        segments = read_coco(tmp_path / "a.json")["x.png"]
    assert segments.areas.tolist() == [2500, 2500]
    assert segments.labels == ("car", "car")


def test_a_degenerate_part_leaves_the_others(tmp_path) -> None:
    (tmp_path / "a.json").write_text(coco([RING, [5, 5, 6, 6]], RING))
    assert read_coco(tmp_path / "a.json")["x.png"].areas.tolist() == [2500, 2500]


def test_whole_floats_are_run_lengths() -> None:
    plain = {"size": [2, 3], "counts": [1.0, 2.0, 3.0]}
    assert RLE.from_coco(plain).area == 2
    with pytest.raises(FormatError, match="integers"):
        RLE.from_coco({"size": [2, 3], "counts": [1.5, 1.5, 3.0]})


LINE = "0 0.05 0.2 0.3 0.2 0.3 0.7 0.05 0.7"


def test_yolo_lines_and_boxes(tmp_path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + f"{LINE}\r\n1 0.5 0.5 0.5 0.5\r\n".encode())
    with pytest.warns(Note, match="1 of 2 lines of .* are boxes"):
        segments = read_yolo(tmp_path / "a.txt", (100, 200), ["cat", "dog"])
    assert segments.labels == ("cat", "dog")
    assert [mask.box for mask in segments.masks] == [(10, 20, 60, 70), (50, 25, 150, 75)]


def test_the_table_reads_yolo() -> None:
    reader = FORMATS["yolo"].reader
    assert reader is not None
    assert reader.plain
    record = {"text": LINE, "imageHeight": 100, "imageWidth": 200}
    assert reader.extent(record) == ((100, 200), 1, 1)
    assert reader.read(record).labels == ("class 0",)
    assert reader.read({**record, "names": ["cat"]}).areas.tolist() == [2500]
    with pytest.raises(FormatError, match="text"):
        reader.read({**record, "text": None})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_of_byte_order(tmp_path, encoding) -> None:
    record = labelme({"shape_type": "rectangle", "points": SQUARE, "label": "café 犬"})
    (tmp_path / "a.json").write_text(json.dumps(record, ensure_ascii=False), encoding=encoding)
    assert read_labelme(tmp_path / "a.json").labels == ("café 犬",)
