"""Label files of many pictures, as a ZIP archive or one file, to objects of the pictures that they speak of."""

import io
import json
import os
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
from promptseg.masks.records import UNLABELLED
from promptseg.server.http_errors import HttpError, too_large
from promptseg.server.label_files import imported, marked_stem, objects_of, stem_of
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, Store

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
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > limits.max_archive_files:
                raise too_large(f"The archive has {len(entries):,} files; the limit is {limits.max_archive_files:,}.")
            for entry in entries:
                parts: list[bytes] = []
                with archive.open(entry) as file:
                    while part := file.read(_PIECE):
                        left -= len(part)
                        if left < 0:
                            raise too_large(
                                f"Unpacked, the archive has more than {limits.max_unpacked_bytes:,} bytes. "
                                "Send it in parts."
                            )
                        parts.append(part)
                files[entry.filename.replace("\\", "/")] = b"".join(parts)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        # All that reading a stranger's archive raises; NotImplementedError: a packing or split that zipfile does not
        # know, RuntimeError: a password, ValueError: damaged names and times.
        raise InputError(f"The archive cannot be unpacked: {error}.") from error
    return files


def incoming(files: Mapping[str, bytes]) -> Incoming:
    """Sorts the files of a data set: labels, lists of classes, pictures."""
    found = Incoming([], {}, [])
    names = _yolo_names(files)
    masks: dict[tuple[str, str], Labels] = {}
    lists = {Path(path).name: content for path, content in files.items() if Path(path).name in _LISTS}
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
            _add_json(found, path, content)
        elif suffix == ".txt" and "ImageSets" not in place.parts:
            try:
                record = {"text": decode_text(content, path), **({"names": names} if names else {})}
                found.labels.append(Labels(place.stem, "yolo", record))
            except FormatError as error:
                found.notes.append(str(error))
    found.labels.extend(masks.values())
    return found


def _yolo_names(files: Mapping[str, bytes]) -> list[str]:
    for path, content in files.items():
        if path.lower().endswith((".yaml", ".yml")):
            names = names_in_yaml(decode_text(content, path), path)
            if names:
                return names
    for path, content in files.items():
        if PurePosixPath(path).name in ("classes.txt", "obj.names"):
            return [line.strip() for line in decode_text(content, path).splitlines() if line.strip()]
    return []


def _add_json(found: Incoming, path: str, content: bytes) -> None:
    try:
        record = parse_json(decode_text(content, path), path)
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
            own = mine.get(str(image.get("id")), [])
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
        mark = f"#{mark}"
    labels = masks.setdefault((layout, stem), Labels(stem, layout))
    labels.files[f"{folder}/{{}}{mark}.png"] = content
    wanted = {"voc": "labelmap.txt", "regions": "classes.json"}.get(layout)
    if wanted is not None and wanted in lists:
        labels.files[wanted] = lists[wanted]


class Known:
    """Pictures by their names.

    Args:
        pictures: the pictures of the server.
    """

    def __init__(self, pictures: Iterable[Picture]) -> None:
        self._by_name: dict[str, list[Picture]] = defaultdict(list)
        self._by_stem: dict[str, list[Picture]] = defaultdict(list)
        for picture in pictures:
            self.add(picture)

    def add(self, picture: Picture, name: str | None = None) -> None:
        """Notes a picture, perhaps under another name; also as our data sets call it."""
        own = name or picture.name
        stems = os.path.splitext(own)[0], stem_of(picture), marked_stem(picture)
        for table, key in ((self._by_name, own), *((self._by_stem, stem) for stem in stems)):
            if picture not in table[key]:
                table[key].append(picture)

    def find(self, labels: Labels) -> list[Picture]:
        """Returns the pictures that are meant: none, one, or several that have the same name."""
        stem = os.path.splitext(labels.name)[0]
        found = self._by_name.get(labels.name) or self._by_stem.get(labels.name) or self._by_stem.get(stem, [])
        size = _size_in(labels)
        fitting = [picture for picture in found if size in (None, (picture.height, picture.width))]
        return fitting or found


def _size_in(labels: Labels) -> tuple[Any, Any] | None:
    record = labels.record
    if labels.form == "coco":
        image = record["images"][0]
        return image.get("height"), image.get("width")
    return (record.get("imageHeight"), record.get("imageWidth")) if labels.form == "labelme" else None


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
            path = root / place.format(picture.id)
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
        FormatError: it is none of these.
    """
    stripped = text.lstrip()
    if stripped.startswith(("{", "[")):
        record = parse_json(text, "The list of classes")
        entries = record.get("categories", record.get("classes")) if isinstance(record, dict) else record
        if not isinstance(entries, list):
            raise FormatError("The list of classes has neither categories nor classes.")
        names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
        if not all(isinstance(name, str) for name in names):
            raise FormatError("A list of classes holds names.")
    else:
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
