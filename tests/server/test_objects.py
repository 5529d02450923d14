"""The work on a picture: stored objects, classes, label files out and in."""

import io
import json
import zipfile
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image as Pillow
from serving import failure

from promptseg import Segments
from promptseg.formats.labelme import segments_from_labelme
from promptseg.formats.sa1b import picture_from_sa1b
from promptseg.masks.rle import RLE
from promptseg.server.settings import Limits

SIZE = (30, 50)
LEFT, RIGHT = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
LEFT[4:20, 3:18] = True
LEFT[8:12, 6:10] = False  # a hole
RIGHT[10:28, 25:44] = True


def thing(key: str, mask: Any, **more: Any) -> dict[str, Any]:
    return {"id": key, "segmentation": RLE.encode(mask).to_coco(), **more}


OBJECTS = [
    thing(
        "a1",
        LEFT,
        label="dog",
        colour="#e6194b",
        score=0.9,
        stability_score=0.95,
        prompts=[{"type": "point", "x": 4.5, "y": 5.5}],
    ),
    thing(
        "b2",
        RIGHT,
        name="the cat",
        stability_score=0.97,
        prompts=[{"type": "point", "x": 30, "y": 20}],
        extra={"note": "日本語", "deep": [1, {"x": None}]},
    ),
]


@pytest.fixture(scope="module")
def small(here) -> str:
    file = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
    Pillow.fromarray(pixels).save(file, "PNG")
    return here.upload(file.getvalue(), name="two pets.png")["id"]


@pytest.fixture
def work(here, small) -> str:
    """The address of a picture with two stored objects."""
    url = f"/v1/images/{small}"
    assert here.http.put(f"{url}/objects", json={"objects": OBJECTS}).json()["count"] == 2
    return url


def test_objects_come_back_as_they_were_put(here, work, small) -> None:
    stored = here.http.get(f"{work}/objects").json()
    for given, kept in zip(OBJECTS, stored["objects"], strict=True):
        assert given.items() <= {**kept, "prompts": [_without_sign(prompt) for prompt in kept["prompts"]]}.items()
        assert kept["visible"] is True
    assert here.http.get(work).json()["objects"] == 2
    assert stored["version"] >= 1


def _without_sign(prompt: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in prompt.items() if key != "positive"}


def test_versions_tell_of_conflicts(start, astronaut) -> None:
    server = start()
    url = f"/v1/images/{server.upload(astronaut)['id']}/objects"
    assert server.http.get(url).json() == {"version": 0, "updated": "", "objects": []}
    empty: dict[str, Any] = {"objects": []}
    assert server.http.put(url, json={**empty, "base_version": 0}).json()["version"] == 1
    assert "version 0" in failure(server.http.put(url, json={**empty, "base_version": 0}), 409, "ConflictError")
    assert server.http.put(url, json={**empty, "base_version": 1}).json()["version"] == 2
    assert server.http.put(url, json=empty).json()["version"] == 3
    late = server.http.put(url, json={**empty, "base_version": 1})
    assert late.status_code == 409
    assert late.json()["error"]["version"] == 3


def test_work_of_another_picture_is_refused(here, work, small) -> None:
    url = f"{work}/objects"
    before = here.http.get(url).json()
    other = {"objects": [], "base_version": before["version"], "image": "0" * 64}
    answer = here.http.put(url, json=other)
    assert small in failure(answer, 412, "WrongPictureError")
    assert answer.json()["error"]["version"] == before["version"]
    assert here.http.get(url).json() == before
    assert here.http.put(url, json={**other, "image": small}).json()["version"] == before["version"] + 1
    here.http.put(url, json={"objects": before["objects"]})


def test_objects_are_sent_again_only_when_they_changed(here, work) -> None:
    url = f"{work}/objects"
    tag = {"If-None-Match": here.http.get(url).headers["etag"]}
    assert here.http.get(url, headers=tag).status_code == 304
    here.http.put(url, json={"objects": OBJECTS})
    assert here.http.get(url, headers=tag).status_code == 200


