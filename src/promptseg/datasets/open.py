"""Opens a folder of labelled pictures, recognising its layout by what is in it."""

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path

from promptseg.datasets.layouts import ade20k, annotated, bsds, coco, davis, loose, plain, refcoco, voc, youtube_vos
from promptseg.datasets.layouts.layout import Layout
from promptseg.datasets.samples import Dataset, Metadata
from promptseg.errors import FormatError, InputError

SEMANTIC_MIN_AREA = 400
"""Connected regions of a class below this many pixels are crumbs of labelling, not objects."""

KNOWN: tuple[Layout, ...] = (
    *refcoco.LAYOUTS,
    *coco.LAYOUTS,
    *davis.LAYOUTS,
    *youtube_vos.LAYOUTS,
    *voc.LAYOUTS,
    *ade20k.LAYOUTS,
    *plain.LAYOUTS,
    *annotated.LAYOUTS,
    *loose.LAYOUTS,
    *bsds.LAYOUTS,
)
"""The layouts that are read, in the order in which they are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """Says which dataset to open; calling it opens it. It can be sent to another process.

    Attributes:
        path: the folder.
        truth: what must be known: "objects", "phrases", "semantic", "panoptic", "outlines", "frames" or "boxes".
        layout: the layout's name; by default it is recognised.
        split: the part of the dataset; by default the validation part.
        limit: keep at most so many, evenly strided.
        count: what the limit counts: "objects", "pictures" or "videos".
        min_area: leave out objects of fewer pixels; by default 400 for the regions of class masks, else 1.
        keep_empty: whether pictures without objects stay, as average precision needs.
        metadata: a CSV file of facts: a column "picture", perhaps "object", and columns to split results by.
    """

    path: str
    truth: str = "objects"
    layout: str | None = None
    split: str | None = None
    limit: int | None = None
    count: str = "objects"
    min_area: int | None = None
    keep_empty: bool = False
    metadata: str | None = None

    def __call__(self) -> Dataset:
        """Opens the dataset.

        Raises:
            InputError: the folder does not exist, or a number is out of range.
            FormatError: no known layout is found, a label is malformed, or nothing remains.
            UnavailableError: what the labels need is not installed.
        """
        root = Path(self.path)
        if not root.is_dir():
            what = "is a file" if root.exists() else "does not exist"
            raise InputError(f"A dataset is a folder, but {root} {what}.")
        if self.min_area is not None and self.min_area < 0:
            raise InputError(f"The smallest area must not be negative, got {self.min_area}.")
        dataset = _read(root, self.truth, self.layout, self.split)
        if self.truth == "objects" or self.truth == "phrases":
            dataset = _with_targets(dataset, root, self.min_area, self.keep_empty)
        if not dataset.samples:
            raise FormatError(f"{root} ({dataset.layout} layout) has no labelled picture.")
        if self.metadata is not None:
            dataset = dataset.with_metadata(read_metadata(Path(self.metadata)))
        if self.count == "videos":
            return dataset.sequences(self.limit)
        return dataset.subset(self.limit) if self.count == "objects" else dataset.pictures(self.limit)


def open_dataset(path: str | os.PathLike[str], *, limit: int | None = None, min_area: int | None = None) -> Dataset:
    """Opens the labelled objects in a folder, in a fixed order; arguments and errors are those of `DatasetSource`."""
    return DatasetSource(path=os.fspath(path), limit=limit, min_area=min_area)()


def read_metadata(path: Path) -> dict[str, Metadata]:
    """Reads facts about pictures ("picture") or about objects in them ("picture" and "object") from a CSV file.

    Raises:
        FormatError: it cannot be read, or has no such column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} cannot be read as a CSV file: {error}.") from error
    if not rows or "picture" not in rows[0]:
        raise FormatError(f'{path} must have a column "picture", and columns to split results by.')
    facts: dict[str, Metadata] = {}
    for row in rows:
        name = row["picture"] if not row.get("object") else f"{row['picture']}/{row['object']}"
        facts[name] = {key: value for key, value in row.items() if key not in ("picture", "object", None) and value}
    return facts


def _read(root: Path, truth: str, layout: str | None, split: str | None) -> Dataset:
    candidates = [each for each in KNOWN if each.truth == truth and layout in (None, each.name)]
    if not candidates:
        names = sorted({each.name for each in KNOWN if each.truth == truth})
        raise InputError(f"There is no layout {layout!r} with {truth}: expected {', '.join(names)}.")
    for each in candidates:
        reader = each.find(root, split)
        if reader is not None:
            content = reader()
            return Dataset(root.resolve().name, each.name, content.samples, content.categories, content.frequencies)
    known = "\n".join(f"  - {each.form}" for each in candidates)
    raise FormatError(
        f"{root} is not a dataset with {_NEEDED[truth]}: found {_content(root)}. Layouts that are read:\n{known}"
    )


_NEEDED = {
    "objects": "masks",
    "phrases": "phrases",
    "semantic": "the class of every pixel",
    "panoptic": "panoptic segments",
    "outlines": "outlines",
    "frames": "videos",
    "boxes": "boxes",
}


def _with_targets(dataset: Dataset, root: Path, min_area: int | None, keep_empty: bool) -> Dataset:
    if min_area is None:
        min_area = SEMANTIC_MIN_AREA if dataset.layout == "labels" else 1
    found = dataset.at_least(max(1, min_area))
    if not found.samples:
        raise FormatError(
            f"{root} ({dataset.layout} layout) has {len(dataset.samples)} labelled pictures and {dataset.targets} "
            f"objects, but none of at least {max(1, min_area)} pixels."
        )
    if not keep_empty:
        return found
    kept = {sample.name: sample.targets for sample in found.samples}
    return replace(
        dataset, samples=tuple(replace(sample, targets=kept.get(sample.name, ())) for sample in dataset.samples)
    )


def _content(root: Path) -> str:
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in root.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
