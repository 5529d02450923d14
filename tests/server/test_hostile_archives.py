"""Archives of labels that somebody made to be slow, large, or to break out: each limit is met before its cost."""

import asyncio
import io
import json
import time
import tracemalloc
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from growth import growth
from promptseg.errors import FormatError, InputError
from promptseg.formats.classes import has_list, names_in_yaml
from promptseg.server import data_set_in
from promptseg.server.data_set_in import Known, Labels, incoming, unpacked
from promptseg.server.http_errors import HttpError
from promptseg.server.jobs import JobQueue
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, now
from promptseg.stopping import stoppable

LIMITS = Limits()
PICTURE = Picture("ab" * 32, 30, 20, "a.png", "image/png", 1, now())


class Ended(Exception):
    """What the one who waits raises."""


def archive(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return file.getvalue()


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_entries_are_counted_before_they_are_listed() -> None:
    content = archive({f"{number}/": b"" for number in range(3000)})
    tracemalloc.start()
    with pytest.raises(HttpError, match="3,000 files and folders; the limit is 100"):
        unpacked(content, "", Limits(max_archive_files=100))
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_packings_are_refused(packing: int) -> None:
    content = archive({"a.txt": bytes(1000)}, packing)
    for damaged in (content, content[:40] + b"\xff" * 20 + content[60:]):
        with pytest.raises(InputError, match="cannot be unpacked"):
            unpacked(damaged, "", LIMITS)


def test_unpacking_stops_with_its_job() -> None:
    def check() -> None:
        raise Ended

    with pytest.raises(Ended), stoppable(check):
        unpacked(archive({"a.txt": b"0"}), "", LIMITS)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.json": b"[" + b"[]," * 6 + b"0]"}, "lists"),
        ({"a.json": b"[0,0,0,0]", "b.json": b"[" + b"0," * 10 + b"0]"}, "values"),
        ({"a.txt": ("0" * 400 + "\N{GRINNING FACE}").encode()}, "As text"),
        ({"data.yaml": b"#" * 2000}, "As text"),
    ],
)
def test_labels_are_measured_before_they_become_values(files, says, monkeypatch) -> None:
    monkeypatch.setattr(data_set_in, "MOST_CONTAINERS", 6)
    monkeypatch.setattr(data_set_in, "MOST_VALUES", 12)
    limits = Limits(max_unpacked_bytes=1000)
    assert incoming({"a.json": b"[[],[]]", "b.txt": b"0" * 400}, limits).notes
    with pytest.raises(HttpError, match=says) as caught:
        incoming(files, limits)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "text",
    [
        lambda size: "names:\n- a" + " " * size + "b",
        lambda size: "names: [a" + " " * size + "b]",
        lambda size: 'names: ["' + '\\"' * size + "]",
        lambda size: "names: [" + "' " * size + "]",
        lambda size: "names: [" + ',"' * size + "]",
    ],
)
def test_lists_of_names_take_time_linear_in_their_letters(text) -> None:
    assert growth(lambda size: names_in_yaml(text(size)), 20_000, 80_000, 8) < 8


def test_numbers_of_names_are_no_amount_of_memory() -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        names_in_yaml("names:\n  9999999: a")


def test_texts_of_lines_are_no_larger_than_as_a_body(monkeypatch) -> None:
    limits = Limits(max_json_bytes=100)
    found = incoming({"a.txt": b"\n" * 101, "b.txt": b"\n" * 100}, limits)
    assert [labels.name for labels in found.labels] == ["b"]
    assert "a.txt has more than 100 bytes" in found.notes[0]
    for name in ("data.yaml", "classes.txt"):
        with pytest.raises(FormatError, match="more than 100 bytes"):
            incoming({name: b"\n" * 101}, limits)
    monkeypatch.setattr(data_set_in, "_LIST_BYTES", 100)
    for size, count in ((100, 2), (101, 1)):
        (labels,) = incoming({"labels/a.png": b"", "classes.json": b" " * size}, LIMITS).labels
        assert len(labels.files) == count
    monkeypatch.setattr(data_set_in, "MOST_NAMES", 5)
    monkeypatch.setattr(data_set_in, "MOST_VALUES", 1)
    monkeypatch.setattr(data_set_in, "MOST_CONTAINERS", 2)
    assert data_set_in.class_list("a\n" * 5) == ["a"]
    assert data_set_in.class_list('["a", "b"]') == ["a", "b"]
    for text in ("a\n" * 6, "names: [" + "a," * 6 + "]", '["a", "b", "c"]', "[[[]]]"):
        with pytest.raises(FormatError, match="at most"):
            data_set_in.class_list(text)


