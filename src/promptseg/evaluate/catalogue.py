"""All tasks by name."""

from dataclasses import fields
from typing import Any, get_type_hints

from promptseg.errors import InputError
from promptseg.evaluate.tasks.boxes import BoxesTask
from promptseg.evaluate.tasks.clicks import ClicksTask
from promptseg.evaluate.tasks.edges import EdgesTask
from promptseg.evaluate.tasks.everything import EverythingTask
from promptseg.evaluate.tasks.instances import InstancesTask
from promptseg.evaluate.tasks.labels import LabelsTask
from promptseg.evaluate.tasks.latency import LatencyTask
from promptseg.evaluate.tasks.panoptic import PanopticTask
from promptseg.evaluate.tasks.point import PointTask
from promptseg.evaluate.tasks.reference import ByReference
from promptseg.evaluate.tasks.referring import ReferringTask
from promptseg.evaluate.tasks.semantic import SemanticTask
from promptseg.evaluate.tasks.task import CliOption, EvaluationTask
from promptseg.evaluate.tasks.text import TextTask
from promptseg.evaluate.tasks.video import VideoTask

TASKS: dict[str, type[EvaluationTask]] = {
    task.name: task
    for task in (
        *(ClicksTask, PointTask, BoxesTask, EverythingTask, EdgesTask),
        *(SemanticTask, PanopticTask, InstancesTask, ReferringTask, TextTask, ByReference, LabelsTask),
        *(VideoTask, LatencyTask),
    )
}
"""The protocols, in the order in which help lists them."""


def cli_options(kind: type[EvaluationTask]) -> dict[str, CliOption]:
    """Returns the fields of a task that are options of the command line."""
    return {
        name: mark
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, CliOption)
    }


def find_task(name: str) -> type[EvaluationTask]:
    """Returns the task of this name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"Unknown task {name!r}: expected one of {', '.join(TASKS)}.")
    return TASKS[name]


def make_task(name: str, **options: Any) -> EvaluationTask:
    """Makes a task.

    Args:
        name: a key of `TASKS`.
        **options: its settings; None stands for the default.

    Raises:
        InputError: the name is unknown, or the task has no such setting.
    """
    kind = find_task(name)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every task is a dataclass
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in known:
            raise InputError(f"{name} has no setting {option!r}.")
    return kind(**given)
