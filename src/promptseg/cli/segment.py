"""`promptseg segment`: one picture, prompts, masks."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.cli.prompts import asked
from promptseg.errors import InputError
from promptseg.prompts.request import Request

DEFAULT_FORMATS = ["png", "overlay"]


@click.command(cls=Command)
@options.image
@asked
@click.option(
    "--vocabulary",
    help="Classes for the labels of SEEM models; default: the 133 of COCO.",
    metavar="NAMES",
)
@click.option("--granularity", default="auto", help="auto, part, object, whole, or all three.")
@options.output
@click.option(
    "-f",
    "--format",
    multiple=True,
    help="png, overlay, cutout, coco, yolo, labelme or svg. May be repeated.",
    metavar="FORMAT",
)
@options.engine
@options.cache
def segment(
    image: str,
    request: Request,
    vocabulary: str | None,
    granularity: str,
    output: Path | None,
    format: tuple[str, ...],
    model: str,
    weights: Path | None,
    runtime: str,
    precision: str,
    device: str,
    threads: int | None,
    cache: Path | None,
) -> None:
    """Segments the objects that the prompts show.

    Coordinates are pixels of the picture, x to the right and y down from the top-left corner. Without -o the masks go
    to the folder "out"; `--format coco` without -o prints JSON.
    """
    from promptseg.formats.writers import WRITERS
    from promptseg.segment.places.predictor import check_granularity

    formats = list(format) or DEFAULT_FORMATS
    for name in formats:
        if name not in WRITERS:
            raise InputError(f"Unknown format {name!r}: expected one of {', '.join(WRITERS)}.")
    check_granularity(granularity)
    from promptseg.images import Image
    from promptseg.models.registry import get_card
    from promptseg.segment.segmenter import Segmenter

    picture = Image.open(image)
    semantic = get_card(model).semantic
    if vocabulary is not None and not semantic:
        raise InputError(
            f"--vocabulary gives names to the masks of SEEM models, not to those of {model}. "
            "Name masks with: promptseg label"
        )
    request.check(picture.size, semantic=semantic)  # finds mistakes before a large model is loaded
    if not semantic and cache is None and (runtime, device) == ("auto", "cpu") and precision != "bfloat16":
        runtime = "onnx"  # for one picture: it starts sooner than OpenVINO, which computes faster
    segmenter = Segmenter(
        model,
        weights=weights,
        runtime=runtime,
        precision=precision,
        device=device,
        threads=threads,
        cache=cache,
    )
    named: dict[str, Any] = {} if vocabulary is None else {"vocabulary": options.names(vocabulary)}
    segments = segmenter.segment(picture, request, granularity=granularity, **named)  # type: ignore[arg-type]
    if output is None and formats == ["coco"]:
        print(json.dumps(segments.to_coco(file_name=Path(image).name)))
        return
    if not len(segments):
        print("Nothing that fits is in the picture.", file=sys.stderr)
    folder = output or Path("out")
    paths = [path for name in formats for path in WRITERS[name](segments, Path(image).stem, folder, picture)]
    for index, (score, area) in enumerate(zip(segments.scores, segments.areas, strict=True)):
        kind = segments.granularities[index] or segments.labels[index]
        print(
            f"mask {index}{f' ({kind})' if kind else ''}: score {score:.2f}, {int(area):,} pixels",
            file=sys.stderr,
        )
    for path in paths:
        print(path)
