"""What a server keeps: pictures as files, everything else in one SQLite database. What was answered survives a kill.

Every change is one transaction, committed before it is answered; a picture's file is whole and on disk before its row
exists. The methods block: call them in a thread.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shlex
import sqlite3
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from promptseg.errors import OutputError
from promptseg.files import claim, write_bytes
from promptseg.server.http_errors import HttpError, too_large

_SCHEMA = """
create table if not exists images (
    id text primary key, width integer not null, height integer not null, name text not null,
    media text not null, bytes integer not null, created text not null);
create table if not exists objects (
    image text primary key references images (id) on delete cascade,
    version integer not null, updated text not null, count integer not null, body text not null);
create table if not exists sessions (
    id text primary key, image text not null references images (id) on delete cascade,
    model text not null, position integer not null, rounds text not null, used integer not null);
create index if not exists sessions_of_image on sessions (image);
create index if not exists sessions_by_use on sessions (used);
create table if not exists workspace (name text primary key, body text not null);
create table if not exists reviews (
    image text primary key references images (id) on delete cascade,
    state text not null, comment text not null, annotator text not null, updated text not null, seconds real not null);
create table if not exists suggested (
    image text primary key references images (id) on delete cascade, count integer not null, least real not null);
create table if not exists history (
    number integer primary key, image text not null references images (id) on delete cascade,
    at text not null, annotator text not null, what text not null, detail text not null);
create index if not exists history_of_image on history (image);
create table if not exists runs (id text primary key, state text not null, body text not null);
"""

FORMAT = 1
"""Of the database."""

STATES = ("todo", "done", "review", "accepted", "rejected")
"""How far the work on a picture is."""

MOST_HISTORY = 200
"""Changes of a picture that are remembered."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored picture.

    Attributes:
        id: SHA-256 of its size and pixels.
        width: in pixels.
        height: in pixels.
        name: the file name that it came with, or nothing.
        media: type of the stored file.
        bytes: size of the stored file.
        created: when it came, in UTC.
        objects: how many objects are stored for it, without those that are only suggested.
        state: how far the work on it is, one of `STATES`.
        comment: why it was rejected.
        annotator: who changed it last, or nothing.
        seconds: how long it was worked on.
        suggested: how many objects are suggested and neither accepted nor rejected.
        least: the lowest score of these.
    """

    id: str
    width: int
    height: int
    name: str
    media: str
    bytes: int
    created: str
    objects: int = 0
    state: str = "todo"
    comment: str = ""
    annotator: str = ""
    seconds: float = 0.0
    suggested: int = 0
    least: float | None = None


@dataclass(frozen=True, slots=True)
class StoredObjects:
    """The work on a picture: JSON text of the objects, with its version."""

    version: int
    updated: str
    count: int
    body: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A dialogue: JSON text of all rounds, and how many of them are in force (the rest was undone)."""

    id: str
    image: str
    model: str
    position: int
    rounds: str


