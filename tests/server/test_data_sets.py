"""Data sets of many pictures: out as archives that others read mask by mask, and in again."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from pycocotools.coco import COCO
from serving import Running, failure

from promptseg.datasets.open import DatasetSource
from promptseg.formats.coco import read_coco
from promptseg.masks.rle import RLE
from promptseg.server.settings import Limits

SIZE = (30, 50)


def picture(seed: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)).save(file, form)
    return file.getvalue()


def mask(x: int, y: int, width: int, height: int) -> RLE:
    dense = np.zeros(SIZE, np.bool_)
    dense[y : y + height, x : x + width] = True
    dense[y + 2 : y + 4, x + 2 : x + 4] = False  # a hole
    return RLE.encode(dense)


WORK: dict[str, list[tuple[str, RLE, str | None]]] = {
    "a.png": [("1", mask(3, 4, 15, 16), "dog"), ("2", mask(20, 10, 19, 15), "black cat")],
    "b.png": [("1", mask(5, 5, 30, 20), "black cat"), ("2", mask(40, 2, 8, 9), None)],
    "c.jpg": [("1", mask(1, 1, 12, 12), "dog"), ("2", mask(30, 12, 14, 14), "ox, or so")],
}


def thing(key: str, rle: RLE, label: str | None, **more: Any) -> dict[str, Any]:
    return {"id": key, "segmentation": rle.to_coco(), "label": label, **more}


def fill(server: Running) -> dict[str, str]:
    ids: dict[str, str] = {}
    for seed, (name, work) in enumerate(WORK.items()):
        ids[name] = server.upload(picture(seed, "JPEG" if name.endswith("jpg") else "PNG"), name=name)["id"]
        objects = [thing(key, rle, label, name=f"Object {key}") for key, rle, label in work]
        objects.append(thing("s", mask(9, 9, 20, 20), "dog", suggested=True, score=0.4))
        assert server.http.put(f"/v1/images/{ids[name]}/objects", json={"objects": objects}).is_success
    return ids


@pytest.fixture
def full(start) -> tuple[Running, dict[str, str]]:
    server = start()
    listed = [{"name": "black cat", "colour": "#123456"}, {"name": "dog", "colour": None}]
    server.http.put("/v1/classes", json={"classes": listed})
    return server, fill(server)


def archive(server: Running, folder: Path, **body: Any) -> Path:
    answer = server.http.post("/v1/export", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
        assert files.testzip() is None
        files.extractall(folder)
    return folder


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "objects.csv").read_text())))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
@pytest.mark.parametrize("coco", ["rle", "polygons"])
def test_coco_agrees_with_pycocotools_and_our_reader(full, tmp_path, capsys, coco) -> None:
    server, ids = full
    folder = archive(server, tmp_path, format="coco", coco=coco, tolerance=0, pictures=True, unlabelled=True)
    theirs = COCO(str(folder / "instances.json"))
    ours = read_coco(folder / "instances.json")
    assert {entry["file_name"] for entry in theirs.imgs.values()} == set(WORK) == set(ours)
    names = {number: entry["name"] for number, entry in theirs.cats.items()}
    assert set(names.values()) == {"dog", "black cat", "ox, or so", "object"}  # names of objects are no classes
    for image, entry in theirs.imgs.items():
        name = entry["file_name"]
        annotations = theirs.loadAnns(theirs.getAnnIds([image]))
        assert len(annotations) == len(WORK[name])  # what is only suggested is not there
        for annotation, (_, rle, label), own in zip(annotations, WORK[name], ours[name].masks, strict=True):
            assert names[annotation["category_id"]] == (label or "object")
            assert annotation["area"] == rle.area
            assert own == rle
            if coco == "rle":
                assert np.array_equal(theirs.annToMask(annotation), rle.dense())
        stored = (folder / "images" / name).read_bytes()
        assert Pillow.open(io.BytesIO(stored)).size == (50, 30)
    opened = DatasetSource(path=str(folder))()
    assert sorted(target.rle().area for sample in opened.samples for target in sample.targets) == sorted(
        rle.area for work in WORK.values() for _, rle, _ in work
    )
    assert len(ids) == len(opened.samples)


def test_numbers_stay_when_pictures_and_objects_come_and_go(full) -> None:
    server, ids = full

    def numbers() -> dict[str, Any]:
        answer = server.http.post("/v1/export", json={"format": "coco"})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
            record = json.loads(files.read("instances.json"))
        images = {entry["id"]: entry["file_name"] for entry in record["images"]}
        categories = {entry["id"]: entry["name"] for entry in record["categories"]}
        annotations = {
            (images[one["image_id"]], one["area"]): (one["id"], one["category_id"]) for one in record["annotations"]
        }
        return {"images": images, "categories": categories, "annotations": annotations}

    before = numbers()
    assert all(number < 2**53 for number in before["images"])
    server.http.delete(f"/v1/images/{ids['a.png']}")
    url = f"/v1/images/{ids['b.png']}/objects"
    stored = server.http.get(url).json()["objects"]
    server.http.put(url, json={"objects": [thing("new", mask(0, 0, 9, 9), "ant"), *stored]})
    after = numbers()
    assert after["images"].items() <= before["images"].items()
    assert before["categories"].items() <= after["categories"].items()
    kept = {key: value for key, value in after["annotations"].items() if key in before["annotations"]}
    assert len(kept) == 3
    assert kept.items() <= before["annotations"].items()


def test_objects_without_a_class_are_left_out_or_share_one(full, tmp_path) -> None:
    server, _ = full
    folder = archive(server, tmp_path / "without", format="coco")
    record = json.loads((folder / "instances.json").read_text())
    assert len(record["annotations"]) == 5
    assert "object" not in {entry["name"] for entry in record["categories"]}
    assert not (folder / "images").exists()
    rows = table(archive(server, tmp_path / "csv", format="csv", unlabelled=True))
    assert [row["class"] for row in rows] == ["dog", "black cat", "black cat", "", "dog", "ox, or so"]
    assert [int(row["area"]) for row in rows] == [rle.area for work in WORK.values() for _, rle, _ in work]


def test_the_table_says_how_long_objects_and_pictures_took(full, tmp_path) -> None:
    server, ids = full
    url = f"/v1/images/{ids['a.png']}"
    objects = server.http.get(f"{url}/objects").json()["objects"]
    objects[0]["seconds"] = 7.25
    assert server.http.put(f"{url}/objects", json={"objects": objects}).is_success
    server.http.put(f"{url}/review", json={"seconds": 61.5})
    rows = table(archive(server, tmp_path, format="csv"))
    assert [(row["seconds"], row["picture_seconds"]) for row in rows[:3]] == [
        ("7.2", "61.5"),
        ("0.0", "61.5"),
        ("0.0", "0.0"),
    ]
    wrong = [{**objects[0], "seconds": -1}]
    assert server.http.put(f"{url}/objects", json={"objects": wrong}).status_code == 422


def test_cells_are_no_formulas(start, tmp_path) -> None:
    server = start()
    image = server.upload(picture(1), name="=1+1.png")["id"]
    objects = [thing("1", mask(3, 3, 9, 9), "=cmd()", name="+1")]
    server.http.put(f"/v1/images/{image}/objects", json={"objects": objects})
    (row,) = table(archive(server, tmp_path, format="csv"))
    assert (row["picture"], row["class"], row["name"]) == ("'=1+1.png", "'=cmd()", "'+1")


def test_yolo_is_split_always_the_same_and_read_by_our_reader(full, tmp_path) -> None:
    server, _ = full
    wanted = {"format": "yolo", "pictures": True, "validation": 0.34, "tolerance": 0}
    folder = archive(server, tmp_path / "first", **wanted)
    assert archive(server, tmp_path / "second", **wanted)
    names = [
        sorted(str(path.relative_to(root)) for path in root.rglob("*.txt")) for root in (folder, tmp_path / "second")
    ]
    assert names[0] == names[1]
    found = {}
    for split in ("train", "val"):
        for sample in DatasetSource(path=str(folder), split=split)().samples:
            found[sample.picture.name] = [(target.rle(), target.label) for target in sample.targets]
    wanted_masks = {name: [(rle, label) for _, rle, label in work if label] for name, work in WORK.items()}
    assert found == wanted_masks


def test_voc_is_read_by_our_reader_with_its_own_classes(full, tmp_path) -> None:
    server, _ = full
    folder = archive(server, tmp_path, format="voc", pictures=True, validation=0.34, unlabelled=True)
    samples = DatasetSource(path=str(folder), split="trainval")().samples
    found = {sample.name: {(target.rle().area, target.label) for target in sample.targets} for sample in samples}
    assert found == {
        name.partition(".")[0]: {(rle.area, label or "object") for _, rle, label in work} for name, work in WORK.items()
    }
    assert all(sample.picture.is_file() for sample in samples)
    parts = [(folder / "ImageSets/Segmentation" / f"{part}.txt").read_text().split() for part in ("train", "val")]
    assert sorted(parts[0] + parts[1]) == ["a", "b", "c"]
    assert all(parts)


def test_a_selection_a_state_and_formats_of_single_pictures(full, tmp_path) -> None:
    server, ids = full
    server.http.put(f"/v1/images/{ids['b.png']}/review", json={"state": "accepted"})
    folder = archive(server, tmp_path / "labelme", format="labelme", states=["accepted"])
    assert [path.name for path in folder.iterdir()] == ["b.json"]
    folder = archive(server, tmp_path / "png", format="png", images=[ids["a.png"], ids["c.jpg"]])
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png")) == [
        "a/mask_000.png",
        "a/mask_001.png",
        "c/mask_000.png",
        "c/mask_001.png",
    ]
    assert "no picture" in failure(
        server.http.post("/v1/export", json={"format": "coco", "states": ["rejected"]}), 422, "InputError"
    )
    says = failure(server.http.post("/v1/export", json={"format": "sa1b"}), 422, "InputError")
    assert "Choose COCO" in says
    failure(server.http.post("/v1/export", json={"format": "coco", "images": ["0" * 64]}), 404, "NotFoundError")


def test_pictures_of_one_name_get_files_of_their_own(start, tmp_path) -> None:
    server = start()
    for seed in range(3):
        image = server.upload(picture(seed), name="image.png" if seed else "IMAGE.png")["id"]
        objects = [thing("1", mask(3, 3, 9 + seed, 9), "dog")]
        server.http.put(f"/v1/images/{image}/objects", json={"objects": objects})
    folder = archive(server, tmp_path, format="coco", pictures=True)
    assert len(list((folder / "images").iterdir())) == 3
    assert len(read_coco(folder / "instances.json")) == 3


def test_a_turned_photograph_leaves_upright(start, tmp_path) -> None:
    server = start()
    file = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x112] = 6
    Pillow.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(file, "JPEG", exif=exif)
    image = server.upload(file.getvalue(), name="turned.jpg")
    assert (image["width"], image["height"]) == (30, 50)
    dense = np.zeros((50, 30), np.bool_)
    dense[4:20, 4:20] = True
    objects = [thing("1", RLE.encode(dense), "dog")]
    server.http.put(f"/v1/images/{image['id']}/objects", json={"objects": objects})
    folder = archive(server, tmp_path, format="coco", pictures=True)
    with Pillow.open(folder / "images" / "turned.jpg") as opened:
        assert opened.size == (30, 50)
        assert opened.getexif().get(0x112, 1) == 1


# In again


def zipped(folder: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as files:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files.write(path, str(path.relative_to(folder)))
    return file.getvalue()


def send(server: Running, content: bytes, **query: str) -> Any:
    return server.http.post(
        "/v1/import", content=content, params=query, headers={"Content-Type": "application/octet-stream"}
    )


@pytest.mark.parametrize("form", ["coco", "yolo", "labelme", "voc"])
@pytest.mark.parametrize("pictures", [True, False])
def test_what_was_exported_is_imported_elsewhere(full, start, tmp_path, form, pictures) -> None:
    server, ids = full
    content = server.http.post(
        "/v1/export",
        json={"format": form, "pictures": pictures, "unlabelled": True, "tolerance": 0, "validation": 0.34},
    ).content
    for image in ids.values():
        server.http.put(f"/v1/images/{image}/objects", json={"objects": []})
        if pictures:
            server.http.delete(f"/v1/images/{image}")
    server.http.put("/v1/classes", json={"classes": []})
    answer = send(server, content)
    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert (read["pictures"], read["objects"], read["added"]) == (3, 6, 3 * pictures), read
    names = {entry["id"]: entry["name"] for entry in server.http.get("/v1/images").json()["images"]}
    for image in read["images"]:
        stored = server.http.get(f"/v1/images/{image}/objects").json()["objects"]
        found = {(RLE.from_coco(item["segmentation"]).area, item["label"]) for item in stored}
        # VOC's pictures are JPEG files, whatever they were before.
        (name,) = (own for own in WORK if own.partition(".")[0] == names[image].partition(".")[0])
        assert found == {(rle.area, label) for _, rle, label in WORK[name]}
    classes = [entry["name"] for entry in server.http.get("/v1/classes").json()["classes"]]
    assert sorted(classes) == ["black cat", "dog", "ox, or so"]  # `object` is none


def test_one_coco_file_of_many_pictures(full, tmp_path) -> None:
    server, ids = full
    folder = archive(server, tmp_path, format="coco")
    content = (folder / "instances.json").read_bytes()
    counts = lambda: [len(server.http.get(f"/v1/images/{one}/objects").json()["objects"]) for one in ids.values()]  # noqa: E731
    assert send(server, content, name="instances.json", existing="skip").json()["objects"] == 0
    assert counts() == [3, 3, 3]
    assert send(server, content, name="instances.json", existing="replace").json()["objects"] == 5
    assert counts() == [2, 1, 2]
    assert send(server, content, name="instances.json").json()["pictures"] == 3
    assert counts() == [4, 2, 4]
    server.http.delete(f"/v1/images/{ids['a.png']}")
    notes = send(server, content, name="instances.json").json()["notes"]
    assert notes == ["No picture here, or more than one, is called 'a.png': open them first."]


def test_masks_and_instance_maps(full, tmp_path) -> None:
    server, ids = full
    numbers = np.zeros(SIZE, np.uint8)
    numbers[2:9, 2:9], numbers[12:20, 12:30] = 1, 2
    for place, pixels in {
        "instances/a.png": numbers,
        "masks/b.png": (numbers == 1).astype(np.uint8) * 255,
        "masks/b#2.png": (numbers == 2).astype(np.uint8) * 255,
    }.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        Pillow.fromarray(pixels).save(tmp_path / place)
    read = send(server, zipped(tmp_path), existing="replace").json()
    assert (read["pictures"], read["objects"]) == (2, 4), read
    for name in ("a.png", "b.png"):
        stored = server.http.get(f"/v1/images/{ids[name]}/objects").json()["objects"]
        assert sorted(item["area"] for item in stored) == [49, 144]


def test_damaged_and_hostile_archives(start, tmp_path) -> None:
    server = start(limits=Limits(max_archive_files=3, max_unpacked_bytes=100_000))
    image = server.upload(picture(1), name="a.png")["id"]
    failure(send(server, b"PK\3\4 no archive"), 422, "InputError")
    failure(send(server, b"nothing", name="x.json"), 422, "InputError")

    def made(**files: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            for name, content in files.items():
                out.writestr(name.replace("__", "/"), content)
        return file.getvalue()

    failure(send(server, made(**{f"{n}.txt": b"" for n in range(4)})), 413, "TooLargeError")
    failure(send(server, made(**{"a.txt": b"0" * 200_000})), 413, "TooLargeError")
    outside = tmp_path / "labels.txt"
    line = b"0 0.1 0.1 0.9 0.1 0.9 0.9"
    failure(send(server, made(**{"..__..__labels.txt": line})), 422, "InputError")
    assert send(server, made(**{"__etc__a.txt": line})).json()["objects"] == 1
    assert not outside.exists()
    read = send(server, made(**{"a.txt": b"0 0.1 what"})).json()
    assert read["objects"] == 0
    assert read["notes"][0].startswith("a: ")
    assert len(server.http.get(f"/v1/images/{image}/objects").json()["objects"]) == 1
    file = io.BytesIO()
    Pillow.fromarray(np.zeros((4, 4), np.uint8) + 1).save(file, "PNG")
    read = send(server, made(**{"instances__a.png": file.getvalue()})).json()
    assert read["objects"] == 0
    assert str(tmp_path) not in read["notes"][0]
    assert "/tmp" not in read["notes"][0]  # noqa: S108
    answer = server.http.post("/v1/import", content=b"x", headers={"Content-Type": "text/html"})
    failure(answer, 415, "MediaTypeError")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("dog\n cat \n\ndog\n", ["dog", "cat"]),
        ("nc: 2\nnames:\n  0: dog\n  1: 'black cat'\n", ["dog", "black cat"]),
        ("names: [dog, cat]\n", ["dog", "cat"]),
        ('{"categories": [{"id": 3, "name": "犬"}]}', ["犬"]),
        ('["dog", "cat"]', ["dog", "cat"]),
        ("# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:1,2,3::\n", ["background", "dog"]),
    ],
)
def test_lists_of_classes(here, text, names) -> None:
    answer = here.http.post("/v1/classes/read", content=text.encode(), headers={"Content-Type": "text/plain"})
    assert answer.json() == {"names": names}
    wrong = here.http.post("/v1/classes/read", content=b'{"a": 1}', headers={"Content-Type": "text/plain"})
    failure(wrong, 422, "FormatError")


def test_pictures_are_known_by_the_names_that_data_sets_give_them() -> None:
    from promptseg.server.data_set_in import Known, Labels
    from promptseg.server.data_set_out import _unique_names
    from promptseg.server.store import Picture

    named = [("a" * 64, "a.png"), ("b" * 64, "a.png"), ("c" * 64, "")]
    pictures = [Picture(key, 9, 9, name, "image/png", 1, "") for key, name in named]
    names = _unique_names(pictures)
    assert names["b" * 64] == "a_bbbbbbbbbbbb.png"
    known = Known(pictures)
    for picture in pictures[1:]:
        for name in (names[picture.id], Path(names[picture.id]).stem):
            assert known.find(Labels(name, "yolo")) is picture
