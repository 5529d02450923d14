"""Opens a folder of labelled pictures, recognising its layout by what is in it."""

import os
from collections.abc import Callable
from pathlib import Path

from promptseg.errors import FormatError, InputError
from promptseg.evaluate.coco import find_coco, read_coco
from promptseg.evaluate.layouts import (
    PICTURE_SUFFIXES,
    binary_targets,
    instance_targets,
    read_class_names,
    read_pairs,
    semantic_targets,
)
from promptseg.evaluate.samples import Dataset, Sample

SEMANTIC_MIN_AREA = 400
"""Connected regions of a class below this many pixels are crumbs of labelling, not objects."""

LAYOUTS = {
    "coco": "instances.json + images/, or annotations/instances_<split>.json + <split>/ (COCO instances)",
    "masks": "images/ + masks/*.png of the same names, or JPEGImages/480p + Annotations/480p (foreground)",
    "labels": "images/ + labels/*.png with classes.json (class numbers; 0 background, 255 ignored)",
    "instances": "images/ + instances/*.png (object numbers, 0 background)",
    "folder": "pictures beside their masks: cat.jpg + cat.png, or cat.jpg + cat_mask.png",
}
"""The layouts that are read, by name."""

_MASK_ENDINGS = ("_mask", "-mask", ".mask")


def open_dataset(
    path: str | os.PathLike[str], *, limit: int | None = None, min_area: int | None = None
) -> Dataset:
    """Opens the labelled pictures in a folder.

    Args:
        path: the folder.
        limit: keep at most so many targets, evenly strided over the set.
        min_area: leave out targets of fewer pixels; by default 400 for the regions of class masks, else 1.

    Returns:
        The dataset, in a fixed order.

    Raises:
        InputError: the folder does not exist, or a number is out of range.
        FormatError: no known layout is found, a label is malformed, or no target remains.
        UnavailableError: class masks need SciPy and it is not installed.
    """
    root = Path(path)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise InputError(f"A dataset is a folder, but {root} {what}.")
    if min_area is not None and min_area < 0:
        raise InputError(f"The smallest area must not be negative, got {min_area}.")
    layout, samples = _read(root)
    if min_area is None:
        min_area = SEMANTIC_MIN_AREA if layout == "labels" else 1
    full = Dataset(root.resolve().name, layout, samples)
    dataset = full.at_least(max(1, min_area))
    if not dataset.samples:
        raise FormatError(
            f"{root} ({layout} layout) has {len(samples)} labelled pictures and {full.targets} objects, "
            f"but none of at least {max(1, min_area)} pixels."
        )
    return dataset.subset(limit)


def _read(root: Path) -> tuple[str, tuple[Sample, ...]]:
    if coco := find_coco(root):
        return "coco", read_coco(*coco)
    readers: tuple[tuple[str, str, str, Callable[[], tuple[Sample, ...]]], ...] = (
        ("masks", "images", "masks", lambda: read_pairs(root / "images", root / "masks", binary_targets)),
        (
            "masks",
            "JPEGImages/480p",
            "Annotations/480p",
            lambda: read_pairs(root / "JPEGImages/480p", root / "Annotations/480p", binary_targets),
        ),
        ("labels", "images", "labels", lambda: _read_semantic(root)),
        (
            "instances",
            "images",
            "instances",
            lambda: read_pairs(root / "images", root / "instances", instance_targets),
        ),
    )
    for layout, pictures, labels, read in readers:
        if (root / pictures).is_dir() and any((root / labels).rglob("*.png")):
            return layout, read()
    if samples := _read_folder(root):
        return "folder", samples
    known = "\n".join(f"  - {text}" for text in LAYOUTS.values())
    raise FormatError(
        f"{root} is not a dataset with masks: found {_content(root)}. Layouts that are read:\n{known}"
    )


def _read_semantic(root: Path) -> tuple[Sample, ...]:
    names = read_class_names(root / "classes.json")
    return read_pairs(root / "images", root / "labels", semantic_targets(names))


def _read_folder(root: Path) -> tuple[Sample, ...]:
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
    return tuple(
        Sample(pictures[stem], stem, binary_targets(masks[stem]))
        for stem in sorted(pictures)
        if stem in masks
    )


def _content(root: Path) -> str:
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in root.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