class Store:
    """Opens, or makes, the folder of a server.

    Args:
        folder: where everything is kept. Others lose their right to read it.
        most_bytes: pictures, objects, sessions and classes never grow beyond it, all together; None: no limit.

    Raises:
        OutputError: it cannot be written or made private, or another server uses it.
    """

    def __init__(self, folder: Path, most_bytes: int | None = None) -> None:
        self.folder, self._most_bytes = folder, most_bytes
        self._lock = threading.RLock()
        self._claim: BinaryIO | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_private(folder)
            lock = folder / "lock"
            used = f"Another server uses {folder} (process lock {lock}). Stop it, or choose another --data."
            self._claim = claim(lock, used)
            self._db = sqlite3.connect(folder / "promptseg.sqlite3", check_same_thread=False, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("pragma foreign_keys = on")
            self._db.execute("pragma secure_delete = on")
            self._db.executescript(_SCHEMA)
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version > FORMAT:
                raise OutputError(f"{folder} was written by a newer promptseg. Update, or choose another --data.")
            self._db.execute(f"pragma user_version = {FORMAT}")
            self.sweep()
        except (OSError, sqlite3.Error) as error:
            if self._claim is not None:
                self._claim.close()
            if isinstance(error, OutputError):
                raise
            raise OutputError(
                f"Cannot use {folder} for the server's data: {error}. Choose another with --data."
            ) from error

    def close(self) -> None:
        """Closes the database and lets others use the folder."""
        with self._lock:
            self._db.close()
            if self._claim is not None:
                self._claim.close()

    @contextlib.contextmanager
    def change(self) -> Generator[sqlite3.Connection]:
        """One transaction, for the parts of the server that keep things here.

        Raises:
            OutputError: it cannot be written.
            HttpError: 413, there is no room.
        """
        with self._lock:
            try:
                self._db.execute("begin immediate")
                before = self.usage()[1]
                yield self._db
                count, after = self.usage()
                if self._most_bytes is not None and after > max(self._most_bytes, before):
                    raise no_room(count, before)
                self._db.execute("commit")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("rollback")
                if isinstance(error, sqlite3.OperationalError):
                    raise OutputError(f"The database cannot be written: {error}.") from error
                raise

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # Pictures

    def add_picture(self, picture: Picture, content: bytes) -> bool:
        """Keeps a picture; False when it was there already, which changes nothing.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:  # so that nobody drops the file between its writing and its row
            if self.picture(picture.id) is not None:
                return False
            write_bytes(self.path_of(picture.id), content)
            row = dataclasses.astuple(dataclasses.replace(picture, bytes=len(content)))[:7]
            try:
                with self.change() as db:
                    db.execute("insert into images values (?, ?, ?, ?, ?, ?, ?)", row)
            except BaseException:  # there is no room: no file without a row
                with contextlib.suppress(OSError):
                    self.path_of(picture.id).unlink()
                raise
            return True

    def name_picture(self, image: str, name: str) -> None:
        """Gives a name to a picture that came without one.

        Raises:
            OutputError: it cannot be written.
        """
        with self.change() as db:
            db.execute("update images set name = ? where id = ? and name = ''", (name, image))

    def path_of(self, image: str) -> Path:
        """Returns where a picture's file lies; ids were checked to be hexadecimal digits."""
        return self.folder / "images" / image[:2] / image

    def picture(self, image: str) -> Picture | None:
        """Returns a picture's record, if it is there."""
        rows = self.rows(_PICTURES + " where images.id = ?", image)
        return Picture(*rows[0]) if rows else None

    def pictures(self) -> list[Picture]:
        """Returns the records of all pictures, in the order in which they came, whatever the clock said."""
        return [Picture(*row) for row in self.rows(_PICTURES + " order by images.rowid")]

    def usage(self) -> tuple[int, int]:
        """Returns how many pictures there are, and the bytes of their files and of the database."""
        ((count, size, used),) = self.rows(
            "select count(*), coalesce(sum(bytes), 0), ((select page_count from pragma_page_count) - (select "
            "freelist_count from pragma_freelist_count)) * (select page_size from pragma_page_size) from images"
        )
        return count, size + used

    def drop_picture(self, image: str) -> bool:
        """Forgets a picture with its objects and sessions; False when there is none."""
        with self._lock:
            with self.change() as db:
                found = db.execute("delete from images where id = ?", (image,)).rowcount > 0
            with contextlib.suppress(OSError):
                self.path_of(image).unlink()
            return found

    def sweep(self) -> None:
        """Removes files of pictures that have no row: what a kill in the middle of an upload leaves."""
        with self._lock:
            known = {row[0] for row in self.rows("select id from images")}
            for path in self.folder.glob("images/??/*"):
                if path.name not in known:
                    with contextlib.suppress(OSError):
                        path.unlink()
            for path in self.folder.glob("images/??/.*.part"):
                with contextlib.suppress(OSError):
                    path.unlink()

    # Objects

    def objects(self, image: str) -> StoredObjects:
        """Returns the objects of a picture; version 0 when none were ever stored."""
        rows = self.rows("select version, updated, count, body from objects where image = ?", image)
        return StoredObjects(*rows[0]) if rows else StoredObjects(0, "", 0, "[]")

    def put_objects(
        self, image: str, body: str, count: int, base: int | None, annotator: str = "", suggested: Sequence[float] = ()
    ) -> StoredObjects | None:
        """Replaces the objects of a picture; None when `base` is given and no longer the stored version.

        Args:
            image: the picture.
            body: JSON text of the objects.
            count: how many of them there are, without those that are only suggested.
            base: the version that they were made from.
            annotator: who changed them.
            suggested: the scores of those that are only suggested.

        Raises:
            KeyError: there is no such picture.
            OutputError: it cannot be written.
        """
        with self.change() as db:
            if db.execute("select 1 from images where id = ?", (image,)).fetchone() is None:
                raise KeyError(image)
            row = db.execute("select version from objects where image = ?", (image,)).fetchone()
            version = row[0] if row else 0
            if base is not None and base != version:
                return None
            stored = StoredObjects(version + 1, now(), count, body)
            db.execute(
                "insert or replace into objects values (?, ?, ?, ?, ?)",
                (image, stored.version, stored.updated, count, body),
            )
            db.execute("delete from suggested where image = ?", (image,))
            if suggested:
                db.execute("insert into suggested values (?, ?, ?)", (image, len(suggested), min(suggested)))
            remember(db, image, annotator, "objects", str(count))
            return stored

    # Sessions

    def session(self, session: str) -> StoredSession | None:
        """Returns a session, if it is there."""
        rows = self.rows("select id, image, model, position, rounds from sessions where id = ?", session)
        return StoredSession(*rows[0]) if rows else None

    def put_session(self, session: StoredSession, most: int) -> None:
        """Writes a session, and forgets those unused for longest beyond `most`.

        Raises:
            KeyError: the picture is no longer there.
            OutputError: it cannot be written.
        """
        with self.change() as db:
            ((last,),) = db.execute("select coalesce(max(used), 0) from sessions").fetchall()
            try:
                db.execute(
                    "insert or replace into sessions values (?, ?, ?, ?, ?, ?)",
                    (session.id, session.image, session.model, session.position, session.rounds, last + 1),
                )
            except sqlite3.IntegrityError as error:
                raise KeyError(session.image) from error
            db.execute(
                "delete from sessions where id in (select id from sessions order by used desc limit -1 offset ?)",
                (most,),
            )

    def drop_session(self, session: str) -> bool:
        """Forgets a session; False when there is none."""
        with self.change() as db:
            return db.execute("delete from sessions where id = ?", (session,)).rowcount > 0

    def count_sessions(self) -> int:
        """Returns how many sessions there are."""
        return self.rows("select count(*) from sessions")[0][0]

    # The workspace

    def workspace(self, name: str) -> str | None:
        """Returns the JSON text kept under a name, if any."""
        rows = self.rows("select body from workspace where name = ?", name)
        return rows[0][0] if rows else None

    def put_workspace(self, name: str, body: str) -> None:
        """Keeps a JSON text under a name.

        Raises:
            OutputError: it cannot be written.
        """
        with self.change() as db:
            db.execute("insert or replace into workspace values (?, ?)", (name, body))

    def numbered(self, names: Sequence[str], most: int) -> list[str]:
        """Returns all classes that were ever exported, by number; new ones come after the others.

        Up to `most` of them stay so.

        Raises:
            OutputError: they cannot be written.
        """
        with self._lock:
            known: list[str] = json.loads(self.workspace("numbers") or "[]")
            everything = list(dict.fromkeys([*known, *names]))
            if known != everything and len(everything) <= most:
                self.put_workspace("numbers", json.dumps(everything))
        return everything


_PICTURES = (
    "select images.id, width, height, name, media, bytes, created, coalesce(objects.count, 0), "
    "coalesce(state, 'todo'), coalesce(comment, ''), coalesce(annotator, ''), coalesce(seconds, 0.0), "
    "coalesce(suggested.count, 0), suggested.least from images left join objects on objects.image = images.id "
    "left join reviews on reviews.image = images.id left join suggested on suggested.image = images.id"
)


def remember(db: sqlite3.Connection, image: str, annotator: str, what: str, detail: str) -> None:
    """Notes who changed what of a picture; the objects that one person changes in a row are one change."""
    db.execute(
        "insert into reviews values (?, 'todo', '', ?, ?, 0) on conflict (image) do update set "
        "annotator = excluded.annotator, updated = excluded.updated",
        (image, annotator, now()),
    )
    query = "select number, annotator, what from history where image = ? order by number desc limit 1"
    last = db.execute(query, (image,)).fetchone()
    if last and what == "objects" and last[1:] == (annotator, what):
        db.execute("update history set at = ?, detail = ? where number = ?", (now(), detail, last[0]))
        return
    db.execute(
        "insert into history (image, at, annotator, what, detail) values (?, ?, ?, ?, ?)",
        (image, now(), annotator, what, detail),
    )
    db.execute(
        "delete from history where image = ? and number in (select number from history where image = ? "
        "order by number desc limit -1 offset ?)",
        (image, image, MOST_HISTORY),
    )


def now() -> str:
    """Returns the time in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def etag(*parts: object) -> str:
    """Returns an entity tag made from what the answer depends on."""
    return '"' + hashlib.sha256(repr(parts).encode()).hexdigest()[:32] + '"'


def no_room(count: int, size: int) -> HttpError:
    """There is no room for more."""
    return too_large(
        f"The server keeps {count:,} pictures, {size:,} bytes with all work on them, and no more. Delete some."
    )


def _make_private(folder: Path) -> None:
    """Takes from all but the owner what they may do in a folder.

    Raises:
        OutputError: it belongs to somebody else.
    """
    if os.name != "posix" or not folder.stat().st_mode & 0o077:
        return
    try:
        folder.chmod(0o700)
    except OSError as error:
        raise OutputError(
            f"Others can read {folder}, where pictures would be kept. Let its owner say: "
            f"chmod 700 {shlex.quote(str(folder))} - or choose another --data."
        ) from error
