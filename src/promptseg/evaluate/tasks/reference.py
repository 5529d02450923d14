"""References: an object of another picture shows what to segment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import counted, mean, ratio
from promptseg.evaluate.metrics import overlap_of
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import EvaluationTask, Rows, TaskOutcome, column, known_facts, per_picture, pictures
from promptseg.evaluate.tasks.text import by_class, class_truth
from promptseg.images import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class ByReference(EvaluationTask):
    """For each class that a picture has, an object of the class in another picture, drawn at random, is the prompt.

    The answer, one mask, is compared with all objects of the class together, and with the single one that it fits best:
    what is shown may mean either. Classes that no other picture has are left out.
    """

    name: ClassVar[str] = "reference"
    about: ClassVar[str] = "an object of another picture as prompt: IoU with the class, and with the best object"
    ability: ClassVar[str] = "reference"
    questions: ClassVar[Literal["one", "many"]] = "many"

    def facts(self, scene: Scene) -> Mapping[str, Any]:
        """The references depend on the whole dataset."""
        return {label: [sample.name, target.name] for label, (sample, target) in references(scene).items()}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Shows a reference for every class of the picture."""
        rows: list[Row] = []
        size, groups = scene.image().size, by_class(scene)
        for label, (sample, target) in references(scene).items():
            truth, ignore = class_truth(scene, label, groups[label])
            shown = target.rle()
            if not truth.area or not shown.area:
                continue
            picture = Image.open(sample.picture)
            with contestant.clock.step("reference"):
                found = contestant.reference(picture, shown)
            check_masks_of(contestant, found, size, 1)
            void = None if ignore is None else ignore.dense()
            answer = found.masks[0].dense()
            shared, either, value = overlap_of(answer, truth.dense(), void)
            best = max(overlap_of(answer, scene.truth(each)[0], void)[2] for each in groups[label])
            rows.append(
                Row(
                    picture=scene.name,
                    item=label,
                    score=max(value, best),
                    values={"shared": shared, "union": either, "iou": value, "best": best},
                    metadata={**known_facts(scene.sample), "class": label},
                    shown={
                        "masks": [found.masks[0].to_coco()],
                        "truths": [truth.to_coco()],
                        "words": f"{label} as in {sample.name}",
                    },
                )
            )
        return rows

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into mean IoUs."""
        groups = pictures(rows)
        either = np.maximum(column(rows, "iou"), column(rows, "best"))
        return TaskOutcome(
            measures=(
                mean("mIoU of the class", column(rows, "iou"), groups),
                mean("mIoU of the best object", column(rows, "best"), groups),
                mean("mIoU of either", either, groups),
                counted("cIoU of the class", per_picture(rows, ("shared", "union")), ratio),
            )
        )


def references(scene: Scene) -> dict[str, tuple[Sample, Target]]:
    """Draws for each class of a picture an object of the class in another picture; always the same one."""
    chosen: dict[str, tuple[Sample, Target]] = {}
    for label in by_class(scene):
        others = [
            (sample, target)
            for sample in scene.dataset.samples
            if sample.name != scene.name
            for target in sample.targets
            if target.label == label
        ]
        if others:
            chosen[label] = others[int(scene.random(label).integers(len(others)))]
    return chosen
