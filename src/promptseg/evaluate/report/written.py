"""Tables, JSON and CSV of a summary, always with where the numbers come from."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from promptseg.evaluate.measures import Interval, Reading, Unit, number_or_none
from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.summary import Result, Slice, Summary, facts

WIDEST = 3
"""With more contestants, differences are left out of the table."""


def to_table(summary: Summary, origin: Provenance, *, markdown: bool = True) -> str:
    """Returns an aligned table: a row per measure, a column per contestant and per difference to the first.

    Shares are in percent. Brackets hold 95 % confidence intervals.
    """
    parts = [align(_rows(summary.run.dataset.name, summary.results), markdown=markdown)]
    columns = dict.fromkeys(part.column for part in summary.slices)
    parts += [align(_slice_rows(name, summary.slices), markdown=markdown) for name in columns]
    return "\n\n".join([*parts, caption(summary, origin)]) + "\n"


def caption(summary: Summary, origin: Provenance) -> str:
    """Returns what must stand below every table."""
    known = facts(summary)
    settings = ", ".join(f"{name} {_short(value)}" for name, value in summary.run.task.settings().items())
    contestants = " ".join(f"{each.name}: {each.settings}." for each in summary.results if each.settings)
    return (
        f"{summary.run.task.name} on {known['dataset']} ({known['layout']}): {known['rows']} rows on "
        f"{known['pictures']} pictures; {settings or 'no settings'}; seed {summary.run.seed}. {contestants} "
        f"{origin.commit}, {origin.processor}, {origin.date}. Percent where nothing else is said; "
        "[95 % interval, bootstrap over pictures]."
    )


def to_json(summary: Summary, origin: Provenance) -> dict[str, Any]:
    """Returns everything, down to each row, as plain JSON; masks are left out."""
    return {
        **facts(summary),
        **asdict(origin),
        "contestants": [
            {
                **_result(result),
                "curves": [
                    {
                        **asdict(curve),
                        "x": [number_or_none(value) for value in curve.x],
                        "y": [number_or_none(value) for value in curve.y],
                    }
                    for curve in result.curves
                ],
                "rows": [
                    {name: value for name, value in row.to_json().items() if name != "shown"} for row in result.rows
                ],
            }
            for result in summary.results
        ],
        "slices": [
            {
                "column": part.column,
                "value": part.value,
                "rows": part.rows,
                "pictures": part.pictures,
                "contestants": [_result(result) for result in part.results],
            }
            for part in summary.slices
        ],
    }


def to_csv(summary: Summary, origin: Provenance) -> str:
    """Returns one line per contestant, part and measure, with the interval, the difference and the origin."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    same = {"task": summary.run.task.name, "dataset": summary.run.dataset.name, **asdict(origin)}
    interval = ("value", "low", "high")
    head = [*same, "column", "part", "rows", "contestant", "measure", "unit", *interval]
    writer.writerow([*head, *(f"difference_{name}" for name in interval)])
    everything = ("", "all", len(summary.results[0].rows), summary.results)
    for column, part, rows, results in (
        everything,
        *((each.column, each.value, each.rows, each.results) for each in summary.slices),
    ):
        for result in results:
            for reading in result.readings:
                start = [*same.values(), column, part, rows, result.name, reading.name, reading.unit]
                writer.writerow([*start, *_cells(reading.value), *_cells(reading.difference)])
    return text.getvalue()


def shown(value: Interval, unit: Unit, *, sign: bool = False) -> str:
    """Returns a value with its interval as a table has it."""
    scale = 100.0 if unit == "%" else 1.0
    digits = {"%": 1, "clicks": 2, "s": 3, "MB": 0, "number": 1}[unit]
    plus = "+" if sign else ""
    if math.isnan(value.mean):
        return "-"
    text = f"{scale * value.mean:{plus}.{digits}f}"
    if math.isnan(value.low):
        return text
    return f"{text} [{scale * value.low:{plus}.{digits}f}, {scale * value.high:{plus}.{digits}f}]"


def _rows(title: str, results: Sequence[Result]) -> list[list[str]]:
    first, differences = results[0], len(results) <= WIDEST
    header = [title]
    for result in results:
        header.append(result.name)
        if differences and result is not first:
            header.append(f"- {first.name}")
    names = list(dict.fromkeys(reading.name for result in results for reading in result.readings))
    rows = [header]
    for name in names:
        row = [_title(name, results)]
        for result in results:
            reading = _find(result, name)
            row.append("" if reading is None else shown(reading.value, reading.unit))
            if differences and result is not first:
                known = reading is not None and reading.difference is not None
                row.append(shown(reading.difference, reading.unit, sign=True) if known else "")  # type: ignore[union-attr,arg-type]
        rows.append(row)
    return rows


def _title(name: str, results: Sequence[Result]) -> str:
    unit = next(found.unit for result in results if (found := _find(result, name)) is not None)
    return f"{name} (MB)" if unit == "MB" else name


def _slice_rows(name: str, slices: Sequence[Slice]) -> list[list[str]]:
    """Returns a row per part and contestant, a column for each of the first measures."""
    parts = [part for part in slices if part.column == name]
    measures = [reading.name for reading in parts[0].results[0].readings][:6]
    rows = [[name, "contestant", "rows", "pictures", *measures]]
    for part in parts:
        for result in part.results:
            cells = [
                "" if (found := _find(result, measure)) is None else shown(found.value, found.unit)
                for measure in measures
            ]
            rows.append([part.value, result.name, str(part.rows), str(part.pictures), *cells])
    return rows


def _find(result: Result, name: str) -> Reading | None:
    return next((reading for reading in result.readings if reading.name == name), None)


def _result(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "settings": result.settings,
        "measures": {
            reading.name: {
                "unit": reading.unit,
                **_numbers(reading.value),
                "difference": None if reading.difference is None else _numbers(reading.difference),
            }
            for reading in result.readings
        },
    }


def _numbers(value: Interval) -> dict[str, float | None]:
    return {"value": number_or_none(value.mean), "low": number_or_none(value.low), "high": number_or_none(value.high)}


def _cells(value: Interval | None) -> list[Any]:
    if value is None:
        return ["", "", ""]
    return ["" if number is None else number for number in _numbers(value).values()]


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def align(rows: Sequence[Sequence[str]], *, markdown: bool = True) -> str:
    """Returns rows as an aligned table; the first is the head, the first column is aligned to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - markdown) + ":" * markdown for width in widths[1:])]
    return "\n".join(_line(row, widths, markdown) for row in (rows[0], rule, *rows[1:]))


def _line(cells: Sequence[str], widths: Sequence[int], markdown: bool) -> str:
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    padded = [cells[0].ljust(widths[0]), *rest]
    return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()
