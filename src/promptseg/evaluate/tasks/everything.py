"""Automatic masks and proposals: average recall of the labelled objects (AR@100, AR@1000, by size)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from promptseg.datasets.samples import Dataset
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.contestants.ours import WAYS
from promptseg.evaluate.measures import Measure, counted, mean, ratio
from promptseg.evaluate.recall import IOU_THRESHOLDS, LIMITS, SIZES, count_recall
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import Curve, EvaluationTask, Rows, TaskOutcome, pictures, row_of
from promptseg.masks.overlap import iou_matrix

SHOWN = 60
"""Pictures show at most so many masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EverythingTask(EvaluationTask):
    """All masks of a picture, best first, against the labelled objects; classes are left aside.

    Attributes:
        limits: so many masks per picture count.
    """

    name: ClassVar[str] = "everything"
    about: ClassVar[str] = "automatic masks and proposals: AR@100 and AR@1000 by size, as on COCO and LVIS"
    ability: ClassVar[str] = "everything"
    starts: ClassVar[bool] = False  # the whole way from pixels to masks is one step
    ways: ClassVar[tuple[str, ...]] = WAYS
    limits: tuple[int, ...] = LIMITS

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"limits": list(self.limits)}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks once and counts which objects are found."""
        truth = [scene.rle(target) for target in scene.sample.targets]
        areas = [target.area for target in scene.sample.targets]
        image = scene.image()
        with contestant.clock.step("picture"):
            contestant.start(image)
            found = contestant.everything()
        check_masks_of(contestant, found, image.size)
        counts = count_recall(truth, areas, found.masks, limits=self.limits)
        best = iou_matrix(truth, found.masks).max(axis=1) if truth and len(found) else np.zeros(len(truth))
        return [
            row_of(
                scene,
                score=float(best.mean()) if len(best) else None,
                values={
                    "found": counts.found.tolist(),
                    "wanted": counts.wanted.tolist(),
                    "masks": len(found),
                    "best": [round(value, 6) for value in best.tolist()],
                },
                shown={
                    "masks": [mask.to_coco() for mask in found.masks[:SHOWN]],
                    "truths": [mask.to_coco() for mask in truth],
                },
            )
        ]

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into average recalls."""
        found = np.array([row.values["found"] for row in rows], np.float64)  # (P, A, L, T)
        wanted = np.array([row.values["wanted"] for row in rows], np.float64)  # (P, A)
        measures: list[Measure] = []
        for column, limit in enumerate(self.limits):
            for number, size in enumerate(SIZES):
                name = f"AR@{limit}" if size == "all" else f"AR@{limit} {size}"
                means = found[:, number, column].mean(axis=1)
                measures.append(counted(name, np.stack([means, wanted[:, number]], axis=1), ratio))
        best = [(value, row.picture) for row in rows for value in row.values["best"]]
        measures.append(mean("best mask mIoU", [value for value, _ in best], [name for _, name in best]))
        number = [float(row.values["masks"]) for row in rows]
        measures.append(mean("masks per picture", number, pictures(rows), "number"))
        recalls = found[:, 0, len(self.limits) - 1].sum(axis=0) / max(1.0, float(wanted[:, 0].sum()))
        curve = Curve(
            plot=f"recall of {self.limits[-1]} masks",
            across="IoU that counts as found",
            up="recall",
            x=tuple(IOU_THRESHOLDS.tolist()),
            y=tuple(recalls.tolist()),
        )
        return TaskOutcome(measures=tuple(measures), curves=(curve,))
