"""Videos: the objects of the first frame are followed; J, F, their recall and decay, by DAVIS's protocol."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import InputError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.contestants.ours import FOLLOWS
from promptseg.evaluate.contours import contour_accuracy, decay
from promptseg.evaluate.measures import mean
from promptseg.evaluate.metrics import Floats, iou
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import Counts, Curve, EvaluationTask, Rows, TaskOutcome, pictures
from promptseg.masks.rle import RLE


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTask(EvaluationTask):
    """Semi-supervised video segmentation: masks are given on the first frame only.

    As in DAVIS, the first frame does not count, nor does the last one of videos of more than two frames.
    """

    name: ClassVar[str] = "video"
    about: ClassVar[str] = "objects followed through videos (DAVIS 2016, 2017): J&F, J, F, recall, decay"
    ability: ClassVar[str] = "track"
    starts: ClassVar[bool] = False  # contestants get the frames at once
    ways: ClassVar[tuple[str, ...]] = FOLLOWS
    truth: ClassVar[Truth] = "frames"
    limit: ClassVar[Counts] = "videos"

    def scenes(self, dataset: Dataset, seed: int) -> list[Scene]:
        """Returns the videos of at least two frames."""
        videos: dict[str, list[Sample]] = {}
        for sample in dataset.samples:
            if sample.sequence is not None:
                videos.setdefault(sample.sequence, []).append(sample)
        return [Scene(dataset, name, frames, seed) for name, frames in videos.items() if len(frames) > 1]

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Lets every object of the first frame be followed."""
        frames = [scene.image(number) for number in range(len(scene.samples))]
        last = len(frames) - 1 if len(frames) > 2 else len(frames)
        rows: list[Row] = []
        for target in scene.samples[0].targets:
            found: list[RLE] = []
            steps = contestant.track(frames, scene.rle(target))
            for frame in frames[1:]:
                with contestant.clock.step("frame"):
                    mask = next(steps, None)
                if mask is None or mask.size != frame.size:
                    raise InputError(f"{contestant.name} gave no mask of the size of each frame of {scene.name}.")
                found.append(mask)
            regions, contours = _judged(scene, target, found, last)
            worst = int(np.argmin(regions)) + 1
            rows.append(
                Row(
                    picture=scene.name,
                    item=target.name,
                    score=float((regions.mean() + contours.mean()) / 2),
                    values={
                        "j": [round(value, 6) for value in regions.tolist()],
                        "f": [round(value, 6) for value in contours.tolist()],
                    },
                    metadata={**scene.sample.metadata, **target.metadata},
                    shown={
                        "frame": scene.samples[worst].name,
                        "masks": [found[worst - 1].to_coco()],
                        "truths": [_true(scene, target, worst).to_coco()],
                        "words": f"worst frame, {scene.samples[worst].name}",
                    },
                )
            )
        return rows

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns frames into J&F and its parts; every object counts the same."""
        groups = pictures(rows)
        regions = [np.asarray(row.values["j"], np.float64) for row in rows]
        contours = [np.asarray(row.values["f"], np.float64) for row in rows]
        j, f = (np.array([each.mean() for each in values]) for values in (regions, contours))
        return TaskOutcome(
            measures=(
                mean("J&F", (j + f) / 2, groups),
                mean("J", j, groups),
                mean("J recall", [float((each > 0.5).mean()) for each in regions], groups),
                mean("J decay", [decay(each) for each in regions], groups),
                mean("F", f, groups),
                mean("F recall", [float((each > 0.5).mean()) for each in contours], groups),
                mean("F decay", [decay(each) for each in contours], groups),
            ),
            curves=(_over_time(regions),),
        )


def _true(scene: Scene, target: Target, number: int) -> RLE:
    """Returns the object's mask on a frame; empty where it is not to be seen."""
    for each in scene.samples[number].targets:
        if each.name == target.name:
            return scene.rle(each, number)
    return RLE.empty(scene.image(number).size)


def _judged(scene: Scene, target: Target, found: list[RLE], last: int) -> tuple[Floats, Floats]:
    regions: list[float] = []
    contours: list[float] = []
    for number in range(1, last):
        truth, mask = _true(scene, target, number).dense(), found[number - 1].dense()
        regions.append(iou(mask, truth))
        contours.append(contour_accuracy(mask, truth))
    return np.array(regions), np.array(contours)


def _over_time(values: list[Floats]) -> Curve:
    """Returns the mean J at ten points of the videos' length."""
    places = np.linspace(0, 1, 11)
    lines = [
        np.interp(places, np.linspace(0, 1, len(each)), each) if len(each) > 1 else np.full(11, each[0])
        for each in values
    ]
    return Curve(
        plot="J over time",
        across="share of the video",
        up="mean J",
        x=tuple(places.tolist()),
        y=tuple(np.mean(lines, axis=0).tolist()),
    )
