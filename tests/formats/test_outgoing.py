"""One object stays one object, nothing is lost silently, and other programs read what is meant."""

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from promptseg.errors import FormatError, InputError, OutputError
from promptseg.formats import read_coco, read_labelme, read_yolo, write
from promptseg.formats.classes import names_in_yaml, with_names
from promptseg.formats.options import WriteOptions
from promptseg.formats.svg import svg_text
from promptseg.masks.overlap import iou
from promptseg.masks.segments import Segments

from .test_round_trips import PYCOCOTOOLS_ON_NUMPY_2, scene, segments_of

EXACT = WriteOptions(tolerance=0)


def specks(seed=0, size=(120, 160)):
    """A disc with holes, with specks around it: an object of very many parts."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    mask = (rows - 60) ** 2 + (columns - 70) ** 2 < 45**2
    noise = np.random.default_rng(seed).random(size) < 0.02
    return mask ^ noise


PICTURE = np.full((120, 160, 3), 90, np.uint8)
TWO = segments_of(np.stack([specks(0), specks(1)[::-1]]), ("cat", "dog"))


def test_many_parts_are_one_object_in_every_format(tmp_path):
    write(TWO, "shot", tmp_path, ["yolo", "labelme", "coco"], options=EXACT)
    for read in (
        read_yolo(tmp_path / "shot.txt", TWO.size, ["cat", "dog"]),
        read_labelme(tmp_path / "shot.json"),
        read_coco(tmp_path / "shot_coco.json")["shot"],
    ):
        assert read.labels == ("cat", "dog")
        assert read.masks == TWO.masks
    assert len((tmp_path / "shot.txt").read_text().splitlines()) == 2
    assert len(json.loads((tmp_path / "shot.json").read_text())["shapes"]) == 2


def test_outlines_are_simplified_unless_exact_ones_are_wanted(tmp_path):
    write(TWO, "short", tmp_path, ["yolo", "labelme"])
    write(TWO, "exact", tmp_path, ["yolo", "labelme"], options=EXACT)
    for ending in (".txt", ".json"):
        assert (tmp_path / f"short{ending}").stat().st_size < 0.95 * (tmp_path / f"exact{ending}").stat().st_size
    read = read_yolo(tmp_path / "short.txt", TWO.size)
    assert min(iou(a, b) for a, b in zip(read.masks, TWO.masks, strict=True)) > 0.99
    for wrong in (-1, 2000, float("nan")):
        with pytest.raises(InputError, match="tolerance"):
            WriteOptions(tolerance=wrong)


def read_by_supervision(folder, names):
    supervision = pytest.importorskip("supervision")
    found = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(folder),
        annotations_directory_path=str(folder),
        data_yaml_path=str(folder / "data.yaml"),
        force_masks=True,
    )
    assert found.classes == names
    return {Path(path).stem: found.annotations[path] for path in found.image_paths}


@pytest.mark.filterwarnings("ignore")
def test_yolo_is_read_by_supervision(tmp_path):
    for stem in ("shot", "図1", "a.b.c", "classes"):
        Image.fromarray(PICTURE).save(tmp_path / f"{stem}.png")
        write(TWO, stem, tmp_path, ["yolo"])
    for detections in read_by_supervision(tmp_path, ["cat", "dog"]).values():
        assert detections.class_id.tolist() == [0, 1]
        for mask, meant in zip(detections.mask, TWO.dense(), strict=True):
            assert (mask & meant).sum() / (mask | meant).sum() > 0.8  # its painter draws rims and bridges a pixel wide


@pytest.mark.parametrize("first", ["classes", "shot"])
def test_a_picture_called_classes_loses_nothing(tmp_path, first):
    for stem in (first, *({"classes", "shot"} - {first})):
        write(TWO, stem, tmp_path, ["yolo"], options=EXACT)
    assert names_in_yaml((tmp_path / "data.yaml").read_text()) == ["cat", "dog"]
    for stem in ("classes", "shot"):
        assert read_yolo(tmp_path / f"{stem}.txt", TWO.size).masks == TWO.masks
    write(TWO.with_labels("bird"), "third", tmp_path, ["yolo"])
    assert read_yolo(tmp_path / "classes.txt", TWO.size).masks == TWO.masks
    assert (tmp_path / "third.txt").read_text().startswith("2 ")
    with pytest.raises(OutputError, match="there already"):
        write(TWO, "classes", tmp_path, ["yolo"])


YAML = {
    "names: [cat, 'a, b', \"d\"] # three\ntrain: x\n": ["cat", "a, b", "d"],
    "train: x\nnames:\n- cat\n- 'dog'\nval: y\n": ["cat", "dog"],
    'nc: 2\nnames:\n  0: cat\n  1: "d\\u00e9"  # dog\n': ["cat", "dé"],
    "path: .\n": [],
}


@pytest.mark.parametrize("text", YAML)
def test_a_data_yaml_of_others_keeps_what_it_says(text):
    assert names_in_yaml(text) == YAML[text]
    longer = with_names(text, [*YAML[text], 'new: "one"', "犬"])
    assert names_in_yaml(longer) == [*YAML[text], 'new: "one"', "犬"]
    for line in text.splitlines():
        if line.startswith(("train", "val", "path")):
            assert line in longer.splitlines()


def test_a_data_yaml_that_cannot_be_read_stays(tmp_path):
    (tmp_path / "data.yaml").write_text("names: &x {0: cat}\n")
    with pytest.raises(FormatError, match="names that cannot be read"):
        write(TWO, "shot", tmp_path, ["yolo"])
    assert (tmp_path / "data.yaml").read_text() == "names: &x {0: cat}\n"


def test_categories_keep_their_numbers_over_the_files_of_a_folder(tmp_path):
    numbers = {}
    for stem, labels in (("a", ("cat", None)), ("b", ("dog", "cat")), ("c", (None, "bird"))):
        write(TWO.with_labels(labels), stem, tmp_path, ["coco"])
        record = json.loads((tmp_path / f"{stem}_coco.json").read_text())
        for category in record["categories"]:
            assert numbers.setdefault(category["name"], category["id"]) == category["id"]
    assert numbers == {"cat": 1, "object": 2, "dog": 3, "bird": 4}


@PYCOCOTOOLS_ON_NUMPY_2
@pytest.mark.parametrize("form", ["rle", "polygons"])
def test_coco_is_what_pycocotools_makes_of_it(tmp_path, capsys, form):
    from pycocotools import mask as oracle
    from pycocotools.coco import COCO

    write(TWO, "shot", tmp_path, ["coco"], options=WriteOptions(coco=form))
    coco = COCO(str(tmp_path / "shot_coco.json"))
    for annotation, meant in zip(coco.loadAnns(coco.getAnnIds()), TWO.dense(), strict=True):
        assert isinstance(annotation["segmentation"], list) == (form == "polygons")
        run_lengths = oracle.encode(np.asfortranarray(meant.astype(np.uint8)))
        assert annotation["area"] == int(oracle.area(run_lengths))
        assert annotation["bbox"] == oracle.toBbox(run_lengths).tolist()
        read = coco.annToMask(annotation).astype(bool)
        assert (read & meant).sum() / (read | meant).sum() > (0.9 if form == "polygons" else 0.9999)


@pytest.mark.filterwarnings("ignore")
def test_labelme_is_read_by_its_own_reader(tmp_path):
    labelme = pytest.importorskip("labelme")
    (tmp_path / "pics").mkdir()
    Image.fromarray(PICTURE).save(tmp_path / "pics" / "shot.png")
    write(TWO, "shot", tmp_path / "out", ["labelme"], options=WriteOptions(source=tmp_path / "pics" / "shot.png"))
    file = labelme.LabelFile(str(tmp_path / "out" / "shot.json"))
    assert file.imagePath == "../pics/shot.png"
    assert [shape["label"] for shape in file.shapes] == ["cat", "dog"]


def test_the_picture_is_named_as_seen_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/er")
    for folder, seen in (("out", "../pics/a.png"), ("pics", "a.png"), ("link", "../../pics/a.png")):
        write(TWO, "a", Path(folder), ["labelme"], options=WriteOptions(source=Path("pics/a.png")))
        assert json.loads((tmp_path / folder / "a.json").read_text())["imagePath"] == seen


def test_nothing_is_overwritten_or_left_stale(tmp_path):
    three = TWO[[0, 1, 0]]
    write(three, "shot", tmp_path, ["png", "coco"])
    (tmp_path / "shot_mask_note.png").write_text("mine")
    (tmp_path / "other_mask_000.png").write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for form in ("png", "coco"):
        with pytest.raises(OutputError, match="there already"):
            write(TWO[:1], "shot", tmp_path, [form, "svg"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write(TWO[:1], "shot", tmp_path, ["png"], overwrite=True)
    left = {"shot_mask_000.png", "shot_coco.json", "shot_mask_note.png", "other_mask_000.png"}
    assert set(os.listdir(tmp_path)) == left


def test_colours_and_classes_are_in_svg_and_png(tmp_path):
    chosen = TWO.replace(colours=((1, 2, 3), None))
    root = ET.fromstring(svg_text(chosen))  # noqa: S314
    path = next(path for path in root if path.get("id") == "mask-0")
    assert (path.get("fill"), path.get("data-label"), path[0].text) == ("#010203", "cat", "cat")
    write(chosen, "shot", tmp_path, ["png", "index", "overlay"], PICTURE)
    with Image.open(tmp_path / "shot_mask_001.png") as picture:
        assert picture.text["Title"] == "dog"
    with Image.open(tmp_path / "shot_index.png") as picture:
        described = json.loads(picture.text["Description"])
    assert described[0] == {"value": 1, "label": "cat", "colour": "#010203"}
    inside = TWO.masks[0].dense() & ~TWO.masks[1].dense()
    drawn = np.asarray(chosen.draw(PICTURE, alpha=1, outline=False, labels=False))
    assert (drawn[inside] == (1, 2, 3)).all()
    assert chosen[[1, 0]].colours == (None, (1, 2, 3))
    assert Segments.concatenate([chosen, TWO]).colours == ((1, 2, 3), None, None, None)


def test_objects_without_a_class_share_one(tmp_path):
    write(segments_of(scene()), "a", tmp_path, ["coco", "yolo", "labelme"])
    assert [c["name"] for c in json.loads((tmp_path / "a_coco.json").read_text())["categories"]] == ["object"]
    assert names_in_yaml((tmp_path / "data.yaml").read_text()) == ["object"]
