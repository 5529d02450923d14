"""Words for classes: everything of one class in a picture, by its name."""

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from promptseg.datasets.samples import Dataset, Target
from promptseg.errors import InputError
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import counted, mean, ratio
from promptseg.evaluate.metrics import overlap_of
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import (
    EvaluationTask,
    Rows,
    TaskOutcome,
    column,
    known_facts,
    mean_over_classes,
    per_picture,
    pictures,
)
from promptseg.masks.overlap import union
from promptseg.masks.rle import RLE


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTask(EvaluationTask):
    """The name of each class that a picture has is asked for; all that is found, against all objects of the class.

    Crowds of the class do not count.
    """

    name: ClassVar[str] = "text"
    about: ClassVar[str] = "names of classes as prompts: IoU of all that is found with all objects of the class"
    ability: ClassVar[str] = "matches"
    questions: ClassVar[Literal["one", "many"]] = "many"

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks for every class of the picture."""
        rows: list[Row] = []
        size = scene.image().size
        for label, targets in by_class(scene).items():
            truth, ignore = class_truth(scene, label, targets)
            if not truth.area:
                continue
            with contestant.clock.step("word"):
                found = contestant.matches(label)
            check_masks_of(contestant, found, size)
            answer = union(found.masks, size)
            shared, either, value = overlap_of(
                answer.dense(), truth.dense(), None if ignore is None else ignore.dense()
            )
            rows.append(
                Row(
                    picture=scene.name,
                    item=label,
                    score=value,
                    values={"shared": shared, "union": either, "iou": value, "label": label},
                    metadata={**known_facts(scene.sample), "class": label},
                    shown={"masks": [answer.to_coco()], "truths": [truth.to_coco()], "words": label},
                )
            )
        return rows

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into mean IoU over rows and classes, and cumulative IoU."""
        groups = pictures(rows)
        ious = np.array(column(rows, "iou"))
        return TaskOutcome(
            measures=(
                mean("mIoU", ious, groups),
                mean_over_classes("mIoU over classes", rows, "iou"),
                counted("cIoU", per_picture(rows, ("shared", "union")), ratio),
                mean("P@0.5", (ious > 0.5).astype(np.float64), groups),
            )
        )


def by_class(scene: Scene) -> dict[str, list[Target]]:
    """Returns the picture's targets by class, in the order of their first appearance.

    Raises:
        InputError: they have no classes.
    """
    groups: dict[str, list[Target]] = defaultdict(list)
    for target in scene.sample.targets:
        if target.label is None:
            raise InputError(
                f"{scene.dataset.name} ({scene.dataset.layout} layout) names no classes, which this task needs."
            )
        groups[target.label].append(target)
    return dict(groups)


def class_truth(scene: Scene, label: str, targets: list[Target]) -> tuple[RLE, RLE | None]:
    """Returns all pixels of a class, and those that do not count: its crowds, and what the targets ignore."""
    size = scene.image().size
    truth = union([scene.rle(target) for target in targets], size)
    ignored = [crowd.rle() for crowd in scene.sample.crowds if crowd.label == label]
    ignored += [target.ignore for target in targets if target.ignore is not None]
    return truth, union(ignored, size) if ignored else None
