"""`promptseg everything`: all masks of a picture, without prompts."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli import everything_batch, options
from promptseg.cli.command import Command, argument
from promptseg.cli.formats import check_place, formats, put, writing
from promptseg.cli.progress import progress_bar
from promptseg.cli.streams import open_picture, picture_name
from promptseg.errors import InputError
from promptseg.formats.options import WriteOptions
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.everything.options import EverythingOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions

DEFAULT_FORMATS = ("png", "overlay", "records")


def _search(**given: Any) -> EverythingOptions:
    """Makes the options of what was given; own grids take the place of points per side."""
    if file := given.get("point_grids"):
        given = {"points_per_side": None, **given, "point_grids": _read_grids(file)}
    return EverythingOptions(**given)


@click.command(cls=Command)
@argument(
    "image",
    "The picture (JPEG, PNG, WebP, TIFF, BMP, GIF; - is standard input); with --format sa1b also a folder, "
    'a glob in quotes ("photos/*.jpg") or a list of paths (@list.txt).',
)
@click.option("-o", "--output", default="out", help="Folder for the results.", metavar="DIR")
@formats(batch=True)
@writing
@options.fields_of(EverythingOptions, "search", make=_search)
@options.reading
@options.engine(*options.ENGINE, "cache")
@click.option("--workers", default=1, help="Pictures at a time, with sa1b: worker processes, or actors in Ray.")
@click.option("--engine", "crew", default="local", help="What runs the workers, with sa1b: local or ray.")
def everything(
    image: str,
    output: str,
    formats: list[str],
    writing: WriteOptions,
    overwrite: bool,
    search: EverythingOptions,
    reading: "ReadingOptions",
    engine: EngineOptions,
    workers: int,
    crew: str,
) -> None:
    """Finds all masks of a picture, or of many pictures, without prompts.

    Writes a coloured overlay, the masks and a JSON file with the score, stability and point of each. The parameters and
    their defaults are those of SAM's automatic mask generator.

    Many pictures become SA-1B files. Run the command again to go on after a stop; a picture that was replaced since its
    record was written is an error without --overwrite. Pictures that cannot be read are
    reported and skipped; the exit code is then 1.
    """
    from promptseg.segment.segmenter import Segmenter

    batch = everything_batch.is_wanted(image, formats, workers, crew)
    picture = None if batch else open_picture(image, reading)  # finds mistakes before a large model is loaded
    if search.mode == "exact":
        engine = replace(engine, precision=_float32(engine.precision))
    if picture is None:
        everything_batch.many_pictures(
            image, output, engine, search, reading, crew=crew, workers=workers, overwrite=overwrite
        )
        return
    chosen = formats or DEFAULT_FORMATS
    check_place(image, Path(output), chosen, overwrite=overwrite)
    segmenter = Segmenter.of(engine)
    with progress_bar(picture_name(image)) as follow:
        segments = segmenter.everything(picture, search, on_progress=follow)
    print(f"{len(segments)} masks", file=sys.stderr)
    put(segments, image, Path(output), chosen, picture, writing=writing, overwrite=overwrite)


def _float32(precision: str) -> str:
    """The exact mode computes in float32: makes "auto" mean that, so that no second engine is made for it."""
    if precision not in ("auto", "float32"):
        raise InputError(
            f"The exact mode computes in float32, got --precision {precision}. Leave it out, or use --mode fast."
        )
    return "float32"


def _read_grids(file: Path) -> Any:
    from promptseg.formats.reading import read_json

    grids = read_json(file)
    if not isinstance(grids, list):
        raise InputError(f"{file} must hold a list of point grids, one list of [x, y] per layer.")
    return grids
