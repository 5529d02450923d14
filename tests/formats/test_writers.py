import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from promptseg.errors import InputError, OutputError
from promptseg.formats import FORMATS, write
from promptseg.formats.classes import names_in_yaml
from promptseg.formats.coco import read_coco
from promptseg.formats.labelme import read_labelme
from promptseg.formats.options import WriteOptions
from promptseg.formats.png import read_index, read_mask
from promptseg.formats.svg import svg_text, write_svg
from promptseg.formats.table import format_names
from promptseg.formats.yolo import read_yolo
from promptseg.masks.segments import Segments

from .test_round_trips import scene, segments_of

PICTURE = np.full((30, 41, 3), 77, np.uint8)
SCENE = segments_of(scene(), ("cat", "dog", "cat"))


def opened(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def names(paths):
    return [path.name for path in paths]


def test_every_writer_writes_what_it_says(tmp_path):
    paths = write(SCENE, "shot", tmp_path / "out", format_names(), PICTURE, WriteOptions(tolerance=0))
    assert sorted(names(paths)) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names(paths) == [
        "shot_coco.json",
        "shot.json",
        "shot_records.json",
        "shot.svg",
        "shot_overlay.png",
        "shot_index.png",
        *(f"shot_mask_{i:03d}.png" for i in range(3)),
        *(f"shot_cutout_{i:03d}.png" for i in range(3)),
        "shot.txt",
        "classes.txt",
        "data.yaml",
    ]
    out = tmp_path / "out"
    assert read_mask(out / "shot_mask_001.png") == SCENE.masks[1]
    assert len(read_index(out / "shot_index.png")) == 3
    assert read_coco(out / "shot_coco.json") == {"shot": SCENE}
    assert read_labelme(out / "shot.json") == SCENE
    assert read_yolo(out / "shot.txt", SCENE.size, ["cat", "dog"]).labels == ("cat", "dog", "cat")
    assert opened(out / "shot_overlay.png").shape == (30, 41, 3)
    cut = opened(out / "shot_cutout_000.png")
    assert np.array_equal(cut[..., 3] == 255, scene()[0])


@pytest.mark.parametrize("name", FORMATS)
def test_every_writer_takes_no_masks_and_its_own_picture(tmp_path, name):
    empty = Segments.empty((30, 41)).replace(image=PICTURE)
    for path in write(empty, "none", tmp_path, [name]):
        assert path.exists()


def test_class_numbers_are_shared_by_a_folder(tmp_path):
    write(SCENE.with_labels("dog"), "a", tmp_path, ["yolo"])
    write(SCENE, "b", tmp_path, ["yolo"])
    write(SCENE[1:2], "c", tmp_path, ["yolo"])
    classes = (tmp_path / "classes.txt").read_text().splitlines()
    assert classes == ["dog", "cat"]
    assert read_yolo(tmp_path / "b.txt", SCENE.size, classes).labels == ("cat", "dog", "cat")
    assert names_in_yaml((tmp_path / "data.yaml").read_text()) == classes


def test_the_name_of_the_picture_is_written(tmp_path):
    class Named:
        name = "photo.jpg"
        pixels = PICTURE

    write(SCENE, "photo", tmp_path, ["coco", "labelme", "overlay"], Named())
    assert list(read_coco(tmp_path / "photo_coco.json")) == ["photo.jpg"]
    assert '"imagePath": "photo.jpg"' in (tmp_path / "photo.json").read_text()


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="Unknown format 'gif': expected one of coco, labelme, sa1b"):
        write(SCENE, "a", tmp_path, ["png", "gif"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="image="):
        write(SCENE, "a", tmp_path, ["overlay"])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write(SCENE, "a", tmp_path / "file", ["png"])


def test_svg(tmp_path):
    labels = ('a < b & "c"', "bad \x00\x0b\ud800 end", None)
    write_svg(tmp_path / "a.svg", SCENE.with_labels(labels), 'pic "1".jpg')
    root = ET.parse(tmp_path / "a.svg").getroot()  # noqa: S314
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("viewBox") == "0 0 41 30"
    assert root.find(f"{space}image").get("href") == 'pic "1".jpg'
    paths = {path.get("id"): path for path in root.findall(f"{space}path")}
    assert set(paths) == {"mask-0", "mask-1", "mask-2"}
    assert paths["mask-0"].find(f"{space}title").text == labels[0]
    assert paths["mask-1"].find(f"{space}title").text == "bad  end"
    assert paths["mask-2"].find(f"{space}title") is None
    assert paths["mask-2"].get("d") == "M0 10L41 10L41 12L0 12Z"
    assert paths["mask-0"].get("d").count("M") == 3
    assert paths["mask-0"].get("fill-rule") == "evenodd"
    assert "<image" not in svg_text(SCENE)