@pytest.mark.parametrize(
    ("objects", "status", "kind", "says"),
    [
        ([thing("a", LEFT), thing("a", RIGHT)], 422, "InputError", "twice"),
        ([thing("a", np.ones((5, 5), np.bool_))], 422, "FormatError", "5 x 5"),
        ([thing("a", LEFT, extra={"x": "y" * 5000})], 422, "InputError", "4096"),
        ([thing("a", LEFT, colour="red")], 422, "SchemaError", "colour"),
        ([{"id": "a", "segmentation": {"size": [30, 50], "counts": [1, 2]}}], 422, "FormatError", "1500"),
        ([{"id": "a", "segmentation": {"size": [30, 50], "counts": "!"}}], 422, "FormatError", ""),
        ([thing("", LEFT)], 422, "SchemaError", "id"),
    ],
)
def test_wrong_objects_change_nothing(here, work, objects, status, kind, says) -> None:
    before = here.http.get(f"{work}/objects").json()
    answer = here.http.put(f"{work}/objects", json={"objects": objects})
    assert says in failure(answer, status, kind)
    assert here.http.get(f"{work}/objects").json() == before


def test_plain_run_lengths_are_taken_and_compressed(here, work) -> None:
    plain = {"id": "p", "segmentation": RLE.encode(LEFT).to_uncompressed()}
    here.http.put(f"{work}/objects", json={"objects": [plain]})
    (kept,) = here.http.get(f"{work}/objects").json()["objects"]
    assert kept["segmentation"] == RLE.encode(LEFT).to_coco()


def test_too_many_objects(start, astronaut) -> None:
    server = start(limits=Limits(max_masks=1))
    url = f"/v1/images/{server.upload(astronaut)['id']}"
    objects = [{"id": name, "segmentation": RLE.empty((512, 512)).to_coco()} for name in "ab"]
    failure(server.http.put(f"{url}/objects", json={"objects": objects}), 413, "TooLargeError")
    failure(server.http.post(f"{url}/export?format=coco", json={"objects": objects}), 413, "TooLargeError")
    failure(server.http.post(f"{url}/proposals", json={"top": 2}), 413, "TooLargeError")
    record = Segments((512, 512), (RLE.empty((512, 512)),) * 2).to_coco()  # type: ignore[arg-type]
    failure(server.http.post(f"{url}/import?format=coco", json=record), 413, "TooLargeError")


def test_classes_are_kept(here) -> None:
    classes = {"classes": [{"name": "dog", "colour": "#e6194b"}, {"name": "犬", "colour": None}]}
    assert here.http.put("/v1/classes", json=classes).json() == classes
    assert here.http.get("/v1/classes").json() == classes
    failure(here.http.put("/v1/classes", json={"classes": [{"name": "x"}] * 2001}), 413, "TooLargeError")


def export(here, url: str, form: str, **body: Any) -> Any:
    answer = here.http.post(f"{url}/export", params={"format": form}, **body)
    assert answer.status_code == 200, answer.text
    return answer


def test_exports_that_are_json(here, work) -> None:
    masks = [RLE.encode(LEFT), RLE.encode(RIGHT)]
    coco = Segments.from_coco(export(here, work, "coco").json())
    assert list(coco.masks) == masks
    assert coco.labels == ("dog", "object")  # a name ("the cat") is no class
    assert coco.scores.tolist() == pytest.approx([0.9, 1.0])
    labelme = here.http.post(f"{work}/export?format=labelme&tolerance=0").json()
    assert list(segments_from_labelme(labelme).masks) == masks
    answer = export(here, work, "sa1b")
    picture = picture_from_sa1b(answer.json())
    assert list(picture.segments.masks) == masks
    assert picture.file_name == "two pets.png"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="two_pets.json"')
    assert [record["area"] for record in export(here, work, "records").json()] == [mask.area for mask in masks]


def test_exports_that_are_pictures_and_archives(here, work) -> None:
    index = np.asarray(Pillow.open(io.BytesIO(export(here, work, "index").content)))
    assert np.array_equal(index == 2, RIGHT)
    assert Pillow.open(io.BytesIO(export(here, work, "overlay").content)).size == (50, 30)
    svg = export(here, work, "svg")
    assert svg.text.count("<path") == 2
    assert svg.headers["content-type"] == "image/svg+xml"
    with zipfile.ZipFile(io.BytesIO(export(here, work, "png").content)) as archive:
        assert len(archive.namelist()) == 2
        shown = np.asarray(Pillow.open(io.BytesIO(archive.read(archive.namelist()[0]))))
        assert np.array_equal(shown > 0, LEFT)
    with zipfile.ZipFile(io.BytesIO(export(here, work, "yolo").content)) as archive:
        assert {"dog", "object"} <= set(archive.read("classes.txt").decode().split("\n"))
    with zipfile.ZipFile(io.BytesIO(export(here, work, "cutout").content)) as archive:
        cut = np.asarray(Pillow.open(io.BytesIO(archive.read(archive.namelist()[1]))))
        assert np.array_equal(cut[..., 3] > 0, RIGHT)


