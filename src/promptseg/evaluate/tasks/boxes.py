"""Boxes: each box is answered with one mask; mask AP as in SAM's instance segmentation, and IoU with the truth."""

import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from promptseg.datasets.samples import Corners, Dataset
from promptseg.errors import FormatError
from promptseg.evaluate.average_precision import Protocol, check_protocol, precision_of
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import Measure, mean, plain
from promptseg.evaluate.metrics import boundary_iou, iou
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import SHOWN, CliOption, EvaluationTask, Rows, TaskOutcome, row_of
from promptseg.formats.reading import read_json
from promptseg.masks.segments import Segments

_DETECTIONS = CliOption("a COCO results file of boxes to prompt with, instead of true boxes", "FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxesTask(EvaluationTask):
    """Boxes as prompts.

    Without detections the boxes are those around the true objects, and masks are ranked by what the contestant thinks
    of them; the IoU is that with the boxed object. With detections (a COCO results file: image_id, category_id, bbox,
    score) boxes, classes and ranks come from a detector, as in SAM's paper.

    Attributes:
        protocol: "coco" or "lvis"; None for that of the dataset.
        detections: the file.
    """

    name: ClassVar[str] = "boxes"
    about: ClassVar[str] = "boxes to masks: mask AP (COCO and LVIS protocol), mean IoU, boundary IoU"
    ability: ClassVar[str] = "boxes"
    questions: ClassVar[Literal["one", "many"]] = "many"
    recipe: ClassVar[bool] = True
    keeps_empty: ClassVar[bool] = True
    step: ClassVar[str] = "box"
    protocol: Annotated[Protocol | None, CliOption("coco or lvis")] = None
    detections: Annotated[str | None, _DETECTIONS] = None

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {
            "protocol": self.protocol or "of the dataset",
            "boxes": Path(self.detections).name if self.detections else "true",
        }

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks for all boxes of the picture at once."""
        asked = self._asked(scene)
        if not asked:
            return [_row(scene, [], Segments.empty(scene.image().size), {}, [])]
        with contestant.clock.step("all boxes"):
            found = contestant.boxes([box for box, _, _, _ in asked])
        check_masks_of(contestant, found, scene.image().size, len(asked))
        overlaps: dict[str, tuple[float, float]] = {}
        if self.detections is None:
            dense = found.dense()
            for mask, target in zip(dense, scene.sample.targets, strict=True):
                truth, ignore = scene.truth(target)
                overlaps[target.name] = (iou(mask, truth, ignore), boundary_iou(mask, truth, ignore))
        ranks = [
            float(own if score is None else score)
            for (_, _, score, _), own in zip(asked, found.scores.tolist(), strict=True)
        ]
        return [_row(scene, asked, found, overlaps, ranks)]

    def _asked(self, scene: Scene) -> list[tuple[Corners, str, float | None, str]]:
        """Returns box, class, rank and target of every question."""
        if self.detections is None:
            return [
                (scene.rle(target).bbox, target.label or "object", None, target.name) for target in scene.sample.targets
            ]
        known = _detections(self.detections)
        classes = {category.id: category.name for category in scene.dataset.categories}
        try:
            return [
                (box, classes[category], score, "") for box, category, score in known.get(_number_of(scene.name), ())
            ]
        except KeyError as error:
            raise FormatError(f"{self.detections} has a category_id {error} that the dataset has not.") from error

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into mask AP and IoUs."""
        precision = precision_of(dataset, rows, self.protocol)
        measures: list[Measure] = [plain(name, value) for name, value in precision.values.items()]
        pairs = [(pair, row.picture) for row in rows for pair in row.values["ious"].values()]
        if pairs:
            groups = [picture for _, picture in pairs]
            measures += [
                mean("mIoU", [pair[0] for pair, _ in pairs], groups),
                mean("boundary IoU", [pair[1] for pair, _ in pairs], groups),
            ]
        return TaskOutcome(measures=tuple(measures))


def _row(
    scene: Scene,
    asked: list[tuple[Corners, str, float | None, str]],
    found: Segments,
    overlaps: Mapping[str, tuple[float, float]],
    ranks: list[float],
) -> Row:
    masks = [mask.to_coco() for mask in found.masks]
    values = [pair[0] for pair in overlaps.values()]
    return row_of(
        scene,
        score=sum(values) / len(values) if values else None,
        values={
            "labels": [label for _, label, _, _ in asked],
            "scores": ranks,
            "masks": masks,
            "ious": {name: [round(value, 6) for value in pair] for name, pair in overlaps.items()},
        },
        shown={
            "masks": masks[:SHOWN],
            "truths": [scene.rle(target).to_coco() for target in scene.sample.targets[:SHOWN]],
            "boxes": [list(box) for box, _, _, _ in asked[:SHOWN]],
        },
    )


@functools.lru_cache(maxsize=2)
def _detections(path: str) -> Mapping[int, list[tuple[Corners, int, float]]]:
    """Reads a COCO results file once."""
    boxes: dict[int, list[tuple[Corners, int, float]]] = defaultdict(list)
    try:
        for record in read_json(path):
            x, y, width, height = (float(value) for value in record["bbox"])
            if width > 0 and height > 0:
                boxes[int(record["image_id"])].append(
                    ((x, y, x + width, y + height), int(record["category_id"]), float(record["score"]))
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{path} is not a COCO results file ({error}): expected a list of image_id, category_id, bbox and score."
        ) from error
    return boxes


def _number_of(name: str) -> int:
    """Returns the image_id that COCO and LVIS write into the file's name."""
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdigit() else -1
