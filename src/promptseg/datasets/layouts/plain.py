"""Folders whose labels are pictures: foreground masks, and class numbers; GrabCut's and Berkeley's too."""

from dataclasses import replace
from pathlib import Path

from promptseg.datasets.layouts.layout import Content, Layout, Reader, evenly
from promptseg.datasets.layouts.pictures import (
    binary_targets,
    class_numbers,
    pictures_in,
    read_class_names,
    read_pairs,
    semantic_targets,
)
from promptseg.datasets.samples import Sample, Target

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


def find_regions(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels/*.png`: the connected regions of each class are objects."""
    del split
    return (lambda: _read_regions(root)) if _has_labels(root) else None


def find_labels(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels/*.png` and `classes.json`: class numbers, 255 ignored."""
    del split
    return (lambda: _read_classes(root)) if _has_labels(root) else None


def _has_labels(root: Path) -> bool:
    return (root / "images").is_dir() and any((root / "labels").rglob("*.png"))


def _read_masks(pictures: Path, labels: Path) -> tuple[Sample, ...]:
    known, samples = pictures_in(pictures), {}
    for name, label in pictures_in(labels).items():
        owner = name
        if name not in known:
            owner = next((name.rpartition(mark)[0] for mark in "#_" if name.rpartition(mark)[0] in known), name)
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
        Sample(known[name], name, (), semantic=class_numbers(path))
        for name, path in pictures_in(root / "labels").items()
        if name in known
    ]
    return Content(tuple(samples), evenly(tuple(names), first=0))


_MASKS = "images/ + masks/ of the same names, also data_GT/ + boundary_GT/ or img/ + gt/ (foreground)"
_REGIONS = "images/ + labels/*.png with classes.json (class numbers; 0 background, 255 ignored)"

LAYOUTS = (
    Layout("masks", "objects", _MASKS, find_masks),
    Layout("labels", "objects", _REGIONS, find_regions),
    Layout("labels", "semantic", "images/ + labels/*.png with classes.json", find_labels),
)
