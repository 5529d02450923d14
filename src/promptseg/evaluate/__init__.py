"""Measures segmenters on labelled pictures by the papers' protocols. Needs the extra `promptseg[evaluate]`.

A `Task` (clicks, boxes, panoptic, ...) judges contestants on a dataset: `run` keeps their answers, `summarise` turns
them into measures with intervals, `write_report` into files. See docs/evaluate.md.
"""

from promptseg.datasets.open import DatasetSource, open_dataset
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.evaluate.catalogue import TASKS, make_task
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.lineup import Lineup
from promptseg.evaluate.origin import Provenance, provenance
from promptseg.evaluate.peers.process import Peer, PeerCommand
from promptseg.evaluate.report.files import write_report
from promptseg.evaluate.report.written import to_csv, to_json, to_table
from promptseg.evaluate.run import EvaluationRun, run, run_in_workers
from promptseg.evaluate.summary import Summary, summarise
from promptseg.evaluate.tasks.task import EvaluationTask
from promptseg.hands.clicks import Click, next_click

__all__ = [
    "TASKS",
    "Click",
    "Contestant",
    "Dataset",
    "DatasetSource",
    "EvaluationRun",
    "EvaluationTask",
    "Lineup",
    "Peer",
    "PeerCommand",
    "Provenance",
    "Sample",
    "Summary",
    "Target",
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
