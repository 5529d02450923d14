"""Data sets of many pictures as ZIP archives, which are made and sent piece by piece: a picture at a time."""

import asyncio
import csv
import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image as Pillow
from pydantic import TypeAdapter

from promptseg.errors import InputError
from promptseg.formats.classes import class_name, with_names
from promptseg.formats.coco import coco_record
from promptseg.formats.options import WriteOptions
from promptseg.formats.png import index_map
from promptseg.formats.table import FORMATS, ZIP, write
from promptseg.formats.yolo import yolo_lines
from promptseg.images import PICTURE_SUFFIXES
from promptseg.images.quiet import quiet_pillow
from promptseg.masks.records import UNLABELLED
from promptseg.masks.segments import Segments
from promptseg.server.dependencies import Server
from promptseg.server.http_errors import HttpError
from promptseg.server.jobs import Job
from promptseg.server.label_files import marked_stem, stem_of, to_segments
from promptseg.server.schemas import ObjectBody
from promptseg.server.store import Picture

MOST_NUMBERS = 254
"""VOC's pictures number classes and objects in 8 bits; 0 is background, 255 is void."""

_OBJECTS: TypeAdapter[list[ObjectBody]] = TypeAdapter(list[ObjectBody])
_DATE = (2020, 1, 1, 0, 0, 0)
_ORIENTATION = 0x112
_BUSY_SECONDS, _BUSY_TRIES = 1.0, 60
_COLUMNS = (
    *("picture", "picture_id", "width", "height", "object", "name", "class", "area", "x", "y", "box_width"),
    *("box_height", "score", "granularity", "seconds", "state", "annotator", "picture_seconds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSetOptions:
    """What a data set holds, and how.

    Attributes:
        format: one of `schemas.DATA_SET_FORMATS`.
        write: how masks are written.
        pictures: whether the pictures come along.
        validation: which part of the pictures is for validation, where a format has parts.
        unlabelled: whether objects without a class are among them, as `object`.
    """

    format: str
    write: WriteOptions = field(default_factory=WriteOptions)
    pictures: bool = False
    validation: float = 0.0
    unlabelled: bool = False


def number_of(*parts: str) -> int:
    """Returns a number of 53 bits that always belongs to the same picture, or to the same object of it."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode("utf-8", "replace")).digest()[:7]) >> 3


class DataSet:
    """A data set of stored pictures, with the work on them at the moment when each is written.

    Args:
        server: the server that has them.
        pictures: which of them.
        options: see `DataSetOptions`.
    """

    def __init__(self, server: Server, pictures: Sequence[Picture], options: DataSetOptions) -> None:
        self._server, self._pictures, self._options = server, pictures, options
        self._names = _unique_names(pictures)
        self._classes: list[str] = []
        self._validation = _validation(pictures, options.validation)
        self._taken: set[int] = set()

    async def check(self) -> None:
        """Reads through all of it once: what the format cannot hold is said before anything is sent.

        Raises:
            InputError: there is nothing to write, or something that the format cannot hold.
        """
        labels: dict[str, None] = {}
        count = 0
        for picture in self._pictures:
            items = await self._compute(lambda job, one=picture: self._objects(one))
            self._check_one(picture, items)
            count += len(items)
            labels.update(dict.fromkeys(class_name(item.label) for item in items))
        if count == 0:
            raise InputError(
                "There is nothing to export: none of these pictures has an object"
                + ("." if self._options.unlabelled else " with a class.")
            )
        order = [*await asyncio.to_thread(_class_colours, self._server)]
        known = sorted(labels, key=lambda name: order.index(name) if name in order else len(order))
        await asyncio.to_thread(self._number, known)
        if self._options.format == "voc" and len(self._classes) > MOST_NUMBERS:
            raise InputError(f"VOC numbers at most {MOST_NUMBERS} classes; there are {len(self._classes)}.")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields the archive."""
        pipe = _Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            steps = self._steps(archive)
            end = object()
            while await self._compute(lambda job: next(steps, end)) is not end:
                if content := pipe.take():
                    yield content
        yield pipe.take()

    async def _compute(self, work: Callable[[Job], Any]) -> Any:
        """Runs a step in its turn; a busy server is asked again, for a part of the archive is sent already."""
        for left in range(_BUSY_TRIES, -1, -1):
            try:
                return await self._server.compute(work)
            except HttpError as error:
                if error.kind != "BusyError" or not left:
                    raise
            await asyncio.sleep(_BUSY_SECONDS)
        return None

    def _steps(self, archive: zipfile.ZipFile) -> Iterator[None]:
        """Writes a piece with each step."""
        writer = {"coco": self._coco, "yolo": self._yolo, "voc": self._voc, "csv": self._csv}
        yield from writer.get(self._options.format, self._others)(archive)

    # What is written

    def _coco(self, archive: zipfile.ZipFile) -> Iterator[None]:
        images: list[dict[str, Any]] = []
        with archive.open(_entry("instances.json"), "w", force_zip64=True) as file:
            file.write(b'{"annotations": [')
            first = True
            for picture in self._pictures:
                items, segments = self._work(picture)
                name = self._names[picture.id]
                record = coco_record({name: segments}, self._options.write.polygons, self._classes)
                image = self._free(number_of(picture.id))
                images.append({**record["images"][0], "id": image})
                for item, annotation in zip(items, record["annotations"], strict=True):
                    number = self._free(number_of(picture.id, item.id))
                    text = json.dumps({**annotation, "id": number, "image_id": image})
                    file.write((text if first else f",\n{text}").encode())
                    first = False
                yield
            wanted = [name for name in self._classes if self._options.unlabelled or name != UNLABELLED]
            categories = [{"id": self._classes.index(name) + 1, "name": name, "supercategory": ""} for name in wanted]
            rest = {"images": images, "categories": categories}
            file.write(f"], {json.dumps(rest, ensure_ascii=False)[1:]}".encode("utf-8", "replace"))
        yield
        yield from self._files(archive, lambda picture: f"images/{self._names[picture.id]}")

    def _yolo(self, archive: zipfile.ZipFile) -> Iterator[None]:
        for picture in self._pictures:
            _, segments = self._work(picture)
            text = yolo_lines(segments, self._classes, self._options.write.tolerance)
            archive.writestr(_entry(f"labels/{self._part(picture)}/{self._stem(picture)}.txt"), text.encode())
            yield
        parts = (
            "train: images/train\nval: images/val\n" if self._validation else "train: images/train\nval: images/train\n"
        )
        archive.writestr(_entry("data.yaml"), with_names(f"path: .\n{parts}", self._classes).encode())
        yield from self._files(archive, lambda picture: f"images/{self._part(picture)}/{self._names[picture.id]}")

    def _voc(self, archive: zipfile.ZipFile) -> Iterator[None]:
        colours = _class_colours(self._server)
        palette = [(0, 0, 0), *(_rgb(colours.get(name), place) for place, name in enumerate(self._classes))]
        parts: dict[str, list[str]] = {"train": [], "val": [], "trainval": []}
        for picture in self._pictures:
            _, segments = self._work(picture)
            objects = index_map(segments).astype(np.uint8)
            numbers = [0, *(self._classes.index(class_name(label)) + 1 for label in segments.labels)]
            classes = np.array(numbers, np.uint8)[objects]
            stem = self._stem(picture)
            archive.writestr(_entry(f"SegmentationObject/{stem}.png"), _palette_png(objects, None))
            archive.writestr(_entry(f"SegmentationClass/{stem}.png"), _palette_png(classes, palette))
            parts[self._part(picture)].append(stem)
            parts["trainval"].append(stem)
            yield
        for part, stems in parts.items():
            if stems:
                lines = "".join(f"{stem}\n" for stem in stems)
                archive.writestr(_entry(f"ImageSets/Segmentation/{part}.txt"), lines.encode("utf-8", "replace"))
        rows = zip(("background", *self._classes), palette, strict=True)
        lines = "".join(f"{name}:{red},{green},{blue}::\n" for name, (red, green, blue) in rows)
        archive.writestr(_entry("labelmap.txt"), f"# label:color_rgb:parts:actions\n{lines}".encode("utf-8", "replace"))
        yield from self._files(archive, lambda picture: f"JPEGImages/{self._stem(picture)}.jpg", jpeg=True)

    def _csv(self, archive: zipfile.ZipFile) -> Iterator[None]:
        with archive.open(_entry("objects.csv"), "w", force_zip64=True) as file:
            file.write((",".join(_COLUMNS) + "\r\n").encode())
            for picture in self._pictures:
                items, segments = self._work(picture)
                text = io.StringIO()
                rows = csv.writer(text)
                for item, mask in zip(items, segments.masks, strict=True):
                    x0, y0, x1, y1 = mask.bbox
                    row = (self._names[picture.id], picture.id, picture.width, picture.height, item.id, item.name)
                    row += (item.label, mask.area, x0, y0, x1 - x0, y1 - y0, item.score, item.granularity)
                    row += (round(item.seconds, 1), picture.state, picture.annotator, round(picture.seconds, 1))
                    rows.writerow([_harmless(value) for value in row])
                file.write(text.getvalue().encode("utf-8", "replace"))
                yield
        yield from self._files(archive, lambda picture: f"images/{self._names[picture.id]}")

    def _others(self, archive: zipfile.ZipFile) -> Iterator[None]:
        form = self._options.format
        for picture in self._pictures:
            stem, name = self._stem(picture), self._names[picture.id]
            image = self._server.pictures.open(picture) if FORMATS[form].needs_picture else None
            _, segments = self._work(picture, image)
            shown = SimpleNamespace(name=name) if image is None else image
            with tempfile.TemporaryDirectory(prefix="promptseg-") as folder:
                paths = write(segments, "picture", Path(folder), [form], shown, self._options.write)
                for path in paths:
                    ending = path.name.removeprefix("picture")
                    place = f"{stem}/{ending[1:]}" if FORMATS[form].media == ZIP else f"{stem}{ending}"
                    archive.writestr(_entry(place), path.read_bytes())
            yield
        yield from self._files(archive, lambda picture: self._names[picture.id])

    def _files(
        self, archive: zipfile.ZipFile, place: Callable[[Picture], str], *, jpeg: bool = False
    ) -> Iterator[None]:
        """Writes the pictures themselves, upright; they are packed already. One that was deleted is left out."""
        for picture in self._pictures if self._options.pictures else ():
            if not self._server.store.path_of(picture.id).is_file():
                continue
            entry = _entry(place(picture))
            entry.compress_type = zipfile.ZIP_STORED
            archive.writestr(entry, self._content(picture, jpeg))
            yield

    def _content(self, picture: Picture, jpeg: bool) -> bytes:
        content = self._server.store.path_of(picture.id).read_bytes()
        turned = False
        if picture.media == "image/jpeg":
            with quiet_pillow(), Pillow.open(io.BytesIO(content), formats=["JPEG", "MPO"]) as opened:
                turned = opened.getexif().get(_ORIENTATION, 1) != 1
        if not turned and (not jpeg or picture.media == "image/jpeg"):
            return content
        file = io.BytesIO()
        pixels = Pillow.fromarray(self._server.pictures.open(picture).pixels)
        pixels.save(file, "JPEG", quality=95, subsampling=0)
        return file.getvalue()

    # What there is

    def _objects(self, picture: Picture) -> list[ObjectBody]:
        items = _OBJECTS.validate_json(self._server.store.objects(picture.id).body)
        wanted = self._options.unlabelled
        return [item for item in items if not item.suggested and (wanted or class_name(item.label) != UNLABELLED)]

    def _work(self, picture: Picture, image: Any = None) -> tuple[list[ObjectBody], Segments]:
        items = self._objects(picture)
        segments = to_segments(items, picture, image, _class_colours(self._server))
        self._number([class_name(label) for label in segments.labels])
        return items, segments

    def _number(self, names: Sequence[str]) -> None:
        """Numbers classes; those that came up since the beginning, too."""
        if not set(names) <= set(self._classes):
            self._classes = self._server.store.numbered(names, self._server.limits.max_names)

    def _free(self, number: int) -> int:
        while number in self._taken:
            number += 1
        self._taken.add(number)
        return number

    def _part(self, picture: Picture) -> str:
        return "val" if picture.id in self._validation else "train"

    def _stem(self, picture: Picture) -> str:
        return os.path.splitext(self._names[picture.id])[0]

    def _check_one(self, picture: Picture, items: Sequence[ObjectBody]) -> None:
        if self._options.format == "voc" and len(items) > MOST_NUMBERS:
            raise InputError(
                f"VOC numbers at most {MOST_NUMBERS} objects of a picture; {picture.name!r} has {len(items)}. "
                "Choose COCO."
            )
        if self._options.format == "sa1b":
            for item in items:
                points = any(prompt.type == "point" and prompt.positive for prompt in item.prompts)
                if item.stability_score is None or item.score is None or not points:
                    raise InputError(
                        f"SA-1B holds what a search for everything or clicks have found, with points and scores; "
                        f"{item.name or item.id!r} of {picture.name!r} has none. Choose COCO."
                    )


class _Pipe:
    """Takes what an archive writes, until it is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: Any) -> int:
        self._parts.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


def _entry(name: str) -> zipfile.ZipInfo:
    """A fixed date: the same work gives the same bytes."""
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _class_colours(server: Server) -> dict[str, Any]:
    """Returns the colours of the workspace's classes, in their order."""
    text = server.store.workspace("classes") or '{"classes": []}'
    return {entry["name"]: entry["colour"] for entry in json.loads(text)["classes"]}


def _unique_names(pictures: Sequence[Picture]) -> dict[str, str]:
    """Returns a file name for each picture: its own; those whose stem is taken have a part of their id behind it."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for picture in pictures:
        stem = stem_of(picture)
        if stem.casefold() in taken:
            stem = marked_stem(picture)
        taken.add(stem.casefold())
        names[picture.id] = stem + _ending(picture)
    return names


def _ending(picture: Picture) -> str:
    own = os.path.splitext(picture.name)[1]
    kinds = {"image/jpeg": (".jpg", ".jpeg"), "image/png": (".png",), "image/webp": (".webp",)}
    fitting = kinds.get(picture.media, tuple(PICTURE_SUFFIXES))
    return own if own.lower() in fitting else fitting[0] if picture.media in kinds else ".tif"


def _validation(pictures: Sequence[Picture], share: float) -> frozenset[str]:
    """Returns which pictures are for validation: always the same, and neither none nor all where there are two."""
    if share <= 0 or len(pictures) < 2:
        return frozenset()
    order = sorted(picture.id for picture in pictures)
    chosen = [image for image in order if int(image[:8], 16) < share * 2**32]
    chosen = chosen or order[:1]
    return frozenset(chosen[: len(order) - 1])


def _harmless(value: Any) -> Any:
    """Returns a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _rgb(colour: str | None, place: int) -> tuple[int, int, int]:
    """Returns a class's colour, or one by its number, as VOC's palette is made: bit by bit."""
    if colour is not None:
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
    return _palette()[place + 1]


def _palette() -> list[tuple[int, int, int]]:
    def channel(number: int, shift: int) -> int:
        return sum(((number >> (3 * bit + shift)) & 1) << (7 - bit) for bit in range(3))

    return [(channel(number, 0), channel(number, 1), channel(number, 2)) for number in range(256)]


def _palette_png(numbers: Any, palette: Sequence[tuple[int, int, int]] | None) -> bytes:
    picture = Pillow.fromarray(numbers, "L")
    picture.putpalette([part for colour in (palette or _palette()) for part in colour])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
