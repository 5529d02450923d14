"""ADE20K's scene parsing: class numbers and numbered objects."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as PIL

from promptseg.arrays import Int32
from promptseg.datasets.layouts.layout import Content, Layout, Reader
from promptseg.datasets.layouts.pictures import numbered_targets, read_values
from promptseg.datasets.samples import UNKNOWN, Sample, Target
from promptseg.errors import FormatError
from promptseg.formats.reading import read_text
from promptseg.vocabulary import Category

_SPLITS = {"val": "validation", "train": "training"}


def find_ade20k(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/validation/`, `annotations/validation/` and `objectInfo150.txt`: classes of pixels."""
    base = _base(root)
    return None if base is None else lambda: _read(base, split, objects=False)


def find_ade20k_objects(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `annotations_instance/` beside them: objects, whose class and number are two colours."""
    base = _base(root)
    if base is None or not (base / "annotations_instance").is_dir():
        return None
    return lambda: _read(base, split, objects=True)


def _base(root: Path) -> Path | None:
    bases = (root, root / "ADEChallengeData2016")
    return next((b for b in bases if (b / "objectInfo150.txt").is_file() and (b / "annotations").is_dir()), None)


def _read(base: Path, split: str | None, *, objects: bool) -> Content:
    categories = _categories(base / "objectInfo150.txt")
    folder = _SPLITS.get(split or "val", split or "validation")
    labels = base / ("annotations_instance" if objects else "annotations") / folder
    files = sorted(labels.glob("*.png"))
    if not files:
        raise FormatError(f"{labels} holds no labels.")
    samples: list[Sample] = []
    for file in files:
        picture = base / "images" / folder / f"{file.stem}.jpg"
        if objects:
            samples.append(Sample(picture, file.stem, _targets(file)))
        else:
            samples.append(Sample(picture, file.stem, (), semantic=_semantic(file)))
    return Content(tuple(samples), () if objects else categories)


def _categories(path: Path) -> tuple[Category, ...]:
    """Reads `objectInfo150.txt`: number, shares and counts, 1 for stuff, name and its synonyms, by tabs."""
    lines = read_text(path).splitlines()
    categories: list[Category] = []
    seen: set[str] = set()
    for line in lines:
        cells = [cell.strip() for cell in line.split("\t")]
        if not cells[0].isdigit():
            continue
        if len(cells) < 2:
            raise FormatError(f"{path} must have its columns separated by tabs, got {line[:60]!r}.")
        name = cells[-1].split(",")[0].strip()
        stuff = len(cells) > 4 and cells[4] == "1"
        # Classes of one name ("screen", twice in ADE20K) are told apart by their number.
        categories.append(Category(int(cells[0]), f"{name} {int(cells[0])}" if name in seen else name, not stuff))
        seen.add(name)
    if not categories:
        raise FormatError(f"{path} lists no classes.")
    return tuple(categories)


def _semantic(path: Path) -> Callable[[], Int32]:
    def read() -> Int32:
        values = read_values(path)
        return np.where(values == 0, UNKNOWN, values - 1)  # 0 is everything else

    return read


def _targets(path: Path) -> tuple[Target, ...]:
    try:
        with PIL.open(path) as picture:
            colours = np.asarray(picture.convert("RGB")).astype(np.int32)
    except (OSError, ValueError, SyntaxError) as error:
        raise FormatError(f"{path} cannot be read as a label picture: {error}.") from error
    numbers = np.where(colours[..., 1] > 0, colours[..., 0] * 256 + colours[..., 1], 0)
    return numbered_targets(numbers, lambda number: f"object {number // 256}-{number % 256}")


_OBJECTS = "images/<split>/ + annotations_instance/<split>/ (ADE20K)"
_CLASSES = "images/<split>/ + annotations/<split>/ + objectInfo150.txt (ADE20K)"

LAYOUTS = (
    Layout("ade20k", "objects", _OBJECTS, find_ade20k_objects),
    Layout("ade20k", "semantic", _CLASSES, find_ade20k),
)
