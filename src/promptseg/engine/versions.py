"""The versions of a project's model: each with what it learned from and how it did; kept, refused, rolled back."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptseg.engine.database import Database
from promptseg.engine.records import ModelVersion, ProjectSettings, path_of
from promptseg.errors import InputError, WeightsError
from promptseg.models.store import file_sha256
from promptseg.runtimes.options import EngineOptions

_COLUMNS = (
    "number, parent, made, state, recipe, options, data_sha256, pictures, masks, file, sha256, figures, last_mask"
)


class ProjectVersions:
    """The versions of the model.

    Args:
        folder: the project's.
        database: its database.
        settings: its settings.
    """

    def __init__(self, folder: Path, database: Database, settings: ProjectSettings) -> None:
        self._folder, self._db, self._settings = folder, database, settings

    def all(self) -> list[ModelVersion]:
        """Returns all versions, the first one first."""
        return [_version(row) for row in self._db.rows(f"select {_COLUMNS} from versions order by number")]  # noqa: S608

    def get(self, number: int) -> ModelVersion:
        """Returns a version.

        Raises:
            InputError: there is none.
        """
        row = self._db.row(f"select {_COLUMNS} from versions where number = ?", number)  # noqa: S608
        if row is None:
            raise InputError(f"There is no version {number} of the model; there are 0 to {self._newest()}.")
        return _version(row)

    @property
    def current(self) -> ModelVersion:
        """The version in use."""
        return self.get(int(json.loads(self._db.value("select body from project where name = 'current'"))))

    def _newest(self) -> int:
        return int(self._db.value("select max(number) from versions"))

    def next_file(self) -> str:
        """Returns where the weights of the next version go, below the project's folder."""
        return f"models/v{self._newest() + 1:03d}.safetensors"

    def add(self, version: ModelVersion, *, use: bool) -> ModelVersion:
        """Keeps a version, with the next number, and uses it from now on if it is to be used.

        Raises:
            OutputError: it cannot be written.
        """
        with self._db.change() as db:
            number = self._newest() + 1
            db.execute(
                f"insert into versions ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    number,
                    version.parent,
                    version.made,
                    version.state,
                    version.recipe,
                    json.dumps(version.options),
                    version.data_sha256,
                    version.pictures,
                    version.masks,
                    version.file,
                    version.sha256,
                    json.dumps(version.figures),
                    version.last_mask,
                ),
            )
            if use:
                self._use(number, "trained")
        return self.get(number)

    def roll_back(self, number: int) -> ModelVersion:
        """Uses another version from now on; nothing is deleted, so one can go forward again.

        Raises:
            InputError: there is none.
            WeightsError: its weights are gone or are other ones.
            OutputError: it cannot be written.
        """
        version = self.get(number)
        self.engine(version)
        self._use(number, "rolled back")
        return version

    def _use(self, number: int, why: str) -> None:
        with self._db.change() as db:
            db.execute("update project set body = ? where name = 'current'", (json.dumps(number),))
            body = json.dumps({"version": number, "why": why})
            db.execute("insert into events (made, what, body) values (?, 'version', ?)", (time.time(), body))

    def engine(self, version: ModelVersion | None = None, **more: Any) -> EngineOptions:
        """Returns what computes with a version, by default the one in use.

        Args:
            version: which.
            more: further fields of the options, such as the threads.

        Raises:
            WeightsError: its weights are gone or are other ones.
        """
        version = version or self.current
        if not version.file:
            return EngineOptions(model=self._settings.model, **more)
        path = path_of(self._folder, version.file)
        if not path.is_file():
            raise WeightsError(f"{path}, version {version.number} of the model, is gone. Roll back to another version.")
        if file_sha256(path) != version.sha256:
            raise WeightsError(
                f"{path} is not what was trained as version {version.number} (its SHA-256 differs). Roll back to "
                "another version."
            )
        return EngineOptions(model=self._settings.model, weights=path, **more)


def first_version() -> Mapping[str, Any]:
    """Returns the columns of what a project begins with."""
    empty = hashlib.sha256().hexdigest()
    return {
        "number": 0,
        "parent": None,
        "made": time.time(),
        "state": "kept",
        "recipe": "",
        "options": "{}",
        "data_sha256": empty,
        "pictures": 0,
        "masks": 0,
        "file": "",
        "sha256": "",
        "figures": "{}",
        "last_mask": 0,
    }


def _version(row: tuple[Any, ...]) -> ModelVersion:
    values = dict(zip((name.strip() for name in _COLUMNS.split(",")), row, strict=True))
    return ModelVersion(
        **{**values, "options": json.loads(values["options"]), "figures": json.loads(values["figures"])}
    )
