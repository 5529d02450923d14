"""All tasks by name."""

from dataclasses import fields
from typing import Any

from promptseg.errors import InputError
from promptseg.evaluate.tasks.boxes import Boxes
from promptseg.evaluate.tasks.clicks import Clicks
from promptseg.evaluate.tasks.edges import Edges
from promptseg.evaluate.tasks.everything import Everything
from promptseg.evaluate.tasks.instances import Instances
from promptseg.evaluate.tasks.labels import Labels
from promptseg.evaluate.tasks.latency import Latency
from promptseg.evaluate.tasks.panoptic import Panoptic
from promptseg.evaluate.tasks.point import Point
from promptseg.evaluate.tasks.reference import ByReference
from promptseg.evaluate.tasks.referring import Referring
from promptseg.evaluate.tasks.semantic import Semantic
from promptseg.evaluate.tasks.task import Task
from promptseg.evaluate.tasks.text import Text
from promptseg.evaluate.tasks.video import Video

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        *(Clicks, Point, Boxes, Everything, Edges),
        *(Semantic, Panoptic, Instances, Referring, Text, ByReference, Labels),
        *(Video, Latency),
    )
}
"""The protocols, in the order in which help lists them."""


def make_task(name: str, **options: Any) -> Task:
    """Makes a task.

    Args:
        name: a key of `TASKS`.
        **options: its settings; None stands for the default.

    Raises:
        InputError: the name is unknown, or the task has no such setting.
    """
    if name not in TASKS:
        raise InputError(f"Unknown task {name!r}: expected one of {', '.join(TASKS)}.")
    kind = TASKS[name]
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every task is a dataclass
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in known:
            raise InputError(f"{name} has no setting {option!r}.")
    return kind(**given)
