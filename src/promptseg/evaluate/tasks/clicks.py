"""Simulated clicks: IoU after k clicks, clicks needed (NoC), and the worst drop (specification A5.4, B4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset, Target
from promptseg.errors import InputError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.measures import mean, plain
from promptseg.evaluate.metrics import (
    DROP_CLICKS,
    Floats,
    boundary_iou,
    clicks_needed,
    iou,
    iou_at,
    never_reached,
    worst_drop,
)
from promptseg.evaluate.rows import Row
from promptseg.evaluate.scene import Scene
from promptseg.evaluate.tasks.task import CliOption, Counts, Curve, EvaluationTask, Rows, TaskOutcome, pictures, row_of
from promptseg.hands.clicks import Hand, check_hand, drawn_click
from promptseg.masks.rle import RLE

IOU_CLICKS = (1, 2, 3, 5, 10, 20)
BOUNDARY_CLICKS = (1, 5)
NOC_THRESHOLDS = (0.5, 0.8, 0.85, 0.9)
NEVER_THRESHOLDS = (0.85, 0.9)
NOTABLE_DROP = 0.1
WORST = 0.1
"""The share of the rows that the worst tenth is."""
SHOWN_CLICK = 3
"""Pictures show the mask after this click."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClicksTask(EvaluationTask):
    """A person clicks until nothing is wrong any more.

    Attributes:
        clicks: the most clicks per object.
        hand: how the person clicks: deep, loose or anywhere (`promptseg.hands.clicks`).
        draws: dialogues about each object, which differ where the hand draws.
    """

    name: ClassVar[str] = "clicks"
    about: ClassVar[str] = "simulated clicks: IoU@k, NoC@50/80/85/90, boundary IoU, worst drop and tenth"
    ability: ClassVar[str] = "click"
    questions: ClassVar[Literal["one", "many"]] = "many"
    recipe: ClassVar[bool] = True
    limit: ClassVar[Counts] = "objects"
    step: ClassVar[str] = "click"
    clicks: Annotated[int, CliOption("the most clicks per object")] = 20
    hand: Annotated[Hand, CliOption("where a click goes: deep, loose or anywhere in what is wrong", "HAND")] = "deep"
    draws: Annotated[int, CliOption("dialogues about each object, for a hand that draws")] = 1

    def __post_init__(self) -> None:
        check_hand(self.hand)
        if self.clicks < 1 or self.draws < 1:
            raise InputError(f"A target needs at least one click and one dialogue, got {self.clicks} and {self.draws}.")

    def settings(self) -> Mapping[str, Any]:
        """Returns what decides about the results."""
        return {"clicks": self.clicks, "hand": self.hand, "draws": self.draws}

    def judge(self, contestant: Contestant, scene: Scene) -> list[Row]:
        """Clicks on every object of the picture."""
        draws = range(self.draws)
        return [self._play(contestant, scene, target, draw) for target in scene.sample.targets for draw in draws]

    def _play(self, contestant: Contestant, scene: Scene, target: Target, draw: int) -> Row:
        truth, ignore = scene.truth(target)
        random = scene.random(f"{target.name} {draw}")  # the same chances for every contestant
        prediction: BoolArray | None = None
        shown: BoolArray | None = None
        clicked: list[tuple[int, int, bool]] = []
        ious: list[float] = []
        boundary: dict[int, float] = {}
        contestant.begin()
        while len(ious) < self.clicks:
            places = [(x, y) for x, y, _ in clicked]
            click = drawn_click(prediction, truth, ignore, places, self.hand, random)
            if click is None:
                break
            with contestant.clock.step("click"):
                prediction = contestant.click(float(click.x), float(click.y), click.positive)
            _check(contestant, prediction, truth)
            clicked.append((click.x, click.y, click.positive))
            ious.append(float(iou(prediction, truth, ignore)))
            if len(ious) in BOUNDARY_CLICKS:
                boundary[len(ious)] = round(float(boundary_iou(prediction, truth, ignore)), 6)
            if len(ious) <= SHOWN_CLICK:
                shown = prediction
        if len(ious) < self.clicks:  # perfect
            boundary |= {number: 1.0 for number in BOUNDARY_CLICKS if len(ious) < number <= self.clicks}
        ious += [ious[-1]] * (self.clicks - len(ious))
        row = row_of(
            scene,
            target,
            score=ious[min(SHOWN_CLICK, self.clicks) - 1],
            values={
                "ious": [round(value, 6) for value in ious],
                "boundary": [boundary.get(number) for number in BOUNDARY_CLICKS],
                "area": target.area,
            },
            shown={
                "masks": [] if shown is None else [RLE.encode(shown).to_coco()],
                "truths": [scene.rle(target).to_coco()],
                "clicks": [list(each) for each in clicked[:SHOWN_CLICK]],
            },
        )
        return replace(row, item=f"{row.item}, draw {draw + 1}") if draw else row

    def sum_up(self, dataset: Dataset, rows: Rows) -> TaskOutcome:
        """Turns rows into IoU@k, NoC and drops."""
        groups = pictures(rows)
        measures = [
            mean(name, values, groups, "clicks" if name.startswith("NoC") else "%")
            for name, values in per_target(rows).items()
        ]
        ious = sequences(rows)
        drop = worst_drop(ious, DROP_CLICKS)
        count = max(1, round(WORST * len(ious)))
        measures += [
            plain("IoU@1 worst tenth", float(np.sort(ious[:, 0])[:count].mean())),
            plain("NoC@90 worst tenth", float(np.sort(clicks_needed(ious, 0.9))[-count:].mean()), "clicks"),
            plain("drop p95", float(np.percentile(drop, 95))),
            plain("drop max", float(drop.max())),
            *(
                plain(f"failures@{round(threshold * 100)}", float(never_reached(ious, threshold).sum()), "number")
                for threshold in NEVER_THRESHOLDS
            ),
        ]
        steps = tuple(float(number) for number in range(1, ious.shape[1] + 1))
        return TaskOutcome(
            measures=tuple(measures),
            curves=(
                Curve(
                    plot="mean IoU after so many clicks",
                    across="clicks",
                    up="mean IoU",
                    x=steps,
                    y=tuple(ious.mean(axis=0).tolist()),
                ),
                Curve(
                    plot="objects that reached IoU 0.9",
                    across="clicks",
                    up="share of objects",
                    x=steps,
                    y=tuple((np.maximum.accumulate(ious, axis=1) >= 0.9).mean(axis=0).tolist()),
                ),
            ),
        )


