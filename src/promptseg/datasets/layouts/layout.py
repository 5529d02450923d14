"""What a layout is: it recognises a folder by what is in it, and reads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from promptseg.datasets.samples import Sample
from promptseg.errors import FormatError, shorten
from promptseg.vocabulary import Category


def picture_in(folder: Path, name: str) -> Path:
    """Returns the place of a picture that a label file names, which is inside the folder.

    Raises:
        FormatError: the name is absolute, leads upwards, or is none.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or Path(name).is_absolute() or parts[0] == "/" or "\0" in name:
        raise FormatError(
            f"{shorten(name)} is no picture inside {folder}: file names may not lead out of the data set."
        )
    return folder / name


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What a reader found.

    Attributes:
        samples: the pictures, in a fixed order.
        categories: the classes, where there are any.
        frequencies: how often each class occurs (LVIS).
    """

    samples: tuple[Sample, ...]
    categories: tuple[Category, ...] = ()
    frequencies: Mapping[str, str] = field(default_factory=dict[str, str])


Truth: TypeAlias = Literal["objects", "phrases", "semantic", "panoptic", "outlines", "frames", "boxes"]
"""What may be known about pictures."""

Reader: TypeAlias = Callable[[], Content]
"""Reads a folder that was recognised."""

Finder: TypeAlias = Callable[[Path, str | None], Reader | None]
"""Takes a folder and a split ("val"); returns a reader, or None when it is not of this layout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Attributes:
        name: the word for `--layout`.
        truth: what it knows.
        form: what the folder looks like.
        find: recognises it.
    """

    name: str
    truth: Truth
    form: str
    find: Finder


def one_of(root: Path, *places: str) -> Path | None:
    """Returns the first of several folders inside `root` that exists."""
    return next((root / place for place in places if (root / place).is_dir()), None)


def evenly(names: tuple[str, ...], things: bool = True, first: int = 1) -> tuple[Category, ...]:
    """Returns classes numbered from `first`."""
    return tuple(Category(number, name, things) for number, name in enumerate(names, start=first))
