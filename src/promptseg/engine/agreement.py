"""How well people agree: pictures that two of them labelled, each without seeing the other's masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptseg.engine.project import Project
from promptseg.masks.overlap import iou_matrix
from promptseg.masks.rle import RLE

SAME_OBJECT = 0.5
"""Two masks speak of one object from this IoU on."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well pairs of people agree.

    Attributes:
        pictures: that two people labelled.
        pairs: objects that both of them drew.
        alone: objects that only one of them drew.
        iou: mean IoU of the pairs; NaN without any.
        above: share of the pairs above an IoU of 0.9.
        people: mean IoU of each person's masks with the others', by name.
    """

    pictures: int
    pairs: int
    alone: int
    iou: float
    above: float
    people: Mapping[str, float]


def matched(first: Sequence[RLE], second: Sequence[RLE], least: float = SAME_OBJECT) -> list[tuple[int, int, float]]:
    """Pairs masks of two sets, the best overlap first, each mask at most once.

    Returns:
        (place in the first, place in the second, IoU), IoU at least `least`.
    """
    table: NDArray[np.float64] = iou_matrix(first, second)
    order = np.argsort(-table, axis=None, kind="stable")
    pairs: list[tuple[int, int, float]] = []
    rows, columns = set[int](), set[int]()
    for place in order.tolist():
        row, column = divmod(place, max(1, len(second)))
        value = float(table[row, column])
        if value < least:
            break
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            pairs.append((row, column, value))
    return pairs


def agreement(project: Project) -> Agreement:
    """Compares what two people drew on the same pictures."""
    ious: list[float] = []
    own: dict[str, list[float]] = {}
    pictures = alone = 0
    query = "select id from pictures where wanted > 1"
    for (number,) in project.database.stream(query):
        people = project.database.rows(
            "select person from visits where picture = ? and state = 'done' order by closed, id limit 2", number
        )
        if len(people) < 2:
            continue
        pictures += 1
        masks = project.work.of(number, "accepted")
        one, other = ([mask.mask for mask in masks if mask.judge == person] for (person,) in people)
        pairs = matched(one, other)
        alone += len(one) + len(other) - 2 * len(pairs)
        values = [value for *_, value in pairs]
        ious += values
        for (person,) in people:
            own.setdefault(person, []).extend(values)
    found = np.array(ious)
    return Agreement(
        pictures=pictures,
        pairs=len(ious),
        alone=alone,
        iou=float(found.mean()) if ious else float("nan"),
        above=float((found > 0.9).mean()) if ious else float("nan"),
        people={person: float(np.mean(values)) for person, values in sorted(own.items()) if values},
    )