def sequences(rows: Rows) -> Floats:
    """Returns the IoU of each target after each click, (T, K)."""
    return np.array([row.values["ious"] for row in rows], np.float64)


def per_target(rows: Rows) -> dict[str, Floats]:
    """Returns every measure that is a mean over targets, as its values per target (T,)."""
    ious = sequences(rows)
    held = ious.shape[1]
    values = {f"IoU@{clicks}": iou_at(ious, clicks) for clicks in IOU_CLICKS if clicks <= held}
    for column, clicks in enumerate(BOUNDARY_CLICKS):
        if clicks <= held:
            given = [row.values["boundary"][column] for row in rows]
            values[f"BIoU@{clicks}"] = np.array([np.nan if value is None else value for value in given], np.float64)
    for threshold in NOC_THRESHOLDS:
        values[f"NoC@{round(threshold * 100)}"] = clicks_needed(ious, threshold)
    for threshold in NEVER_THRESHOLDS:
        values[f"never {round(threshold * 100)}"] = never_reached(ious, threshold).astype(np.float64)
    drop = worst_drop(ious)
    values["worst drop"] = drop
    values[f"drop > {NOTABLE_DROP:g}"] = (drop > NOTABLE_DROP).astype(np.float64)
    return values


def _check(contestant: Contestant, prediction: BoolArray, truth: BoolArray) -> None:
    if prediction.shape != truth.shape or prediction.dtype != np.bool_:
        raise InputError(
            f"{contestant.name} answered a click with {prediction.dtype} of shape {prediction.shape}; "
            f"expected bool of shape {truth.shape}."
        )
