"""`promptseg edges`: the edge map of a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.cli.progress import progress_bar
from promptseg.cli.streams import STREAM, open_picture, picture_name, picture_stem, results
from promptseg.errors import InputError
from promptseg.files import check_new
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions


@click.command(cls=Command)
@options.image
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    help="PNG file, - for standard output; default: out/<name>_edges.png.",
    metavar="FILE",
)
@click.option("--bits", default=8, help="8 or 16 bits of grey.")
@click.option("--invert", is_flag=True, help="Dark edges on white.")
@click.option("--thin/--no-thin", default=True, help="Thin the edges to lines.")
@click.option("--points-per-side", default=16, help="Points along each side of the grid.")
@options.reading
@options.overwrite_file
@options.engine()
def edges(
    image: str,
    output: Path | None,
    bits: int,
    invert: bool,
    thin: bool,
    points_per_side: int,
    reading: "ReadingOptions",
    overwrite: bool,
    engine: EngineOptions,
) -> None:
    """Draws SAM's zero-shot edge map: bright lines where the outlines of masks run."""
    from promptseg.formats.png import write_picture
    from promptseg.segment.everything.edges import edge_picture
    from promptseg.segment.everything.sweep import check_points
    from promptseg.segment.segmenter import Segmenter

    target = output or Path("out") / f"{picture_stem(image)}_edges.png"
    if target.suffix.lower() != ".png" and str(target) != STREAM:
        raise InputError(f"An edge map is written as a .png file, got -o {target}.")
    if bits not in (8, 16):
        raise InputError(f"An edge map has 8 or 16 bits of grey, got --bits {bits}.")
    check_points(points_per_side)
    picture = open_picture(image, reading)  # finds mistakes before a large model is loaded
    if str(target) != STREAM:
        check_new(target, overwrite=overwrite, source=image)
    segmenter = Segmenter.of(engine)
    with progress_bar(picture_name(image)) as follow:
        found = segmenter.edges(picture, points_per_side=points_per_side, thin=thin, on_progress=follow)
    drawn = edge_picture(found, bits=bits, invert=invert)
    name = "edges.png" if str(target) == STREAM else target.name

    def write(folder: Path) -> list[Path]:
        write_picture(folder / name, drawn)
        return [folder / name]

    results(target if str(target) == STREAM else target.parent, write)
