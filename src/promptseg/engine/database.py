"""The database of a project: SQLite with a write-ahead log; what was acknowledged survives `kill -9` and a power cut.

Every change is one transaction, on disk before its method returns. Several processes may have a project open.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from promptseg.errors import InputError, OutputError

FILE_NAME = "project.sqlite3"

_STEPS = (
    """
    create table project (name text primary key, body text not null);
    create table pictures (
        id integer primary key, name text not null unique, path text not null, bytes integer not null,
        sha256 text not null, width integer not null, height integer not null, held integer not null,
        wanted integer not null, state text not null, stage integer not null, first integer not null);
    create index pictures_by_state on pictures (state, first, id);
    create index pictures_by_content on pictures (sha256);
    create table visits (
        id integer primary key, picture integer not null references pictures (id), person text not null,
        stage integer not null, opened real not null, expires real not null, closed real, state text not null,
        seconds real not null);
    create index visits_of_picture on visits (picture, state);
    create index visits_of_person on visits (person, state);
    create table masks (
        id integer primary key, picture integer not null references pictures (id), made real not null,
        person text not null, version integer, stage integer not null, state text not null, judge text not null,
        seconds real not null, clicks integer not null, label text, score real, stability real, points text not null,
        mask text not null, area integer not null, corrects integer references masks (id), object text not null,
        review integer not null);
    create index masks_of_picture on masks (picture, state);
    create index masks_by_stage on masks (stage, state);
    create index masks_by_object on masks (object);
    create table versions (
        number integer primary key, parent integer, made real not null, state text not null, recipe text not null,
        options text not null, data_sha256 text not null, pictures integer not null, masks integer not null,
        file text not null, sha256 text not null, figures text not null, last_mask integer not null);
    create table parts (
        run text not null, number integer not null, first integer not null, last integer not null,
        file text not null, bytes integer not null, pictures integer not null, masks integer not null,
        failed text not null, primary key (run, number));
    create table events (id integer primary key, made real not null, what text not null, body text not null);
    """,
)
"""What makes the tables of each format out of those of the one before it."""

FORMAT = len(_STEPS)
_WAIT_SECONDS = 60

_OUR_FAULTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""What no file is guilty of."""


class Database:
    """An open database.

    Args:
        folder: the project's.
        create: whether it is made; else it must be there.

    Raises:
        InputError: there is no project, or there is one already, or a newer promptseg made it.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / FILE_NAME
        if not create and not self.path.is_file():
            raise InputError(f"{folder} is no project. Make one with: promptseg engine init PICTURES -o {folder}")
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=_WAIT_SECONDS)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("pragma foreign_keys = on")
            self._upgrade()
        except sqlite3.DatabaseError as error:
            raise self._refusal(error) from error
        except OSError as error:
            raise OutputError(f"Cannot write {folder}: {error.strerror or error}. Choose another place.") from error

    def _upgrade(self) -> None:
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version > FORMAT:
            self._db.close()
            raise InputError(f"{self.path} was written by a newer promptseg. Update to use this project.")
        if version == FORMAT:
            return
        with self.change():
            (version,) = self._db.execute("pragma user_version").fetchone()  # another process may have been quicker
            for step in _STEPS[version:]:
                for statement in step.split(";"):
                    if statement.strip():
                        self._db.execute(statement)
            self._db.execute(f"pragma user_version = {FORMAT}")

    def close(self) -> None:
        """Closes it."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def change(self) -> Generator[sqlite3.Connection]:
        """Gives the connection for one transaction, which is on disk when the block has ended well.

        Blocks inside a block of the same thread belong to the same transaction.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            try:
                self._db.execute("begin immediate")
                yield self._db
                self._db.execute("commit")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("rollback")
                if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _OUR_FAULTS):
                    raise self._refusal(error) from error
                raise

    def _refusal(self, error: sqlite3.DatabaseError) -> InputError | OutputError:
        if "not a database" in str(error) or "malformed" in str(error):
            return InputError(f"{self.path} is no database of a project, or a damaged one.")
        return OutputError(f"Cannot use {self.path}: {error}.")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns all rows of a query.

        Raises:
            InputError: the database is damaged.
            OutputError: it cannot be used.
        """
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                if isinstance(error, _OUR_FAULTS):
                    raise
                raise self._refusal(error) from error

    def row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        """Returns the first row of a query; raises as `rows` does."""
        return next(iter(self.rows(query, *values)), None)

    def value(self, query: str, *values: Any) -> Any:
        """Returns the first value of the first row; None when there is none."""
        row = self.row(query, *values)
        return None if row is None else row[0]

    def stream(self, query: str, *values: Any, after: int = 0, at_once: int = 500) -> Iterator[tuple[Any, ...]]:
        """Yields the rows of a query by rising id, a few at a time, so that nobody holds them all.

        Args:
            query: its first column is `id`; it ends with a condition, to which one of the id is added.
            values: of the query.
            after: the id after which to begin.
            at_once: rows that are read together.
        """
        while True:
            rows = self.rows(f"{query} and id > ? order by id limit ?", *values, after, at_once)
            yield from rows
            if len(rows) < at_once:
                return
            after = rows[-1][0]

    def insert_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Writes rows in one transaction.

        Raises:
            OutputError: they cannot be written.
        """
        with self.change() as db:
            db.executemany(statement, rows)
