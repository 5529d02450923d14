"""Sums a run up: measures with intervals for each contestant, in all and by the facts that the pictures differ in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptseg.errors import InputError
from promptseg.evaluate.measures import Measure, Reading, mean, plain, read
from promptseg.evaluate.rows import Row, UnitAnswer
from promptseg.evaluate.run import EvaluationRun
from promptseg.evaluate.tasks.task import Curve, TaskOutcome

FEWEST = 2
"""A group of fewer pictures gets no row: its interval would say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What one contestant achieved.

    Attributes:
        name: the contestant.
        settings: what else decides about its results.
        readings: the measures, the same for all contestants.
        curves: for plots.
        rows: how each single thing went.
    """

    name: str
    settings: str
    readings: tuple[Reading, ...]
    curves: tuple[Curve, ...]
    rows: tuple[Row, ...]

    def reading(self, name: str) -> Reading:
        """Returns the measure of this name.

        Raises:
            InputError: there is none.
        """
        for reading in self.readings:
            if reading.name == name:
                return reading
        raise InputError(f"There is no measure {name!r}: {', '.join(each.name for each in self.readings)}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """The same measures over a part of the rows.

    Attributes:
        column: the fact that the parts differ in.
        value: its value in this part.
        rows: how many rows.
        pictures: how many pictures.
        results: one per contestant; without rows and curves.
    """

    column: str
    value: str
    rows: int
    pictures: int
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Summary:
    """A run, summed up.

    Attributes:
        run: the run itself.
        results: one per contestant; differences are to the first.
        slices: parts of the rows, by the values of each column asked for.
    """

    run: EvaluationRun
    results: tuple[Result, ...]
    slices: tuple[Slice, ...]

    @property
    def pictures(self) -> int:
        """How many pictures (or videos)."""
        return len({row.picture for row in self.results[0].rows})


def summarise(run: EvaluationRun, *, by: Sequence[str] = ()) -> Summary:
    """Sums a run up.

    Args:
        run: what `run` returned.
        by: columns of metadata to split the rows by.

    Raises:
        InputError: no row has such a column, or the run has no rows.
    """
    rows = [tuple(row for answer in answers for row in answer.rows) for answers in run.answers]
    if not rows[0]:
        raise InputError(f"{run.dataset.name}: no picture has anything to do {run.task.name} on.")
    outcomes = [run.task.sum_up(run.dataset, each) for each in rows]
    times = [_times(answers) for answers in run.answers]
    results = _results(run, outcomes, times, rows)
    slices: list[Slice] = []
    for name in by:
        slices += _slices(run, rows, name)
    return Summary(run=run, results=results, slices=tuple(slices))


def _results(
    run: EvaluationRun,
    outcomes: Sequence[TaskOutcome],
    extra: Sequence[tuple[Measure, ...]],
    rows: Sequence[tuple[Row, ...]],
) -> tuple[Result, ...]:
    first = {measure.name: measure for measure in (*outcomes[0].measures, *extra[0])}
    results: list[Result] = []
    for position, (outcome, more, own) in enumerate(zip(outcomes, extra, rows, strict=True)):
        readings = tuple(
            read(measure, first.get(measure.name) if position else None, seed=run.seed)
            for measure in (*outcome.measures, *more)
        )
        results.append(
            Result(
                name=run.names[position],
                settings=run.settings[position],
                readings=readings,
                curves=outcome.curves,
                rows=own,
            )
        )
    return tuple(results)


def _slices(run: EvaluationRun, rows: Sequence[tuple[Row, ...]], name: str) -> list[Slice]:
    values = sorted({row.metadata[name] for row in rows[0] if name in row.metadata})
    if not values:
        known = sorted({key for row in rows[0] for key in row.metadata})
        raise InputError(f"No row has {name!r} to split the results by; known are: {', '.join(known) or 'none'}.")
    slices: list[Slice] = []
    for value in values:
        parts = [tuple(row for row in own if row.metadata.get(name) == value) for own in rows]
        pictures = len({row.picture for row in parts[0]})
        if pictures < FEWEST:
            continue
        outcomes = [run.task.sum_up(run.dataset, part) for part in parts]
        results = _results(run, outcomes, [()] * len(parts), [()] * len(parts))
        slices.append(Slice(column=name, value=value, rows=len(parts[0]), pictures=pictures, results=results))
    return slices


def _times(answers: Sequence[UnitAnswer]) -> tuple[Measure, ...]:
    """Returns the mean time of each kind of step, and the most memory."""
    steps = dict.fromkeys(step for answer in answers for step in answer.seconds)
    measures: list[Measure] = []
    for step in steps:
        pairs = [(value, answer.unit) for answer in answers for value in answer.seconds.get(step, ())]
        measures.append(mean(f"s per {step}", [value for value, _ in pairs], [unit for _, unit in pairs], "s"))
    memory = [answer.peak_memory for answer in answers if answer.peak_memory is not None]
    if memory:
        measures.append(plain("peak memory", max(memory) / 1e6, "MB"))
    return tuple(measures)


def facts(summary: Summary) -> Mapping[str, object]:
    """Returns what a report says about the data."""
    run = summary.run
    return {
        "task": run.task.name,
        "dataset": run.dataset.name,
        "layout": run.dataset.layout,
        "pictures": summary.pictures,
        "rows": len(summary.results[0].rows),
        "seed": run.seed,
        "settings": dict(run.task.settings()),
    }
