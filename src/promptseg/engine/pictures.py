"""The pictures of a project: found without a list of all of them, hashed once, and left where they are."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from promptseg.batch.sources import Item, find_pictures
from promptseg.engine.database import Database
from promptseg.engine.records import ProjectPicture, ProjectSettings, chosen_by_chance
from promptseg.errors import ImageError, InputError
from promptseg.images import PICTURE_SUFFIXES

_AT_ONCE = 200
"""Pictures that are written in one transaction."""

_COLUMNS = "id, name, path, bytes, sha256, width, height, held, wanted, state, stage, first"


def walk(folder: str | os.PathLike[str]) -> Iterator[Item]:
    """Yields the pictures in a folder and below it, save hidden ones, as the disk has them: none is kept."""
    root = os.fspath(folder)
    waiting = [root]
    while waiting:
        place = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES:
                    yield Item(Path(os.path.relpath(entry.path, root)).as_posix(), entry.path)


def listed(source: str) -> Iterator[Item]:
    """Yields the pictures of a folder, a glob in quotes or a list (`@list.txt`).

    Raises:
        InputError: there is no such place, or there are no pictures in it.
    """
    if "://" in source:
        raise InputError(f"The pictures of a project lie on disks that every worker sees, not at {source}.")
    if not os.path.isdir(source):
        yield from find_pictures(source)
        return
    found = walk(source)
    first = next(found, None)
    if first is None:
        raise InputError(f"There are no pictures in {source}. Looked for {', '.join(sorted(PICTURE_SUFFIXES))}.")
    yield first
    yield from found


class ProjectPictures:
    """The pictures of a project.

    Args:
        database: the project's.
        settings: what decides which pictures are held out, and which two people label.
    """

    def __init__(self, database: Database, settings: ProjectSettings) -> None:
        self._db, self._settings = database, settings

    def add(self, items: Iterable[Item], *, progress: Callable[[int], None] | None = None) -> int:
        """Adds pictures; those that are there already are passed over, so that a stopped run goes on.

        A picture that has moved, with its name below the folder that is given, is found again at its new place.

        Args:
            items: the pictures; none is kept in memory.
            progress: called with how many were looked at.

        Returns:
            How many were added.

        Raises:
            ImageError: a file cannot be read.
            InputError: another picture has the name of one.
            OutputError: the database cannot be written.
        """
        added = looked = 0
        stream = iter(items)
        while block := list(islice(stream, _AT_ONCE)):
            fresh = [item for item in block if not self._known(item)]
            rows = [self._row(item) for item in fresh]
            self._db.insert_many(
                "insert or ignore into pictures (name, path, bytes, sha256, width, height, held, wanted, state, stage, "
                "first) values (?, ?, ?, ?, 0, 0, ?, ?, 'waiting', 0, 0)",
                rows,
            )
            added, looked = added + len(rows), looked + len(block)
            if progress is not None:
                progress(looked)
        return added

    def _known(self, item: Item) -> bool:
        """Returns whether a picture is there already; notes where it is now."""
        row = self._db.row("select path, sha256 from pictures where name = ?", item.name)
        path = os.path.abspath(item.path)
        if row is None or row[0] == path:
            return row is not None
        old, sha256 = row
        if _content(path)[1] != sha256:
            raise InputError(
                f"{path} cannot be added: the project has another picture called {item.name}, {old}. Add a folder that "
                "holds both, or rename it."
            )
        if not os.path.exists(old):
            with self._db.change() as db:
                db.execute("update pictures set path = ? where name = ?", (path, item.name))
        return True

    def _row(self, item: Item) -> tuple[object, ...]:
        size, digest = _content(item.path)
        seed = self._settings.seed
        held = chosen_by_chance(seed, "held", item.name) < self._settings.held
        twice = chosen_by_chance(seed, "double", item.name) < self._settings.double
        path = os.path.abspath(item.path)
        return item.name, path, size, digest, int(held), 2 if twice else 1

    def number(self, name: str) -> int | None:
        """Returns the number of a picture by its name, if it is there."""
        return self._db.value("select id from pictures where name = ?", name)

    def get(self, picture: int | str) -> ProjectPicture:
        """Returns a picture by its number or name.

        Raises:
            InputError: there is none.
        """
        column = "id" if isinstance(picture, int) else "name"
        row = self._db.row(f"select {_COLUMNS} from pictures where {column} = ?", picture)  # noqa: S608 - our own word
        if row is None:
            raise InputError(f"The project has no picture {picture!r}.")
        return _picture(row)

    def each(
        self,
        state: str | None = None,
        *,
        held: bool | None = None,
        after: int = 0,
        last: int | None = None,
        labelled: bool | None = None,
    ) -> Iterator[ProjectPicture]:
        """Yields pictures by rising number, a few at a time.

        Args:
            state: only those in this state.
            held: only those that are held out, or only the others.
            after: the number after which to begin.
            last: the number with which to end.
            labelled: only those with an accepted mask, or only those without.
        """
        query = f"select {_COLUMNS} from pictures where (?1 is null or state = ?1) and (?2 is null or held = ?2)"  # noqa: S608
        query += " and (?3 is null or id <= ?3)"
        if labelled is not None:
            inner = "select 1 from masks where masks.picture = pictures.id and masks.state = 'accepted'"
            query += f" and {'' if labelled else 'not '}exists ({inner})"
        at = after
        while True:
            rows = self._db.rows(
                f"{query} and id > ?4 order by id limit ?5",
                state,
                None if held is None else int(held),
                last,
                at,
                _AT_ONCE,
            )
            yield from map(_picture, rows)
            if len(rows) < _AT_ONCE:
                return
            at = rows[-1][0]

    def count(self) -> int:
        """Returns how many there are."""
        return int(self._db.value("select count(*) from pictures"))

    def check_content(self, picture: ProjectPicture) -> None:
        """Refuses a picture that is gone, or another one than was added.

        Raises:
            ImageError: so it is.
        """
        size, digest = _content(picture.path)
        if (size, digest) != (picture.bytes, picture.sha256):
            raise ImageError(f"{picture.path} is another picture than the one that was added to the project.")

    def set_size(self, picture: ProjectPicture, size: tuple[int, int]) -> None:
        """Writes down how large a picture is (height, width), when that is first known.

        Raises:
            InputError: it is known to be of another size.
            OutputError: it cannot be written.
        """
        if (picture.height, picture.width) == tuple(size):
            return
        if picture.width:
            raise InputError(
                f"A mask of {size[1]} x {size[0]} pixels does not fit {picture.name} of {picture.width} x "
                f"{picture.height}."
            )
        with self._db.change() as db:
            db.execute("update pictures set height = ?, width = ? where id = ?", (*size, picture.id))


def _picture(row: tuple[object, ...]) -> ProjectPicture:
    *values, held, wanted, state, stage, first = row
    return ProjectPicture(*values, bool(held), wanted, state, stage, bool(first))  # type: ignore[arg-type]


def _content(path: str) -> tuple[int, str]:
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return file.tell(), digest.hexdigest()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}.") from error
