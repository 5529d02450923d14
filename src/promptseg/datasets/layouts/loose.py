"""Folders of no official layout: a class for each picture, boxes, or pictures that lie beside their masks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.datasets.layouts.layout import Content, Layout, Reader, evenly, picture_in
from promptseg.datasets.layouts.pictures import binary_targets
from promptseg.datasets.samples import Corners, Sample, Target
from promptseg.errors import FormatError
from promptseg.formats.reading import read_json
from promptseg.images import PICTURE_SUFFIXES, Image
from promptseg.masks.rle import RLE

_WHOLE = (-np.inf, -np.inf, np.inf, np.inf)
_MASK_ENDINGS = ("_mask", "-mask", ".mask")


def find_named(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels.json` (file to class): the whole picture stands for its one object."""
    del split
    if not (root / "images").is_dir() or not (root / "labels.json").is_file():
        return None
    return lambda: _read_named(root)


def _read_named(root: Path) -> Content:
    record = read_json(root / "labels.json")
    if not isinstance(record, dict):
        raise FormatError(f'{root / "labels.json"} must name the class of each file, like {{"a.jpg": "cat"}}.')
    names: dict[str, str] = {str(file): str(label) for file, label in record.items()}
    samples = [
        Sample(file, file.stem, (Target(label, 1, _filled(file, _WHOLE), label=label),))
        for file, label in ((picture_in(root / "images", name), label) for name, label in sorted(names.items()))
    ]
    return Content(tuple(samples), evenly(tuple(sorted(set(names.values())))))


def _filled(path: Path, box: Corners) -> Callable[[], RLE]:
    """Returns a function that draws a box on an empty mask of the picture's size."""

    def fill() -> RLE:
        height, width = Image.open(path).size
        x0, x1 = (round(float(value)) for value in np.clip((box[0], box[2]), 0, width))
        y0, y1 = (round(float(value)) for value in np.clip((box[1], box[3]), 0, height))
        mask = np.zeros((height, width), np.bool_)
        mask[y0:y1, x0:x1] = True
        return RLE.encode(mask)

    return fill


def find_boxes(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `boxes.json`: for each file a list of {label, box}, a box being x0, y0, x1, y1."""
    del split
    if not (root / "images").is_dir() or not (root / "boxes.json").is_file():
        return None
    return lambda: _read_boxes(root)


def _read_boxes(root: Path) -> Content:
    record = read_json(root / "boxes.json")
    try:
        samples = [
            Sample(picture, picture.stem, tuple(_boxed(picture, item) for item in items))
            for picture, items in ((picture_in(root / "images", str(file)), record[file]) for file in sorted(record))
        ]
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{root / 'boxes.json'} holds no boxes: expected [{{label, box}}] by picture ({error})."
        ) from error
    names = {target.label for sample in samples for target in sample.targets if target.label}
    return Content(tuple(samples), evenly(tuple(sorted(names))))


def _boxed(picture: Path, item: Mapping[str, Any]) -> Target:
    x0, y0, x1, y1 = (float(number) for number in item["box"])
    label, area = str(item["label"]), int((x1 - x0) * (y1 - y0))
    return Target(label, area, _filled(picture, (x0, y0, x1, y1)), label=label, box=(x0, y0, x1, y1))


def find_folder(root: Path, split: str | None = None) -> Reader | None:
    """Recognises pictures beside their masks: `cat.jpg` with `cat.png`, or `cat.jpg` with `cat_mask.png`."""
    del split
    pairs = _beside(root)
    if not pairs:
        return None
    return lambda: Content(tuple(Sample(file, stem, binary_targets(mask)) for stem, (file, mask) in pairs.items()))


def _beside(root: Path) -> dict[str, tuple[Path, Path]]:
    """Pairs pictures with masks of the same stem: PNG beside another format, or with a mask ending."""
    files = sorted(path for path in root.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    masks: dict[str, Path] = {}
    for file in files:
        for ending in _MASK_ENDINGS:
            if file.stem.endswith(ending):
                masks[file.stem.removesuffix(ending)] = file
    named = frozenset(masks.values())
    pictures = {file.stem: file for file in files if file not in named and file.suffix.lower() != ".png"}
    for file in files:
        if file in named or file.suffix.lower() != ".png":
            continue
        if file.stem in pictures:
            masks.setdefault(file.stem, file)
        else:
            pictures[file.stem] = file
    return {stem: (pictures[stem], masks[stem]) for stem in sorted(pictures) if stem in masks}


_NAMED = "images/ + labels.json (file to class; the whole picture is the object)"
_FOLDER = "pictures beside their masks: cat.jpg + cat.png, or cat.jpg + cat_mask.png"
_BOXES = "images/ + boxes.json (for each file a list of label and box)"

LAYOUTS = (
    Layout("named", "objects", _NAMED, find_named),
    Layout("folder", "objects", _FOLDER, find_folder),
    Layout("boxes", "boxes", _BOXES, find_boxes),
)
