"""Referring expressions: each phrase names one object; cumulative IoU, mean IoU, precision at IoU thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import Dataset
from promptseg.errors import InputError
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import counted, mean, ratio
from promptseg.evaluate.metrics import overlap_of
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import (
    CliOption,
    Counts,
    EvaluationTask,
    Rows,
    TaskOutcome,
    column,
    known_facts,
    per_picture,
    pictures,
)

PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
SENTENCES = ("first", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferringTask(EvaluationTask):
    """RefCOCO's protocol.

    Attributes:
        sentences: "first" takes the first sentence of each object, as SEEM's evaluation does; "all" takes every one.
        together: whether all phrases of a picture are asked in one go, which SEEM's evaluation does too, and where
            the answer to one depends on the others.
    """

    name: ClassVar[str] = "referring"
    about: ClassVar[str] = "phrases for single objects (RefCOCO/+/g): cIoU, mIoU, P@0.5 to 0.9"
    ability: ClassVar[str] = "phrases"
    questions: ClassVar[Literal["one", "many"]] = "many"
    truth: ClassVar[Truth] = "phrases"
    limit: ClassVar[Counts] = "objects"
    sentences: Annotated[str, CliOption("first (as SEEM's evaluation) or all sentences")] = "first"
    together: Annotated[bool, CliOption("all phrases of a picture in one go")] = False

    def __post_init__(self) -> None:
        if self.sentences not in SENTENCES:
            raise InputError(f"Sentences are 'first' or 'all', got {self.sentences!r}.")

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"sentences": self.sentences, "asked": "together" if self.together else "one by one"}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks for every phrase of the picture."""
        asked = [
            (target, number, phrase)
            for target in scene.sample.targets
            for number, phrase in enumerate(target.phrases[:1] if self.sentences == "first" else target.phrases)
        ]
        if not asked:
            return []
        size = scene.image().size
        with contestant.clock.step("all phrases"):
            found = contestant.phrases([phrase for _, _, phrase in asked], together=self.together)
        check_masks_of(contestant, found, size, len(asked))
        rows: list[Row] = []
        for (target, number, phrase), mask in zip(asked, found.masks, strict=True):
            truth, ignore = scene.truth(target)
            shared, union, value = overlap_of(mask.dense(), truth, ignore)
            rows.append(
                Row(
                    picture=scene.name,
                    item=f"{target.name}, sentence {number + 1}",
                    score=value,
                    values={"shared": shared, "union": union, "iou": value},
                    metadata=known_facts(scene.sample, target),
                    shown={"masks": [mask.to_coco()], "truths": [scene.rle(target).to_coco()], "words": phrase},
                )
            )
        return rows

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into cIoU, mIoU and P@."""
        groups = pictures(rows)
        ious = np.array(column(rows, "iou"))
        return TaskOutcome(
            measures=(
                counted("cIoU", per_picture(rows, ("shared", "union")), ratio),
                mean("mIoU", ious, groups),
                *(mean(f"P@{threshold:g}", (ious > threshold).astype(np.float64), groups) for threshold in PRECISIONS),
            )
        )
