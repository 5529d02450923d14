"""Instances: objects of given classes found without prompts; mask AP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from promptseg.datasets.samples import Dataset
from promptseg.evaluate.average_precision import Protocol, check_protocol, precision_of
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import plain
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import SHOWN, CliOption, EvaluationTask, Rows, TaskOutcome, row_of
from promptseg.evaluate.vocabularies import full_name, vocabulary_of


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesTask(EvaluationTask):
    """All objects of the dataset's classes.

    Attributes:
        protocol: "coco" or "lvis"; None for that of the dataset.
    """

    name: ClassVar[str] = "instances"
    about: ClassVar[str] = "objects of given classes: mask AP (COCO and LVIS protocol)"
    ability: ClassVar[str] = "instances"
    starts: ClassVar[bool] = False  # the whole way from pixels to masks is one step
    keeps_empty: ClassVar[bool] = True
    protocol: Annotated[Protocol | None, CliOption("coco or lvis")] = None

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"protocol": self.protocol or "of the dataset"}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks once."""
        words = vocabulary_of(scene.dataset)
        image = scene.image()
        with contestant.clock.step("picture"):
            contestant.start(image)
            found = contestant.instances(words)
        check_masks_of(contestant, found, image.size)
        masks = [mask.to_coco() for mask in found.masks]
        return [
            row_of(
                scene,
                score=None,
                values={
                    "labels": [full_name(words, label, contestant.name) for label in found.labels],
                    "scores": found.scores.tolist(),
                    "masks": masks,
                },
                shown={"masks": masks[:SHOWN]},
            )
        ]

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into AP."""
        precision = precision_of(dataset, rows, self.protocol)
        return TaskOutcome(measures=tuple(plain(name, value) for name, value in precision.values.items()))
