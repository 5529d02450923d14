"""What an evaluation runs over: a dataset of pictures (samples), each with objects to find (targets)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError, UnavailableError
from promptseg.masks.rle import RLE

BoolArray: TypeAlias = npt.NDArray[np.bool_]
"""A dense mask, (height, width)."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One object of the truth.

    Attributes:
        name: what it is ("dog", "instance 3"), unique only together with the sample's name.
        area: its size in pixels, as far as known without decoding it.
        source: its mask, or a function that makes it.
        ignore: pixels that count neither for nor against a prediction, if any.
    """

    name: str
    area: int
    source: RLE | Callable[[], RLE]
    ignore: RLE | None = None

    def mask(self) -> BoolArray:
        """Returns the true mask (H, W)."""
        return (self.source() if callable(self.source) else self.source).dense()

    def ignored(self) -> BoolArray | None:
        """Returns the ignored pixels (H, W), or None."""
        return None if self.ignore is None else self.ignore.dense()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture and its targets.

    Attributes:
        picture: where the picture is.
        name: its name within the dataset.
        targets: the objects to find, in a fixed order.
    """

    picture: Path
    name: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled pictures, in a fixed order; samples without targets are left out.

    Attributes:
        name: the folder's name.
        layout: which of the known layouts it has.
        samples: the pictures.
    """

    name: str
    layout: str
    samples: tuple[Sample, ...]

    @property
    def targets(self) -> int:
        """How many targets there are over all pictures."""
        return sum(len(sample.targets) for sample in self.samples)

    def at_least(self, area: int) -> "Dataset":
        """Returns the targets of at least `area` pixels."""
        return self._where(lambda _, target: target.area >= area)

    def subset(self, limit: int | None) -> "Dataset":
        """Returns at most `limit` targets, evenly strided over the whole set; always the same ones.

        Raises:
            InputError: the limit is not positive.
        """
        if limit is None:
            return self
        if limit < 1:
            raise InputError(f"The limit of targets must be at least 1, got {limit}.")
        total = self.targets
        if limit >= total:
            return self
        kept = {position * total // limit for position in range(limit)}
        return self._where(lambda position, _: position in kept)

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


def require_ndimage() -> Any:
    """Returns `scipy.ndimage`.

    Raises:
        UnavailableError: SciPy is not installed.
    """
    try:
        from scipy import ndimage
    except ImportError as error:
        raise UnavailableError.extra("SciPy", "evaluate") from error
    return ndimage
