"""A small project and what its tests need; processes that are killed import it from here."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from promptseg.engine import Project, ProjectMask, ProjectSettings
from promptseg.masks.rle import RLE

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