def test_a_list_that_is_nearly_labels_is_told_at_once(tmp_path) -> None:
    (tmp_path / "classes.txt").write_text("0 " + "1 " * 5000 + "x\n")
    begin = time.thread_time()
    assert has_list(tmp_path)
    assert time.thread_time() - begin < 1
    (tmp_path / "classes.txt").write_text("0 .1 .1 .2 .2\n\n1 .1 .1 .2 .2 .3 .3\n")
    assert not has_list(tmp_path)


def test_pictures_of_one_name_are_found_at_once() -> None:
    def pictures(count: int) -> list[Picture]:
        return [replace(PICTURE, id=f"{number:064x}", height=number + 1) for number in range(count)]

    assert growth(lambda given: Known(given), pictures(1000), pictures(4000), 8) < 8
    known = Known(pictures(2000))
    record = {"imageHeight": 7, "imageWidth": 30}
    found = known.find(Labels("a.png", "labelme", record))
    assert found is not None
    assert found.height == 7
    assert known.find(Labels("a", "yolo", {})) is None
    assert known.find(Labels("a.jpg", "labelme", {"imageHeight": [1], "imageWidth": {}})) is None
    assert growth(lambda one: [one.find(Labels("a", "yolo", {})) for _ in range(200)], Known([PICTURE]), known, 3) < 3


def test_annotations_belong_to_one_picture_each() -> None:
    image = {"id": 1, "file_name": "a.png", "height": 20, "width": 30}
    record = {"images": [image] * 100, "annotations": [{"image_id": 1}] * 100}
    assert len(incoming({"a.json": json.dumps(record).encode()}, LIMITS).labels) == 1


@pytest.mark.parametrize("mark", ["{", "{0.__class__}", "{}", "x" * 300, "\x01", "%s", "犬"])
def test_marks_of_masks_become_no_names_of_files(mark: str) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[2:9, 2:9] = 255
    found = incoming({f"masks/a#{mark}.png": png(mask), "masks/a.png": png(mask)}, LIMITS)
    (labels,) = found.labels
    assert [item["area"] for item in data_set_in.read(labels, PICTURE, LIMITS)] == [49, 49]


@pytest.mark.parametrize("place", ["masks", "instances", "labels", "SegmentationObject"])
def test_label_pictures_of_another_size_are_refused_by_their_head(place: str, monkeypatch) -> None:
    (labels,) = incoming({f"{place}/a.png": png(np.zeros((21, 30), np.uint8))}, LIMITS).labels
    monkeypatch.setattr(data_set_in, "DatasetSource", None)  # it is never asked
    with pytest.raises(FormatError, match="has 30 x 21 pixels; the picture 30 x 20"):
        data_set_in.read(labels, PICTURE, LIMITS)


@pytest.mark.parametrize("place", ["instances", "SegmentationObject"])
def test_more_masks_than_a_picture_may_have(place: str) -> None:
    numbers = (np.indices((20, 30)).sum(0) % 2 * np.arange(1, 601).reshape(20, 30) % 250).astype(np.uint8)
    (labels,) = incoming({f"{place}/a.png": png(numbers)}, LIMITS).labels
    with pytest.raises(HttpError, match="masks; the limit is 5") as caught:
        data_set_in.read(labels, PICTURE, Limits(max_masks=5))
    assert caught.value.status == 413


def test_numbers_of_classes_are_no_amount_of_memory() -> None:
    file = io.BytesIO()
    Pillow.fromarray(np.full((20, 30), 2**31 - 1, np.int32)).save(file, "TIFF")
    objects, classes = png(np.ones((20, 30), np.uint8)), file.getvalue()
    files = {"SegmentationObject/a.png": objects, "SegmentationClass/a.png": classes}
    (labels,) = incoming(files, LIMITS).labels
    tracemalloc.start()
    assert [item["label"] for item in data_set_in.read(labels, PICTURE, LIMITS)] == [None]
    assert tracemalloc.get_traced_memory()[1] < 1_000_000_000  # sixteen times as much, if heights were counted
    tracemalloc.stop()


def test_archives_are_read_one_after_the_other() -> None:
    async def scene() -> list[str]:
        queue, seen = JobQueue(2, 5, 2), []

        async def one(name: str) -> None:
            async with queue.alone():
                seen.append(f"{name} begins")
                await asyncio.sleep(0)
                seen.append(f"{name} ends")

        first, second = asyncio.ensure_future(one("a")), asyncio.ensure_future(one("b"))
        await asyncio.sleep(0)
        with pytest.raises(HttpError) as caught:
            await one("c")
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "5")
        await asyncio.gather(first, second)
        await one("d")
        queue.close()
        return seen

    assert asyncio.run(scene()) == [f"{name} {what}" for name in ("a", "b", "d") for what in ("begins", "ends")]
