"""Compares ways of finding all masks of a picture: average recall of the labelled objects, and time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from promptseg.errors import FormatError, InputError
from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.recall import LIMITS, SIZES, RecallCounts, count_recall
from promptseg.evaluate.samples import Dataset, Sample
from promptseg.evaluate.tables import align
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.segment.proposals import ranking

Finder: TypeAlias = Callable[[Image], Segments]
"""Finds all masks of a picture."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the pictures done and the pictures in all."""


@dataclass(frozen=True, slots=True, eq=False)
class RecallTrace:
    """What one finder did.

    Attributes:
        name: the finder's name.
        counts: summed over the pictures.
        masks: mean number of masks per picture.
        seconds: mean time per picture, from pixels to masks.
    """

    name: str
    counts: RecallCounts
    masks: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class RecallReport:
    """The outcome of `run_everything`.

    Attributes:
        dataset: the dataset's name.
        pictures: how many pictures.
        targets: how many labelled objects.
        traces: one per finder, in the order given.
    """

    dataset: str
    pictures: int
    targets: int
    traces: tuple[RecallTrace, ...]


def first_pictures(dataset: Dataset, limit: int | None) -> Dataset:
    """Returns at most `limit` pictures with all their targets, evenly strided over the set; always the same ones.

    Raises:
        InputError: the limit is not positive.
    """
    if limit is not None and limit < 1:
        raise InputError(f"The limit of pictures must be at least 1, got {limit}.")
    total = len(dataset.samples)
    if limit is None or limit >= total:
        return dataset
    chosen = tuple(dataset.samples[position * total // limit] for position in range(limit))
    return replace(dataset, samples=chosen)


def run_everything(
    dataset: Dataset,
    finders: Mapping[str, Finder],
    *,
    limits: Sequence[int] = LIMITS,
    progress: Progress | None = None,
) -> RecallReport:
    """Lets every finder look for all masks of every picture; all take their turn on a picture before the next.

    Masks are ranked by the mean of predicted IoU and stability (the latter where it is known).

    Args:
        dataset: the pictures with labelled objects.
        finders: who is compared, by name.
        limits: numbers of masks per picture that count.
        progress: called after each picture.

    Raises:
        InputError: no finder, or a limit is not positive.
        FormatError: a label and its picture differ in size.
    """
    if not finders:
        raise InputError("Give at least one way of finding masks.")
    counts: dict[str, list[RecallCounts]] = {name: [] for name in finders}
    numbers: dict[str, list[int]] = {name: [] for name in finders}
    times: dict[str, list[float]] = {name: [] for name in finders}
    for done, sample in enumerate(dataset.samples, start=1):
        image = Image.open(sample.picture)
        truth = _truth(sample, image)
        areas = [target.area for target in sample.targets]
        for name, find in finders.items():
            began = time.perf_counter()
            segments = find(image)
            times[name].append(time.perf_counter() - began)
            numbers[name].append(len(segments))
            order = np.argsort(-ranking(segments), kind="stable").tolist()
            ranked = [segments.masks[index] for index in order]
            counts[name].append(count_recall(truth, areas, ranked, limits=limits))
        if progress is not None:
            progress(done, len(dataset.samples))
    return RecallReport(
        dataset.name,
        len(dataset.samples),
        dataset.targets,
        tuple(
            RecallTrace(name, _sum(counts[name]), float(np.mean(numbers[name])), float(np.mean(times[name])))
            for name in finders
        ),
    )


def recall_table(report: RecallReport, origin: Provenance, *, markdown: bool = True) -> str:
    """Returns an aligned table, a row per finder; recalls in percent."""
    limits = report.traces[0].counts.limits
    columns = [(size, limit) for limit in limits for size in SIZES]
    heads = [f"AR@{limit}" if size == "all" else f"{size} @{limit}" for size, limit in columns]
    rows = [["masks", *heads, "masks per picture", "s per picture"]]
    for trace in report.traces:
        recalls = trace.counts.average_recall()
        values = [_percent(recalls[size][limit]) for size, limit in columns]
        rows.append([trace.name, *values, f"{trace.masks:.0f}", f"{trace.seconds:.2f}"])
    wanted = ", ".join(
        f"{count} {name}"
        for name, count in zip(SIZES, report.traces[0].counts.wanted.tolist(), strict=True)
        if name != "all"
    )
    caption = (
        f"{report.dataset}: {report.targets} objects ({wanted}) on {report.pictures} pictures; average recall of "
        f"masks over IoU 0.5 to 0.95 in percent, classes left aside. {origin.model}, {origin.runtime}, "
        f"{origin.commit}, {origin.processor}, {origin.date}."
    )
    return "\n".join([align(rows, markdown=markdown), "", caption, ""])


def recall_to_json(report: RecallReport, origin: Provenance) -> dict[str, Any]:
    """Returns everything as plain JSON."""
    return {
        "dataset": report.dataset,
        "pictures": report.pictures,
        "targets": report.targets,
        **asdict(origin),
        "finders": [
            {
                "name": trace.name,
                "average_recall": {
                    size: {
                        str(limit): None if np.isnan(value) else round(value, 5)
                        for limit, value in row.items()
                    }
                    for size, row in trace.counts.average_recall().items()
                },
                "masks": round(trace.masks, 2),
                "seconds": round(trace.seconds, 4),
            }
            for trace in report.traces
        ],
    }


def _truth(sample: Sample, image: Image) -> list[RLE]:
    masks: list[RLE] = []
    for target in sample.targets:
        mask = target.source() if callable(target.source) else target.source
        if mask.size != image.size:
            height, width = image.size
            raise FormatError(
                f"{sample.picture} is {width} x {height} pixels, but the mask of {target.name!r} is "
                f"{mask.size.width} x {mask.size.height}."
            )
        masks.append(mask)
    return masks


def _sum(counts: Sequence[RecallCounts]) -> RecallCounts:
    total = counts[0]
    for item in counts[1:]:
        total = total + item
    return total


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
