"""What a task is: which units it judges, how it judges a contestant on one, and how rows become measures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float64
from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.edges.detectors import EdgeDetector
from promptseg.evaluate.measures import Measure, counted, mean_where
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene

Rows: TypeAlias = Sequence[Row]
Counts: TypeAlias = Literal["objects", "pictures", "videos"]

SHOWN = 40
"""Pictures of cases show at most so many masks."""


class CliOption(NamedTuple):
    """Marks a field of a task (`Annotated[int, CliOption(...)]`) as an option of the command line.

    Attributes:
        about: what it is.
        value: what its value is called, such as FILE.
    """

    about: str
    value: str | None = None


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
        questions: "many" where several things are asked about a picture, so that embedding it first pays.
        recipe: whether SAM's official recipe takes part beside ours.
        ways: what `--way` may name: ways of ours that are compared.
        rivals: classical detectors that take part.
        alone: whether each contestant runs in a process of its own.
        starts: whether the frame shows the picture to the contestant before `judge`.

    What else decides about the results are the fields of its dataclass, which may be options of the command line.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    ability: ClassVar[str]
    truth: ClassVar[Truth] = "objects"
    limit: ClassVar[Counts] = "pictures"
    step: ClassVar[str] = "answer"
    keeps_empty: ClassVar[bool] = False
    questions: ClassVar[Literal["one", "many"]] = "one"
    recipe: ClassVar[bool] = False
    ways: ClassVar[tuple[str, ...]] = ()
    rivals: ClassVar[tuple[Callable[[], EdgeDetector], ...]] = ()
    alone: ClassVar[bool] = False
    starts: ClassVar[bool] = True

    def settings(self) -> Mapping[str, Any]:
        """Returns everything that decides about the results, plain JSON; by default nothing does."""
        return {}

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
    size = "small" if target.area < 32**2 else "medium" if target.area < 96**2 else "large"  # COCO's names
    facts = {**sample.metadata, **target.metadata, "size": size}
    return facts if target.label is None else {**facts, "class": target.label}


def row_of(
    scene: Scene,
    target: Target | None = None,
    *,
    score: float | None,
    values: Mapping[str, Any],
    shown: Mapping[str, Any] | None = None,
) -> Row:
    """Makes the row of a target, or of the whole picture."""
    item, facts = "picture" if target is None else target.name, known_facts(scene.sample, target)
    return Row(picture=scene.name, item=item, score=score, values=values, metadata=facts, shown=shown or {})


def per_picture(rows: Rows, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Adds numbers of the rows up over each picture, (P, N)."""
    _, index = np.unique(np.asarray(pictures(rows)), return_inverse=True)
    sums = [np.bincount(index, weights=np.asarray(column(rows, name), np.float64)) for name in names]
    return np.stack(sums, axis=1).astype(np.float64)


def mean_over_classes(name: str, rows: Rows, value: str) -> Measure:
    """Makes the mean over classes of one measured value's mean in each class; rows have the value "label"."""
    classes, places = np.unique([str(row.values["label"]) for row in rows], return_inverse=True)
    units, units_of = np.unique(pictures(rows), return_inverse=True)
    table = np.zeros((len(units), 2, len(classes)))
    np.add.at(table[:, 0], (units_of, places), column(rows, value))
    np.add.at(table[:, 1], (units_of, places), 1.0)
    return counted(name, table.reshape(len(units), -1), _class_mean)


def _class_mean(sums: Float64) -> Float64:
    values, numbers = np.moveaxis(sums.reshape(len(sums), 2, -1), 1, 0)
    return mean_where(values / np.maximum(numbers, 1), numbers > 0)


def counts_by_class(rows: Rows, kinds: int, classes: int) -> npt.NDArray[np.float64]:
    """Returns what rows counted, (R, kinds, classes), from their values "classes" and "counts"."""
    table = np.zeros((len(rows), kinds, classes))
    for place, row in enumerate(rows):
        table[place][:, row.values["classes"]] = row.values["counts"]
    return table
