"""`promptseg proposals`: many masks of whatever may be an object."""

import json
import sys
from pathlib import Path

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.cli.formats import formats, put, stem_of, writing
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError
from promptseg.formats.options import WriteOptions
from promptseg.runtimes.options import EngineOptions


@click.command(cls=Command)
@options.image
@click.option("--top", default=1000, help="At most so many masks, the likeliest first.")
@click.option("--points-per-side", default=64, help="Points along each side of the grid; 64 take a minute or more.")
@options.output
@formats("overlay", "records")
@writing
@options.engine()
def proposals(
    image: str,
    top: int,
    points_per_side: int,
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
    from promptseg.formats.table import check_free
    from promptseg.images import Image
    from promptseg.segment.everything.sweep import check_points
    from promptseg.segment.segmenter import Segmenter

    if top < 1:
        raise InputError(f"At least one proposal must be asked for, got --top {top}.")
    check_points(points_per_side)
    picture = Image.open(image)  # finds mistakes before a large model is loaded
    printed = output is None and formats == ["coco"]
    if not printed and not overwrite:
        check_free(stem_of(image), output or Path("out"), formats)
    segmenter = Segmenter.of(engine)
    with progress_bar(Path(image).name) as follow:
        segments = segmenter.proposals(picture, top, points_per_side=points_per_side, on_progress=follow)
    print(f"{len(segments)} masks", file=sys.stderr)
    if printed:
        print(json.dumps(coco_record({Path(image).name: segments}, writing.polygons)))
        return
    put(segments, image, output or Path("out"), formats, picture, writing=writing, overwrite=overwrite)
