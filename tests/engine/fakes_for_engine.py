"""A small project and what its tests need; processes that are killed import it from here."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from promptseg import Point
from promptseg.engine import Project, ProjectMask, ProjectSettings
from promptseg.engine.automatic import PartLabeler
from promptseg.formats.sa1b import sa1b_record
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

SIZE = (40, 60)


def make_pictures(folder: Path, count: int) -> Path:
    """Writes small pictures of a bright and a dark half, all different, some in a folder below."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / ("deep" if number % 3 == 2 else "")
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (*SIZE, 3), np.uint8)
        pixels[:, :30] += 150
        Pillow.fromarray(pixels).save(place / f"{number:02d}.png")
    return folder


def square(x: int, y: int, side: int = 10) -> RLE:
    """A square mask."""
    pixels = np.zeros(SIZE, np.bool_)
    pixels[y : y + side, x : x + side] = True
    return RLE.encode(pixels)


def make_project(folder: Path, count: int = 6, **settings) -> Project:
    """A project of small pictures; nobody labels twice and nothing is held out unless that is asked for."""
    pictures = make_pictures(folder / "photos", count)
    return Project.create(folder / "project", pictures, ProjectSettings(**{"held": 0.0, "double": 0.0, **settings}))


def drawn(picture: int, mask: RLE, person: str = "ann", **more) -> ProjectMask:
    """A mask that a person drew."""
    return ProjectMask(picture, mask, person=person, **{"seconds": 6.0, "clicks": 2, **more})


def write_until_killed(folder: str, run: int, told) -> None:
    """Accepts masks as fast as it can and tells each number when it was given."""
    project = Project(folder)
    told.send(("ready", 0))
    number = 0
    while True:
        number += 1
        lease = project.work.take(f"ann {run}")
        told.send(("mask", project.work.accept(drawn(1 + number % 6, square(number % 40, number % 25)))))
        if lease is not None:
            project.work.finish(lease.visit)
            told.send(("done", lease.visit))


class StandInLabeler(PartLabeler):
    """The upper left corner of every picture is its only mask; nothing is opened. Some names make it misbehave."""

    def _prepare(self, settings) -> None:
        self.pause = float(os.environ.get("STAND_IN_PAUSE", "0"))

    def record(self, picture):
        if "deadly" in picture.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "odd" in picture.name:
            raise ZeroDivisionError("odd")
        time.sleep(self.pause)
        return RECORD.replace("NUMBER", str(picture.id)).replace("MASK", str(picture.id << 14)), 1


def corner_record() -> str:
    """The record of a picture whose corner is a mask."""
    mask = square(0, 0, 5)
    found = Segments(mask.size, (mask,), prompts=((Point(2, 2),),), stability_scores=np.ones(1, np.float32))
    record = sa1b_record(found, "sa_NUMBER.jpg", 1)
    record["image"]["image_id"] = 111111
    record["annotations"][0]["id"] = 222222
    return json.dumps(record).replace("111111", "NUMBER").replace("222222", "MASK")


RECORD = corner_record()


def list_pictures(folder: Path, count: int, name: str = "{:07d}.jpg") -> Project:
    """A project of pictures that are nowhere: only their names are in the database."""
    with Project.create(
        folder / "project", make_pictures(folder / "one", 1), ProjectSettings(held=0, double=0)
    ) as made:
        rows = ((name.format(n), f"/nowhere/{n}.jpg", 1, "0" * 64) for n in range(1, count))
        made.database.insert_many(
            "insert into pictures (name, path, bytes, sha256, width, height, held, wanted, state, stage, first) "
            "values (?, ?, ?, ?, 0, 0, 0, 1, 'waiting', 0, 0)",
            rows,
        )
    return Project(folder / "project")
