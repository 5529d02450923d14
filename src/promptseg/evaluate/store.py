"""Keeps answers on disk, so that a run that was stopped goes on where it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptseg.errors import FormatError
from promptseg.evaluate.rows import UnitAnswer
from promptseg.files import write_bytes

FORMAT = 1
"""Version of the files; it rises when their meaning changes."""


class AnswerStore:
    """A folder of answers, one file per contestant and unit.

    A stored answer is used again only when everything that decides about it (`facts`) is the same.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, contestant: str, unit: str, facts: Mapping[str, Any]) -> UnitAnswer | None:
        """Returns the answer, or None when there is none, it is damaged, or was given under other circumstances."""
        try:
            record = json.loads(self._path(contestant, unit).read_bytes())
            if record["facts"] != _plain(facts):
                return None
            return UnitAnswer.from_json(record["answer"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, FormatError):
            return None

    def save(self, contestant: str, facts: Mapping[str, Any], answer: UnitAnswer) -> None:
        """Writes an answer.

        Raises:
            OutputError: the file cannot be written.
        """
        record = {"facts": _plain(facts), "answer": answer.to_json()}
        write_bytes(self._path(contestant, answer.unit), (json.dumps(record) + "\n").encode())

    def _path(self, contestant: str, unit: str) -> Path:
        return self._folder / file_name(contestant) / f"{file_name(unit)}.json"


def file_name(name: str) -> str:
    """Returns a name with nothing in it that a file system could mind."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)


def _plain(facts: Mapping[str, Any]) -> Any:
    """Returns what JSON makes of the facts, to compare like with like."""
    return json.loads(json.dumps({"format": FORMAT, **facts}, sort_keys=True, default=str))
