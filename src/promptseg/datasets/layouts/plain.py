"""Folders whose labels are pictures: foreground masks, class numbers, object numbers; GrabCut and Berkeley too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptseg.datasets.layouts.layout import Content, Reader, evenly
from promptseg.datasets.layouts.pictures import (
    IGNORED_CLASS,
    PICTURE_SUFFIXES,
    binary_targets,
    instance_targets,
    pictures_in,
    read_class_names,
    read_json,
    read_pairs,
    read_values,
    semantic_targets,
)
from promptseg.datasets.samples import UNKNOWN, Sample, Target
from promptseg.errors import FormatError
from promptseg.images import Image
from promptseg.masks.rle import RLE

_MASK_ENDINGS = ("_mask", "-mask", ".mask")

_FOREGROUND = (("images", "masks"), ("data_GT", "boundary_GT"), ("img", "gt"), ("images", "gt"))
"""Folders of pictures and of masks: plain, GrabCut's own, and those that click benchmarks hand round."""


def find_masks(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `masks/`, GrabCut's `data_GT/` with `boundary_GT/`, and `img/` with `gt/`.

    A mask called `name#2` or `name_2` is a further object of the picture `name`.
    """
    del split
    for pictures, labels in _FOREGROUND:
        if (root / pictures).is_dir() and any(pictures_in(root / labels)):
            return lambda pair=(root / pictures, root / labels): Content(_read_masks(*pair))
    return None


def find_instances(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `instances/*.png`: object numbers, 0 background."""
    del split
    if (root / "images").is_dir() and any((root / "instances").rglob("*.png")):
        return lambda: Content(read_pairs(root / "images", root / "instances", instance_targets))
    return None


def find_regions(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels/*.png`: the connected regions of each class are objects."""
    del split
    return (lambda: _read_regions(root)) if _has_labels(root) else None


def find_labels(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels/*.png` and `classes.json`: class numbers, 255 ignored."""
    del split
    return (lambda: _read_classes(root)) if _has_labels(root) else None


def find_folder(root: Path, split: str | None = None) -> Reader | None:
    """Recognises pictures beside their masks: `cat.jpg` with `cat.png`, or `cat.jpg` with `cat_mask.png`."""
    del split
    return (lambda: Content(_read_folder(root))) if _beside(root) else None


def _has_labels(root: Path) -> bool:
    return (root / "images").is_dir() and any((root / "labels").rglob("*.png"))


def _read_masks(pictures: Path, labels: Path) -> tuple[Sample, ...]:
    known, samples = pictures_in(pictures), {}
    for name, label in pictures_in(labels).items():
        owner = name
        if name not in known:
            owner = next(
                (name.rpartition(mark)[0] for mark in "#_" if name.rpartition(mark)[0] in known), name
            )
        if owner == name:  # the rule of all such folders, with its message
            continue
        samples.setdefault(owner, []).append(label)
    if not samples:
        return read_pairs(pictures, labels, binary_targets)
    for name, label in pictures_in(labels).items():
        if name in known:
            samples.setdefault(name, []).insert(0, label)
    return tuple(Sample(known[name], name, _numbered(files)) for name, files in sorted(samples.items()))


def _numbered(files: list[Path]) -> tuple[Target, ...]:
    targets = [target for file in files for target in binary_targets(file)]
    return tuple(replace(target, name=f"object {number}") for number, target in enumerate(targets, start=1))


def _read_regions(root: Path) -> Content:
    names = read_class_names(root / "classes.json")
    samples = read_pairs(root / "images", root / "labels", semantic_targets(names))
    return Content(samples, evenly(tuple(names[1:])))


def _read_classes(root: Path) -> Content:
    names = read_class_names(root / "classes.json")
    known = pictures_in(root / "images")
    samples = [
        Sample(known[name], name, (), semantic=_semantic(path))
        for name, path in pictures_in(root / "labels").items()
        if name in known
    ]
    return Content(tuple(samples), evenly(tuple(names), first=0))


def _semantic(path: Path) -> Callable[[], npt.NDArray[np.int32]]:
    def read() -> npt.NDArray[np.int32]:
        values = read_values(path)
        return np.where(values == IGNORED_CLASS, UNKNOWN, values)

    return read


def _beside(root: Path) -> dict[str, tuple[Path, Path]]:
    """Pairs pictures with masks of the same stem: PNG beside another format, or with a mask ending."""
    files = sorted(
        path for path in root.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )
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


def _read_folder(root: Path) -> tuple[Sample, ...]:
    return tuple(
        Sample(picture, stem, binary_targets(mask)) for stem, (picture, mask) in _beside(root).items()
    )


def find_named(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels.json` (file to class): the whole picture stands for its one object."""
    del split
    if not (root / "images").is_dir() or not (root / "labels.json").is_file():
        return None
    return lambda: _read_named(root)


def _read_named(root: Path) -> Content:
    record = read_json(root / "labels.json")
    if not isinstance(record, dict):
        raise FormatError(
            f'{root / "labels.json"} must name the class of each file, like {{"a.jpg": "cat"}}.'
        )
    names: dict[str, str] = {str(file): str(label) for file, label in record.items()}
    samples = [
        Sample(root / "images" / file, Path(file).stem, (_whole(root / "images" / file, label),))
        for file, label in sorted(names.items())
    ]
    return Content(tuple(samples), evenly(tuple(sorted(set(names.values())))))


def _whole(path: Path, label: str) -> Target:
    def fill() -> RLE:
        return RLE.encode(np.ones(Image.open(path).size, np.bool_))

    return Target(label, 1, fill, label=label)
