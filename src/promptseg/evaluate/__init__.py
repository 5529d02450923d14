"""Measures segmenters on labelled pictures by simulated clicks. Needs the extra `promptseg[evaluate]`."""

from promptseg.evaluate.clicks import Click, next_click
from promptseg.evaluate.contest import ClickReport, Contestant, run_clicks
from promptseg.evaluate.datasets import open_dataset
from promptseg.evaluate.origin import Provenance, provenance
from promptseg.evaluate.report import to_csv, to_json, to_table, write_report
from promptseg.evaluate.samples import Dataset, Sample, Target
from promptseg.evaluate.summary import Summary, summarise

__all__ = [
    "Click",
    "ClickReport",
    "Contestant",
    "Dataset",
    "Provenance",
    "Sample",
    "Summary",
    "Target",
    "next_click",
    "open_dataset",
    "provenance",
    "run_clicks",
    "summarise",
    "to_csv",
    "to_json",
    "to_table",
    "write_report",
]
