"""Sums a `ClickReport` up: mean, interval and difference to the first contestant, for each measure."""

from dataclasses import dataclass

import numpy as np

from promptseg.evaluate.contest import BOUNDARY_CLICKS, ClickReport, Trace
from promptseg.evaluate.metrics import (
    DROP_CLICKS,
    Floats,
    Interval,
    bootstrap,
    clicks_needed,
    iou_at,
    never_reached,
    worst_drop,
)

IOU_CLICKS = (1, 2, 3, 5, 10)
NOC_THRESHOLDS = (0.85, 0.90)
NOTABLE_DROP = 0.1


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of one contestant.

    Attributes:
        name: such as "IoU@1" or "NoC@90".
        value: mean over targets and interval.
        difference: mean of (this contestant - the first) over the same targets; None for the first.
    """

    name: str
    value: Interval
    difference: Interval | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What one contestant achieved.

    Attributes:
        name: the contestant.
        measures: means over targets, in a fixed order, the same for all contestants.
        failures: by NoC threshold in percent, how many targets never reached it.
        drop_p95: 95th percentile over targets of the worst drop.
        drop_max: largest drop of any target.
        start_seconds: mean time to take in a picture.
        click_seconds: mean time to answer a click.
    """

    name: str
    measures: tuple[Measure, ...]
    failures: dict[int, int]
    drop_p95: float
    drop_max: float
    start_seconds: float
    click_seconds: float


def per_target(trace: Trace) -> dict[str, Floats]:
    """Returns every measure that is a mean over targets, as its values per target (T,)."""
    ious = trace.ious
    held = ious.shape[1]
    values = {f"IoU@{clicks}": iou_at(ious, clicks) for clicks in IOU_CLICKS if clicks <= held}
    for column, clicks in enumerate(BOUNDARY_CLICKS):
        if clicks <= held:
            values[f"BIoU@{clicks}"] = trace.boundary[:, column]
    for threshold in NOC_THRESHOLDS:
        values[f"NoC@{threshold:.0%}".rstrip("%")] = clicks_needed(ious, threshold)
    for threshold in NOC_THRESHOLDS:
        values[f"never {threshold:.0%}".rstrip("%")] = never_reached(ious, threshold).astype(np.float64)
    drop = worst_drop(ious)
    values["worst drop"] = drop
    values[f"drop > {NOTABLE_DROP:g}"] = (drop > NOTABLE_DROP).astype(np.float64)
    return values


def summarise(report: ClickReport, *, seed: int = 0) -> tuple[Summary, ...]:
    """Sums up each contestant; intervals are bootstrapped over pictures with the given seed."""
    first = per_target(report.traces[0])
    return tuple(
        _summary(report, trace, None if trace is report.traces[0] else first, seed) for trace in report.traces
    )


def _summary(report: ClickReport, trace: Trace, first: dict[str, Floats] | None, seed: int) -> Summary:
    groups = report.pictures
    measures = tuple(
        Measure(
            name,
            bootstrap(values, groups, seed=seed),
            None if first is None else bootstrap(values - first[name], groups, seed=seed),
        )
        for name, values in per_target(trace).items()
    )
    drop = worst_drop(trace.ious, DROP_CLICKS)
    failures = {
        round(threshold * 100): int(never_reached(trace.ious, threshold).sum())
        for threshold in NOC_THRESHOLDS
    }
    return Summary(
        name=trace.name,
        measures=measures,
        failures=failures,
        drop_p95=float(np.percentile(drop, 95)),
        drop_max=float(drop.max()),
        start_seconds=trace.start_seconds,
        click_seconds=trace.click_seconds,
    )
