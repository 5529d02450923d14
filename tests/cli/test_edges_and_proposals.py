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
        (("evaluate", "edges", "nowhere"), "nowhere does not exist"),
        (("evaluate", "edges", "."), "holds no outlines"),
        (("evaluate", "everything", "nowhere"), "nowhere does not exist"),
        (("evaluate", "everything", ".", "--way", "magic"), "Unknown way 'magic'"),
    ],
)
def test_one_clear_line(run, cat, arguments, hint):
    code, out, err = run(*(part.format(cat=cat) for part in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("promptseg: ")
    assert len(err.splitlines()) == 1
    assert hint in err
    assert list(Path().iterdir()) == []


def test_the_boundary_benchmark(quick, cat):
    Path("set/images").mkdir(parents=True)
    Path("set/truth").mkdir()
    small = Pillow.open(cat).resize((112, 75))
    small.save("set/images/cat.jpg")
    outline = np.zeros((2, 75, 112), bool)
    outline[:, 20, 10:100] = True
    np.savez("set/truth/cat.npz", boundaries=np.packbits(outline, axis=2), width=112)
    options = ("--points-per-side", 2, "--thresholds", 5, "-o", "report")
    code, out, _ = quick("evaluate", "edges", "set", *options)
    assert code == 0
    assert [line.split("|")[1].strip() for line in out.splitlines()[2:5]] == [
        "promptseg mobile-sam",
        "Canny",
        "Sobel",
    ]
    assert Path("report/edges.md").read_text().strip() == out.strip()
    content = json.loads(Path("report/edges.json").read_bytes())
    assert [item["name"] for item in content["detectors"]] == ["promptseg mobile-sam", "Canny", "Sobel"]
    stored = sorted(Path("report/edges").rglob("*.json"))
    assert len(stored) == 3
    before = [file.stat().st_mtime_ns for file in stored]
    assert quick("evaluate", "edges", "set", *options)[0] == 0
    assert [file.stat().st_mtime_ns for file in stored] == before, "nothing is counted twice"


def test_the_recall_benchmark(quick, cat, monkeypatch):
    from promptseg.evaluate import finders

    monkeypatch.setitem(
        finders.FINDERS, "proposals", lambda one, image: one.proposals(image, points_per_side=2)
    )
    Path("set/images").mkdir(parents=True)
    Path("set/masks").mkdir()
    small = Pillow.open(cat).resize((112, 75))
    mask = np.zeros((75, 112), np.uint8)
    mask[10:70, 20:100] = 255
    for name in "abc":
        small.save(f"set/images/{name}.jpg")
        Pillow.fromarray(mask).save(f"set/masks/{name}.png")
    code, out, _ = quick("evaluate", "everything", "set", "--way", "proposals", "--limit", 2, "-o", "report")
    assert code == 0
    assert "2 objects (0 small, 2 medium, 0 large) on 2 pictures" in out
    content = json.loads(Path("report/everything.json").read_bytes())
    (finder,) = content["finders"]
    assert finder["name"] == "proposals"
    assert finder["masks"] > 0
    assert Path("report/everything.md").read_text().strip() == out.strip()
