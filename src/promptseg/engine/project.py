"""`Project`: a folder with a database, the versions of a model, and automatic masks; pictures stay where they are."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.engine.database import FILE_NAME, Database
from promptseg.engine.pictures import ProjectPictures, listed
from promptseg.engine.records import ProjectPicture, ProjectSettings, ProjectStatus, StageWork
from promptseg.engine.versions import ProjectVersions, first_version
from promptseg.engine.work import ProjectWork
from promptseg.errors import InputError
from promptseg.masks.rle import RLE
from promptseg.models.registry import get_card


class Project:
    """A project of the data engine; a context manager. Several processes may have one open.

    Args:
        folder: where it is.

    Attributes:
        folder: where it is.
        settings: what was decided when it was made.
        pictures: its pictures.
        work: who works on what, and the masks.
        versions: of the model.

    Raises:
        InputError: there is no project, or a newer promptseg made it.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.database = Database(self.folder)
        row = self.database.row("select body from project where name = 'settings'")
        if row is None:
            self.database.close()
            raise InputError(f"{self.folder} was not made to its end. Make it with: promptseg engine init")
        self.settings = ProjectSettings.from_json(json.loads(row[0]))
        self.pictures = ProjectPictures(self.database, self.settings)
        self.work = ProjectWork(self.database, self.pictures, self.settings)
        self.versions = ProjectVersions(self.folder, self.database, self.settings)

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        source: str | os.PathLike[str],
        settings: ProjectSettings | None = None,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> Self:
        """Makes a project of the pictures of a folder, a glob or a list; where there is one, adds what is new.

        Run it again after a stop: pictures that are known are passed over.

        Args:
            folder: where the project goes.
            source: the pictures, as in `promptseg everything`.
            settings: by default the usual ones, or those of the project that is there.
            progress: called with how many pictures were looked at.

        Raises:
            InputError: there are no pictures, the model is no SAM, the project that is there has other settings, or
                it has another picture of the same name.
            ImageError: a picture's file cannot be read.
            OutputError: the folder cannot be written.
        """
        place, wanted = Path(folder), settings or ProjectSettings()
        if get_card(wanted.model).family != "sam":
            raise InputError(f"A project's model is one of SAM's family, not {wanted.model}.")
        if not (place / FILE_NAME).exists():
            listing = listed(os.fspath(source))
            first = next(listing)  # a wrong address leaves no project behind
            del first
        begun = Database(place, create=True)
        with contextlib.closing(begun), begun.change() as db:
            if db.execute("select 1 from project").fetchone() is None:
                start = {"settings": json.dumps(asdict(wanted)), "current": "0", "stage": "1"}
                db.executemany("insert into project values (?, ?)", start.items())
                row = first_version()
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                db.execute(f"insert into versions ({names}) values ({marks})", tuple(row.values()))  # noqa: S608
        project = cls(place)
        if settings is not None and settings != project.settings:
            project.close()
            raise InputError(
                f"{place} is a project with other settings. Add pictures with the same, or choose another -o."
            )
        project.pictures.add(listed(os.fspath(source)), progress=progress)
        return project

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database."""
        self.database.close()

    @property
    def stage(self) -> int:
        """The stage that it is in, 1 to 3."""
        return int(json.loads(self.database.value("select body from project where name = 'stage'")))

    def enter_stage(self, stage: int) -> None:
        """Goes on to a stage; never back.

        Raises:
            OutputError: it cannot be written.
        """
        if stage > self.stage:
            with self.database.change() as db:
                db.execute("update project set body = ? where name = 'stage'", (json.dumps(stage),))
                db.execute(
                    "insert into events (made, what, body) values (?, 'stage', ?)", (time.time(), json.dumps(stage))
                )

    def note(self, name: str, body: object) -> None:
        """Keeps a JSON value under a name.

        Raises:
            OutputError: it cannot be written.
        """
        with self.database.change() as db:
            db.execute("insert or replace into project values (?, ?)", (name, json.dumps(body)))

    def noted(self, name: str) -> object:
        """Returns what is kept under a name; None where nothing is."""
        body = self.database.value("select body from project where name = ?", name)
        return None if body is None else json.loads(body)

    # What was labelled, for training, measuring and statistics

    def dataset(self, *, held: bool | None = None, stage: int | None = None) -> Dataset:
        """Returns the accepted masks as labelled pictures; masks are read when they are asked for.

        Args:
            held: only pictures that are held out, or only the others.
            stage: only masks of this stage.
        """
        samples: list[Sample] = []
        for picture in self.pictures.each(held=held, labelled=True):
            masks = [mask for mask in self.work.of(picture.id, "accepted", kept=True) if stage in (None, mask.stage)]
            targets = tuple(
                Target(f"{mask.label or 'mask'} {mask.id}", mask.mask.area, self._reader(mask.id), label=mask.label)
                for mask in masks
            )
            if targets:
                samples.append(Sample(Path(picture.path), picture.name, targets))
        return Dataset(self.folder.resolve().name, "project", tuple(samples))

    def _reader(self, number: int) -> Callable[[], RLE]:
        return lambda: self.work.get(number).mask

    def data_sha256(self) -> str:
        """Returns what the masks are known by that may be trained on: the same masks give the same digits."""
        digest = hashlib.sha256()
        for picture in self.pictures.each(held=False, labelled=True):
            digest.update(picture.sha256.encode())
            for mask in self.work.of(picture.id, "accepted", kept=True):
                digest.update(json.dumps(mask.mask.to_coco()).encode())
        return digest.hexdigest()

    def prominence(self, picture: ProjectPicture) -> list[int]:
        """Returns a picture's open proposals in the order in which people shall see them: the most prominent first."""
        proposed = self.work.of(picture.id, "proposed")
        return [mask.id for mask in sorted(proposed, key=lambda mask: (-mask.mask.area, mask.id))]

    def status(self) -> ProjectStatus:
        """Returns where the project stands."""
        db, versions = self.database, self.versions.all()
        newest = versions[-1].last_mask
        new = int(db.value("select count(*) from masks where state = 'accepted' and id > ?", newest))
        noted: Any = self.noted("automatic")  # earlier runs are superseded
        run = noted["run"] if noted else None
        parts = db.row(
            "select coalesce(sum(pictures), 0), coalesce(sum(masks), 0), count(*) from parts where run = ?", run
        )
        failed = db.rows("select failed from parts where run = ? and failed <> '{}'", run)
        pictures, masks, count = parts or (0, 0, 0)
        return ProjectStatus(
            folder=str(self.folder),
            stage=self.stage,
            pictures=dict(db.rows("select state, count(*) from pictures group by state order by state")),
            held=int(db.value("select count(*) from pictures where held = 1")),
            work=tuple(self._work(stage) for stage in (1, 2, 3)),
            automatic={"pictures": int(pictures), "masks": int(masks), "parts": int(count)},
            automatic_failed=sum(len(json.loads(row[0])) for row in failed),
            versions=tuple(versions),
            current=self.versions.current.number,
            new_masks=new,
            due=new >= self.settings.retrain_after,
            people=dict(
                db.rows("select judge, count(*) from masks where state = 'accepted' group by judge order by judge")
            ),
            double=int(db.value("select count(*) from pictures where wanted > 1 and state = 'done'")),
        )

    def _work(self, stage: int) -> StageWork:
        db = self.database
        counts = dict(db.rows("select state, count(*) from masks where stage = ? group by state", stage))
        pictures = int(
            db.value("select count(distinct picture) from masks where stage = ? and state = 'accepted'", stage)
        )
        seconds, clicks = db.row("select sum(seconds), sum(clicks) from masks where stage = ?", stage) or (0, 0)
        accepted = counts.get("accepted", 0)
        least = max(1, accepted)
        return StageWork(
            stage=stage,
            pictures=pictures,
            accepted=accepted,
            proposed=counts.get("proposed", 0),
            rejected=counts.get("rejected", 0),
            corrected=counts.get("corrected", 0),
            seconds=(seconds or 0) / least,
            clicks=(clicks or 0) / least,
            per_picture=accepted / max(1, pictures),
        )
