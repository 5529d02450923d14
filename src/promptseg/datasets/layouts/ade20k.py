"""ADE20K's scene parsing: class numbers and numbered objects."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as PIL

from promptseg.arrays import Int32
from promptseg.datasets.layouts.layout import Content, Layout, Reader
from promptseg.datasets.layouts.pictures import distinct, read_values
from promptseg.datasets.samples import UNKNOWN, Sample, Target
from promptseg.errors import FormatError
from promptseg.masks.rle import RLE
from promptseg.vocabulary import Category

_FOLDERS = ("", "ADEChallengeData2016")
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
    for folder in _FOLDERS:
        base = root / folder
        if (base / "objectInfo150.txt").is_file() and (base / "annotations").is_dir():
            return base
    return None


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
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    categories: list[Category] = []
    for line in lines:
        cells = [cell.strip() for cell in line.split("\t")]
        if not cells[0].isdigit():
            continue
        if len(cells) < 2:
            raise FormatError(f"{path} must have its columns separated by tabs, got {line[:60]!r}.")
        name = cells[-1].split(",")[0].strip()
        stuff = len(cells) > 4 and cells[4] == "1"
        categories.append(Category(int(cells[0]), name, not stuff))
    if not categories:
        raise FormatError(f"{path} lists no classes.")
    return _distinct(categories)


def _distinct(categories: list[Category]) -> tuple[Category, ...]:
    """Tells classes of one name ("screen", twice in ADE20K) apart by their number."""
    seen: set[str] = set()
    result: list[Category] = []
    for category in categories:
        twice = category.name in seen
        seen.add(category.name)
        result.append(category._replace(name=f"{category.name} {category.id}") if twice else category)
    return tuple(result)


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
    targets: list[Target] = []
    for number in distinct(numbers[numbers > 0]).tolist():
        mask = numbers == number
        targets.append(Target(f"object {number // 256}-{number % 256}", int(mask.sum()), RLE.encode(mask)))
    return tuple(targets)


_OBJECTS = "images/<split>/ + annotations_instance/<split>/ (ADE20K)"
_CLASSES = "images/<split>/ + annotations/<split>/ + objectInfo150.txt (ADE20K)"

LAYOUTS = (
    Layout("ade20k", "objects", _OBJECTS, find_ade20k_objects),
    Layout("ade20k", "semantic", _CLASSES, find_ade20k),
)
