"""PASCAL VOC and SBD: numbered objects and classes, as palette PNG files or as Matlab files."""

from pathlib import Path
from typing import Any

import numpy as np

from promptseg.arrays import Int32
from promptseg.datasets.layouts.layout import Content, Layout, Reader, evenly, picture_in
from promptseg.datasets.layouts.pictures import IGNORED_CLASS, class_numbers, read_matlab, read_values
from promptseg.datasets.samples import Sample, Target
from promptseg.errors import FormatError
from promptseg.formats.reading import read_text
from promptseg.masks.numbered import masks_by_number
from promptseg.masks.rle import RLE

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The 20 classes; 0 is background."""

_YEARS = ("VOC2012", "VOC2011", "VOC2010", "VOC2009", "VOC2008", "VOC2007")
_SPLITS = ("val", "trainval", "train")
_MOST_CLASSES = 0xFFFF
"""Higher numbers have no name; counting them takes memory by their height."""


def find_voc(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `JPEGImages/` with `SegmentationObject/`, also inside `VOCdevkit/VOC2012/`: objects."""
    base = _voc_root(root, "SegmentationObject")
    return None if base is None else lambda: _read_objects(base, split)


def find_voc_classes(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `JPEGImages/` with `SegmentationClass/`: the class of each pixel, background among them."""
    base = _voc_root(root, "SegmentationClass")
    return None if base is None else lambda: _read_classes(base, split)


def find_sbd(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `img/` with `inst/*.mat`, also inside `dataset/` or `benchmark_RELEASE/dataset/`: objects."""
    for base in (root, root / "dataset", root / "benchmark_RELEASE" / "dataset"):
        if (base / "img").is_dir() and any((base / "inst").glob("*.mat")):
            return lambda base=base: _read_sbd(base, split)
    return None


def _voc_root(root: Path, labels: str) -> Path | None:
    places = ("", *_YEARS, *(f"VOCdevkit/{year}" for year in _YEARS))
    found = [
        root / place
        for place in places
        if (root / place / "JPEGImages").is_dir() and any((root / place / labels).glob("*.png"))
    ]
    return found[0] if found else None


def _names(base: Path, lists: Path, labels: Path, ending: str, split: str | None) -> list[str]:
    """Returns the names of a split; all labelled pictures when there are no lists."""
    wanted = [split] if split else [name for name in _SPLITS if (lists / f"{name}.txt").is_file()][:1]
    for name in wanted:
        file = lists / f"{name}.txt"
        if not file.is_file():
            known = ", ".join(sorted(path.stem for path in lists.glob("*.txt"))) or "none"
            raise FormatError(f"{base} has no split {name!r}: known are {known}.")
        names = read_text(file).split()
        for name in names:
            picture_in(labels, name)
        return names
    return sorted(path.stem for path in labels.glob(f"*.{ending}"))


def _read_objects(base: Path, split: str | None) -> Content:
    labels, classes = base / "SegmentationObject", _classes(base)
    names = _names(base, base / "ImageSets" / "Segmentation", labels, "png", split)
    samples = [
        Sample(
            base / "JPEGImages" / f"{name}.jpg",
            name,
            _targets(labels / f"{name}.png", base / "SegmentationClass" / f"{name}.png", classes),
        )
        for name in names
    ]
    return Content(tuple(samples), evenly(classes))


def _classes(base: Path) -> tuple[str, ...]:
    """Returns the classes in the order of `labelmap.txt`, without background; those of PASCAL VOC where it is missing.

    Its lines are "name:red,green,blue:parts:actions", as annotation tools write them.
    """
    file = base / "labelmap.txt"
    if not file.is_file():
        return CLASSES
    lines = [line.strip() for line in read_text(file).splitlines()]
    names = [line.rsplit(":", 3)[0] for line in lines if line and not line.startswith("#")]
    if not names or names[0] != "background":
        raise FormatError(f"{file} must begin with the class background, which has the number 0.")
    return tuple(names[1:])


def _targets(numbered: Path, classed: Path, names: tuple[str, ...]) -> tuple[Target, ...]:
    objects, classes = read_values(numbered), read_values(classed) if classed.is_file() else None
    void = objects == IGNORED_CLASS
    ignore = RLE.encode(void) if void.any() else None
    targets: list[Target] = []
    for number, mask in masks_by_number(np.where(void, 0, objects)).items():
        label = None
        if classes is not None and classes.shape == objects.shape:
            x0, y0, x1, y1 = mask.box
            counts = np.bincount(np.clip(classes[y0:y1, x0:x1][mask.crop()], 0, _MOST_CLASSES))
            label = _class_name(int(counts.argmax()), names)
        targets.append(Target(f"{label or 'object'} {number}", mask.area, mask, ignore, label))
    return tuple(targets)


def _class_name(number: int, names: tuple[str, ...] = CLASSES) -> str | None:
    return names[number - 1] if 1 <= number <= len(names) else None


def _read_classes(base: Path, split: str | None) -> Content:
    labels = base / "SegmentationClass"
    names = _names(base, base / "ImageSets" / "Segmentation", labels, "png", split)
    samples = [
        Sample(base / "JPEGImages" / f"{name}.jpg", name, (), semantic=class_numbers(labels / f"{name}.png"))
        for name in names
    ]
    return Content(tuple(samples), evenly(("background", *_classes(base)), first=0))


def _read_sbd(base: Path, split: str | None) -> Content:
    names = _names(base, base, base / "inst", "mat", split)
    samples: list[Sample] = []
    for name in names:
        objects, classes = read_matlab(base / "inst" / f"{name}.mat", _objects, "an SBD instance file")
        masks = masks_by_number(objects)
        targets = tuple(
            Target(
                f"{_class_name(label) or 'object'} {number}",
                masks[number].area,
                masks[number],
                label=_class_name(label),
            )
            for number, label in enumerate(classes, start=1)
            if number in masks
        )
        samples.append(Sample(base / "img" / f"{name}.jpg", name, targets))
    return Content(tuple(samples), evenly(CLASSES))


def _objects(variables: Any) -> tuple[Int32, list[int]]:
    """Returns the numbered objects (H, W) of an SBD file and the class of each."""
    truth = variables["GTinst"][0, 0]
    classes = [int(value) for value in np.asarray(truth["Categories"]).ravel()]
    return np.asarray(truth["Segmentation"]).astype(np.int32), classes


LAYOUTS = (
    Layout("voc", "objects", "JPEGImages/ + SegmentationObject/ (PASCAL VOC)", find_voc),
    Layout("sbd", "objects", "img/ + inst/*.mat (SBD)", find_sbd),
    Layout("voc", "semantic", "JPEGImages/ + SegmentationClass/ (PASCAL VOC)", find_voc_classes),
)
