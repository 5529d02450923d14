"""Edges: the Berkeley boundary benchmark (ODS, OIS, AP, R50)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float64
from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import Dataset
from promptseg.errors import FormatError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.edges.detectors import Canny, EdgeDetector, Sobel
from promptseg.evaluate.edges.scores import TOLERANCE, Tally, f_measure, part, score, summed, tally, thresholds
from promptseg.evaluate.measures import Finish, counted, plain
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import CliOption, Curve, EvaluationTask, Rows, TaskOutcome, row_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgesTask(EvaluationTask):
    """Edge maps against the outlines that several people drew.

    Attributes:
        thresholds: how many points the curve of precision over recall has.
    """

    name: ClassVar[str] = "edges"
    about: ClassVar[str] = "edge maps on BSDS500: ODS, OIS, AP, R50"
    ability: ClassVar[str] = "edges"
    starts: ClassVar[bool] = False  # the whole way from pixels to edge map is one step
    rivals: ClassVar[tuple[Callable[[], EdgeDetector], ...]] = (Canny, Sobel)
    truth: ClassVar[Truth] = "outlines"
    thresholds: Annotated[int, CliOption("thresholds on the curve")] = 33

    def __post_init__(self) -> None:
        thresholds(self.thresholds)

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"thresholds": self.thresholds, "tolerance": TOLERANCE}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks once and counts what matches, at each threshold."""
        image = scene.image()
        read = scene.sample.outlines
        truths = [] if read is None else read()
        for truth in truths:
            if truth.shape != tuple(image.size):
                height, width = image.size
                raise FormatError(
                    f"{scene.sample.picture} is {width} x {height} pixels, but its outlines are "
                    f"{truth.shape[1]} x {truth.shape[0]}."
                )
        with contestant.clock.step("picture"):
            contestant.start(image)
            strength = contestant.edges()
        counts = tally(strength, truths, thresholds(self.thresholds))
        best = f_measure(counts.precision(), counts.recall())
        return [
            row_of(
                scene,
                score=float(best.max()),
                values={
                    "wanted": int(counts.wanted[0]),
                    "recalled": counts.recalled.tolist(),
                    "correct": counts.correct.tolist(),
                    "predicted": counts.predicted.tolist(),
                },
            )
        ]

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns counts into ODS, OIS, AP and R50."""
        levels = thresholds(self.thresholds)
        tallies = [_tally(row, self.thresholds) for row in rows]
        result = score(tallies, levels)
        table = np.stack([_flat(item) for item in tallies])

        def of(name: str) -> Finish:
            return lambda sums: np.array([_value(name, row, levels) for row in sums])

        names = {"ODS": "ods", "OIS": "ois", "AP": "ap", "R50": "r50"}
        total = summed(tallies)
        return TaskOutcome(
            measures=(
                *(counted(name, table, of(field)) for name, field in names.items()),
                plain("precision at ODS", result.ods_precision),
                plain("recall at ODS", result.ods_recall),
            ),
            curves=(
                Curve(
                    plot="precision over recall",
                    across="recall",
                    up="precision",
                    x=tuple(total.recall().tolist()),
                    y=tuple(total.precision().tolist()),
                ),
            ),
        )


def _tally(row: Row, count: int) -> Tally:
    recalled, correct, predicted = (
        np.array(row.values[name], np.int64) for name in ("recalled", "correct", "predicted")
    )
    return Tally(recalled, np.full(count, row.values["wanted"], np.int64), correct, predicted)


def _flat(item: Tally) -> npt.NDArray[np.float64]:
    """Returns all counts of a picture in one row, and after them those at the threshold that is best for it."""
    best = int(np.argmax(f_measure(item.precision(), item.recall())))
    table = np.stack([item.recalled, item.wanted, item.correct, item.predicted])
    return np.concatenate([table.ravel(), table[:, best]]).astype(np.float64)


def _value(name: str, row: npt.NDArray[np.float64], levels: Float64) -> float:
    counts = row.astype(np.int64)
    total = Tally(*counts[:-4].reshape(4, -1))
    if name == "ois":
        best = Tally(*counts[-4:].reshape(4, 1))
        return float(f_measure(best.precision(), best.recall())[0])
    return part(name, total, levels)
