"""Measures over pictures with bootstrap intervals, and paired differences between contestants.

Most measures of segmentation are functions of counts that add up over pictures: a mean is a sum and a number, mean IoU
has intersections and unions per class, panoptic quality has matches and misses. So a measure here is a table of counts
and a function of their sum, which makes the bootstrap over pictures the same for all of them.

Shapes: P pictures, K counts, R rounds of the bootstrap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float64
from promptseg.errors import InputError

Unit: TypeAlias = Literal["%", "clicks", "s", "MB", "number"]
"""How a value is written: shares as per cent, the others as they are."""

Finish: TypeAlias = Callable[[Float64], Float64]
"""Turns summed counts (R, K) into values (R,); NaN where they are not defined."""

ROUNDS = 1000
_ROUNDS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measure:
    """One measure of one contestant, before intervals.

    Attributes:
        name: such as "IoU@1".
        unit: how it is written.
        value: its value over all pictures.
        counts: (P, K) counts per picture, or None when the measure is not a function of their sum.
        finish: that function.
    """

    name: str
    unit: Unit
    value: float
    counts: Float64 | None = None
    finish: Finish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A measure as a report shows it.

    Attributes:
        name: such as "IoU@1".
        unit: how it is written.
        value: the value, with its 95 % interval (NaN when there is none).
        difference: this contestant less the first, over the same pictures; None for the first.
    """

    name: str
    unit: Unit
    value: Interval
    difference: Interval | None = None


def counted(name: str, counts: npt.ArrayLike, finish: Finish, unit: Unit = "%") -> Measure:
    """Makes a measure of counts per picture (P, K).

    Raises:
        InputError: there is no picture.
    """
    table = np.asarray(counts, np.float64)
    if table.ndim != 2 or len(table) == 0:
        raise InputError(f"{name} needs counts of at least one picture, got shape {table.shape}.")
    return Measure(name=name, unit=unit, value=float(finish(table.sum(axis=0)[None])[0]), counts=table, finish=finish)


def mean(name: str, values: npt.ArrayLike, pictures: Sequence[str], unit: Unit = "%") -> Measure:
    """Makes the mean of one value per row (T,), whose pictures are named; NaN values do not count.

    Raises:
        InputError: there is no row, or not one picture for each.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) == 0 or len(array) != len(pictures):
        raise InputError(f"{name} needs one picture for each of at least one value, got {len(pictures)}.")
    _, index = np.unique(np.asarray(pictures), return_inverse=True)
    known = ~np.isnan(array)
    sums = np.bincount(index, weights=np.where(known, array, 0.0))
    numbers = np.bincount(index, weights=known.astype(np.float64))
    return counted(name, np.stack([sums, numbers], axis=1), ratio, unit)


def plain(name: str, value: float, unit: Unit = "%") -> Measure:
    """Makes a measure without an interval."""
    return Measure(name=name, unit=unit, value=value)


def ratio(sums: Float64) -> Float64:
    """First count by second; NaN where the second is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 0] / np.where(sums[:, 1] == 0, np.nan, sums[:, 1])


def mean_where(values: Float64, counts: npt.NDArray[np.bool_]) -> Float64:
    """Mean of each row over the columns that count; NaN where none does."""
    number = counts.sum(axis=1)
    sums = np.where(counts, values, 0.0).sum(axis=1)
    return np.where(number > 0, sums / np.maximum(number, 1), np.nan)


def read(measure: Measure, first: Measure | None = None, *, seed: int = 0, rounds: int = ROUNDS) -> Reading:
    """Adds the interval, and the difference to the first contestant's measure of the same name.

    Whole pictures are drawn, the same for both contestants; intervals are percentiles.

    Raises:
        InputError: the two do not have the same pictures.
    """
    own = _values(measure, seed, rounds)
    difference = None
    if first is not None:
        if (measure.counts is None) != (first.counts is None) or (
            measure.counts is not None and first.counts is not None and len(measure.counts) != len(first.counts)
        ):
            raise InputError(f"{measure.name} of two contestants is over different pictures.")
        difference = _interval(measure.value - first.value, own, _values(first, seed, rounds))
    return Reading(
        name=measure.name, unit=measure.unit, value=_interval(measure.value, own, None), difference=difference
    )


def _values(measure: Measure, seed: int, rounds: int) -> Float64 | None:
    """Returns the measure over `rounds` samples of the pictures, (R,)."""
    if measure.counts is None or measure.finish is None:
        return None
    random = np.random.default_rng(seed)
    count = len(measure.counts)
    parts: list[Float64] = []
    for block in range(0, rounds, _ROUNDS_AT_ONCE):
        drawn = random.integers(count, size=(min(_ROUNDS_AT_ONCE, rounds - block), count))
        flat = (np.arange(len(drawn))[:, None] * count + drawn).ravel()
        weights = np.bincount(flat, minlength=len(drawn) * count).reshape(len(drawn), count)
        parts.append(measure.finish(weights @ measure.counts))
    return np.concatenate(parts)


def _interval(value: float, own: Float64 | None, others: Float64 | None) -> Interval:
    if own is None:
        return Interval(value, float("nan"), float("nan"))
    samples = own if others is None else own - others
    samples = samples[~np.isnan(samples)]
    if len(samples) == 0:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(samples, (2.5, 97.5))
    return Interval(value, float(low), float(high))


def number_or_none(value: Any) -> float | None:
    """Returns a number rounded for JSON, None for NaN."""
    return None if value is None or np.isnan(value) else round(float(value), 6)
