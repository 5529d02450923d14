"""Who works on what: pictures are taken, locked and given back; masks are proposed, accepted, rejected, corrected."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from promptseg.engine.database import Database
from promptseg.engine.pictures import ProjectPictures
from promptseg.engine.records import Lease, MaskState, ProjectMask, ProjectSettings, checked_person
from promptseg.errors import FormatError, InputError
from promptseg.masks.rle import RLE

_COLUMNS = (
    "id, picture, mask, stage, state, person, judge, version, seconds, clicks, label, score, stability, points, "
    "corrects, object, review"
)

_KEEPER = (
    "coalesce((select person from visits where visits.picture = masks.picture and visits.state = 'done' order by "
    "closed, id limit 1), judge)"
)
"""Whose masks count where two people label a picture: those of who was done first."""


class ProjectWork:
    """The work on a project's pictures.

    Args:
        database: the project's.
        pictures: its pictures.
        settings: its settings.
    """

    def __init__(self, database: Database, pictures: ProjectPictures, settings: ProjectSettings) -> None:
        self._db, self._pictures, self._settings = database, pictures, settings

    # Pictures in somebody's hands

    def take(self, person: str, *, now: float | None = None) -> Lease | None:
        """Locks the next picture for a person: the one in hand, else one to review, one with proposals, or another.

        A lock that has run out is taken over by the next who asks. A picture that two people label is never given to
        one of them twice.

        Args:
            person: who.
            now: seconds of the epoch.

        Returns:
            The picture; None when there is nothing left for this person.

        Raises:
            InputError: the name is no name.
            OutputError: it cannot be written.
        """
        who, now = checked_person(person), time.time() if now is None else now
        expires = now + 60 * self._settings.lease_minutes
        with self._db.change() as db:
            _lapse(db, now)
            held = db.execute(
                "select id, picture, stage from visits where person = ? and state = 'open' order by id limit 1", (who,)
            ).fetchone()
            if held is not None:
                visit, picture, stage = held
                db.execute("update visits set expires = ? where id = ?", (expires, visit))
            else:
                found = self._next(db, who)
                if found is None:
                    return None
                picture, stage = found
                visit = db.execute(
                    "insert into visits (picture, person, stage, opened, expires, state, seconds) "
                    "values (?, ?, ?, ?, ?, 'open', 0)",
                    (picture, who, stage, now, expires),
                ).lastrowid
        found_picture = self._pictures.get(int(picture))
        return Lease(int(visit or 0), found_picture, who, stage, expires, self._settings.picture_seconds)

    def untouched(self, picture: int, *, now: float | None = None) -> bool:
        """Returns whether a picture waits, nobody has it in hand, and no model was asked for proposals.

        Raises:
            OutputError: the database cannot be written.
        """
        with self._db.change() as db:
            _lapse(db, time.time() if now is None else now)
            query = (
                "select 1 from pictures where id = ? and state = 'waiting' and first = 0 and not exists "
                "(select 1 from visits where visits.picture = pictures.id and visits.state = 'open')"
            )
            return db.execute(query, (picture,)).fetchone() is not None

    def _next(self, db: sqlite3.Connection, who: str) -> tuple[int, int] | None:
        theirs = "from visits where visits.picture = pictures.id"
        busy = f"select count(*) {theirs} and visits.state in ('open', 'done')"
        mine = f"select 1 {theirs} and person = ? and visits.state in ('done', 'left')"
        for state, proposed, stage in (("review", 1, 3), ("waiting", 1, 2), ("waiting", 0, 1)):
            wanted = "wanted" if state == "waiting" else "1"
            fresh = "" if state == "waiting" else " and visits.stage = 3"
            row = db.execute(
                f"select id from pictures where state = ? and first = ? and ({busy}{fresh}) < {wanted} "  # noqa: S608 - our own words
                f"and not exists ({mine}{fresh}) order by id limit 1",
                (state, proposed, who),
            ).fetchone()
            if row is not None:
                return int(row[0]), stage
        return None

    def finish(self, visit: int, *, seconds: float | None = None, left: bool = False, now: float | None = None) -> None:
        """Ends a visit: the picture is labelled, or was left because it took too long.

        Proposals that nobody judged are accepted with a picture that is done: who looked at it saw them.

        Args:
            visit: its number.
            seconds: how long it took; by default the time since it was taken.
            left: whether the rest of the picture was given up.
            now: seconds of the epoch.

        Raises:
            InputError: there is no such visit, or it is over.
            OutputError: it cannot be written.
        """
        now = time.time() if now is None else now
        with self._db.change() as db:
            row = db.execute(
                "select picture, person, stage, opened, state from visits where id = ?", (visit,)
            ).fetchone()
            if row is None or row[4] != "open":
                raise InputError(f"Visit {visit} is over or was never begun: take the picture again.")
            picture, person, stage, opened, _ = row
            db.execute(
                "update visits set state = ?, closed = ?, seconds = ? where id = ?",
                ("left" if left else "done", now, now - opened if seconds is None else seconds, visit),
            )
            if not left:
                db.execute(
                    "update masks set state = 'accepted', judge = ? where picture = ? and state = 'proposed' "
                    "and (? < 3 or review = 1)",
                    (person, picture, stage),
                )
            (wanted,) = db.execute("select wanted from pictures where id = ?", (picture,)).fetchone()
            (closed,) = db.execute(
                "select count(*) from visits where picture = ? and state in ('done', 'left') and stage = ?",
                (picture, stage),
            ).fetchone()
            if closed >= (1 if stage == 3 else wanted):
                state = "left" if left else "done"
                db.execute("update pictures set state = ?, stage = ? where id = ?", (state, stage, picture))

    def release(self, visit: int) -> None:
        """Gives a picture back as if it had not been taken; what was accepted stays.

        Raises:
            OutputError: it cannot be written.
        """
        with self._db.change() as db:
            db.execute(
                "update visits set state = 'released', closed = ? where id = ? and state = 'open'", (time.time(), visit)
            )

    # Masks

    def accept(self, mask: ProjectMask) -> int:
        """Keeps a mask that a person drew or mended; when the number is returned, it is on disk.

        Args:
            mask: with its `person`. Where it `corrects` another, that one is marked.

        Returns:
            Its number.

        Raises:
            InputError: it has nobody, does not fit the picture, is empty, or corrects a mask of another picture.
            OutputError: it cannot be written.
        """
        person = checked_person(mask.person)
        if not mask.mask.area:
            raise InputError("An empty mask is no object.")
        if not (mask.seconds >= 0 and mask.clicks >= 0):
            raise InputError(f"Seconds and clicks must not be negative, got {mask.seconds} and {mask.clicks}.")
        with self._db.change() as db:
            if mask.corrects is not None:
                done = db.execute(
                    "update masks set state = 'corrected', judge = ? where id = ? and picture = ?",
                    (person, mask.corrects, mask.picture),
                ).rowcount
                if not done:
                    raise InputError(f"Mask {mask.corrects} is no mask of picture {mask.picture}: nothing to correct.")
            return self._insert(db, mask, "accepted", person)

    def propose(self, picture: int, masks: Sequence[ProjectMask]) -> list[int]:
        """Keeps masks that a model proposes for a picture, all or none; it comes before others (see `take`).

        A picture for which nothing is proposed was looked at all the same.

        Raises:
            InputError: there is no such picture, or a mask does not fit it.
            OutputError: they cannot be written.
        """
        self._pictures.get(picture)
        with self._db.change() as db:
            numbers = [
                self._insert(db, replace(mask, picture=picture), "proposed", "") for mask in masks if mask.mask.area
            ]
            db.execute("update pictures set first = 1 where id = ?", (picture,))
        return numbers

    def judge(self, number: int, person: str, *, accept: bool, seconds: float = 0.0, clicks: int = 0) -> None:
        """Accepts or rejects a mask that a model proposed, or reviews one that a person made.

        Args:
            number: the mask's.
            person: who judges.
            accept: or reject.
            seconds: human time, which is added to the mask's.
            clicks: the same of clicks.

        Raises:
            InputError: there is no such mask, or another stands in its place.
            OutputError: it cannot be written.
        """
        with self._db.change() as db:
            done = db.execute(
                "update masks set state = ?, judge = ?, seconds = seconds + ?, clicks = clicks + ? "
                "where id = ? and state <> 'corrected'",
                ("accepted" if accept else "rejected", checked_person(person), seconds, clicks, number),
            ).rowcount
            if not done:
                raise InputError(f"There is no mask {number} to judge, or another stands in its place.")

    def _insert(self, db: sqlite3.Connection, mask: ProjectMask, state: MaskState, person: str) -> int:
        self._pictures.set_size(self._pictures.get(mask.picture), mask.mask.size)
        row = {
            "picture": mask.picture,
            "made": time.time(),
            "person": person,
            "version": mask.version,
            "stage": mask.stage,
            "state": state,
            "judge": mask.judge or person,
            "seconds": mask.seconds,
            "clicks": mask.clicks,
            "label": mask.label,
            "score": mask.score,
            "stability": mask.stability,
            "points": json.dumps(mask.points),
            "mask": json.dumps(mask.mask.to_coco()),
            "area": mask.mask.area,
            "corrects": mask.corrects,
            "object": mask.object,
            "review": int(mask.review),
        }
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        number = db.execute(f"insert into masks ({names}) values ({marks})", tuple(row.values())).lastrowid  # noqa: S608
        return int(number or 0)

    def get(self, number: int) -> ProjectMask:
        """Returns a mask by its number.

        Raises:
            InputError: there is none.
        """
        row = self._db.row(f"select {_COLUMNS} from masks where id = ?", number)  # noqa: S608
        if row is None:
            raise InputError(f"The project has no mask {number}.")
        return _mask(row)

    def of(self, picture: int, *states: MaskState, kept: bool = False) -> list[ProjectMask]:
        """Returns the masks of a picture, in the order in which they were made.

        Args:
            picture: its number.
            states: only those in these states.
            kept: only those that count, where two people labelled the picture.
        """
        marks = ", ".join("?" * len(states))
        where = f" and state in ({marks})" if states else ""
        where += f" and (judge = '' or judge = {_KEEPER})" if kept else ""
        query = f"select {_COLUMNS} from masks where picture = ?{where} order by id"  # noqa: S608
        return [_mask(row) for row in self._db.rows(query, picture, *states)]

    def each(self, *states: MaskState, stage: int | None = None) -> Iterator[ProjectMask]:
        """Yields masks by rising number, a few at a time."""
        marks = ", ".join("?" * len(states))
        where = f"state in ({marks})" if states else "1"
        where += "" if stage is None else f" and stage = {int(stage)}"
        yield from map(_mask, self._db.stream(f"select {_COLUMNS} from masks where {where}", *states))  # noqa: S608

    def by_object(self, picture: int, name: str) -> ProjectMask | None:
        """Returns the mask in force of an object that an annotator's tool knows by a name, if there is one."""
        row = self._db.row(
            f"select {_COLUMNS} from masks where picture = ? and object = ? and state in ('accepted', 'proposed') "  # noqa: S608
            "order by id desc limit 1",
            picture,
            name,
        )
        return None if row is None else _mask(row)


def _lapse(db: sqlite3.Connection, now: float) -> None:
    """Takes pictures away whose lock has run out."""
    db.execute("update visits set state = 'lapsed', closed = ? where state = 'open' and expires <= ?", (now, now))


def _mask(row: tuple[object, ...]) -> ProjectMask:
    values = dict(zip((name.strip() for name in _COLUMNS.split(",")), row, strict=True))
    try:
        values["mask"] = RLE.from_coco(json.loads(str(values["mask"])))
        values["points"] = tuple((float(x), float(y)) for x, y in json.loads(str(values["points"])))
    except (ValueError, TypeError) as error:
        raise FormatError(f"Mask {values['id']} of the project is damaged: {error}.") from error
    return ProjectMask(**{**values, "review": bool(values["review"])})  # type: ignore[arg-type]
