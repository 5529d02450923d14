"""Readers of datasets whose labels are pictures: binary masks, class index masks, instance maps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Int32
from promptseg.datasets.samples import UNKNOWN, Sample, Target
from promptseg.errors import FormatError, ImageError, UnavailableError
from promptseg.formats.reading import read_json
from promptseg.images import PICTURE_SUFFIXES
from promptseg.images.mask_pictures import MaskPicture, open_mask
from promptseg.masks.numbered import MOST_OBJECTS, masks_by_number
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE

IGNORED_CLASS = 255
IGNORED_GREY = 128

T = TypeVar("T")

LabelReader = Callable[[Path], tuple[Target, ...]]
"""Turns one label picture into targets."""


def pictures_in(folder: Path) -> dict[str, Path]:
    """Returns the pictures below `folder` by their relative path without suffix, sorted."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def read_pairs(pictures: Path, labels: Path, read: LabelReader) -> tuple[Sample, ...]:
    """Pairs each label picture with the picture of the same relative name.

    Raises:
        FormatError: a label has no picture, or cannot be read.
    """
    known = pictures_in(pictures)
    samples: list[Sample] = []
    for name, label in pictures_in(labels).items():
        if name not in known:
            raise FormatError(f"{label} has no picture: expected {pictures / name} with a picture suffix.")
        samples.append(Sample(known[name], name, read(label)))
    return tuple(samples)


def binary_targets(path: Path) -> tuple[Target, ...]:
    """Reads a foreground mask (see `promptseg.images.mask_pictures`).

    A mask of exactly 0, 128 and 255 marks unknown pixels by 128, as GrabCut does; other grey masks that reach white are
    cut at one half.
    """
    picture = _opened(path, numbered=False)
    present, ignore = picture.present(), None
    if present.tolist() == [0, IGNORED_GREY, 255] and not (picture.palette or picture.coloured):
        foreground, ignore = picture.values == 255, RLE.encode(picture.values == IGNORED_GREY)
    elif picture.opaque is None and present.size > 2 and not picture.lossy and not picture.is_soft(present):
        if picture.coloured:
            raise FormatError(f"{path} is a colour picture; labels must be grey, index or 16-bit PNG files.")
        if picture.palette or present.max() != 255:
            raise FormatError(
                f"{path} is not a foreground mask: it holds the values {_some(present)}. Index masks belong "
                "in labels/, instance maps in instances/."
            )
        foreground = picture.values > (IGNORED_GREY if IGNORED_GREY in present else 127)
    else:
        foreground = picture.inside(quiet=True)
    area = int(np.count_nonzero(foreground))
    return (Target("object", area, RLE.encode(foreground), ignore),) if area else ()


def instance_targets(path: Path) -> tuple[Target, ...]:
    """Reads an instance map: 0 is background, every other number one object."""
    return numbered_targets(read_values(path), "instance {}".format)


def numbered_targets(values: Int32, name: Callable[[int], str]) -> tuple[Target, ...]:
    """Returns one target for each number above zero, called what `name` makes of it."""
    return tuple(Target(name(number), mask.area, mask) for number, mask in masks_by_number(values).items())


def semantic_targets(names: list[str]) -> LabelReader:
    """Returns a reader of class index masks: one target per connected region (8 neighbours) of each class.

    Class 0 is background, 255 is ignored. Classes beyond `names` are called by their number.
    """

    def read(path: Path) -> tuple[Target, ...]:
        values = read_values(path)
        void = values == IGNORED_CLASS
        ignore = RLE.encode(void) if void.any() else None
        targets: list[Target] = []
        for number, mask in masks_by_number(np.where(void, 0, values)).items():
            name = names[number] if number < len(names) else f"class {number}"
            parts = sorted(components(mask, most=MOST_OBJECTS - len(targets)), key=_first_pixel)
            for region, part in enumerate(parts, start=1):
                targets.append(Target(f"{name} {region}", part.area, part, ignore, name))
        return tuple(targets)

    return read


def read_class_names(path: Path) -> list[str]:
    """Reads classes.json, a list of names by class number; a missing file gives none.

    Raises:
        FormatError: the file is not a list of names.
    """
    if not path.exists():
        return []
    names = read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FormatError(f'{path} must be a list of class names by number, like ["background", "dog"].')
    return names


def class_numbers(path: Path) -> Callable[[], Int32]:
    """Returns a function that reads a class index mask as (H, W) class numbers, `UNKNOWN` where it says 255."""

    def read() -> Int32:
        values = read_values(path)
        return np.where(values == IGNORED_CLASS, UNKNOWN, values)

    return read


def read_values(path: Path) -> Int32:
    """Reads a label picture as numbers (H, W); grey masks saved as RGB are taken as grey.

    Raises:
        FormatError: it cannot be read, or has colours.
    """
    picture = _opened(path, numbered=True)
    if picture.coloured:
        raise FormatError(f"{path} is a colour picture; labels must be grey, index or 16-bit PNG files.")
    values = picture.values.astype(np.int32)
    return values if picture.opaque is None else np.where(picture.opaque, values, 0)


def _opened(path: Path, *, numbered: bool) -> MaskPicture:
    try:
        return open_mask(path, numbered=numbered)
    except ImageError as error:
        raise FormatError(f"{path} cannot be read as a label picture: {error}") from error


def read_matlab(path: Path, take: Callable[[Any], T], what: str) -> T:
    """Returns what `take` finds in the variables of a Matlab file; `what` names such files in messages.

    Raises:
        FormatError: it cannot be read, or `take` does not find it.
        UnavailableError: SciPy is not installed.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UnavailableError.extra("SciPy", "evaluate") from error
    try:
        return take(loadmat(path))
    except Exception as error:  # loadmat lets many kinds of errors out of damaged files
        raise FormatError(f"{path} is not {what} ({error}).") from error


def _first_pixel(mask: RLE) -> int:
    """Returns the place of a mask's first pixel, row by row."""
    columns, tops, _ = mask.columns()
    return int((tops * mask.size.width + columns).min())


def _some(values: npt.NDArray[np.integer]) -> str:
    shown = ", ".join(str(value) for value in values[:6])
    return shown + (", ..." if values.size > 6 else "")
