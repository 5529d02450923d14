"""`promptseg proposals`: many masks of whatever may be an object."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.cli.formats import check_place, formats, put, writing
from promptseg.cli.progress import progress_bar
from promptseg.cli.streams import open_picture, picture_name
from promptseg.errors import InputError
from promptseg.formats.options import WriteOptions
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions


@click.command(cls=Command)
@options.image
@click.option("--top", default=1000, help="At most so many masks, the likeliest first.")
@click.option("--points-per-side", default=64, help="Points along each side of the grid; 64 take a minute or more.")
@options.reading
@options.output
@formats("overlay", "records")
@writing
@options.engine()
def proposals(
    image: str,
    top: int,
    points_per_side: int,
    reading: "ReadingOptions",
    output: Path | None,
    formats: list[str],
    writing: WriteOptions,
    overwrite: bool,
    engine: EngineOptions,
) -> None:
    """Proposes masks as in SAM's paper: a dense grid, three masks per point, no filter but duplicates.

    Without -o the files go to the folder "out"; `--format coco` without -o prints JSON.
    """
    from promptseg.formats.coco import coco_record
    from promptseg.segment.everything.sweep import check_points
    from promptseg.segment.segmenter import Segmenter

    if top < 1:
        raise InputError(f"At least one proposal must be asked for, got --top {top}.")
    check_points(points_per_side)
    picture = open_picture(image, reading)  # finds mistakes before a large model is loaded
    printed = output is None and formats == ["coco"]
    if not printed:
        check_place(image, output or Path("out"), formats, overwrite=overwrite)
    segmenter = Segmenter.of(engine)
    with progress_bar(picture_name(image)) as follow:
        segments = segmenter.proposals(picture, top, points_per_side=points_per_side, on_progress=follow)
    print(f"{len(segments)} masks", file=sys.stderr)
    if printed:
        print(json.dumps(coco_record({picture_name(image): segments}, writing.polygons)))
        return
    put(segments, image, output or Path("out"), formats, picture, writing=writing, overwrite=overwrite)
