"""Semantic segmentation: a class for every pixel; mean IoU."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float64, Int64
from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import UNKNOWN, Dataset
from promptseg.errors import FormatError
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import counted, mean_where, ratio
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import EvaluationTask, Rows, TaskOutcome, counts_by_class, row_of
from promptseg.evaluate.vocabularies import place_of, rest_of, vocabulary_of, without_rest
from promptseg.geometry import Size
from promptseg.masks.panoptic import PanopticSegments


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticTask(EvaluationTask):
    """Every pixel gets one of the dataset's classes; pixels whose class is unknown do not count.

    A class named background or null is not asked for: it is what no other class claims.
    """

    name: ClassVar[str] = "semantic"
    about: ClassVar[str] = "a class for every pixel: mean IoU, pixel and class accuracy"
    ability: ClassVar[str] = "semantic"
    starts: ClassVar[bool] = False  # the whole way from pixels to classes is one step
    truth: ClassVar[Truth] = "semantic"

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks once and counts pixels."""
        words = vocabulary_of(scene.dataset)
        read = scene.sample.semantic
        image = scene.image()
        truth = np.full(image.size, UNKNOWN, np.int32) if read is None else read()
        if truth.shape != tuple(image.size):
            raise FormatError(f"{scene.sample.picture} and its labels differ in size.")
        with contestant.clock.step("picture"):
            contestant.start(image)
            found = contestant.semantic(without_rest(words))
        check_masks_of(contestant, found.segments, image.size)
        places = [place_of(words, category.name, contestant.name) for category in found.categories]
        counts = count_pixels(class_map(found, places, image.size, rest_of(words)), truth, len(words))
        shared, wanted, given = counts
        union = wanted + given - shared
        occurring = wanted > 0
        return [
            row_of(
                scene,
                score=float((shared[occurring] / union[occurring]).mean()) if occurring.any() else None,
                values={
                    "classes": np.flatnonzero(wanted + given).tolist(),
                    "counts": counts[:, wanted + given > 0].tolist(),
                },
                shown={"masks": [mask.to_coco() for mask in found.segments.masks]},
            )
        ]

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns pixels into mean IoU and accuracies."""
        number = len(dataset.categories)
        table = counts_by_class(rows, 3, number)
        flat = table.reshape(len(rows), -1)
        totals = np.stack([table[:, 0].sum(axis=1), table[:, 1].sum(axis=1)], axis=1)
        return TaskOutcome(
            measures=(
                counted("mIoU", flat, mean_iou),
                counted("pixel accuracy", totals, ratio),
                counted("mean class accuracy", flat, _mean_accuracy),
                counted("frequency-weighted IoU", flat, _weighted_iou),
            )
        )


def class_map(found: PanopticSegments, places: list[int], size: Size, rest: int | None = None) -> npt.NDArray[np.int32]:
    """Returns the place in the vocabulary of each pixel's class, (H, W); `rest` or UNKNOWN where there is none."""
    result = np.full(size, UNKNOWN if rest is None else rest, np.int32)
    for mask, place in zip(found.segments.masks, places, strict=True):
        x0, y0, x1, y1 = mask.box
        result[y0:y1, x0:x1][mask.crop()] = place
    return result


def count_pixels(found: npt.NDArray[np.int32], truth: npt.NDArray[np.int32], classes: int) -> Int64:
    """Counts pixels of each class, (3, C): right ones, true ones, found ones; only where the truth is known."""
    known = truth != UNKNOWN
    found, truth = found[known], truth[known]
    return np.stack(
        [
            np.bincount(truth[found == truth], minlength=classes),
            np.bincount(truth, minlength=classes),
            np.bincount(found[found != UNKNOWN], minlength=classes),
        ]
    )


def mean_iou(sums: Float64) -> Float64:
    """Mean over the classes that occur in truth or answer, from (R, 3 C) counts of pixels."""
    iou, union, _ = _ious(sums)
    return mean_where(iou, union > 0)


def _ious(sums: Float64) -> tuple[Float64, Float64, Float64]:
    shared, wanted, given = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)
    union = wanted + given - shared
    return shared / np.maximum(union, 1), union, wanted


def _mean_accuracy(sums: Float64) -> Float64:
    shared, wanted, _ = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)
    return mean_where(shared / np.maximum(wanted, 1), wanted > 0)


def _weighted_iou(sums: Float64) -> Float64:
    iou, _, wanted = _ious(sums)
    return (iou * wanted).sum(axis=1) / np.maximum(wanted.sum(axis=1), 1)
