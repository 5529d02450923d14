"""`promptseg edges`: the edge map of a picture."""

from pathlib import Path
from typing import Annotated

import typer

from promptseg.cli import options
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError
from promptseg.models.registry import DEFAULT_MODEL


def edges(
    image: Annotated[str, typer.Argument(help="The picture (JPEG, PNG, WebP, TIFF, BMP, GIF).")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="PNG file; default: out/<name>_edges.png.", metavar="FILE"),
    ] = None,
    bits: Annotated[int, typer.Option(help="8 or 16 bits of grey.")] = 8,
    invert: Annotated[bool, typer.Option("--invert", help="Dark edges on white.")] = False,
    thin: Annotated[bool, typer.Option(help="Thin the edges to lines.")] = True,
    points_per_side: Annotated[int, typer.Option(help="Points along each side of the grid.")] = 16,
    model: options.Model = DEFAULT_MODEL,
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Draws SAM's zero-shot edge map: bright lines where the outlines of masks run."""
    from promptseg.formats.png import write_picture
    from promptseg.images import Image
    from promptseg.segment.edges import edge_picture
    from promptseg.segment.segmenter import Segmenter
    from promptseg.segment.sweep import check_points

    target = output or Path("out") / f"{Path(image).stem}_edges.png"
    if target.suffix.lower() != ".png":
        raise InputError(f"An edge map is written as a .png file, got -o {target}.")
    if bits not in (8, 16):
        raise InputError(f"An edge map has 8 or 16 bits of grey, got --bits {bits}.")
    check_points(points_per_side)
    picture = Image.open(image)  # finds mistakes before a large model is loaded
    segmenter = Segmenter(
        model, weights=weights, runtime=runtime, precision=precision, device=device, threads=threads
    )
    with progress_bar(Path(image).name) as follow:
        found = segmenter.edges(picture, points_per_side=points_per_side, thin=thin, on_progress=follow)
    write_picture(target, edge_picture(found, bits=bits, invert=invert))
    print(target)
