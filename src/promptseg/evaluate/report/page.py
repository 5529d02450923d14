"""One HTML page that holds everything: tables, plots and pictures, no scripts, nothing to load."""

import math
from collections.abc import Sequence
from html import escape

from promptseg.evaluate.measures import Reading
from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.report.cases import cases
from promptseg.evaluate.report.plots import colour, line_plot
from promptseg.evaluate.report.written import caption, shown
from promptseg.evaluate.summary import Result, Slice, Summary
from promptseg.evaluate.tasks.task import Curve

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#111;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0;display:block;overflow-x:auto}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
td{font-variant-numeric:tabular-nums}th:first-child,td:first-child{text-align:left}
thead th{border-bottom:2px solid #999}td small{color:#666}.better{color:#047857}.worse{color:#b91c1c}
.plots,.cases{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(320px,1fr))}
.cases{margin-bottom:1rem}figure{margin:0}figure img{max-width:100%;border-radius:4px}
figcaption{font-size:.8rem;color:#444;overflow-wrap:anywhere}svg{width:100%;height:auto}
.title{font-size:14px;font-weight:600}.tick{font-size:12px;fill:#444}.axis{fill:none;stroke:#444}
.grid{stroke:#e5e7eb}.caption{color:#444;font-size:.85rem}
@media(prefers-color-scheme:dark){body{color:#e5e7eb;background:#111827}th,td{border-color:#374151}
figcaption,.caption,td small{color:#9ca3af}.tick{fill:#9ca3af}.axis{stroke:#9ca3af}.grid{stroke:#1f2937}
.title{fill:#e5e7eb}.better{color:#34d399}.worse{color:#f87171}}
"""

_LESS_IS_BETTER = ("NoC", "never", "worst drop", "drop", "failures", "s per", "peak memory", "p50", "p90", "p99")


def to_html(summary: Summary, origin: Provenance) -> str:
    """Returns the page."""
    title = f"{summary.run.task.name} on {summary.run.dataset.name}"
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1><p>{escape(summary.run.task.about)}.</p>",
        _table(summary.results),
        f'<p class="caption">{escape(caption(summary, origin))}</p>',
        _plots(summary.results),
    ]
    columns = dict.fromkeys(part.column for part in summary.slices)
    parts += [_slices(name, summary.slices) for name in columns]
    parts += [_cases(result, summary) for result in summary.results]
    return "\n".join([*parts, "</body></html>\n"])


def _table(results: Sequence[Result]) -> str:
    first = results[0]
    head = "".join(
        f"<th>{escape(result.name)}</th>" + ("" if result is first else f"<th>&minus; {escape(first.name)}</th>")
        for result in results
    )
    names = list(dict.fromkeys(reading.name for result in results for reading in result.readings))
    body: list[str] = []
    for name in names:
        cells = "".join(_cells(result, name, result is first) for result in results)
        body.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _cells(result: Result, name: str, is_first: bool) -> str:
    reading = next((each for each in result.readings if each.name == name), None)
    if reading is None:
        return "<td></td>" if is_first else "<td></td><td></td>"
    cell = f"<td>{_split(shown(reading.value, reading.unit))}</td>"
    if is_first:
        return cell
    if reading.difference is None:
        return cell + "<td></td>"
    text = _split(shown(reading.difference, reading.unit, sign=True))
    return cell + f'<td class="{_judged(reading)}">{text}</td>'


def _split(text: str) -> str:
    number, bracket, rest = text.partition(" [")
    return f"{escape(number)} <small>[{escape(rest)}</small>" if bracket else escape(text)


def _judged(reading: Reading) -> str:
    """A difference whose interval leaves out zero is coloured."""
    difference = reading.difference
    if difference is None or math.isnan(difference.low) or difference.low <= 0 <= difference.high:
        return ""
    less = reading.name.startswith(_LESS_IS_BETTER)
    return "better" if (difference.mean < 0) == less else "worse"


def _plots(results: Sequence[Result]) -> str:
    by_title: dict[str, list[tuple[str, Curve]]] = {}
    for result in results:
        for curve in result.curves:
            by_title.setdefault(curve.plot, []).append((result.name, curve))
    if not by_title:
        return ""
    figures = "".join(f"<figure>{line_plot(title, curves)}</figure>" for title, curves in by_title.items())
    return f'<h2>Curves</h2><div class="plots">{figures}</div>'


def _slices(name: str, slices: Sequence[Slice]) -> str:
    parts = [part for part in slices if part.column == name]
    measures = [reading.name for reading in parts[0].results[0].readings]
    head = "".join(f"<th>{escape(measure)}</th>" for measure in measures)
    body: list[str] = []
    for part in parts:
        for result in part.results:
            known = {reading.name: reading for reading in result.readings}
            cells = "".join(
                f"<td>{_split(shown(known[measure].value, known[measure].unit)) if measure in known else ''}</td>"
                for measure in measures
            )
            body.append(
                f"<tr><td>{escape(part.value)}</td><td>{escape(result.name)}</td><td>{part.rows}</td>{cells}</tr>"
            )
    return (
        f"<h2>By {escape(name)}</h2><table><thead><tr><th>{escape(name)}</th><th>contestant</th><th>rows</th>{head}"
        f"</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def _cases(result: Result, summary: Summary) -> str:
    found = cases(result.rows, summary.run.dataset)
    if not found:
        return ""
    number = summary.results.index(result)
    parts = [f'<h2 style="color:{colour(number)}">{escape(result.name)}: best, median, worst</h2>']
    for kind in dict.fromkeys(case.kind for case in found):
        figures = "".join(
            f'<figure><img alt="{escape(case.title, quote=True)}" src="data:image/jpeg;base64,{case.jpeg}">'
            f"<figcaption>{kind}: {escape(case.title)}</figcaption></figure>"
            for case in found
            if case.kind == kind
        )
        parts.append(f'<div class="cases">{figures}</div>')
    return "".join(parts)
