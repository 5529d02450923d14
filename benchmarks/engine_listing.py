"""Stage 3 over a long listing with a stand-in labeler: does the driver's memory grow, and what does the engine cost?

    python benchmarks/engine_listing.py -o out/ --pictures 5000000

The names are in a project's database, the pictures nowhere: the stand-in answers every one with the same record.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from promptseg import Point
from promptseg.batch.labeler import LabelerSettings
from promptseg.engine import Project, ProjectSettings
from promptseg.engine.automatic import PartLabeler, PartSettings, label_automatically
from promptseg.engine.records import ProjectPicture
from promptseg.formats.sa1b import sa1b_text
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

COLUMNS = "name, path, bytes, sha256, width, height, held, wanted, state, stage, first"


class StandIn(PartLabeler):
    """Opens nothing: the upper left corner of every picture is its only mask."""

    def _prepare(self, settings: PartSettings) -> None:
        pixels = np.zeros((40, 60), np.bool_)
        pixels[:5, :5] = True
        mask = RLE.encode(pixels)
        found = Segments(mask.size, (mask,), prompts=((Point(2, 2),),), stability_scores=np.ones(1, np.float32))
        self._record = sa1b_text(found, "sa_1.jpg", 1)

    def record(self, picture: ProjectPicture) -> tuple[str, int]:
        return self._record, 1


def megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def names(count: int) -> Iterator[tuple[str, str, int, str]]:
    for number in range(1, count):
        yield f"{number:08d}.jpg", f"/nowhere/{number:08d}.jpg", 1, "0" * 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=5_000_000)
    parser.add_argument("--part", type=int, default=1000)
    given = parser.parse_args()
    (given.output / "one").mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", (60, 40)).save(given.output / "one" / "0.png")
    settings = ProjectSettings(held=0, double=0)
    with Project.create(given.output / "project", given.output / "one", settings) as project:
        if project.pictures.count() < given.pictures:
            insert = f"insert or ignore into pictures ({COLUMNS}) values (?, ?, ?, ?, 0, 0, 0, 1, 'waiting', 0, 0)"  # noqa: S608
            project.database.insert_many(insert, names(given.pictures))
        before, began = megabytes(), time.process_time()
        done = label_automatically(project, LabelerSettings(), part=given.part, make=StandIn)
        seconds = time.process_time() - began
        print(
            json.dumps(
                {
                    "pictures": done.pictures,
                    "parts": done.parts,
                    "MB before": before,
                    "MB after": megabytes(),
                    "processor microseconds per picture": round(1e6 * seconds / max(1, done.labelled * given.part), 1),
                }
            )
        )


if __name__ == "__main__":
    main()
