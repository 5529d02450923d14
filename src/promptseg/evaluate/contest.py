"""Runs segmenters against the simulated click, all on the same targets, and keeps every IoU."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError, InputError
from promptseg.evaluate.clicks import next_click
from promptseg.evaluate.metrics import boundary_iou, iou
from promptseg.evaluate.samples import BoolArray, Dataset, Sample, Target
from promptseg.images import Image

BOUNDARY_CLICKS = (1, 5)
"""After these clicks the boundary IoU is measured too."""

Progress = Callable[[int, int], None]
"""Called with the targets done and the targets in all."""


class Contestant(Protocol):
    """A segmenter that answers clicks. It keeps its own state between the calls."""

    @property
    def name(self) -> str:
        """How the report calls it."""
        ...

    def start(self, image: Image) -> None:
        """Begins a new picture."""
        ...

    def begin(self) -> None:
        """Begins a new object on the same picture, forgetting earlier clicks."""
        ...

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click in pixels of the picture and returns the object's mask (H, W)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one contestant did: T targets, K clicks.

    Attributes:
        name: the contestant's name.
        ious: (T, K) IoU after each click; once nothing is wrong the last value stays.
        boundary: (T, len(BOUNDARY_CLICKS)) boundary IoU; columns beyond K clicks are not filled (NaN).
        start_seconds: mean time to take in a picture.
        click_seconds: mean time to answer a click.
    """

    name: str
    ious: npt.NDArray[np.float64]
    boundary: npt.NDArray[np.float64]
    start_seconds: float
    click_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class ClickReport:
    """The outcome of `run_clicks`.

    Attributes:
        dataset: the dataset's name.
        layout: the dataset's layout.
        clicks: the most clicks a target got.
        targets: names of the targets.
        pictures: the name of each target's picture.
        traces: one per contestant, in the order given.
    """

    dataset: str
    layout: str
    clicks: int
    targets: tuple[str, ...]
    pictures: tuple[str, ...]
    traces: tuple[Trace, ...]


@dataclass(slots=True)
class _Record:
    ious: list[list[float]] = field(default_factory=list)
    boundary: list[list[float]] = field(default_factory=list)
    start_times: list[float] = field(default_factory=list)
    click_times: list[float] = field(default_factory=list)

    def trace(self, name: str) -> Trace:
        return Trace(
            name,
            np.asarray(self.ious, np.float64),
            np.asarray(self.boundary, np.float64),
            float(np.mean(self.start_times)),
            float(np.mean(self.click_times)),
        )


def run_clicks(
    dataset: Dataset,
    contestants: Sequence[Contestant],
    *,
    clicks: int = 20,
    limit: int | None = None,
    progress: Progress | None = None,
) -> ClickReport:
    """Lets every contestant segment every target by simulated clicks.

    Each contestant gets the clicks that its own mistakes call for; all take their turn on a target before the
    next. A target ends early only when nothing is wrong any more.

    Args:
        dataset: the pictures and targets.
        contestants: who is compared; the first is the one that others are compared with.
        clicks: the most clicks per target.
        limit: at most so many targets, evenly strided.
        progress: called after each target.

    Raises:
        InputError: no contestant, two of one name, a number out of range, or a mask that does not fit.
        FormatError: a label and its picture differ in size.
        UnavailableError: SciPy is not installed.
    """
    names = [contestant.name for contestant in contestants]
    if not names or len(set(names)) < len(names):
        raise InputError(f"Give at least one contestant, each with a name of its own; got {names}.")
    if clicks < 1:
        raise InputError(f"A target needs at least one click, got {clicks}.")
    chosen = dataset.subset(limit)
    records = [_Record() for _ in contestants]
    done = 0
    for sample in chosen.samples:
        image = Image.open(sample.picture)
        for contestant, record in zip(contestants, records, strict=True):
            began = time.perf_counter()
            contestant.start(image)
            record.start_times.append(time.perf_counter() - began)
        for target in sample.targets:
            truth, ignore = _truth(sample, target, image)
            for contestant, record in zip(contestants, records, strict=True):
                _play(contestant, truth, ignore, clicks, record)
            done += 1
            if progress is not None:
                progress(done, chosen.targets)
    return ClickReport(
        dataset=chosen.name,
        layout=chosen.layout,
        clicks=clicks,
        targets=tuple(target.name for sample in chosen.samples for target in sample.targets),
        pictures=tuple(sample.name for sample in chosen.samples for _ in sample.targets),
        traces=tuple(record.trace(name) for name, record in zip(names, records, strict=True)),
    )


def _truth(sample: Sample, target: Target, image: Image) -> tuple[BoolArray, BoolArray | None]:
    truth = target.mask()
    if truth.shape != tuple(image.size):
        height, width = image.size
        raise FormatError(
            f"{sample.picture} is {width} x {height} pixels, but the mask of {target.name!r} is "
            f"{truth.shape[1]} x {truth.shape[0]}."
        )
    ignore = target.ignored()
    if not (truth.any() if ignore is None else (truth & ~ignore).any()):
        raise FormatError(f"The mask of {target.name!r} on {sample.picture} has no pixel that counts.")
    return truth, ignore


def _play(
    contestant: Contestant, truth: BoolArray, ignore: BoolArray | None, clicks: int, record: _Record
) -> None:
    prediction: BoolArray | None = None
    clicked: list[tuple[int, int]] = []
    ious: list[float] = []
    boundary = [float("nan")] * len(BOUNDARY_CLICKS)
    contestant.begin()
    while len(ious) < clicks and (click := next_click(prediction, truth, ignore, clicked)):
        began = time.perf_counter()
        prediction = contestant.click(float(click.x), float(click.y), click.positive)
        record.click_times.append(time.perf_counter() - began)
        if prediction.shape != truth.shape or prediction.dtype != np.bool_:
            raise InputError(
                f"{contestant.name} answered a click with {prediction.dtype} of shape {prediction.shape}; "
                f"expected bool of shape {truth.shape}."
            )
        clicked.append((click.x, click.y))
        ious.append(iou(prediction, truth, ignore))
        if len(ious) in BOUNDARY_CLICKS:
            boundary[BOUNDARY_CLICKS.index(len(ious))] = boundary_iou(prediction, truth, ignore)
    perfect = len(ious) < clicks
    for column, number in enumerate(BOUNDARY_CLICKS):
        if perfect and len(ious) < number <= clicks:
            boundary[column] = 1.0
    record.ious.append(ious + [ious[-1]] * (clicks - len(ious)))
    record.boundary.append(boundary)
