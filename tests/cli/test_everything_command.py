"""`promptseg everything`: files, formats, options and refusals."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg import Point
from promptseg.masks.rle import RLE

FEW = ("--mode", "exact", "--points-per-side", 3)


@pytest.fixture
def rocket(examples):
    return examples / "rocket.jpg"


def test_overlay_masks_and_records(quick, rocket, tmp_path):
    code, out, err = quick("everything", rocket, *FEW, "-o", tmp_path / "found")
    assert code == 0
    records = json.loads((tmp_path / "found" / "rocket_records.json").read_text())
    assert len(records) > 1
    assert f"{len(records)} masks" in err
    names = [f"rocket_mask_{index:03d}.png" for index in range(len(records))]
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == sorted(
        [*names, "rocket_overlay.png", "rocket_records.json"]
    )
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        *names,
        "rocket_overlay.png",
        "rocket_records.json",
    ]
    for name, record in zip(names, records, strict=True):
        pixels = np.asarray(Pillow.open(tmp_path / "found" / name)) > 0
        assert np.array_equal(pixels, RLE.from_coco(record["segmentation"]).dense())


def test_progress_goes_to_stderr(quick, rocket, tmp_path):
    code, out, err = quick("everything", rocket, *FEW, "-f", "records")
    assert code == 0
    assert out == "out/rocket_records.json\n"
    assert "rocket.jpg" in err
    assert (tmp_path / "out" / "rocket_records.json").exists()


def test_every_option_reaches_the_segmenter(quick, rocket, segmenter, monkeypatch, tmp_path):
    seen = {}

    def everything(_self, image, options, *, on_progress):
        seen["options"] = options
        return segmenter.segment(segmenter.embed(image), Point(320, 200))

    monkeypatch.setattr(type(segmenter), "everything", everything)
    grids = tmp_path / "grids.json"
    grids.write_text(json.dumps([[[0.5, 0.5]], [[0.1, 0.2], [0.3, 0.4]]]))
    values = {
        "mode": "fast",
        "pred_iou_thresh": 0.5,
        "stability_score_thresh": 0.6,
        "stability_score_offset": 2.0,
        "box_nms_thresh": 0.3,
        "crop_n_layers": 1,
        "crop_nms_thresh": 0.4,
        "crop_overlap_ratio": 0.25,
        "crop_n_points_downscale_factor": 2,
        "min_mask_region_area": 7,
        "tile": 512,
        "tile_overlap": 0.5,
    }
    arguments = [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", value)]
    code, _, err = quick("everything", rocket, *arguments, "--point-grids", grids, "-f", "index")
    assert (code, "1 masks" in err) == (0, True)
    options = seen["options"]
    assert {name: getattr(options, name) for name in values} == values
    assert options.points_per_side is None
    assert options.point_grids == (((0.5, 0.5),), ((0.1, 0.2), (0.3, 0.4)))
    quick("everything", rocket, "-f", "index", "--overwrite")
    assert (seen["options"].points_per_side, seen["options"].mode) == (32, "fast")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mode", "slow"), "Unknown mode 'slow': expected fast or exact"),
        (("--points-per-side", 0), "points_per_side must be a whole number from 1"),
        (("--pred-iou-thresh", -1), "pred_iou_thresh must be a number"),
        (("--crop-n-layers", 7), "crop_n_layers must be"),
        (("-f", "gif"), "Unknown format 'gif'"),
        (("--mode", "exact", "--precision", "bfloat16"), "The exact mode computes in float32"),
        (("--point-grids", "nowhere.json"), "Cannot read nowhere.json"),
        (("--points-per-side", 3, "--point-grids", "grids.json"), "not both"),
        (("--point-grids", "object.json"), "must hold a list of point grids"),
        (("--point-grids", "outside.json"), "from 0 to 1"),
    ],
)
def test_refusals(run, rocket, tmp_path, options, message):
    (tmp_path / "grids.json").write_text("[[[0.5, 0.5]]]")
    (tmp_path / "object.json").write_text("{}")
    (tmp_path / "outside.json").write_text("[[[0.5, 5]]]")
    code, out, err = run("everything", rocket, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_picture_that_is_none(run, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"not a picture")
    for name in ("bad.jpg", "missing.jpg"):
        code, out, err = run("everything", name)
        assert (code, out) == (2, "")
        assert name in err


def test_nothing_found(quick, rocket, tmp_path):
    code, _, err = quick("everything", rocket, *FEW, "--pred-iou-thresh", 5, "-f", "records", "-f", "overlay")
    assert (code, "0 masks" in err) == (0, True)
    assert json.loads((tmp_path / "out" / "rocket_records.json").read_text()) == []