NAMES = {
    "図1.png": "図1",
    "my photo (1).png": "my photo (1)",
    "a.b.c.png": "a.b.c",
    "naïve.png": "naïve",
    "classes.png": "classes",
    "folder\\in/side.png": "side",
    "犬" * 100 + ".png": "犬" * 76,
}


@pytest.mark.parametrize("name", NAMES)
def test_label_files_have_the_picture_s_own_name(here, name) -> None:
    file = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(len(name)).integers(0, 255, (30, 50, 3), np.uint8)).save(file, "PNG")
    picture = here.upload(file.getvalue(), name=name)
    try:
        answer = export(here, f"/v1/images/{picture['id']}", "yolo", json={"objects": OBJECTS})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            names = {f"{NAMES[name]}.txt", "data.yaml"} | {"classes.txt"}
            assert set(archive.namelist()) == names
            assert len(archive.read(f"{NAMES[name]}.txt").splitlines()) == len(OBJECTS)
        assert quote(f"{NAMES[name]}_yolo.zip") in answer.headers["Content-Disposition"]
    finally:
        here.http.delete(f"/v1/images/{picture['id']}")


def test_classes_of_exports_keep_their_numbers_and_colours(here, work) -> None:
    numbers: dict[str, int] = {}
    for labels in (("zebra", None), ("ant", "zebra"), (None, "bee")):
        objects = [
            {**thing(str(place), mask), "label": label, "name": f"the {place + 1}st one", "colour": "#0a0b0c"}
            for place, (label, mask) in enumerate(zip(labels, (LEFT, RIGHT), strict=True))
        ]
        record = export(here, work, "coco", json={"objects": objects}).json()
        used = {entry["id"]: entry["name"] for entry in record["categories"]}
        assert [used[entry["category_id"]] for entry in record["annotations"]] == [
            label or "object" for label in labels
        ]
        for number, name in used.items():
            assert numbers.setdefault(name, number) == number
        assert 'fill="#0a0b0c"' in export(here, work, "svg", json={"objects": objects}).text


def test_coco_holds_polygons_if_wanted(here, work) -> None:
    for tolerance in (0, 0.5):
        params = {"format": "coco", "coco": "polygons", "tolerance": tolerance}
        record = here.http.post(f"{work}/export", params=params).json()
        assert all(isinstance(entry["segmentation"], list) for entry in record["annotations"])
    for wrong in ({"coco": "boxes"}, {"tolerance": -1}):
        failure(here.http.post(f"{work}/export", params={"format": "coco", **wrong}), 422, "SchemaError")


def test_exports_of_objects_that_come_along(here, work) -> None:
    coco = export(here, work, "coco", json={"objects": OBJECTS[1:]}).json()
    assert [entry["area"] for entry in coco["annotations"]] == [int(RIGHT.sum())]
    nothing = export(here, work, "coco", json={"objects": []}).json()
    assert nothing["annotations"] == []


def test_what_a_format_cannot_hold_is_said(here, work) -> None:
    bare = {"objects": [thing("x", LEFT)]}
    answer = here.http.post(f"{work}/export?format=sa1b", json=bare)
    assert "stability" in failure(answer, 422, "InputError")
    failure(here.http.post(f"{work}/export?format=exe"), 422, "SchemaError")


@pytest.mark.parametrize("form", ["coco", "labelme", "sa1b"])
def test_what_was_exported_is_imported(here, work, form) -> None:
    record = here.http.post(f"{work}/export", params={"format": form, "tolerance": 0}).json()
    objects = here.http.post(f"{work}/import", params={"format": form}, json=record).json()["objects"]
    masks = [RLE.from_coco(item["segmentation"]) for item in objects]
    assert masks == [RLE.encode(LEFT), RLE.encode(RIGHT)]
    assert len({item["id"] for item in objects}) == 2
    if form != "sa1b":
        assert [item["label"] for item in objects] == ["dog", "object"]
    assert here.http.put(f"{work}/objects", json={"objects": objects}).status_code == 200


