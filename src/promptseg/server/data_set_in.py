"""Label files of many pictures, as a ZIP archive or one file, to objects of the pictures that they speak of."""

import io
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from promptseg.datasets.open import DatasetSource
from promptseg.errors import FormatError, InputError, PromptsegError
from promptseg.formats.classes import names_in_yaml
from promptseg.formats.reading import decode_text, parse_json
from promptseg.images import PICTURE_SUFFIXES
from promptseg.images.bands import Bands, ReadingOptions
from promptseg.images.decode import guarded, opener
from promptseg.masks.records import UNLABELLED
from promptseg.server.http_errors import HttpError, too_large
from promptseg.server.label_files import imported, marked_stem, objects_of, stem_of
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, Store
from promptseg.stopping import check_stop

_MASK_FOLDERS = {
    "SegmentationObject": ("voc", "JPEGImages"),
    "SegmentationClass": ("voc", "JPEGImages"),
    "instances": ("instances", "images"),
    "masks": ("masks", "images"),
    "labels": ("regions", "images"),
}
"""Folders whose pictures are labels: which layout has them, and where it has its pictures."""

_LAYOUTS = {"regions": "labels"}
_LISTS = ("classes.txt", "class_names.txt", "obj.names", "labelmap.txt", "classes.json")
_PIECE = 2**20
_LIST_BYTES = 2**20
_ENTRY = b"PK\1\2"
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

MOST_NAMES = 1_000_000
"""Lines and commas of a list of classes."""

MOST_CONTAINERS, MOST_VALUES = 1_000_000, 8_000_000
"""Brackets and commas in all JSON of a data set: as Python values, half a gigabyte."""


@dataclass(slots=True)
class Labels:
    """What a data set says of one picture.

    Attributes:
        name: the picture's file name, or its stem.
        form: a format of the table, or a layout whose labels are pictures.
        record: what the format's reader takes.
        files: label pictures by their place in the layout, where {} stands for the picture.
    """

    name: str
    form: str
    record: Any = None
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass(slots=True)
class Incoming:
    """A data set as it came.

    Attributes:
        labels: what it says.
        pictures: the pictures that came with it, by their path.
        notes: what of it is not understood.
    """

    labels: list[Labels]
    pictures: dict[str, bytes]
    notes: list[str]


