"""Writes the outcome of the boundary benchmark as a table or JSON, with where the numbers come from."""

from dataclasses import asdict
from typing import Any

from promptseg.evaluate.edges.contest import EdgeReport
from promptseg.evaluate.edges.scores import TOLERANCE, score
from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.tables import align


def edges_table(report: EdgeReport, origin: Provenance, *, markdown: bool = True) -> str:
    """Returns an aligned table, a row per detector."""
    rows = [["edges", "ODS", "OIS", "AP", "R50", "precision", "recall", "s per picture"]]
    for trace in report.traces:
        result = score(trace.tallies, report.levels)
        values = (result.ods, result.ois, result.ap, result.r50, result.ods_precision, result.ods_recall)
        rows.append([trace.name, *(f"{value:.3f}" for value in values), f"{trace.seconds:.2f}"])
    caption = (
        f"{report.dataset}: {len(report.pictures)} pictures, {len(report.levels)} thresholds, tolerance {TOLERANCE:g} "
        f"of the diagonal; precision and recall at the threshold of ODS. {origin.model}, {origin.runtime}, "
        f"{origin.commit}, {origin.processor}, {origin.date}. "
        + " ".join(f"{trace.name}: {trace.settings}." for trace in report.traces)
    )
    return "\n".join([align(rows, markdown=markdown), "", caption, ""])


def edges_to_json(report: EdgeReport, origin: Provenance) -> dict[str, Any]:
    """Returns the scores, and the curve of precision over recall, of each detector as plain JSON."""
    detectors: list[dict[str, Any]] = []
    for trace in report.traces:
        total = trace.tallies[0]
        for item in trace.tallies[1:]:
            total = total + item
        values = asdict(score(trace.tallies, report.levels))
        detectors.append(
            {
                "name": trace.name,
                "settings": trace.settings,
                **{name: round(value, 5) for name, value in values.items()},
                "seconds": round(trace.seconds, 4),
                "precision": [round(value, 5) for value in total.precision().tolist()],
                "recall": [round(value, 5) for value in total.recall().tolist()],
            }
        )
    return {
        "dataset": report.dataset,
        "pictures": len(report.pictures),
        "tolerance": TOLERANCE,
        "thresholds": [round(level, 5) for level in report.levels.tolist()],
        **asdict(origin),
        "detectors": detectors,
    }
