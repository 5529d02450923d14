"""Writes a click evaluation as a table, JSON or CSV, always with where the numbers come from."""

import csv
import io
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from promptseg.errors import InputError
from promptseg.evaluate.contest import ClickReport
from promptseg.evaluate.metrics import Interval
from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.summary import NOC_THRESHOLDS, Summary, summarise
from promptseg.files import write_bytes

_PERCENT = ("IoU", "BIoU", "never", "worst drop", "drop >")


def to_table(report: ClickReport, origin: Provenance, *, markdown: bool = True) -> str:
    """Returns an aligned table: a row per measure, a column per contestant and per difference to the first.

    IoUs, drops and shares are in percent; NoC in clicks. Brackets hold 95 % confidence intervals.
    """
    summaries = summarise(report)
    first = summaries[0]
    header = [report.dataset]
    for summary in summaries:
        header += [summary.name] if summary is first else [summary.name, f"- {first.name}"]
    rows = [header, *_measure_rows(summaries), *_number_rows(summaries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [_line(row, widths, markdown) for row in rows]
    rule = ["-" * widths[0], *("-" * (width - markdown) + ":" * markdown for width in widths[1:])]
    lines.insert(1, _line(rule, widths, markdown))
    return "\n".join([*lines, "", _caption(report, origin), ""])


def to_json(report: ClickReport, origin: Provenance) -> dict[str, Any]:
    """Returns everything, down to the IoU after each click of each target, as plain JSON."""
    summaries = summarise(report)
    return {
        **_facts(report, origin),
        "contestants": [
            {
                "name": summary.name,
                "measures": {
                    measure.name: {
                        **_rounded(measure.value),
                        "difference": measure.difference and _rounded(measure.difference),
                    }
                    for measure in summary.measures
                },
                "failures": {str(threshold): count for threshold, count in summary.failures.items()},
                "drop_p95": round(summary.drop_p95, 5),
                "drop_max": round(summary.drop_max, 5),
                "start_seconds": round(summary.start_seconds, 4),
                "click_seconds": round(summary.click_seconds, 4),
                "ious": [[round(value, 4) for value in row] for row in trace.ious.tolist()],
                "boundary_ious": [
                    [None if math.isnan(value) else round(value, 4) for value in row]
                    for row in trace.boundary.tolist()
                ],
            }
            for summary, trace in zip(summaries, report.traces, strict=True)
        ],
        "target_names": [list(pair) for pair in zip(report.pictures, report.targets, strict=True)],
    }


def to_csv(report: ClickReport, origin: Provenance) -> str:
    """Returns one line per contestant and measure, with the interval, the difference and the origin."""
    text = io.StringIO()
    facts = _facts(report, origin)
    writer = csv.writer(text, lineterminator="\n")
    interval = ["mean", "low", "high"]
    writer.writerow(
        [*facts, "contestant", "measure", *interval, *(f"difference_{name}" for name in interval)]
    )
    for summary in summarise(report):
        start = [*facts.values(), summary.name]
        for measure in summary.measures:
            difference = list(_rounded(measure.difference).values()) if measure.difference else [""] * 3
            writer.writerow([*start, measure.name, *_rounded(measure.value).values(), *difference])
        for name, value in _plain_numbers(summary).items():
            writer.writerow([*start, name, round(value, 5), "", "", "", "", ""])
    return text.getvalue()


def write_report(path: str | os.PathLike[str], report: ClickReport, origin: Provenance) -> None:
    """Writes the report atomically in the form that the suffix asks for: .json, .csv, .md or .txt.

    Raises:
        InputError: the suffix is another.
        OutputError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        text = json.dumps(to_json(report, origin), indent=1) + "\n"
    elif suffix == ".csv":
        text = to_csv(report, origin)
    elif suffix in {".md", ".txt"}:
        text = to_table(report, origin, markdown=suffix == ".md")
    else:
        raise InputError(f"A report is written as .json, .csv, .md or .txt; got {os.fspath(path)!r}.")
    write_bytes(path, text.encode())


def _facts(report: ClickReport, origin: Provenance) -> dict[str, Any]:
    return {
        "dataset": report.dataset,
        "layout": report.layout,
        "targets": len(report.targets),
        "pictures": len(set(report.pictures)),
        "clicks": report.clicks,
        **asdict(origin),
    }


def _caption(report: ClickReport, origin: Provenance) -> str:
    facts = _facts(report, origin)
    return (
        f"{report.dataset} ({report.layout}): {facts['targets']} targets on {facts['pictures']} pictures, "
        f"at most {report.clicks} clicks. {origin.model}, {origin.runtime}, {origin.commit}, "
        f"{origin.processor}, {origin.date}. IoU, never and drop in percent; NoC in clicks; "
        "[95 % interval, bootstrap over pictures]."
    )


def _measure_rows(summaries: tuple[Summary, ...]) -> list[list[str]]:
    rows: list[list[str]] = []
    for measures in zip(*(summary.measures for summary in summaries), strict=True):
        scale = 100.0 if measures[0].name.startswith(_PERCENT) else 1.0
        row = [measures[0].name]
        for measure in measures:
            row.append(_interval(measure.value, scale))
            if measure.difference is not None:
                row.append(_interval(measure.difference, scale, "+"))
        rows.append(row)
    return rows


def _number_rows(summaries: tuple[Summary, ...]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name in _plain_numbers(summaries[0]):
        row = [name]
        for summary in summaries:
            value = _plain_numbers(summary)[name]
            shown = f"{value:.0f}" if name.startswith("failures") else f"{value:.3f}"
            row.append(f"{100 * value:.1f}" if name.startswith("drop") else shown)
            if summary is not summaries[0]:
                row.append("")
        rows.append(row)
    return rows


def _plain_numbers(summary: Summary) -> dict[str, float]:
    """Returns the numbers that are not means over targets, by name."""
    failures = {
        f"failures@{percent}": float(summary.failures[percent])
        for percent in (round(threshold * 100) for threshold in NOC_THRESHOLDS)
    }
    return {
        **failures,
        "drop p95": summary.drop_p95,
        "drop max": summary.drop_max,
        "s per picture": summary.start_seconds,
        "s per click": summary.click_seconds,
    }


def _interval(value: Interval, scale: float, sign: str = "") -> str:
    digits = 1 if scale > 1 else 2
    low, high = scale * value.low, scale * value.high
    return f"{scale * value.mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def _rounded(value: Interval) -> dict[str, float]:
    return {name: round(number, 5) for name, number in asdict(value).items()}


def _line(cells: list[str], widths: list[int], markdown: bool) -> str:
    padded = [
        cells[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
    ]
    return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()
