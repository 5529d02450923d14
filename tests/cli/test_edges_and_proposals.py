"""`promptseg edges`, `promptseg proposals`, and their benchmarks."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg.masks.rle import RLE


@pytest.fixture
def cat(examples):
    return examples / "chelsea.jpg"


@pytest.mark.parametrize(("bits", "mode", "top"), [(8, "L", 255), (16, "I;16", 65535)])
def test_an_edge_map(quick, cat, bits, mode, top):
    code, out, _ = quick("edges", cat, "-o", "deep/edges.png", "--bits", bits, "--points-per-side", 2)
    assert (code, out) == (0, "deep/edges.png\n")
    with Pillow.open("deep/edges.png") as picture:
        assert (picture.size, picture.mode) == ((451, 300), mode)
        values = np.asarray(picture)
    assert values.max() == top
    assert 0 < np.count_nonzero(values) < 0.2 * values.size
    code, out, _ = quick("edges", cat, "--points-per-side", 2, "--invert", "--no-thin", "--bits", bits)
    assert (code, out) == (0, "out/chelsea_edges.png\n")
    with Pillow.open("out/chelsea_edges.png") as picture:
        dark = top - np.asarray(picture).astype(np.int64)
    assert np.count_nonzero(dark) > np.count_nonzero(values)
    assert np.abs(dark - values)[values > 0].max() <= 1, "rounded apart"


def test_proposals(quick, cat):
    code, out, err = quick("proposals", cat, "--top", 5, "--points-per-side", 3)
    assert code == 0
    assert "5 masks" in err
    assert out.splitlines() == ["out/chelsea_overlay.png", "out/chelsea_records.json"]
    records = json.loads(Path("out/chelsea_records.json").read_bytes())
    assert len(records) == 5
    ranks = [record["predicted_iou"] + record["stability_score"] for record in records]
    assert ranks == sorted(ranks, reverse=True)
    code, out, _ = quick("proposals", cat, "--top", 5, "--points-per-side", 3, "-f", "coco")
    assert code == 0
    annotations = json.loads(out)["annotations"]
    masks = [RLE.from_coco(record["segmentation"]) for record in records]
    assert [RLE.from_coco(item["segmentation"]) for item in annotations] == masks


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("edges", "missing.jpg"), "There is no file missing.jpg"),
        (("edges", "{cat}", "-o", "edges.jpg"), "written as a .png file, got -o edges.jpg"),
        (("edges", "{cat}", "--bits", "12"), "8 or 16 bits of grey, got --bits 12"),
        (("edges", "{cat}", "--points-per-side", "0"), "from 1 to 1024, got 0"),
        (("edges", "{cat}", "--model", "sam9"), "no model called 'sam9'"),
        (("proposals", "missing.jpg"), "There is no file missing.jpg"),
        (("proposals", "{cat}", "--top", "0"), "got --top 0"),
        (("proposals", "{cat}", "--points-per-side", "-3"), "from 1 to 1024, got -3"),
        (("proposals", "{cat}", "-f", "bmp"), "Unknown format 'bmp'"),
    ],
)
def test_one_clear_line(run, cat, arguments, hint):
    code, out, err = run(*(part.format(cat=cat) for part in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("promptseg: ")
    assert len(err.splitlines()) == 1
    assert hint in err
    assert list(Path().iterdir()) == []
