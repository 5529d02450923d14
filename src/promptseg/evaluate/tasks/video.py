"""Videos: the objects of the first frame are followed; J, F, their recall and decay, by DAVIS's protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, overload

import numpy as np

from promptseg.datasets.layouts.layout import Truth
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import FormatError, InputError
from promptseg.evaluate.contestants.contestant import Contestant, check_ability
from promptseg.evaluate.contestants.ours import FOLLOWS
from promptseg.evaluate.contours import contour_accuracy, decay
from promptseg.evaluate.measures import mean
from promptseg.evaluate.metrics import Floats, iou
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import CliOption, Counts, Curve, EvaluationTask, Rows, TaskOutcome, pictures
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.distance import interior_point
from promptseg.masks.rle import RLE

FIRST = ("mask", "box", "click")
"""What may be given of an object on its first frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTask(EvaluationTask):
    """Semi-supervised video segmentation: masks are given on the first frame of an object only.

    The first frame does not count; in DAVIS neither does the last one of videos of more than two frames. Frames are
    read when they are needed.
    """

    name: ClassVar[str] = "video"
    about: ClassVar[str] = "objects followed through videos (DAVIS, YouTube-VOS, MOSE): J&F, J, F, recall, decay"
    ability: ClassVar[str] = "track"
    starts: ClassVar[bool] = False  # contestants get the frames at once
    ways: ClassVar[tuple[str, ...]] = FOLLOWS
    truth: ClassVar[Truth] = "frames"
    limit: ClassVar[Counts] = "videos"
    first: Annotated[str, CliOption("what is given of an object: mask (default), box or click", "WHAT")] = "mask"

    def scenes(self, dataset: Dataset, seed: int) -> list[Scene]:
        """Returns the videos of at least two frames."""
        videos: dict[str, list[Sample]] = {}
        for sample in dataset.samples:
            if sample.sequence is not None:
                videos.setdefault(sample.sequence, []).append(sample)
        return [Scene(dataset, name, frames, seed) for name, frames in videos.items() if len(frames) > 1]

    def settings(self) -> Mapping[str, Any]:
        """What is given of the objects."""
        return {} if self.first == "mask" else {"first": self.first}

    def __post_init__(self) -> None:
        if self.first not in FIRST:
            raise InputError(f"Unknown --first {self.first!r}: expected one of {', '.join(FIRST)}.")

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Lets every object be followed from the first frame that it is labelled on."""
        frames = Frames(scene.samples)
        begun: dict[str, tuple[int, Target]] = {}
        for number, sample in enumerate(scene.samples):
            for target in sample.targets:
                begun.setdefault(target.name, (number, target))
        rows = (self._follow(contestant, scene, frames, *start) for start in begun.values())
        return [row for row in rows if row is not None]

    def _follow(self, contestant: Contestant, scene: Scene, frames: "Frames", begin: int, target: Target) -> Row | None:
        numbers = [number for number in range(begin + 1, len(frames)) if scene.samples[number].labelled]
        if scene.dataset.layout == "davis" and len(frames) > 2 and len(frames) - 1 in numbers:
            numbers = numbers[:-1]
        if not numbers:
            return None
        truth = target.rle()
        if truth.size != frames[begin].size:
            raise FormatError(f"The mask of {target.name!r} does not fit {scene.samples[begin].picture}.")
        steps = contestant.track(frames[begin:], self._given(contestant, frames[begin], truth))
        regions: list[float] = []
        contours: list[float] = []
        worst: tuple[float, int, RLE, RLE] | None = None
        for number in range(begin + 1, len(frames)):
            with contestant.clock.step("frame"):
                mask = next(steps, None)
            if mask is None or mask.size != truth.size:
                raise InputError(f"{contestant.name} gave no mask of the size of each frame of {scene.name}.")
            if number not in numbers:
                continue
            true = _true(scene.samples[number], target.name, truth.size)
            regions.append(iou(mask.dense(), true.dense()))
            contours.append(contour_accuracy(mask.dense(), true.dense()))
            if worst is None or regions[-1] < worst[0]:
                worst = regions[-1], number, mask, true
        assert worst is not None  # noqa: S101 - there are numbers
        sample = scene.samples[worst[1]]
        return Row(
            picture=scene.name,
            item=target.name,
            score=(float(np.mean(regions)) + float(np.mean(contours))) / 2,
            values={"j": [round(value, 6) for value in regions], "f": [round(value, 6) for value in contours]},
            metadata={**scene.sample.metadata, **target.metadata},
            shown={
                "frame": sample.name,
                "masks": [worst[2].to_coco()],
                "truths": [worst[3].to_coco()],
                "words": f"worst frame, {sample.name}",
            },
        )

    def _given(self, contestant: Contestant, frame: Image, truth: RLE) -> RLE:
        """Returns the mask to be followed: the true one, or the contestant's own from a box or a click."""
        if self.first == "mask":
            return truth
        check_ability(contestant, "boxes" if self.first == "box" else "click")
        contestant.start(frame)
        if self.first == "box":
            return contestant.boxes([truth.bbox]).masks[0]
        contestant.begin()
        x, y = interior_point(truth)
        return RLE.encode(contestant.click(x, y, True))

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


class Frames(Sequence[Image]):
    """The pictures of a video, each read when it is asked for and not kept.

    Args:
        samples: the frames.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> "Frames": ...
    def __getitem__(self, index: int | slice) -> "Image | Frames":
        """Reads a picture, or returns a part of the video."""
        if isinstance(index, slice):
            return Frames(self._samples[index])
        return Image.open(self._samples[index].picture)


def _true(sample: Sample, name: str, size: Size) -> RLE:
    """Returns the object's mask on a frame; empty where it is not to be seen."""
    found = next((target.rle() for target in sample.targets if target.name == name), RLE.empty(size))
    if found.size != size:
        raise FormatError(f"The mask of {name!r} does not fit {sample.picture}.")
    return found


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
