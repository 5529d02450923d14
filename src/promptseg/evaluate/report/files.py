"""Writes a report's files."""

import json
import os
from pathlib import Path

from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.report.page import to_html
from promptseg.evaluate.report.written import to_csv, to_json, to_table
from promptseg.evaluate.summary import Summary
from promptseg.files import write_bytes


def write_report(folder: str | os.PathLike[str], summary: Summary, origin: Provenance) -> list[Path]:
    """Writes `<task>.json`, `.csv`, `.md` and `.html` into a folder, each atomically.

    Returns:
        The files.

    Raises:
        OutputError: a file cannot be written.
    """
    name = summary.run.task.name
    contents = {
        "json": json.dumps(to_json(summary, origin), indent=1) + "\n",
        "csv": to_csv(summary, origin),
        "md": to_table(summary, origin),
        "html": to_html(summary, origin),
    }
    files: list[Path] = []
    for ending, text in contents.items():
        file = Path(folder) / f"{name}.{ending}"
        write_bytes(file, text.encode("utf-8", "replace"))
        files.append(file)
    return files
