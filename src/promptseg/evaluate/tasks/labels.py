"""Names of masks: the true masks are given, their classes asked for; top-1 and top-5 accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from promptseg.datasets.layouts.layout import evenly
from promptseg.datasets.samples import Dataset
from promptseg.errors import InputError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.measures import mean
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import Counts, EvaluationTask, Rows, TaskOutcome, mean_over_classes, pictures, row_of
from promptseg.evaluate.vocabularies import full_name, vocabulary_of
from promptseg.masks.segments import Segments

TOP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsTask(EvaluationTask):
    """Every labelled object is shown as a mask; its name must be among the first that the contestant gives.

    Top-5 is left open when a contestant gives fewer names than that.
    """

    name: ClassVar[str] = "labels"
    about: ClassVar[str] = "names of given masks: top-1 and top-5 accuracy"
    ability: ClassVar[str] = "labels"
    questions: ClassVar[Literal["one", "many"]] = "many"
    limit: ClassVar[Counts] = "objects"

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"top": TOP}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks for the names of all masks of the picture."""
        words = vocabulary_of(with_classes(scene.dataset))
        targets = [target for target in scene.sample.targets if target.label is not None]
        if not targets:
            return []
        masks = Segments(scene.image().size, tuple(scene.rle(target) for target in targets))
        with contestant.clock.step("all masks"):
            answers = contestant.labels(masks, words, TOP)
        if len(answers) != len(targets):
            raise InputError(f"{contestant.name} named {len(answers)} masks of {len(targets)}.")
        rows: list[Row] = []
        for target, given in zip(targets, answers, strict=True):
            names = [full_name(words, name, contestant.name) for name in given]
            enough = len(names) >= min(TOP, len(words))
            right = target.label in names[:1]
            rows.append(
                row_of(
                    scene,
                    target,
                    score=float(right),
                    values={
                        "top1": float(right),
                        "top5": float(target.label in names[:TOP]) if enough else None,
                        "label": target.label,
                    },
                    shown={
                        "masks": [scene.rle(target).to_coco()],
                        "words": f"{target.label}: {', '.join(names) or 'no answer'}",
                    },
                )
            )
        return rows

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into accuracies."""
        groups = pictures(rows)
        first = [row.values["top1"] for row in rows]
        five = [np.nan if row.values["top5"] is None else row.values["top5"] for row in rows]
        return TaskOutcome(
            measures=(
                mean("top-1", first, groups),
                mean("top-5", five, groups),
                mean_over_classes("top-1 over classes", rows, "top1"),
            )
        )


def with_classes(dataset: Dataset) -> Dataset:
    """Returns the dataset with the classes of its targets as categories, where it names none itself."""
    if dataset.categories:
        return dataset
    names = sorted({target.label for each in dataset.samples for target in each.targets if target.label})
    return replace(dataset, categories=evenly(tuple(names)))
