"""`promptseg segment`: every prompt option, every format, every kind of picture."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from pycocotools import mask as coco_mask

from promptseg import Image
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.segment.segmenter import Segmenter

SCRIPT = Path(sys.executable).with_name("promptseg")
CAT = ("--point", "220,150")


def masks_of(text):
    return [RLE.from_coco(item["segmentation"]) for item in json.loads(text)["annotations"]]


@pytest.fixture(scope="module")
def cat(examples):
    return examples / "chelsea.jpg"


@pytest.fixture(scope="module")
def rough(tmp_path_factory):
    """A mask picture and a file of prompts."""
    folder = tmp_path_factory.mktemp("rough")
    pixels = np.zeros((300, 451), np.uint8)
    pixels[40:290, 60:380] = 255
    Pillow.fromarray(pixels).save(folder / "mask.png")
    record = [
        [{"type": "point", "x": 220, "y": 150}],
        [{"type": "box", "box": [60, 20, 380, 290]}, {"type": "point", "x": 9, "y": 9, "positive": False}],
    ]
    (folder / "two.json").write_text(json.dumps(record))
    (folder / "one.json").write_text(json.dumps(record[1]))
    return folder


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (CAT, 1),
        (("--point", " 220 , 150 "), 1),
        ((*CAT, "--not", "30,30"), 1),
        ((*CAT, "--point", "150,100", "--not-box", "0,0,40,40"), 1),
        (("--box", "60,20,380,290"), 1),
        (("--box", "380,290,60,20"), 1),
        (("--box", "60,20,380,290", "--box", "10,10,50,50"), 2),
        (("--box", "60,20,380,290", "--box", "10,10,50,50", "--not", "5,5"), 2),
        (("--polygon", "60,20 380,20 380,290 60,290"), 1),
        (("--polygon", "60,20;380,20;380,290;60,290", "--not-polygon", "0,0 20,0 20,20"), 1),
        (("--scribble", "150,100 220,150 300,200", "--scribble-width", "9", "--not-scribble", "5,5 40,5"), 1),
        (("--mask", "{rough}/mask.png"), 1),
        (("--mask", "{rough}/mask.png", "--not-mask", "{rough}/mask.png"), 1),
        (("--prompts", "{rough}/one.json"), 1),
        (("--prompts", "{rough}/two.json"), 2),
        ((*CAT, "--granularity", "part"), 1),
        ((*CAT, "--granularity", "all"), 3),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else str(value),
)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_prompts(quick, cat, rough, options, count):
    options = [part.format(rough=rough) for part in options]
    code, out, err = quick("segment", cat, *options, "--format", "coco")
    assert code == 0, err
    assert err == ""
    record = json.loads(out)
    assert record["images"] == [{"id": 1, "file_name": "chelsea.jpg", "height": 300, "width": 451}]
    assert len(record["annotations"]) == count
    for annotation in record["annotations"]:
        assert coco_mask.decode(annotation["segmentation"]).sum() == annotation["area"]
        assert annotation["area"] > 50
    assert os.listdir() == [], "JSON goes to stdout, nothing to the disk"


def test_formats_and_files(quick, cat, tmp_path):
    names = ["png", "index", "cutout", "overlay", "coco", "yolo", "labelme", "svg"]
    options = [part for name in names for part in ("-f", name)]
    code, out, err = quick("segment", cat, *CAT, *options, "-o", tmp_path / "new" / "folder")
    assert code == 0, err
    written = [Path(line) for line in out.splitlines()]
    assert sorted(path.name for path in written) == sorted(os.listdir(tmp_path / "new" / "folder"))
    assert {path.suffix for path in written} == {".png", ".json", ".txt", ".svg", ".yaml"}
    assert "mask 0: score" in err
    assert len(err.splitlines()) == 1
    whole = np.asarray(Pillow.open(tmp_path / "new/folder/chelsea_mask_000.png"))
    assert whole.shape == (300, 451)
    (mask,) = masks_of((tmp_path / "new/folder/chelsea_coco.json").read_text())
    assert np.array_equal(mask.dense(), whole > 127)


@pytest.mark.parametrize(
    ("options", "runtime"),
    [
        ((), "onnx"),
        (("--runtime", "openvino"), "openvino"),
        (("--precision", "bfloat16"), "auto"),
        (("--cache", "embeddings"), "auto"),
    ],
)
def test_one_picture_starts_in_onnx_runtime(run, monkeypatch, segmenter, cat, options, runtime):
    """OpenVINO computes faster and starts slower; embeddings in a cache belong to one engine's precision."""
    asked = []

    def make(engine, **_):
        asked.append(engine.runtime)
        return segmenter

    monkeypatch.setattr(Segmenter, "of", make)
    code, _, err = run("segment", cat, *CAT, *options, "-f", "coco")
    assert code == 0, err
    assert asked == [runtime]


