"""Latency and memory: every contestant in a process of its own, one picture after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.measures import Measure, plain
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import EvaluationTask, Rows, TaskOutcome, row_of
from promptseg.hands.clicks import next_click

CLICKS = 3
_STEPS = {"picture": "embed", "first click": "first click", "further click": "further click"}
_PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTask(EvaluationTask):
    """A picture is shown and one object clicked three times, as a person would.

    The first picture is shown twice; the first time, which warms everything up, does not count. Times are those that
    contestants measure in their own process, from the request to the mask; the peak of memory is that of the process,
    pictures and libraries included.
    """

    name: ClassVar[str] = "latency"
    about: ClassVar[str] = "seconds to embed, to the first and further clicks (median, p90, p99), peak memory"
    ability: ClassVar[str] = "click"
    starts: ClassVar[bool] = False  # the time of the start is measured here
    alone: ClassVar[bool] = True

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"clicks": CLICKS}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Shows the picture and clicks."""
        image = scene.image()
        if not contestant.warm:
            contestant.start(image)
            contestant.begin()
            contestant.click(image.size.width / 2, image.size.height / 2, True)
            contestant.warm = True
        with contestant.clock.step("picture"):
            contestant.start(image)
        target = max(scene.sample.targets, key=lambda each: each.area)
        truth, ignore = scene.truth(target)
        prediction: BoolArray | None = None
        contestant.begin()
        clicked: list[tuple[int, int]] = []
        for number in range(CLICKS):
            click = next_click(prediction, truth, ignore, clicked)
            if click is None:
                break
            with contestant.clock.step("further click" if number else "first click"):
                prediction = contestant.click(float(click.x), float(click.y), click.positive)
            clicked.append((click.x, click.y))
        values: dict[str, Any] = {
            step: [round(value, 6) for value in seconds] for step, seconds in contestant.clock.seconds.items()
        }
        return [row_of(scene, score=None, values={**values, "megapixels": image.size.height * image.size.width / 1e6})]

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns seconds into percentiles."""
        measures: list[Measure] = []
        for step, name in _STEPS.items():
            seconds = [value for row in rows for value in row.values.get(step, ())]
            for percentile in _PERCENTILES:
                value = float(np.percentile(seconds, percentile)) if seconds else float("nan")
                measures.append(plain(f"{name} p{percentile}", value, "s"))
        return TaskOutcome(measures=tuple(measures))
