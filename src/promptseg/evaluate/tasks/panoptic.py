"""Panoptic quality: PQ, SQ and RQ over all classes, things and stuff, by the definition of COCO's panopticapi."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float64
from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import Dataset, PanopticTruth
from promptseg.errors import FormatError
from promptseg.evaluate.contestants.contestant import Contestant, check_masks_of
from promptseg.evaluate.measures import Measure, counted, mean_where
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import EvaluationTask, Rows, TaskOutcome, counts_by_class, row_of
from promptseg.evaluate.vocabularies import place_of, vocabulary_of

MATCHED = 0.5
"""Segments of one class match when their IoU is above it; then no other can match either of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanopticTask(EvaluationTask):
    """Pictures cut into things and stuff."""

    name: ClassVar[str] = "panoptic"
    about: ClassVar[str] = "things and stuff: PQ, SQ, RQ"
    ability: ClassVar[str] = "panoptic"
    starts: ClassVar[bool] = False  # the whole way from pixels to segments is one step
    truth: ClassVar[Truth] = "panoptic"

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Asks once and matches segments."""
        words = vocabulary_of(scene.dataset)
        read = scene.sample.panoptic
        image = scene.image()
        if read is None:
            raise FormatError(f"{scene.sample.picture} has no panoptic labels.")
        truth = read()
        if truth.numbers.shape != tuple(image.size):
            raise FormatError(f"{scene.sample.picture} and its labels differ in size.")
        with contestant.clock.step("picture"):
            contestant.start(image)
            found = contestant.panoptic(words)
        check_masks_of(contestant, found.segments, image.size)
        places = [place_of(words, category.name, contestant.name) for category in found.categories]
        counts = count_matches(truth, found.id_map(), places, len(words))
        used = np.flatnonzero(counts.any(axis=0))
        pq = quality(counts.reshape(1, -1), np.ones(len(words), bool), 0)[0]
        return [
            row_of(
                scene,
                score=None if np.isnan(pq) else float(pq),
                values={"classes": used.tolist(), "counts": counts[:, used].tolist()},
                shown={"masks": [mask.to_coco() for mask in found.segments.masks]},
            )
        ]

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns matches into PQ, SQ and RQ."""
        number = len(dataset.categories)
        table = counts_by_class(rows, 4, number)
        flat = table.reshape(len(rows), -1)
        things = np.array([category.thing for category in dataset.categories])
        groups = {"": np.ones(number, bool), " things": things, " stuff": ~things}
        measures: list[Measure] = []
        for suffix, chosen in groups.items():
            for part, name in enumerate(("PQ", "SQ", "RQ")):
                measures.append(counted(f"{name}{suffix}", flat, partial(quality, chosen=chosen, part=part)))
        return TaskOutcome(measures=tuple(measures))


def count_matches(truth: PanopticTruth, numbers: npt.NDArray[np.int32], places: list[int], classes: int) -> Float64:
    """Matches the segments of one picture, as panopticapi does.

    Pixels that are unknown in the truth do not count towards unions. Segments found mostly on unknown pixels, or on
    crowds of their class, are not wrong; crowds need not be found.

    Args:
        truth: the true segments.
        numbers: (H, W) 0 where nothing was found, n for the segment n - 1 found.
        places: the class of each segment found.
        classes: how many classes there are.

    Returns:
        (4, C): sum of the IoUs of matches, matches, wrong segments, missed segments.
    """
    counts = np.zeros((4, classes))
    wanted, given = len(truth.classes), len(places)
    joint = np.bincount(
        (truth.numbers.astype(np.int64) * (given + 1) + numbers).ravel(), minlength=(wanted + 1) * (given + 1)
    ).reshape(wanted + 1, given + 1)
    true_areas, found_areas = joint.sum(axis=1), joint.sum(axis=0)
    unions = true_areas[1:, None] + found_areas[None, 1:] - joint[1:, 1:] - joint[0][None, 1:]
    ious = np.where(unions > 0, joint[1:, 1:] / np.maximum(unions, 1), 0)
    same = np.array(truth.classes, np.int64)[:, None] == np.array(places, np.int64)[None]
    single = ~np.array(truth.crowds, bool)
    rows, columns = np.nonzero((ious > MATCHED) & same & single[:, None])
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        counts[0, truth.classes[row]] += ious[row, column]
        counts[1, truth.classes[row]] += 1
    for number in np.setdiff1d(np.arange(wanted)[single & (true_areas[1:] > 0)], rows).tolist():
        counts[3, truth.classes[number]] += 1
    for number in np.setdiff1d(np.arange(given), columns).tolist():
        area = found_areas[number + 1]
        if area == 0:
            continue
        crowd = [n for n in np.flatnonzero(~single).tolist() if truth.classes[n] == places[number]]
        excused = joint[0, number + 1] + sum(int(joint[n + 1, number + 1]) for n in crowd)
        if excused / area <= 0.5:
            counts[2, places[number]] += 1
    return counts


def quality(sums: Float64, chosen: npt.NDArray[np.bool_], part: int) -> Float64:
    """PQ (part 0), SQ (1) or RQ (2), averaged over the chosen classes that occur, from (R, 4 C) counts."""
    overlap, right, wrong, missed = np.moveaxis(sums.reshape(len(sums), 4, -1), 1, 0)
    halves = right + 0.5 * (wrong + missed)
    values = (
        overlap / np.where(halves == 0, 1, halves),
        overlap / np.where(right == 0, 1, right),
        right / np.where(halves == 0, 1, halves),
    )[part]
    return mean_where(values, (halves > 0) & chosen)
