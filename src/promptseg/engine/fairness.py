"""Responsible-AI tables: how many pictures and masks each group has, how well it is segmented, and the largest gap."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from promptseg.datasets.samples import Dataset
from promptseg.engine.measure import MEASURES, clicked
from promptseg.errors import InputError
from promptseg.evaluate.measures import ROUNDS, Interval
from promptseg.evaluate.rows import Row
from promptseg.segment.segmenter import Segmenter

FEWEST = 2
"""A group of fewer pictures gets no interval, and takes no part in the gap."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of a column.

    Attributes:
        value: its name.
        pictures: how many show it.
        masks: how many objects.
        readings: IoU after one and three clicks, by name, with 95 % intervals over pictures.
    """

    value: str
    pictures: int
    masks: int
    readings: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between two groups.

    Attributes:
        measure: of which measure.
        best: the group that is segmented best.
        worst: the one that is segmented worst.
        difference: between them, with its 95 % interval.
        sure: whether the interval leaves out zero.
    """

    measure: str
    best: str
    worst: str
    difference: Interval
    sure: bool


@dataclass(frozen=True, slots=True)
class FairnessTable:
    """All groups of one column of facts.

    Attributes:
        column: its name.
        groups: one row each, by name.
        gaps: of each measure; none where fewer than two groups have enough pictures.
    """

    column: str
    groups: tuple[GroupRow, ...]
    gaps: tuple[Gap, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return asdict(self)


def fairness(
    dataset: Dataset, segmenter: Segmenter, columns: Sequence[str], *, seed: int = 0
) -> tuple[FairnessTable, ...]:
    """Lets simulated users click once and three times on every object, and compares the groups of each column.

    Args:
        dataset: labelled pictures with facts (`Dataset.with_metadata`).
        segmenter: what is judged.
        columns: the facts to compare by.
        seed: of the bootstrap.

    Raises:
        InputError: there is no object, or no picture has such a fact.
    """
    (answers,) = clicked(dataset, [("model", segmenter)], seed=seed).answers
    rows = [row for answer in answers for row in answer.rows]
    return tuple(table_of(rows, column, seed=seed) for column in columns)


def table_of(rows: Sequence[Row], column: str, *, seed: int = 0) -> FairnessTable:
    """Compares the groups of one column.

    Args:
        rows: of a run of the task `clicks`.
        column: the fact to compare by.
        seed: of the bootstrap, which draws whole pictures.

    Raises:
        InputError: no row has such a fact.
    """
    values = sorted({row.metadata[column] for row in rows if column in row.metadata})
    if not values:
        known = sorted({name for row in rows for name in row.metadata})
        raise InputError(f"No picture has {column!r} to compare by; known are: {', '.join(known) or 'none'}.")
    groups: list[GroupRow] = []
    samples: dict[str, dict[str, Any]] = {}
    for place, value in enumerate(values):
        own = [row for row in rows if row.metadata.get(column) == value]
        pictures = sorted({row.picture for row in own})
        index = np.array([pictures.index(row.picture) for row in own])
        random = np.random.default_rng([seed, place])
        drawn = random.multinomial(len(pictures), np.full(len(pictures), 1 / len(pictures)), ROUNDS)
        readings: dict[str, Interval] = {}
        for measure in MEASURES:
            scores = np.array([row.values["ious"][int(measure.removeprefix("IoU@")) - 1] for row in own], np.float64)
            sums, counts = np.bincount(index, scores), np.bincount(index)
            means = (drawn @ sums) / (drawn @ counts)
            samples.setdefault(measure, {})[value] = (float(scores.mean()), means, len(pictures))
            low, high = np.percentile(means, (2.5, 97.5)) if len(pictures) >= FEWEST else (np.nan, np.nan)
            readings[measure] = Interval(float(scores.mean()), float(low), float(high))
        groups.append(GroupRow(value, len(pictures), len(own), readings))
    return FairnessTable(column, tuple(groups), tuple(filter(None, map(_gap, samples.items()))))


def _gap(item: tuple[str, dict[str, Any]]) -> Gap | None:
    measure, groups = item
    fit = {value: each for value, each in groups.items() if each[2] >= FEWEST}
    if len(fit) < 2:
        return None
    best, worst = max(fit, key=lambda value: fit[value][0]), min(fit, key=lambda value: fit[value][0])
    low, high = np.percentile(fit[best][1] - fit[worst][1], (2.5, 97.5))
    return Gap(measure, best, worst, Interval(fit[best][0] - fit[worst][0], float(low), float(high)), bool(low > 0))
