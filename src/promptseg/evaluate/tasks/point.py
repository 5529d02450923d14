"""A single point: the centre of each object, and a random point in it; the answer, and the best of all answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset, Target
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import mean
from promptseg.evaluate.metrics import boundary_iou, iou
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import Counts, Curve, EvaluationTask, Rows, TaskOutcome, column, pictures, row_of
from promptseg.hands.clicks import next_click

PLACES = ("centre", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTask(EvaluationTask):
    """One click, as in SAM's zero-shot protocol: "centre" is the pixel deepest inside, "random" any of the object's.

    The oracle is the best of the contestant's answers, which tells ambiguity from failure.
    """

    name: ClassVar[str] = "point"
    about: ClassVar[str] = "a single click at the centre or at random: mean IoU, oracle, boundary IoU"
    ability: ClassVar[str] = "point"
    questions: ClassVar[Literal["one", "many"]] = "many"
    recipe: ClassVar[bool] = True
    limit: ClassVar[Counts] = "objects"
    step: ClassVar[str] = "point"

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"places": list(PLACES)}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks at two points of every object."""
        return [self._ask(contestant, scene, target) for target in scene.sample.targets]

    def _ask(self, contestant: Contestant, scene: Scene, target: Target) -> Row:
        truth, ignore = scene.truth(target)
        values: dict[str, float] = {}
        shown: dict[str, Any] = {"truths": [scene.rle(target).to_coco()]}
        for place in PLACES:
            if place == "centre":
                x, y = _centre(truth, ignore)
            else:
                inside = np.flatnonzero(truth if ignore is None else truth & ~ignore)
                y, x = divmod(int(scene.random(target.name).choice(inside)), truth.shape[1])
            with contestant.clock.step("point"):
                found = contestant.point(float(x), float(y))
            check_masks_of(contestant, found, scene.image().size)
            masks = found.dense()
            overlaps = [iou(mask, truth, ignore) for mask in masks] or [0.0]
            values[place] = overlaps[0]
            values[f"{place} oracle"] = max(overlaps)
            if place == "centre":
                values["boundary"] = boundary_iou(masks[0], truth, ignore) if len(masks) else 0.0
                shown["clicks"] = [[x, y, True]]
                shown["masks"] = [found.masks[0].to_coco()] if len(found) else []
        return row_of(
            scene,
            target,
            score=values["centre"],
            values={name: round(value, 6) for name, value in values.items()},
            shown=shown,
        )

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into mean IoUs."""
        groups = pictures(rows)
        names = {
            "mIoU": "centre",
            "oracle mIoU": "centre oracle",
            "random point mIoU": "random",
            "random point oracle": "random oracle",
            "boundary IoU": "boundary",
        }
        found = np.sort(column(rows, "centre"))
        return TaskOutcome(
            measures=tuple(mean(name, column(rows, key), groups) for name, key in names.items()),
            curves=(
                Curve(
                    plot="IoU of all objects, from the worst",
                    across="share of objects",
                    up="IoU",
                    x=tuple(((np.arange(len(found)) + 0.5) / len(found)).tolist()),
                    y=tuple(found.tolist()),
                ),
            ),
        )


def _centre(truth: BoolArray, ignore: BoolArray | None) -> tuple[int, int]:
    click = next_click(None, truth, ignore)
    assert click is not None  # noqa: S101 - `Scene.truth` refuses targets of which no pixel counts
    return click.x, click.y
