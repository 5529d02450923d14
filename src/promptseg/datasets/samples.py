"""Labelled data: a dataset of pictures (samples), each with what is known about it, such as its objects (targets)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from promptseg.arrays import BoolArray, Int32
from promptseg.errors import InputError
from promptseg.masks.rle import RLE
from promptseg.vocabulary import Category

Corners: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""

Metadata: TypeAlias = Mapping[str, str]
"""Facts by column name, such as {"daytime": "night"}: what results can be split by."""

Outlines: TypeAlias = Callable[[], list[BoolArray]]
"""Returns outlines (H, W), one per annotator."""

UNKNOWN = -1
"""The class of pixels that do not count, in semantic truth."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One object of the truth.

    Attributes:
        name: what it is ("dog 12", "instance 3"), unique only together with the sample's name.
        area: its size in pixels, as far as known without decoding it.
        source: its mask, or a function that makes it.
        ignore: pixels that count neither for nor against a prediction, if any.
        label: the name of its class, where known.
        phrases: what people call it, where known.
        metadata: facts that results can be split by.
        box: the box that was drawn around it, where that is all that is known; the mask is then the box.
    """

    name: str
    area: int
    source: RLE | Callable[[], RLE]
    ignore: RLE | None = None
    label: str | None = None
    phrases: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict[str, str])
    box: Corners | None = None

    def rle(self) -> RLE:
        """Returns the true mask."""
        return self.source() if callable(self.source) else self.source

    def mask(self) -> BoolArray:
        """Returns the true mask (H, W)."""
        return self.rle().dense()

    def ignored(self) -> BoolArray | None:
        """Returns the ignored pixels (H, W), or None."""
        return None if self.ignore is None else self.ignore.dense()


@dataclass(frozen=True, slots=True, eq=False)
class PanopticTruth:
    """A picture cut into segments by hand.

    Attributes:
        numbers: (H, W) 0 where nothing is known, n for segment n - 1.
        classes: the class of each segment, as a place in the dataset's categories.
        crowds: whether each segment is a crowd, which does not count as a whole.
    """

    numbers: Int32
    classes: tuple[int, ...]
    crowds: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture and what is known about it.

    Attributes:
        picture: where the picture is.
        name: its name within the dataset.
        targets: the objects to find, in a fixed order.
        crowds: regions of many objects of one class, which count neither for nor against a prediction.
        metadata: facts that results can be split by.
        semantic: returns (H, W) places in the dataset's categories, or `UNKNOWN`.
        panoptic: returns the picture cut into segments.
        outlines: returns the outlines that people drew.
        sequence: the video that it is a frame of.
        absent: classes that are known to be nowhere in the picture (LVIS).
        partial: classes of which not every object is labelled (LVIS).
        labelled: whether its objects are known; not every frame of a video is labelled.
    """

    picture: Path
    name: str
    targets: tuple[Target, ...]
    crowds: tuple[Target, ...] = ()
    metadata: Metadata = field(default_factory=dict[str, str])
    semantic: Callable[[], Int32] | None = None
    panoptic: Callable[[], PanopticTruth] | None = None
    outlines: Outlines | None = None
    sequence: str | None = None
    absent: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    labelled: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled pictures, in a fixed order.

    Attributes:
        name: the folder's name.
        layout: which of the known layouts it has.
        samples: the pictures.
        categories: the classes, where there are any.
        frequencies: how often each class occurs, "r", "c" or "f", by name (LVIS).
    """

    name: str
    layout: str
    samples: tuple[Sample, ...]
    categories: tuple[Category, ...] = ()
    frequencies: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def targets(self) -> int:
        """How many targets there are over all pictures."""
        return sum(len(sample.targets) for sample in self.samples)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(category.name for category in self.categories)

    def at_least(self, area: int) -> "Dataset":
        """Returns the targets of at least `area` pixels; pictures without any are left out."""
        return self._where(lambda _, target: target.area >= area)

    def subset(self, limit: int | None) -> "Dataset":
        """Returns at most `limit` targets, evenly strided over the whole set; always the same ones.

        Raises:
            InputError: the limit is not positive.
        """
        kept = _strided(limit, self.targets, "targets")
        if kept is None:
            return self
        chosen = frozenset(kept)
        return self._where(lambda position, _: position in chosen)

    def pictures(self, limit: int | None) -> "Dataset":
        """Returns at most `limit` pictures with all their targets, evenly strided; always the same ones.

        Raises:
            InputError: the limit is not positive.
        """
        kept = _strided(limit, len(self.samples), "pictures")
        return self if kept is None else replace(self, samples=tuple(self.samples[place] for place in kept))

    def sequences(self, limit: int | None = None) -> "Dataset":
        """Returns at most `limit` whole videos, evenly strided.

        Raises:
            InputError: the limit is not positive.
        """
        names = list(dict.fromkeys(sample.sequence for sample in self.samples))
        kept = _strided(limit, len(names), "videos")
        if kept is None:
            return self
        chosen = {names[place] for place in kept}
        return replace(self, samples=tuple(sample for sample in self.samples if sample.sequence in chosen))

    def with_metadata(self, columns: Mapping[str, Metadata]) -> "Dataset":
        """Returns the dataset with facts added to the pictures and targets that they name.

        Args:
            columns: facts by the name of a picture, or by "picture/target".
        """
        return replace(self, samples=tuple(_informed(sample, columns) for sample in self.samples))

    def _where(self, keep: Callable[[int, Target], bool]) -> "Dataset":
        samples: list[Sample] = []
        position = 0
        for sample in self.samples:
            numbered = enumerate(sample.targets, position)
            targets = tuple(target for number, target in numbered if keep(number, target))
            position += len(sample.targets)
            if targets:
                samples.append(replace(sample, targets=targets))
        return replace(self, samples=tuple(samples))


def _strided(limit: int | None, total: int, what: str) -> list[int] | None:
    """Returns `limit` places among `total`, ascending and evenly strided; None where all are kept."""
    if limit is not None and limit < 1:
        raise InputError(f"The limit of {what} must be at least 1, got {limit}.")
    if limit is None or limit >= total:
        return None
    return [position * total // limit for position in range(limit)]


def _informed(sample: Sample, columns: Mapping[str, Metadata]) -> Sample:
    targets = tuple(
        replace(target, metadata={**target.metadata, **columns.get(f"{sample.name}/{target.name}", {})})
        for target in sample.targets
    )
    return replace(sample, targets=targets, metadata={**sample.metadata, **columns.get(sample.name, {})})