def test_one_picture_is_taken_out_of_a_coco_file_of_several(here, work) -> None:
    record = export(here, work, "coco").json()
    other = {"id": 9, "file_name": "other.png", "height": 30, "width": 50}
    huge = {"id": 8, "file_name": "huge.png", "height": 40_000, "width": 50_000}
    masks = [{"id": 77, "image_id": 9, "category_id": 1, "segmentation": RLE.encode(RIGHT).to_coco()}]
    several = {**record, "images": [*record["images"], other, huge], "annotations": [*record["annotations"], *masks]}
    objects = here.http.post(f"{work}/import?format=coco", json=several).json()["objects"]
    assert len(objects) == 2
    objects = here.http.post(f"{work}/import?format=coco&file_name=other.png", json=several).json()["objects"]
    assert [RLE.from_coco(item["segmentation"]) for item in objects] == [RLE.encode(RIGHT)]
    answer = here.http.post(f"{work}/import?format=coco&file_name=huge.png", json=several)
    assert "50000 x 40000" in failure(answer, 422, "FormatError")
    answer = here.http.post(f"{work}/import?format=coco&file_name=nobody.png", json=several)
    assert "file_name" in failure(answer, 422, "FormatError")


@pytest.mark.parametrize("form", ["coco", "labelme", "sa1b"])
@pytest.mark.parametrize("record", [{}, {"images": 1, "annotations": 2, "shapes": 3}, {"images": [1]}, {"image": 1}])
def test_label_files_that_are_none(here, work, form, record) -> None:
    failure(here.http.post(f"{work}/import", params={"format": form}, json=record), 422, "FormatError")


def test_names_of_files_are_harmless(start) -> None:
    server = start()
    file = io.BytesIO()
    Pillow.new("RGB", (4, 4)).save(file, "PNG")
    image = server.upload(file.getvalue(), name='..\\"evil\r\nX: y\n<b>.png')
    answer = export(server, f"/v1/images/{image['id']}", "coco")
    assert "\n" not in answer.headers["Content-Disposition"]
    assert "X" not in answer.headers
    json.loads(answer.text)


def test_yolo_and_files_with_marks_are_imported(here) -> None:
    file = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(8).integers(0, 256, (100, 200, 3), np.uint8)).save(file, "PNG")
    url = f"/v1/images/{here.upload(file.getvalue())['id']}/import"
    line = "1 0.05 0.2 0.3 0.2 0.3 0.7 0.05 0.7\r\n0 0.5 0.5 0.5 0.5\r\n"
    text = here.http.post(
        url,
        params={"format": "yolo", "names": "cat, dog"},
        content=b"\xef\xbb\xbf" + line.encode(),
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )
    assert text.status_code == 200, text.text
    assert [item["label"] for item in text.json()["objects"]] == ["dog", "cat"]
    assert [RLE.from_coco(item["segmentation"]).area for item in text.json()["objects"]] == [2500, 5000]
    assert "1 of 2 lines" in text.json()["notes"][0]
    plain = here.http.post(url, params={"format": "yolo"}, json={"text": line})
    assert [item["label"] for item in plain.json()["objects"]] == ["class 1", "class 0"]
    failure(here.http.post(url, params={"format": "yolo"}, json={"text": "0 1 2 3"}), 422, "FormatError")
    failure(here.http.post(url, params={"format": "yolo"}, json={}), 422, "FormatError")
    failure(
        here.http.post(url, params={"format": "coco"}, content="0 1", headers={"Content-Type": "text/plain"}),
        422,
        "FormatError",
    )
    square = [[10, 20], [60, 20], [60, 70], [10, 70]]
    shapes = {"shapes": [{"label": "car", "shape_type": "rectangle", "points": square}], "imageHeight": 100}
    body = b"\xef\xbb\xbf" + json.dumps({**shapes, "imageWidth": 200}).encode()
    headers = {"Content-Type": "application/json"}
    answer = here.http.post(url, params={"format": "labelme"}, content=body, headers=headers)
    assert [RLE.from_coco(item["segmentation"]).area for item in answer.json()["objects"]] == [2500]
    record = {
        "images": [{"id": 1, "file_name": "x.png", "height": 100, "width": 200}],
        "annotations": [
            {"id": 1, "image_id": 1, "segmentation": [[10, 20, 60, 20, 60, 70, 10, 70], [5, 5, 6, 6]]},
            {"id": 2, "image_id": 1, "bbox": [10, 20, 50, 50]},
        ],
    }
    answer = here.http.post(url, params={"format": "coco"}, json=record).json()
    assert len(answer["objects"]) == 1
    assert answer["notes"] == ["1 of 2 annotations were skipped, for they have no mask: there is a box alone."]
