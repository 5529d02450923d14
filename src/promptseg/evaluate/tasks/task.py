"""What a task is: which units it judges, how it judges a contestant on one, and how rows become measures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.measures import Measure
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene

Truth: TypeAlias = Literal["objects", "phrases", "semantic", "panoptic", "outlines", "frames"]
"""What a task needs to know about its pictures."""

Rows: TypeAlias = Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A line in a report's plot.

    Attributes:
        plot: the title of the plot; contestants' curves of one title share it.
        across: what x means.
        up: what y means.
        x: positions.
        y: values.
    """

    plot: str
    across: str
    up: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskOutcome:
    """What the rows of one contestant come to.

    Attributes:
        measures: in the order of the report, the same for all contestants.
        curves: for plots.
    """

    measures: tuple[Measure, ...]
    curves: tuple[Curve, ...] = ()


class EvaluationTask(ABC):
    """A protocol.

    Attributes:
        name: the word on the command line.
        about: what it measures, in a sentence.
        ability: what contestants must be able to do.
        truth: what must be known about the pictures.
        limit: what `--limit` counts.
        step: what an answer is called in the table of times.
        keeps_empty: whether pictures without objects take part.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    ability: ClassVar[str]
    truth: ClassVar[Truth] = "objects"
    limit: ClassVar[Literal["objects", "pictures", "videos"]] = "pictures"
    step: ClassVar[str] = "answer"
    keeps_empty: ClassVar[bool] = False

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Returns everything that decides about the results, plain JSON."""

    def scenes(self, dataset: Dataset, seed: int) -> list[Scene]:
        """Returns the units: by default each picture."""
        return [Scene(dataset, sample.name, (sample,), seed) for sample in dataset.samples]

    @abstractmethod
    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Lets a contestant, which has seen the scene's picture, do the task."""

    @abstractmethod
    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into measures."""

    def facts(self, scene: Scene) -> Mapping[str, Any]:
        """Returns what else decides about the answers on a unit, plain JSON."""
        del scene
        return {}

    def starts(self) -> bool:
        """Returns whether the frame shows the picture to the contestant before `judge`."""
        return True


def pictures(rows: Rows) -> list[str]:
    """Returns the picture of each row."""
    return [row.picture for row in rows]


def column(rows: Rows, name: str) -> list[float]:
    """Returns one measured value of each row."""
    return [float(row.values[name]) for row in rows]


def known_facts(sample: Sample, target: Target | None = None) -> dict[str, str]:
    """Returns the facts that a row can be split by: the given ones, and the class and size of a target."""
    if target is None:
        return dict(sample.metadata)
    facts = {**sample.metadata, **target.metadata, "size": size_name(target.area)}
    return facts if target.label is None else {**facts, "class": target.label}


def size_name(area: float) -> str:
    """Returns COCO's name for objects of this many pixels."""
    return "small" if area < 32**2 else "medium" if area < 96**2 else "large"


def overlap_of(mask: BoolArray, truth: BoolArray, ignore: BoolArray | None) -> tuple[int, int, float]:
    """Returns shared pixels, pixels of either, and IoU (1 when both are empty), outside the ignored pixels."""
    shared, union = mask & truth, mask | truth
    if ignore is not None:
        shared, union = shared & ~ignore, union & ~ignore
    both, either = int(np.count_nonzero(shared)), int(np.count_nonzero(union))
    return both, either, both / either if either else 1.0


def per_picture(rows: Rows, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Adds numbers of the rows up over each picture, (P, N)."""
    _, index = np.unique(np.asarray(pictures(rows)), return_inverse=True)
    sums = [np.bincount(index, weights=np.asarray(column(rows, name), np.float64)) for name in names]
    return np.stack(sums, axis=1).astype(np.float64)


def counts_by_class(rows: Rows, kinds: int, classes: int) -> npt.NDArray[np.float64]:
    """Returns what rows counted, (R, kinds, classes), from their values "classes" and "counts"."""
    table = np.zeros((len(rows), kinds, classes))
    for place, row in enumerate(rows):
        table[place][:, row.values["classes"]] = row.values["counts"]
    return table
