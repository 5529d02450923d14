"""The one loader of what was trained beside a model; its card says which files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from promptseg.models.registry import packaged

T = TypeVar("T")


def loaded(read: Callable[[Path], T], file: str) -> T | None:
    """Returns what `read` makes of a file of `CompanionFiles`, read once; None where the card names none.

    Raises:
        WeightsError: the installation lacks the file, or it is damaged.
    """
    return _read(read, file) if file else None


@cache
def _read(read: Callable[[Path], Any], file: str) -> Any:
    return read(packaged(file))
