"""Measures segmenters on labelled pictures by the papers' protocols. Needs the extra `promptseg[evaluate]`.

A `Task` (clicks, boxes, panoptic, ...) judges contestants on a dataset: `run` keeps their answers, `summarise` turns
them into measures with intervals, `write_report` into files. See docs/evaluate.md.
"""

from promptseg.evaluate.catalogue import TASKS, make_task
from promptseg.evaluate.clicks import Click, next_click
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.contestants.process import Peer, PeerCommand
from promptseg.evaluate.datasets import Source, open_dataset
from promptseg.evaluate.lineup import Lineup
from promptseg.evaluate.origin import Provenance, provenance
from promptseg.evaluate.report.files import write_report
from promptseg.evaluate.report.written import to_csv, to_json, to_table
from promptseg.evaluate.run import Run, run, run_in_workers
from promptseg.evaluate.samples import Dataset, Sample, Target
from promptseg.evaluate.summary import Summary, summarise
from promptseg.evaluate.tasks.task import Task

__all__ = [
    "TASKS",
    "Click",
    "Contestant",
    "Dataset",
    "Lineup",
    "Peer",
    "PeerCommand",
    "Provenance",
    "Run",
    "Sample",
    "Source",
    "Summary",
    "Target",
    "Task",
    "make_task",
    "next_click",
    "open_dataset",
    "provenance",
    "run",
    "run_in_workers",
    "summarise",
    "to_csv",
    "to_json",
    "to_table",
    "write_report",
]