def test_without_a_folder_results_go_to_out(quick, cat):
    code, out, _ = quick("segment", cat, *CAT)
    assert code == 0
    assert sorted(os.listdir("out")) == ["chelsea_mask_000.png", "chelsea_overlay.png"]
    assert out.splitlines() == ["out/chelsea_mask_000.png", "out/chelsea_overlay.png"]
    before = Path(out.splitlines()[0]).read_bytes()
    code, _, err = quick("segment", cat, *CAT)
    assert code == 2
    assert "out/chelsea_mask_000.png and 1 more are there already. Replace with --overwrite" in err
    assert quick("segment", cat, *CAT, "--overwrite")[0] == 0
    assert Path(out.splitlines()[0]).read_bytes() == before


def picture(kind, path):
    colour = Image.open(path).pixels
    image = Pillow.fromarray(colour)
    if kind == "alpha":
        image.putalpha(255)
    if kind == "exif":
        exif = Pillow.Exif()
        exif[0x0112] = 6
        image = image.transpose(Pillow.Transpose.ROTATE_90)
        image.getexif()[0x0112] = exif[0x0112]
    if kind == "16-bit":
        image = Pillow.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return {"CMYK": image.convert, "P": image.convert, "L": image.convert}.get(kind, lambda _: image)(kind)


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("alpha", "png"),
        ("exif", "png"),
        ("16-bit", "png"),
        ("CMYK", "tiff"),
        ("CMYK", "jpg"),
        ("P", "gif"),
        ("L", "bmp"),
    ],
)
def test_pictures_of_all_kinds(quick, cat, segmenter, embedded, tmp_path, kind, ending):
    from promptseg import Point

    image = picture(kind, cat)
    path = tmp_path / f"picture.{ending}"
    image.save(path, **({"exif": image.getexif()} if kind == "exif" else {}))
    code, out, err = quick("segment", path, *CAT, "--granularity", "whole", "-f", "coco")
    assert code == 0, err
    (mask,) = masks_of(out)
    expected = segmenter.segment(embedded("chelsea"), Point(220, 150), granularity="whole").masks[0]
    assert iou(mask, expected) > 0.8


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_pictures(quick, tmp_path, size):
    Pillow.new("RGB", size, "red").save(tmp_path / "a.png")
    code, out, err = quick("segment", "a.png", "--point", "0,0", "-f", "coco", "-f", "overlay", "-f", "png")
    assert code == 0, err
    assert len(out.splitlines()) == 3
    assert json.loads(Path("out/a_coco.json").read_text())["images"][0]["width"] == size[0]


def test_names_that_are_no_text(cat, tmp_path):
    name = os.fsdecode(b"na\xefve \xff.jpg")
    (tmp_path / name).write_bytes(cat.read_bytes())
    formats = [part for kind in ("coco", "labelme", "svg", "png") for part in ("-f", kind)]
    command = [SCRIPT, "segment", name, *CAT, "--runtime", "onnx", "--threads", "1", *formats]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert {os.fsdecode(line) for line in done.stdout.splitlines()} == {f"out/{file}" for file in os.listdir("out")}
    assert len(os.listdir("out")) == 4


def test_the_installed_script(cat, tmp_path):
    command = [SCRIPT, "segment", cat, *CAT, "--runtime", "onnx", "--threads", "1", "-f", "coco"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    (mask,) = masks_of(done.stdout)
    assert mask.area > 0.3 * 300 * 451
    assert done.stderr == ""
    done = subprocess.run([*command[:2], "missing.jpg", *CAT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "promptseg: There is no file missing.jpg. Check the path.\n"
    assert subprocess.run([SCRIPT], capture_output=True, check=False).returncode == 2


def test_output_that_cannot_be_written(cat, tmp_path):
    program = f"{SCRIPT} models --json >/dev/full"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "promptseg: Cannot write the output: No space left on device.\n"


@pytest.mark.parametrize("arguments", [("--help",), ("segment", "-h"), ("export", "-h"), ("models", "-h")])
def test_help(run, arguments):
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "Usage" in out


def test_groups_alone_show_their_help(run):
    code, out, _ = run()
    assert code == 2
    assert "Usage" in out
    assert "clicks" in run("evaluate")[1]


def test_version_and_models(run):
    assert run("--version")[1].strip() == "0.1.0"
    code, out, _ = run("models")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "name",
        "mobile-sam",
        "mobile-sam-clicks",
        "sam-vit-b",
        "sam-vit-l",
        "sam-vit-h",
        "seem-focal-t",
        "seem-focal-l",
        "seem-sam-vit-b",
        "seem-sam-vit-l",
        "whisper-tiny",
        "whisper-base",
        "whisper-small",
    ]
