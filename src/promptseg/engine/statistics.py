"""The statistics of SAM's paper, section 5, for any labelled data set: numbers of masks, sizes, concavity, centres.

Everything is counted into bins as it comes, so memory does not grow with the set.
"""

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.datasets.open import open_dataset
from promptseg.datasets.samples import Dataset
from promptseg.engine.shards.entries import entries
from promptseg.errors import FormatError, InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE

Masks: TypeAlias = tuple[Size, list[RLE]]
"""The size of a picture, and its masks."""

COUNTS = (0, 1, 11, 51, 101, 201)
"""Masks per picture: where the groups begin, as in the paper."""

BINS, SIDE = 20, 24
"""Bins of sizes and concavities; cells along each side of the heat map of centres."""

Bins: TypeAlias = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class SetStatistics:
    """What is counted of a data set.

    Attributes:
        name: of the set.
        pictures: how many.
        masks: how many.
        per_picture: pictures by their number of masks, in groups that begin at `COUNTS`.
        sizes: masks by their relative size: the root of their share of the picture, from 0 to 1.
        concavities: masks by their concavity: 1 less their share of their convex hull.
        centres: masks by the place of their centre of mass in the picture.
        size_sum: of the relative sizes.
        concavity_sum: of the concavities.
        small: masks below 32 x 32 pixels, medium ones up to 96 x 96, and large ones.
    """

    name: str
    pictures: int = 0
    masks: int = 0
    per_picture: Bins = field(default_factory=lambda: np.zeros(len(COUNTS), np.int64))
    sizes: Bins = field(default_factory=lambda: np.zeros(BINS, np.int64))
    concavities: Bins = field(default_factory=lambda: np.zeros(BINS, np.int64))
    centres: Bins = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.int64))
    size_sum: float = 0.0
    concavity_sum: float = 0.0
    small: Bins = field(default_factory=lambda: np.zeros(3, np.int64))

    def add(self, size: Size, masks: Iterable[RLE]) -> None:
        """Counts the masks of one picture; empty ones do not count."""
        count = 0
        for mask in masks:
            if not mask.area:
                continue
            count += 1
            relative, hollow = math.sqrt(mask.area / (size.height * size.width)), concavity(mask)
            x, y = centre(mask)
            self.sizes[_bin(relative, BINS)] += 1
            self.concavities[_bin(hollow, BINS)] += 1
            self.centres[_bin(y / size.height, SIDE), _bin(x / size.width, SIDE)] += 1
            self.size_sum += relative
            self.concavity_sum += hollow
            self.small[0 if mask.area < 32**2 else 1 if mask.area < 96**2 else 2] += 1
        self.pictures += 1
        self.masks += count
        self.per_picture[int(np.searchsorted(COUNTS, count, side="right")) - 1] += 1

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers as plain JSON."""
        masks = max(1, self.masks)
        return {
            "name": self.name,
            "pictures": self.pictures,
            "masks": self.masks,
            "masks_per_picture": self.masks / max(1, self.pictures),
            "pictures_by_masks": {name: int(n) for name, n in zip(count_names(), self.per_picture, strict=True)},
            "relative_size_mean": self.size_sum / masks,
            "relative_size_bins": (self.sizes / masks).tolist(),
            "concavity_mean": self.concavity_sum / masks,
            "concavity_bins": (self.concavities / masks).tolist(),
            "centres": (self.centres / masks).tolist(),
            "small_medium_large": (self.small / masks).tolist(),
        }


def count_names() -> list[str]:
    """Returns what the groups of masks per picture are called."""
    ends = [*(str(after - 1) for after in COUNTS[1:]), ""]
    pairs = zip(map(str, COUNTS), ends, strict=True)
    return [first if first == last else f"{first}-{last}" if last else f"{first}+" for first, last in pairs]


def statistics(found: Iterable[Masks], name: str) -> SetStatistics:
    """Counts a data set."""
    result = SetStatistics(name)
    for size, masks in found:
        result.add(size, masks)
    return result


def masks_of_dataset(dataset: Dataset) -> Iterator[Masks]:
    """Yields the true masks of labelled pictures."""
    for sample in dataset.samples:
        masks = [target.rle() for target in sample.targets]
        if masks:
            yield masks[0].size, masks


def masks_in(source: str | os.PathLike[str]) -> Iterator[Masks]:
    """Yields the masks of SA-1B (shards and addresses too), or of a folder in any layout that `evaluate` reads.

    Raises:
        InputError: there is no such place.
        FormatError: it is no labelled data set.
    """
    place = os.fspath(source)
    if "://" not in place and Path(place).is_dir() and not _has_shards(Path(place)):
        try:
            dataset = open_dataset(place, min_area=1)
        except FormatError:
            if not any(Path(place).rglob("sa_*.json")):
                raise
        else:
            yield from masks_of_dataset(dataset)
            return
    for entry in entries(place):
        segments = entry.read().segments
        yield segments.size, list(segments.masks)


def _has_shards(folder: Path) -> bool:
    return any(path.name.endswith((".tar", ".tar.gz", ".tgz", ".parquet")) for path in folder.iterdir())


def concavity(mask: RLE) -> float:
    """Returns 1 less the mask's share of its convex hull: 0 for a rectangle, near 1 for a thin ring's arc.

    Raises:
        InputError: the mask is empty.
    """
    if not mask.area:
        raise InputError("An empty mask has no shape.")
    x, tops, bottoms = mask.columns()
    columns, first = np.unique(x, return_index=True)
    last = np.append(first[1:], len(x)) - 1
    upper, lower = tops[first], bottoms[last]  # runs are sorted by column and top
    # Pixels are squares: a column has its top and bottom at its left and its right edge.
    above = _chain(np.concatenate([columns, columns + 1]), np.concatenate([upper, upper]), sign=1)
    below = _chain(np.concatenate([columns, columns + 1]), np.concatenate([lower, lower]), sign=-1)
    ring = np.array([*above, *below[::-1]], np.float64)
    shifted = np.roll(ring, -1, axis=0)
    hull = abs(float((ring[:, 0] * shifted[:, 1] - shifted[:, 0] * ring[:, 1]).sum())) / 2
    return max(0.0, 1 - mask.area / hull)


def _chain(xs: npt.NDArray[np.int64], ys: npt.NDArray[np.int64], *, sign: int) -> list[tuple[int, int]]:
    """Returns one side of a convex hull from left to right: the smallest y (sign 1) or the largest (-1) of each x."""
    order = np.lexsort((ys * sign, xs))
    xs, ys = xs[order], ys[order]
    keep = np.append(True, np.diff(xs) != 0)
    chain: list[tuple[int, int]] = []
    for x, y in zip(xs[keep].tolist(), ys[keep].tolist(), strict=True):
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if sign * ((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain


def centre(mask: RLE) -> tuple[float, float]:
    """Returns a mask's centre of mass (x, y)."""
    x, tops, bottoms = mask.columns()
    lengths = (bottoms - tops).astype(np.float64)
    total = lengths.sum()
    return float(((x + 0.5) * lengths).sum() / total), float(((tops + bottoms) / 2 * lengths).sum() / total)


def _bin(value: float, bins: int) -> int:
    return min(bins - 1, max(0, int(value * bins)))