def unpacked(content: bytes, name: str, limits: Limits) -> dict[str, bytes]:
    """Returns the files of an archive by path, or the one file.

    Raises:
        HttpError: 413, they are too many or too large.
        InputError: the archive is damaged.
    """
    if not content.startswith(b"PK"):
        return {name or "labels.json": content}
    files: dict[str, bytes] = {}
    left = limits.max_unpacked_bytes
    count = content.count(_ENTRY)  # before a list of them is made, which takes many times their bytes
    if count > limits.max_archive_files:
        raise too_large(f"The archive has {count:,} files and folders; the limit is {limits.max_archive_files:,}.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                if entry.compress_type not in _PACKINGS:  # others take gigabytes at a file's word, or minutes
                    raise zipfile.BadZipFile(f"{entry.filename[:80]!r} is packed otherwise than by deflate")
                parts: list[bytes] = []
                with archive.open(entry) as file:
                    while part := file.read(_PIECE):
                        check_stop()
                        left -= len(part)
                        if left < 0:
                            raise too_large(
                                f"Unpacked, the archive has more than {limits.max_unpacked_bytes:,} bytes. "
                                "Send it in parts."
                            )
                        parts.append(part)
                files[entry.filename.replace("\\", "/")] = b"".join(parts)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        # All that reading a stranger's archive raises; NotImplementedError: an archive in parts,
        # RuntimeError: a password, ValueError: damaged names and times.
        raise InputError(f"The archive cannot be unpacked: {error}.") from error
    return files


class _Texts:
    """Reads the label files of a data set, within what all of them may be once they are read."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.max_json_bytes
        self._bytes, self._containers, self._values = limits.max_unpacked_bytes, MOST_CONTAINERS, MOST_VALUES

    def lines(self, content: bytes, path: str) -> str:
        """Returns a text that will be taken line by line.

        Raises:
            FormatError: it is none, or larger than as a body of its own.
            HttpError: 413, with those before it is too large.
        """
        if len(content) > self._most:
            raise FormatError(f"{path} has more than {self._most:,} bytes, too many for labels of one picture.")
        return self._text(content, path)

    def _text(self, content: bytes, path: str) -> str:
        check_stop()
        text = decode_text(content, path)
        self._bytes -= sys.getsizeof(text)  # one letter of another alphabet widens all
        if self._bytes < 0:
            raise too_large("As text, the label files are too large together. Send them in parts.")
        return text

    def json(self, content: bytes, path: str) -> Any:
        """Returns a value.

        Raises:
            FormatError: it is no JSON.
            HttpError: 413, with those before it is too large.
        """
        text = self._text(content, path)
        self._containers -= text.count("[") + text.count("{")
        self._values -= text.count(",")
        if self._containers < 0 or self._values < 0:
            raise too_large(
                f"The label files hold more than {MOST_CONTAINERS:,} lists or {MOST_VALUES:,} values together. "
                "Send them in parts."
            )
        return parse_json(text, path)


def incoming(files: Mapping[str, bytes], limits: Limits) -> Incoming:
    """Sorts the files of a data set: labels, lists of classes, pictures.

    Raises:
        HttpError: 413, the labels are too large.
    """
    found = Incoming([], {}, [])
    texts = _Texts(limits)
    names = _yolo_names(files, texts)
    masks: dict[tuple[str, str], Labels] = {}
    lists = {
        Path(path).name: content
        for path, content in files.items()
        if Path(path).name in _LISTS and len(content) <= _LIST_BYTES
    }
    for path, content in sorted(files.items()):
        place = PurePosixPath(path)
        suffix = place.suffix.lower()
        if any(part.startswith((".", "__MACOSX")) for part in place.parts) or place.name in _LISTS:
            continue
        folder = next((part for part in reversed(place.parts[:-1]) if part in _MASK_FOLDERS), None)
        if suffix == ".png" and (folder or place.stem.endswith("_mask")):
            _add_mask(masks, folder or "masks", place, content, lists)
        elif suffix in PICTURE_SUFFIXES:
            found.pictures[path] = content
        elif suffix == ".json":
            _add_json(found, path, content, texts)
        elif suffix == ".txt" and "ImageSets" not in place.parts:
            try:
                record = {"text": texts.lines(content, path), **({"names": names} if names else {})}
                found.labels.append(Labels(place.stem, "yolo", record))
            except FormatError as error:
                found.notes.append(str(error))
    found.labels.extend(masks.values())
    return found


def _yolo_names(files: Mapping[str, bytes], texts: _Texts) -> list[str]:
    for path, content in files.items():
        if path.lower().endswith((".yaml", ".yml")):
            names = names_in_yaml(texts.lines(content, path), path)
            if names:
                return names
    for path, content in files.items():
        if PurePosixPath(path).name in ("classes.txt", "obj.names"):
            return [line.strip() for line in texts.lines(content, path).splitlines() if line.strip()]
    return []


def _add_json(found: Incoming, path: str, content: bytes, texts: _Texts) -> None:
    try:
        record = texts.json(content, path)
    except FormatError as error:
        return found.notes.append(str(error))
    if not isinstance(record, dict):
        return found.notes.append(f"{path} is no label file.")
    images, annotations = record.get("images"), record.get("annotations")
    if isinstance(images, list) and isinstance(annotations, list):
        mine: dict[Any, list[Any]] = defaultdict(list)
        for annotation in annotations:
            if isinstance(annotation, dict):
                mine[str(annotation.get("image_id"))].append(annotation)
        for image in images:
            if not isinstance(image, dict):
                continue
            own = mine.pop(str(image.get("id")), [])  # of pictures with one id, the first has them
            if own:
                one = {"images": [image], "annotations": own, "categories": record.get("categories", [])}
                name = str(image.get("file_name") or image.get("coco_url") or "")
                found.labels.append(Labels(PurePosixPath(name.replace("\\", "/")).name, "coco", one))
    elif "shapes" in record:
        name = PurePosixPath(str(record.get("imagePath") or "").replace("\\", "/")).name
        found.labels.append(Labels(name or PurePosixPath(path).stem, "labelme", record))
    elif isinstance(record.get("image"), dict) and isinstance(annotations, list):
        found.labels.append(Labels(str(record["image"].get("file_name") or PurePosixPath(path).stem), "sa1b", record))
    else:
        found.notes.append(f"{path} is neither COCO, labelme nor SA-1B.")
    return None


def _add_mask(
    masks: dict[tuple[str, str], Labels], folder: str, place: PurePosixPath, content: bytes, lists: Mapping[str, bytes]
) -> None:
    layout, _ = _MASK_FOLDERS[folder]
    stem = place.stem.removesuffix("_mask")
    mark = ""
    if layout == "masks" and "#" in stem:
        stem, _, mark = stem.partition("#")
    labels = masks.setdefault((layout, stem), Labels(stem, layout))
    number = f"#{len(labels.files)}" if mark else ""  # the mark is a stranger's word, and would be a file's name here
    labels.files[f"{folder}/{{}}{number}.png"] = content
    wanted = {"voc": "labelmap.txt", "regions": "classes.json"}.get(layout)
    if wanted is not None and wanted in lists:
        labels.files[wanted] = lists[wanted]


class Known:
    """Pictures by their names.

    Args:
        pictures: the pictures of the server.
    """

    def __init__(self, pictures: Iterable[Picture]) -> None:
        # By name or stem, and the same with the size; in each place by id.
        self._by_name: dict[Any, dict[str, Picture]] = defaultdict(dict)
        self._by_stem: dict[Any, dict[str, Picture]] = defaultdict(dict)
        for picture in pictures:
            self.add(picture)

    def add(self, picture: Picture, name: str | None = None) -> None:
        """Notes a picture, perhaps under another name; also as our data sets call it."""
        own = name or picture.name
        stems = os.path.splitext(own)[0], stem_of(picture), marked_stem(picture)
        for table, key in ((self._by_name, own), *((self._by_stem, stem) for stem in stems)):
            for place in (key, (key, picture.height, picture.width)):
                table[place][picture.id] = picture

    def find(self, labels: Labels) -> Picture | None:
        """Returns the picture that is meant; None when there is none, or when several have the same name."""
        stem = os.path.splitext(labels.name)[0]
        for table, key in ((self._by_name, labels.name), (self._by_stem, labels.name), (self._by_stem, stem)):
            if found := table.get(key):
                size = _size_in(labels)
                fitting = (table.get((key, *size)) if size else None) or found
                return next(iter(fitting.values())) if len(fitting) == 1 else None
        return None


def _size_in(labels: Labels) -> tuple[int, int] | None:
    record = labels.record
    if labels.form == "coco":
        image = record["images"][0]
        size = image.get("height"), image.get("width")
    else:
        size = (record.get("imageHeight"), record.get("imageWidth")) if labels.form == "labelme" else (None, None)
    return size if all(isinstance(side, int) for side in size) else None  # type: ignore[return-value]


def read(labels: Labels, picture: Picture, limits: Limits) -> list[dict[str, Any]]:
    """Returns the objects that labels speak of, with fresh ids.

    Raises:
        FormatError: they are malformed.
        HttpError: 413, they are too many.
    """
    if labels.files:
        return _read_masks(labels, picture, limits)
    return imported(labels.form, labels.record, picture, None, limits)


def _read_masks(labels: Labels, picture: Picture, limits: Limits) -> list[dict[str, Any]]:
    """Lays label pictures out as a data set of one picture, for the reader of such data sets."""
    layout = _LAYOUTS.get(labels.form, labels.form)
    pictures = next(place for name, place in _MASK_FOLDERS.values() if name == labels.form)
    with tempfile.TemporaryDirectory(prefix="promptseg-") as given:
        root = Path(given)
        for place, content in labels.files.items():
            if place.endswith(".png"):
                _check_label_picture(content, picture, limits)
            path = root / place.replace("{}", picture.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (root / pictures).mkdir(exist_ok=True)
        (root / pictures / f"{picture.id}.jpg").touch()
        try:
            dataset = DatasetSource(path=str(root), layout=layout)()
        except PromptsegError as error:
            message = str(error).replace(f"{root}/", "").replace(str(root), "it").replace(picture.id, labels.name)
            raise FormatError(message) from error
        targets = [target for sample in dataset.samples for target in sample.targets]
    masks = [(target.rle(), target.label) for target in targets]
    for mask, _ in masks:
        if tuple(mask.size) != (picture.height, picture.width):
            raise FormatError(
                f"The label picture has {mask.size.width} x {mask.size.height} pixels; the picture "
                f"{picture.width} x {picture.height}."
            )
    if len(masks) > limits.max_masks:
        raise too_large(f"The label picture has {len(masks):,} masks; the limit is {limits.max_masks:,}.")
    return objects_of(masks)


def _check_label_picture(content: bytes, picture: Picture, limits: Limits) -> None:
    """Refuses a label picture of another size than its picture by its head, before it is decoded."""
    what = "The label picture"
    kind, opened = opener(content, what, limits.image, ReadingOptions())
    with guarded(what, kind):
        found = opened()
        size = found.values.shape[1::-1] if isinstance(found, Bands) else found.size
    if sorted(size) != sorted((picture.width, picture.height)):  # it may be turned
        raise FormatError(f"{what} has {size[0]} x {size[1]} pixels; the picture {picture.width} x {picture.height}.")


def dressed(store: Store, objects: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Returns objects in the colours of their classes, which are listed when they are new.

    `object` is no class, unless the list has it.
    """
    classes: list[dict[str, Any]] = json.loads(store.workspace("classes") or '{"classes": []}')["classes"]
    listed = {entry["name"]: entry["colour"] for entry in classes}
    made: list[dict[str, Any]] = []
    for item in objects:
        label = item["label"]
        if label == UNLABELLED and label not in listed:
            label = None
        if label is not None and label not in listed and len(listed) < most:
            listed[label] = None
        made.append({**item, "label": label, "colour": item["colour"] or listed.get(label)})
    if len(listed) > len(classes):
        body = {"classes": [{"name": name, "colour": colour} for name, colour in listed.items()]}
        store.put_workspace("classes", json.dumps(body))
    return made


def store_objects(
    store: Store, picture: Picture, objects: Sequence[dict[str, Any]], existing: str, limits: Limits, annotator: str
) -> int:
    """Adds objects to those of a picture, or puts them in their place; returns how many there are more.

    Raises:
        HttpError: 413, there would be too many.
        KeyError: the picture was deleted.
    """
    while True:
        stored = store.objects(picture.id)
        before: list[dict[str, Any]] = json.loads(stored.body)
        if existing == "skip" and before:
            return 0
        kept = [] if existing == "replace" else before
        everything = [*kept, *dressed(store, objects, limits.max_names)]
        if len(everything) > limits.max_masks:
            raise too_large(f"A picture has at most {limits.max_masks:,} objects; {picture.name!r} would have more.")
        suggested = [item["score"] or 0.0 for item in everything if item.get("suggested")]
        count = len(everything) - len(suggested)
        body = json.dumps(everything)
        if store.put_objects(picture.id, body, count, stored.version, annotator, suggested) is not None:
            return len(objects)


def class_list(text: str) -> list[str]:
    """Returns the names in a list of classes: a line each, `data.yaml`, COCO's categories, or a JSON list.

    Raises:
        FormatError: it is none of these, or too long.
    """
    stripped = text.lstrip()
    if stripped.startswith(("{", "[")):
        if text.count("[") + text.count("{") > MOST_CONTAINERS or text.count(",") > MOST_VALUES:
            raise FormatError(f"JSON of classes has at most {MOST_CONTAINERS:,} lists and {MOST_VALUES:,} values.")
        record = parse_json(text, "The list of classes")
        entries = record.get("categories", record.get("classes")) if isinstance(record, dict) else record
        if not isinstance(entries, list):
            raise FormatError("The list of classes has neither categories nor classes.")
        names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
        if not all(isinstance(name, str) for name in names):
            raise FormatError("A list of classes holds names.")
    else:
        if text.count("\n") + text.count(",") > MOST_NAMES:
            raise FormatError(f"A list of classes has at most {MOST_NAMES:,} lines.")
        names = names_in_yaml(text, "The list of classes") or [
            line.partition(":")[0] if line.count(":") >= 2 else line
            for line in text.splitlines()
            if not line.lstrip().startswith("#")
        ]
    cleaned = [" ".join(str(name).split())[:200] for name in names]
    return list(dict.fromkeys(name for name in cleaned if name))


def note_of(error: Exception, name: str) -> str | None:
    """Returns what is said of one picture's labels that cannot be read; None for what concerns all."""
    if isinstance(error, HttpError):
        return f"{name}: {error.message}" if error.status in (404, 413, 422) else None
    return f"{name}: {error}" if isinstance(error, PromptsegError) else None
